"""The parts of a text: disjoint, together the whole of it, each document in each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allometry.datasets.text.parts import LARGEST_BLOCK, parted
from allometry.errors import UsageError
from tests.datasets.text.conftest import story

TEXT = story(60_000).encode()


def test_parts_are_disjoint_and_together_the_text():
    parts = parted([TEXT], 0.05)
    blocks = sorted((TEXT.find(block), block) for part in parts for block in part)
    assert b"".join(block for _, block in blocks) == TEXT
    assert all(TEXT.count(block) == 1 for _, block in blocks)
    shares = [sum(map(len, part)) / len(TEXT) for part in parts]
    assert shares == pytest.approx([0.9, 0.05, 0.05], abs=0.01)


def test_each_document_is_in_each_part_by_its_size():
    documents = [bytes([65 + i]) * 15 + b"\n" for i in range(3)]
    documents = [line * n for line, n in zip(documents, (400_000, 200_000, 100_000), strict=True)]
    for part in parted(documents, 0.05):
        of_part = b"".join(part)
        shares = [of_part.count(65 + i) / of_part.count(b"A") for i in range(3)]
        assert shares == pytest.approx([1, 0.5, 0.25], abs=0.1)


def test_blocks_end_with_paragraphs():
    blocks = [block for part in parted([TEXT], 0.05) for block in part]
    assert all(block.endswith(b"\n\n") for block in blocks)
    assert max(map(len, blocks)) <= 2 * LARGEST_BLOCK


@given(
    st.lists(st.text(min_size=1, max_size=3000), min_size=1, max_size=20),
    st.sampled_from([0.05, 0.1, 0.25]),
)
def test_no_character_is_cut_and_none_is_lost(texts, held_out):
    documents = [text.encode("utf-8", "replace") for text in texts]
    try:
        parts = parted(documents, held_out)
    except UsageError:
        return
    for part in parts:
        for block in part:
            block.decode()
    assert sum(len(b) for part in parts for b in part) == sum(map(len, documents))


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(UsageError, match=r"of 20 blocks of 256 bytes or more expected.*got 1 in 6"):
        parted([b"short\n"], 0.05)
