"""The toy tasks of grokking: pairs of symbols, the answer to each, and their parallelograms.

The tasks are those of Liu et al. 2022 (2205.10343), section 3: addition of two numbers below p,
where i + j and j + i are one question, and composition of two permutations of three things, where
the two orders are different questions.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError

__all__ = ["Task", "addition_task", "permutation_task"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Task:
    """All questions of a task and their answers.

    Attributes:
        n_symbols: number of symbols with a representation: p numbers, or the 6 permutations of 3
            things.
        pairs: the two symbols of each question, ``(questions, 2)``.
        answer: index of the right template, ``(questions,)``.
        n_answers: number of templates.
        parallelograms: P0, unordered pairs of different questions with the same answer, as
            positions in `pairs`, ``(parallelograms, 2)``. For addition modulo p they are those of
            the plain sum, as in the notebook.
    """

    n_symbols: int
    pairs: Ints
    answer: Ints
    n_answers: int
    parallelograms: Ints

    @property
    def corners(self) -> Ints:
        """The symbols (i, j, m, n) of each parallelogram, E_i + E_j = E_m + E_n, ``(., 4)``."""
        return self.pairs[self.parallelograms].reshape(-1, 4)

    def train_mask(self, train: Ints) -> NDArray[np.bool_]:
        """Mask ``(questions,)`` of the training questions with these positions."""
        mask = np.zeros(len(self.pairs), dtype=bool)
        mask[train] = True
        return mask


def _of_one_answer(answer: Ints) -> Ints:
    same = [(a, b) for a, b in combinations(range(len(answer)), 2) if answer[a] == answer[b]]
    return np.array(same, dtype=np.int64).reshape(-1, 2)


@cache
def addition_task(p: int = 10, modulo: bool = False) -> Task:
    """i + j for numbers below p with i <= j: p(p + 1)/2 questions, in the notebook's order.

    Args:
        modulo: whether answers are modulo p, with p templates instead of 2p - 1.

    Raises:
        UsageError: p is below 2.
    """
    if p < 2:
        raise UsageError(f"p of 2 or more expected, got {p}")
    pairs = np.array([(i, j) for i in range(p) for j in range(i, p)], dtype=np.int64)
    total = pairs.sum(axis=1)
    answer = total % p if modulo else total
    return Task(p, pairs, answer, p if modulo else 2 * p - 1, _of_one_answer(total))


@cache
def permutation_task(n: int = 3) -> Task:
    """Composition of permutations of n things: the answer to (a, b) is b[a]; n!^2 questions.

    Symbols are in lexicographic order, as in the recursion of the published notebook
    (Figure5d_permutation).
    """
    elements = list(permutations(range(n)))
    place = {element: k for k, element in enumerate(elements)}
    pairs = np.array([(a, b) for a in range(len(elements)) for b in range(len(elements))])
    answer = np.array([place[tuple(elements[b][i] for i in elements[a])] for a, b in pairs])
    return Task(len(elements), pairs, answer, len(elements), _of_one_answer(answer))
