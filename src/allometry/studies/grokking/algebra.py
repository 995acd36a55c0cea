"""The parallelograms that a training set forces, and the answers that follow from them.

By Liu et al. 2022 (2205.10343), section 3.1, two training pairs with the same sum force a
parallelogram E_i + E_j = E_m + E_n on the representation. Linear dependence forces further ones. A
test pair is answered if a parallelogram joins it to a training pair.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.studies.grokking.task import Task, addition_task

__all__ = [
    "Ideal", "coefficients", "counts_unique", "ideal", "joined", "nullity", "predicted_accuracy",
    "residuals", "set_hessians",
]  # fmt: skip

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
ZERO = 1e-8  # eigenvalues below this count as zero, as in the published code


def coefficients(task: Task) -> NDArray[np.int64]:
    """A: a row e_i + e_j - e_m - e_n for each parallelogram, ``(parallelograms, n_symbols)``."""
    rows = np.zeros((len(task.parallelograms), task.n_symbols), dtype=np.int64)
    place = np.arange(len(rows))
    for corner, sign in zip(task.corners.T, (1, 1, -1, -1), strict=True):
        np.add.at(rows, (place, corner), sign)
    return rows


def nullity(rows: NDArray[np.int64] | Array) -> int:
    """Dimension of the space of representations that satisfy all rows: n - rank.

    Two of them, a shift and a scale, are always free. If there are more, the linear
    representation is not the only one.
    """
    gram = rows.T.astype(float) @ rows
    return int((np.linalg.eigvalsh(gram) < ZERO).sum())


class Ideal(NamedTuple):
    """The best result that a training set D allows.

    Attributes:
        given: P0(D), parallelograms with both pairs in D, ``(parallelograms,)`` bool.
        forced: P(D), these and all that depend on them linearly, ``(parallelograms,)`` bool.
        nullity: of the rows of P0(D).
        rqi: share of P0 in P(D).
        answered: training questions, and test questions joined to one, ``(questions,)`` bool.
        test_accuracy: share of the test questions that are answered.
        accuracy: share of all questions that are answered.
    """

    given: Bools
    forced: Bools
    nullity: int
    rqi: float
    answered: Bools
    test_accuracy: float
    accuracy: float


def ideal(task: Task, train: NDArray[np.int64]) -> Ideal:
    """The best result for a training set, given as positions in ``task.pairs``."""
    mask = task.train_mask(train)
    given = np.asarray(mask[task.parallelograms].all(axis=1))
    rows = coefficients(task).astype(float)
    forced = given | _in_span(rows[given], rows)
    answered = joined(task, mask, forced)
    return Ideal(
        given=given,
        forced=forced,
        nullity=nullity(rows[given]),
        rqi=float(forced.mean()),
        answered=answered,
        test_accuracy=float(answered[~mask].mean()),
        accuracy=float(answered.mean()),
    )


def _in_span(basis: Array, rows: Array) -> Bools:
    """Mask of the rows that are linear combinations of the basis: projection leaves them equal."""
    if not len(basis):
        return np.zeros(len(rows), dtype=bool)
    _, size, directions = np.linalg.svd(basis, full_matrices=False)
    span = directions[size**2 > ZERO]
    return np.asarray(np.abs(rows - rows @ span.T @ span).max(axis=1) < 1e-6)


def joined(task: Task, mask: Bools, closed: Bools) -> Bools:
    """Mask of the closure of D: training questions, and those joined to one by a parallelogram."""
    out = mask.copy()
    for one, other in ((0, 1), (1, 0)):
        near = closed & mask[task.parallelograms[:, one]]
        out[task.parallelograms[near, other]] = True
    return out


def residuals(task: Task, latent: Array) -> Array:
    """Mean squared gap of each parallelogram in a representation of unit deviation.

    Args:
        latent: ``(..., n_symbols, latent_dim)``, of the addition task only.

    Returns:
        ``(..., parallelograms)``.
    """
    scaled = latent / latent.std(axis=-2, ddof=1, keepdims=True)
    gap = np.einsum("qs,...sd->...qd", coefficients(task), scaled)
    return np.asarray((gap**2).mean(axis=-1), float)


def predicted_accuracy(task: Task, train: NDArray[np.int64], closed: Bools) -> tuple[float, float]:
    """Accuracy predicted by the closed parallelograms P(R), on test questions and on all."""
    mask = task.train_mask(train)
    answered = joined(task, mask, closed)
    return float(answered[~mask].mean()), float(answered.mean())


def set_hessians(task: Task, masks: Bools) -> Array:
    """Sums of outer products of the rows of P0(D) for many training sets, ``(sets, n, n)``."""
    rows = coefficients(task).astype(float)
    given = masks[:, task.parallelograms].all(axis=2).astype(float)
    outer = (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    return np.asarray((given @ outer).reshape(len(masks), task.n_symbols, task.n_symbols))


def counts_unique(n_train: int, draws: int, seed: int, p: int = 10) -> int:
    """Number of random training sets, of `draws`, that allow only the linear representation.

    This is the count behind Figure 4a (`effective_linear_eq.ipynb`): sets for which the third
    eigenvalue of A'A is above zero.
    """
    task, rng = addition_task(p), np.random.default_rng(seed)
    order = rng.random((draws, len(task.pairs))).argsort(axis=1)
    masks = order < n_train
    third = np.linalg.eigvalsh(set_hessians(task, masks))[:, 2]
    return int((third > ZERO).sum())
