"""The training, validation and test part of a text: blocks of every document for each of them.

With few books, a test set of whole books would have another distribution than the training set. So
documents are cut into blocks at the ends of paragraphs, and every k-th block of all, in the order
of the documents, is held out: each document is in each part in proportion to its size. The
neighbours of a test block are training blocks of the same document, so a test loss is that of new
pages of known books.
"""

from collections.abc import Sequence
from typing import NamedTuple

from allometry.errors import UsageError

__all__ = ["LARGEST_BLOCK", "Parts", "parted"]

LARGEST_BLOCK = 1 << 14  # bytes: some pages
SMALLEST_BLOCK = 1 << 8
FEWEST_BLOCKS = 8  # of the test part, where the text is too short for the largest blocks


class Parts(NamedTuple):
    """Blocks of text, UTF-8, in the order of the documents."""

    train: tuple[bytes, ...]
    valid: tuple[bytes, ...]
    test: tuple[bytes, ...]


def parted(documents: Sequence[bytes], held_out: float) -> Parts:
    """The three parts of a text.

    Args:
        documents: UTF-8, none empty.
        held_out: share of the blocks in the test part, and in the validation part: one of
            every ``round(1 / held_out)``, 4 or more.

    Raises:
        UsageError: the text is too short for three parts.
    """
    total = sum(map(len, documents))
    size = int(total * held_out / FEWEST_BLOCKS)
    size = max(SMALLEST_BLOCK, min(LARGEST_BLOCK, size))
    blocks = [block for document in documents for block in _blocks(document, size)]
    every = round(1 / held_out)
    test = blocks[every // 4 :: every]
    valid = blocks[3 * every // 4 :: every]
    rest = (every // 4, 3 * every // 4)
    train = [block for i, block in enumerate(blocks) if i % every not in rest]
    if not (train and valid and test):
        raise UsageError(
            f"a text of {every} blocks of {size} bytes or more expected, for a training, a "
            f"validation and a test part, got {len(blocks)} in {total:,} bytes; give more text, "
            "or hold more of it out"
        )
    return Parts(tuple(train), tuple(valid), tuple(test))


def _blocks(document: bytes, size: int) -> list[bytes]:
    """A document cut at the first end of a paragraph after each `size` bytes."""
    blocks, start = [], 0
    while len(document) - start > 3 * size // 2:
        end = _end(document, start + size, start + 2 * size)
        blocks.append(document[start:end])
        start = end
    blocks.append(document[start:])
    return [block for block in blocks if block]


def _end(document: bytes, first: int, last: int) -> int:
    """The end of a paragraph, else of a line, else of a character, from `first` on to `last`."""
    for mark in (b"\n\n", b"\n"):
        place = document.find(mark, first - 1, last)
        if place >= 0:
            return place + len(mark)
    while first < len(document) and document[first] & 0xC0 == 0x80:  # inside a character
        first += 1
    return first
