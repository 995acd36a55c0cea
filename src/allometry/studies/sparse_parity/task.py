"""Samples of multitask sparse parity, drawn as words inside a compiled program.

A sample has control bits, which are a one-hot code of its task, and `n_bits` fair data bits. Its
label is the parity of the task's own few data bits (Michaud et al. 2303.13506, section 3). Data
bits stay packed in 32-bit words until a network reads them. A label is the parity of the number
of ones in `word & mask`, and no array of floats is transferred from the host.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.laws.quanta import frequencies
from allometry.studies.sparse_parity.spec import ParityRun

__all__ = [
    "Samples",
    "Task",
    "bits",
    "draw",
    "exact_counts",
    "fixed_samples",
    "frequencies",
    "labels",
    "masks",
    "numbered",
    "stream",
    "subsets",
    "thresholds",
]  # fmt: skip

WORD = 32
# With fewer thresholds, comparing with all of them is faster than bisection.
FEW_TASKS = 64


@dataclass(frozen=True)
class Task:
    """The tasks of a run.

    Attributes:
        frequencies: probability of each task, ``(n_tasks,)``, in descending order.
        subsets: indices of the data bits in each task's parity.
        masks: the same as words, ``(n_tasks, words)`` uint32.
        thresholds: ``(n_tasks - 1,)`` uint32; a uniform word below the first gives task 0, one
            between the first and the second task 1, and so on.
    """

    frequencies: NDArray[np.float64]
    subsets: tuple[tuple[int, ...], ...]
    masks: NDArray[np.uint32]
    thresholds: NDArray[np.uint32]

    @classmethod
    def of(cls, spec: ParityRun) -> "Task":
        """The tasks of this run; their bits depend on its seed and the sizes of the task."""
        p = frequencies(spec.n_tasks, spec.alpha, spec.offset)
        task_bits = subsets(spec.n_bits, spec.ks, spec.seed, distinct=spec.distinct)
        return cls(p, task_bits, masks(task_bits, spec.n_bits), thresholds(p))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Samples:
    """Data bits of samples in words ``(n, words)`` uint32, and their tasks ``(n,)`` int32."""

    words: jax.Array
    tasks: jax.Array


def subsets(
    n_bits: int, ks: Sequence[int], seed: int, *, distinct: bool
) -> tuple[tuple[int, ...], ...]:
    """The indices of each task's k bits, in ascending order; all sets are equally likely.

    Args:
        distinct: whether a set that another task has already is drawn again.
    """
    random = np.random.default_rng((seed, 0x7461736B))
    task_bits: list[tuple[int, ...]] = []
    for k in ks:
        places = tuple(sorted(random.permutation(n_bits)[:k].tolist()))
        while distinct and places in task_bits:
            places = tuple(sorted(random.permutation(n_bits)[:k].tolist()))
        task_bits.append(places)
    return tuple(task_bits)


def masks(task_bits: Sequence[Sequence[int]], n_bits: int) -> NDArray[np.uint32]:
    """Words with ones at the bits of each task, ``(n_tasks, words)``."""
    out = np.zeros((len(task_bits), -(-n_bits // WORD)), dtype=np.uint32)
    for task, places in enumerate(task_bits):
        for place in places:
            out[task, place // WORD] |= np.uint32(1 << (place % WORD))
    return out


def thresholds(p: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Thresholds that split a uniform 32-bit word into tasks, with probabilities to 2^-32."""
    return np.minimum(np.round(np.cumsum(p)[:-1] * 2.0**32), 2.0**32 - 1).astype(np.uint32)


def exact_counts(p: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Number of samples of each task in a test set of about n: floor(p_i n), as Michaud et al."""
    # Values within rounding error of an integer are treated as that integer.
    return np.floor(p * n * (1 + 1e-12)).astype(np.int64)


def stream(seed: int, use: str) -> jax.Array:
    """A random key for one use of a seed; the same on every machine and device."""
    number = int.from_bytes(use.encode()[:4], "big") & 0x7FFFFFFF
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), number)


def draw(
    key: jax.Array,
    n: int,
    words: int,
    thresholds: jax.Array,
    force_task: jax.Array | int | None = None,
) -> Samples:
    """n fresh samples.

    Args:
        words: number of 32-bit words of data bits.
        thresholds: as in `Task`.
        force_task: a task, or one for each sample ``(n,)``; None draws the tasks.
    """
    drawn = jax.random.bits(key, (n, words + (force_task is None)), jnp.uint32)
    if force_task is not None:
        return Samples(drawn, jnp.broadcast_to(jnp.asarray(force_task, jnp.int32), (n,)))
    return _as_samples(drawn, thresholds)


def numbered(key: jax.Array, index: jax.Array, words: int, thresholds: jax.Array) -> Samples:
    """The samples with these indices ``(n,)``; an index always gives the same sample.

    A training set of any size therefore takes no memory, and programs need not be compiled again
    for another size.
    """

    def sample_bits(i: jax.Array) -> jax.Array:
        return jax.random.bits(jax.random.fold_in(key, i), (words + 1,), jnp.uint32)

    return _as_samples(jax.vmap(sample_bits)(index), thresholds)


def fixed_samples(key: jax.Array, task: Task, n: int) -> Samples:
    """A test set of about n samples, with each task in exact proportion to its frequency."""
    counts = exact_counts(task.frequencies, n)
    tasks = np.repeat(np.arange(len(counts)), counts)
    words = task.masks.shape[1]
    return draw(key, len(tasks), words, jnp.asarray(task.thresholds), jnp.asarray(tasks))


def labels(samples: Samples, masks: jax.Array) -> jax.Array:
    """Parity of each sample's own bits, ``(n,)`` float32 of 0 and 1."""
    ones = jax.lax.population_count(samples.words & masks[samples.tasks])
    return (ones.sum(axis=1) & 1).astype(jnp.float32)


def bits(words: jax.Array, n_bits: int) -> jax.Array:
    """Data bits as floats ``(n, n_bits)`` from words ``(n, words)``, lowest bit first."""
    apart = (words[:, :, None] >> jnp.arange(WORD, dtype=jnp.uint32)) & 1
    return apart.reshape(len(words), -1)[:, :n_bits].astype(jnp.float32)


def _as_samples(drawn: jax.Array, thresholds: jax.Array) -> Samples:
    """Samples from random words; the last word of each determines the task."""
    method = "compare_all" if len(thresholds) < FEW_TASKS else "scan"
    tasks = jnp.searchsorted(thresholds, drawn[:, -1], side="right", method=method)
    return Samples(drawn[:, :-1], tasks.astype(jnp.int32))
