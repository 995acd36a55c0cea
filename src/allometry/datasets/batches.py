"""The order in which a run sees its examples, and the batches of each call of a program."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Batches", "Call", "Chunks", "Course", "batches", "calls_in_chunks", "calls_of_batches",
    "shared_order",
]  # fmt: skip

CALL_BYTES = 64 << 20  # of gathered batches held by one call of a compiled program
MOST_CHUNKS = 2048  # of one call unless a batch has more; fixed, for one compilation of all lengths

Stretch = tuple[NDArray[np.int32], NDArray[np.float32]]  # positions and weights, (updates, B)
# From update numbers (n,) to the factor of each member on its learning rate, (n, K).
Factors = Callable[[NDArray[np.int64]], NDArray[Any]]


@dataclass(frozen=True)
class Course:
    """The batches of a run, pass after pass without end.

    Attributes:
        order: function from an epoch to the positions of its examples, ``(n,)``; called for one
            epoch after another.
        n: examples per pass.
        batch_size: examples per update; the last batch of a pass may be smaller.
    """

    order: Callable[[int], NDArray[np.int64]]
    n: int
    batch_size: int

    @property
    def epoch_updates(self) -> int:
        """Updates in one pass."""
        return -(-self.n // self.batch_size)

    def stretches(self, lengths: Iterable[int]) -> Iterator[Stretch]:
        """The next batches: positions and weights ``(length, B)``: 1 for an example, else 0."""
        waiting: list[Stretch] = []
        left, epoch = 0, 0
        for length in lengths:
            while left < length:
                waiting.append(batches(self.order(epoch), self.batch_size))
                left, epoch = left + self.epoch_updates, epoch + 1
            rows, weight = (np.concatenate(arrays) for arrays in zip(*waiting, strict=True))
            yield rows[:length], weight[:length]
            waiting, left = [(rows[length:], weight[length:])], left - length


class Batches(NamedTuple):
    """Whole batches, ``(updates, B)`` shared by all members, or ``(updates, K, B)`` for each.

    Attributes:
        rows, weight: positions, and 1 for an example or 0 for padding.
        factors: on the learning rate of each member, ``(updates, K)``; None where all are 1.
        n: batches in use. The arrays may be longer, so that one program serves all lengths.
        first: updates made before.
    """

    rows: NDArray[np.int32]
    weight: NDArray[np.float32]
    factors: NDArray[np.floating[Any]] | None
    n: int
    first: int


class Chunks(NamedTuple):
    """Batches cut into chunks, which are dealt in turn to the devices that share in a batch.

    The shapes do not depend on the batch size, so that one program serves all.

    Attributes:
        rows, weight: positions and shares in the mean of their batch, ``(devices, chunks, size)``;
            padding has zero weight.
        starts: first chunk of each update, followed by the end of the last, ``(chunks + 1,)``.
        factors: on the learning rate of each update, ``(chunks, 1)``; None where all are 1.
        n: updates in use. The arrays are longer, so that one program serves all lengths.
        first: updates made before.
    """

    rows: NDArray[np.int32]
    weight: NDArray[np.floating[Any]]
    starts: NDArray[np.int32]
    factors: NDArray[np.floating[Any]] | None
    n: int
    first: int


class Call(NamedTuple):
    """One call of a compiled program.

    Attributes:
        updates: optimiser updates in it.
        batches: the batches of these updates.
    """

    updates: int
    batches: Batches | Chunks


def shared_order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """The order of one pass, ``(n,)``, from seed, epoch and n alone.

    Runs of all sizes at one seed therefore see the same batches, and a pass can be drawn
    without those before it.
    """
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(n)


def calls_of_batches(
    courses: Sequence[Course],
    ends: Sequence[int],
    example_bytes: int,
    factors: Factors | None,
    own: bool,
) -> Iterator[Call]:
    """Calls with whole batches.

    Every call has arrays of one shape; the last call before an end is padded, so that one
    compilation serves the whole run.

    Args:
        courses: of each member; members that share their batches have one.
        ends: steps at which a call has to end, as something is measured there; the last one is the
            end of training.
        example_bytes: bytes of one example, which limit the size of a call.
        factors: of the members on their learning rates.
        own: whether each member has its own batches.
    """
    size = max(course.batch_size for course in courses)
    fitting = CALL_BYTES // (size * example_bytes * len(courses))
    per_epoch = max(-(-course.n // course.batch_size) for course in courses)
    longest = max(b - a for a, b in pairwise([0, *ends]))
    length = max(1, min(fitting, max(per_epoch, 64), longest))
    counts = list(_counts(ends, length))
    # Members of one course share its batches.
    members: dict[int, list[int]] = {}
    for k, course in enumerate(courses):
        members.setdefault(id(course), []).append(k)
    places = list(members.values())
    streams = [courses[together[0]].stretches(counts) for together in places]
    first = 0
    for n, *stretches in zip(counts, *streams, strict=True):
        rows = np.zeros((length, len(courses), size), dtype=np.int32)
        weight = np.zeros((length, len(courses), size), dtype=np.float32)
        for together, (positions, ones) in zip(places, stretches, strict=True):
            rows[:n, together, : positions.shape[1]] = positions[:, None]
            weight[:n, together, : ones.shape[1]] = ones[:, None]
        whole = Batches(
            rows if own else rows[:, 0], weight if own else weight[:, 0],
            factors and factors(np.arange(first, first + length)), n, first,
        )  # fmt: skip
        yield Call(n, whole)
        first += n


def calls_in_chunks(
    course: Course,
    ends: Sequence[int],
    cut: tuple[int, int, int],
    dtype: type[np.floating[Any]],
    factors: Factors | None,
) -> Iterator[Call]:
    """Calls with batches cut into chunks.

    Args:
        course: of the one member.
        ends: as for `calls_of_batches`.
        cut: devices that share a batch, chunks for each, examples per chunk.
        dtype: of the shares in the mean.
        factors: of the member on its learning rate.
    """
    _, chunks, _ = cut
    counts = list(_counts(ends, max(1, MOST_CHUNKS // chunks)))
    first = 0
    for n, whole in zip(counts, course.stretches(counts), strict=True):
        yield Call(n, _chunks(whole, first, max(MOST_CHUNKS, chunks), cut, dtype, factors))
        first += n


def _counts(ends: Sequence[int], length: int) -> Iterator[int]:
    """Updates of each call: at most `length`, and never across one of the ends."""
    for begin, end in pairwise([0, *ends]):
        for first in range(begin, end, length):
            yield min(length, end - first)


def batches(
    order: NDArray[np.int64], batch_size: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """One pass over the examples of `order`, the last batch padded, ``(batches, size)`` each."""
    n = len(order)
    count = -(-n // batch_size)
    rows = np.zeros(count * batch_size, dtype=np.int32)
    weight = np.zeros(count * batch_size, dtype=np.float32)
    rows[:n], weight[:n] = order, 1
    return rows.reshape(count, batch_size), weight.reshape(count, batch_size)


def _chunks(
    whole: Stretch,
    first: int,
    length: int,
    cut: tuple[int, int, int],
    dtype: type[np.floating[Any]],
    factors: Factors | None,
) -> Chunks:
    """The chunks of one call, padded to `length`; other arguments as for `calls_in_chunks`."""
    positions, ones = whole
    devices, chunks, size = cut
    n, batch = positions.shape
    examples = ones.sum(axis=1, dtype=np.int64)
    shares = (ones / examples[:, None]).astype(dtype)
    used = -(-examples // (devices * size))
    filled = np.arange(chunks) < used[:, None]

    def dealt(values: NDArray[Any]) -> NDArray[Any]:
        padded = np.pad(values, ((0, 0), (0, devices * chunks * size - batch)))
        in_use = padded.reshape(n, chunks, devices, size)[filled].swapaxes(0, 1)
        return np.pad(in_use, ((0, 0), (0, length - in_use.shape[1]), (0, 0)))

    starts = np.zeros(length + 1, dtype=np.int32)
    starts[1 : n + 1] = used.cumsum()
    return Chunks(
        rows=dealt(positions),
        weight=dealt(shares),
        starts=starts,
        factors=factors and factors(np.arange(first, first + length)),
        n=n,
        first=first,
    )
