"""A model of bytes from the counts of short sequences, with Witten and Bell's smoothing."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError

__all__ = ["ByteModel"]

LARGEST_ORDER = 7  # bytes of a sequence in one signed 64-bit number
BEFORE = b"\n"  # assumed before the first byte of a text


class _Counts(NamedTuple):
    """How often the training text has each sequence of one length.

    Attributes:
        sequences: as numbers, the first byte the highest, rising; counts: of each.
        contexts: the sequences without their last byte, rising.
        totals: how often each context is followed by anything; kinds: by how many bytes.
    """

    sequences: NDArray[np.int64]
    counts: NDArray[np.int64]
    contexts: NDArray[np.int64]
    totals: NDArray[np.int64]
    kinds: NDArray[np.int64]


class ByteModel(NamedTuple):
    """The probability of a byte given those before it.

    Interpolated as by Witten and Bell (1991, IEEE Trans. Information Theory 37(4), method C;
    Chen and Goodman 1999, section 2.4): with c(h, b) the count of byte b after context h, c(h) the
    sum over b and T(h) the number of different bytes after h::

        p(b | h) = (c(h, b) + T(h) p(b | h')) / (c(h) + T(h))

    h' is h without its first byte. Below the empty context all 256 bytes are equally probable, and
    a context that was never seen gives p(b | h').

    Attributes:
        order: bytes of the longest sequences, the predicted one included.
        levels: counts of the sequences of 1, 2, ... bytes.
    """

    order: int
    levels: tuple[_Counts, ...]

    @classmethod
    def of(cls, text: bytes, order: int = 5) -> "ByteModel":
        """The model of a training text.

        Raises:
            UsageError: an order that is not 1 to 7, or an empty text.
        """
        if not 1 <= order <= LARGEST_ORDER:
            raise UsageError(f"order: 1 to {LARGEST_ORDER} bytes expected, got {order}")
        if not text:
            raise UsageError("a training text expected, got an empty one")
        sequences, counts = np.unique(_sequences(text, order), return_counts=True)
        levels = [_level(sequences, counts)]
        for length in range(order - 1, 0, -1):
            shorter = sequences & ((1 << 8 * length) - 1)
            sequences, places = np.unique(shorter, return_inverse=True)
            counts = np.bincount(places, weights=counts).astype(np.int64)
            levels.append(_level(sequences, counts))
        return cls(order, tuple(reversed(levels)))

    def probabilities(self, text: bytes) -> NDArray[np.float64]:
        """The probability of each byte of a text given the `order` - 1 before it, ``(n,)``."""
        sequences = _sequences(text, self.order)
        p = np.full(len(sequences), 1 / 256)
        for length, level in enumerate(self.levels, start=1):
            ends = sequences & ((1 << 8 * length) - 1)
            place, there = _found(level.contexts, ends >> 8)
            total, kinds = level.totals[place] * there, level.kinds[place] * there
            place, there = _found(level.sequences, ends)
            count = level.counts[place] * there
            # Where the context was never seen all three are zero, and p stays.
            p = np.where(total > 0, (count + kinds * p) / np.maximum(total + kinds, 1), p)
        return p

    def bits_per_byte(self, text: bytes) -> float:
        """Mean of -log2 of the probabilities of the bytes of a text."""
        return float(-np.log2(self.probabilities(text)).mean())


def _sequences(text: bytes, length: int) -> NDArray[np.int64]:
    """The sequence that ends at each byte, as a number; line feeds precede the text."""
    symbols = np.frombuffer(BEFORE * (length - 1) + text, np.uint8)
    n = len(text)
    out = np.zeros(n, np.int64)
    for i in range(length):
        out <<= 8
        out |= symbols[i : i + n]
    return out


def _level(sequences: NDArray[np.int64], counts: NDArray[np.int64]) -> _Counts:
    contexts, starts = np.unique(sequences >> 8, return_index=True)
    kinds = np.diff(np.append(starts, len(sequences)))
    return _Counts(sequences, counts, contexts, np.add.reduceat(counts, starts), kinds)


def _found(
    values: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A place in rising values for each number, and whether it is there."""
    place = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return place, values[place] == wanted
