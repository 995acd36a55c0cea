"""IDX is read strictly: exactly the file expected, or a DataError that says why not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from allometry.datasets.idx import read_idx
from allometry.errors import DataError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=7)))
def test_what_is_written_is_read(to_idx, array):
    found = read_idx(to_idx(array), array.ndim, "f")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


def test_the_array_shares_the_bytes_and_cannot_be_written(to_idx):
    content = to_idx(IMAGES)
    found = read_idx(content, 3, "f")
    assert np.shares_memory(found, np.frombuffer(content, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0, 0] = 1


@pytest.mark.parametrize("length", range(16 + IMAGES.size))
def test_cut_short_at_every_byte(to_idx, length):
    with pytest.raises(DataError, match="train-images"):
        read_idx(to_idx(IMAGES)[:length], 3, "train-images")


@given(position=st.integers(0, 15), value=st.integers(0, 255))
def test_no_header_byte_may_differ(to_idx, position, value):
    content = bytearray(to_idx(IMAGES))
    same = content[position] == value
    content[position] = value
    if same:
        np.testing.assert_array_equal(read_idx(bytes(content), 3, "f"), IMAGES)
    else:
        with pytest.raises(DataError):
            read_idx(bytes(content), 3, "f")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: b"\x1f\x8b" + c[2:], "starts with 00 00, this with 1f 8b"),
        (lambda c: c[:2] + b"\x0d" + c[3:], "type 0x08.*got type 0x0d"),
        (lambda c: c[:3] + b"\x01" + c[4:], "3 dimensions expected, got 1"),
        (lambda c: c + b"\0", r"shape \(2, 3, 4\) needs 40 bytes, got 41"),
        (lambda c: c[:4] + b"\xff" * 12 + c[16:], "needs .* bytes, got 40"),
    ],
)
def test_the_message_names_what_is_wrong(to_idx, change, message):
    with pytest.raises(DataError, match=message):
        read_idx(change(to_idx(IMAGES)), 3, "f")
