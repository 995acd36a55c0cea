"""The order in which a run sees its examples, and the batches of each call of a program."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Batches", "Call", "Chunks", "batches", "calls_in_chunks", "calls_of_batches",
    "epoch_batches", "in_chunks", "shared_order",
]  # fmt: skip

CALL_BYTES = 64 << 20  # of gathered batches held by one call of a compiled program
MOST_CHUNKS = 2048  # of one call, unless a single batch has more: one compilation for all lengths

Order = Callable[[int], NDArray[np.int64]]  # of an epoch: positions of the examples, (n,)
Batch = tuple[NDArray[np.int32], NDArray[np.float32]]  # positions and weights, (B,) each


class Batches(NamedTuple):
    """Whole batches, ``(calls, B)``.

    Attributes:
        rows, weight: positions, and 1 for an example or 0 for padding.
        n: batches in use. The arrays may be longer, so that one program serves all lengths.
    """

    rows: NDArray[np.int32]
    weight: NDArray[np.float32]
    n: int


class Chunks(NamedTuple):
    """The examples of some whole batches, cut into chunks.

    Attributes:
        rows, weight: positions and shares in the mean of their batch, ``(chunks, size)``;
            padding has zero weight.
        last: whether a chunk is the last of its batch, ``(chunks,)``.
        n: chunks in use. The arrays are longer, so that one program serves all lengths.
    """

    rows: NDArray[np.int32]
    weight: NDArray[np.floating[Any]]
    last: NDArray[np.bool_]
    n: int


class Call(NamedTuple):
    """One call of a compiled program.

    Attributes:
        epoch: passes made once it is done, where it ends one that is looked at; else None.
        updates: optimiser updates in it.
        batches: what they are made of.
        place: epoch and number of the call in it, from which its random draws follow.
    """

    epoch: int | None
    updates: int
    batches: Batches | Chunks
    place: tuple[int, int]


def epoch_batches(n: int, batch_size: int) -> int:
    """Updates in one pass over n examples, the smaller last one included."""
    return -(-n // batch_size)


def shared_order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """The order of one pass, ``(n,)``, from seed, epoch and n alone.

    Runs of all sizes at one seed therefore see the same batches, and a pass can be drawn
    without those before it.
    """
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(n)


def batches(
    order: NDArray[np.int64], batch_size: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """One pass over the examples of `order`, the last batch padded.

    Returns:
        positions ``(batches, batch_size)`` and their weights, 1 for an example and 0 for padding.
    """
    n = len(order)
    count = epoch_batches(n, batch_size)
    rows = np.zeros(count * batch_size, dtype=np.int32)
    weight = np.zeros(count * batch_size, dtype=np.float32)
    rows[:n], weight[:n] = order, 1
    return rows.reshape(count, batch_size), weight.reshape(count, batch_size)


def calls_of_batches(
    order: Order, n: int, batch_size: int, epochs: int, every: int, example_bytes: int
) -> Iterator[Call]:
    """Calls with whole batches.

    Every call has arrays of one shape, the last of a stretch padded, so that one compilation
    serves the whole run. A call ends where a measure is due.

    Args:
        n: examples a pass.
        every: epochs between measures, 0 for none.
        example_bytes: of one example, for the size of a call.
    """
    per_epoch = epoch_batches(n, batch_size)
    fitting = CALL_BYTES // (batch_size * example_bytes)
    length = max(1, min(fitting, max(per_epoch, 64), per_epoch * (every or epochs)))
    waiting: list[Batch] = []
    for epoch in range(epochs):
        waiting.extend(zip(*batches(order(epoch), batch_size), strict=True))
        due = epoch + 1 == epochs or (every and (epoch + 1) % every == 0)
        while len(waiting) >= length or (due and waiting):
            part, waiting = waiting[:length], waiting[length:]
            rows = np.zeros((length, batch_size), dtype=np.int32)
            weight = np.zeros((length, batch_size), dtype=np.float32)
            rows[: len(part)] = [r for r, _ in part]
            weight[: len(part)] = [w for _, w in part]
            ended = epoch + 1 if due and not waiting else None
            yield Call(ended, len(part), Batches(rows, weight, len(part)), (epoch, 0))


def calls_in_chunks(
    order: Order, batch_size: int, epochs: int, size: int, dtype: type[np.floating[Any]]
) -> Iterator[Call]:
    """Calls with batches cut into chunks of `size` examples; each epoch ends a call.

    Args:
        dtype: of the shares in the mean.
    """
    for epoch in range(epochs):
        whole = list(zip(*batches(order(epoch), batch_size), strict=True))
        parts = list(in_chunks(whole, size, dtype))
        for i, (updates, chunks) in enumerate(parts):
            ended = epoch + 1 if i + 1 == len(parts) else None
            yield Call(ended, updates, chunks, (epoch, i))


def in_chunks(
    whole: Sequence[Batch], size: int, dtype: type[np.floating[Any]] = np.float32
) -> Iterator[tuple[int, Chunks]]:
    """(updates, their chunks) for each call, from batches of one length."""
    width = -(-len(whole[0][0]) // size)
    at_once = max(1, MOST_CHUNKS // width)
    for first in range(0, len(whole), at_once):
        part = whole[first : first + at_once]
        yield len(part), _chunks(part, size, max(MOST_CHUNKS, width), dtype)


def _chunks(
    whole: Sequence[Batch], size: int, length: int, dtype: type[np.floating[Any]]
) -> Chunks:
    rows = np.zeros((length, size), dtype=np.int32)
    weight = np.zeros((length, size), dtype=dtype)
    last = np.zeros(length, dtype=bool)
    n = 0
    for positions, ones in whole:
        count = int(ones.sum())
        end = n - (-count // size)
        rows[n:end].reshape(-1)[:count] = positions[:count]
        weight[n:end].reshape(-1)[:count] = dtype(1 / count)
        last[end - 1] = True
        n = end
    return Chunks(rows, weight, last, n)
