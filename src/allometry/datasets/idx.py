"""The IDX format of MNIST, read strictly.

Two zero bytes, a type code, the number of dimensions, each dimension as a big-endian
32-bit integer, then the values, the last dimension the fastest.
"""

import math
import struct

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError

__all__ = ["read_idx"]

_UINT8 = 0x08


def read_idx(content: bytes, n_dims: int, name: str) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes.

    Args:
        content: the whole file.
        n_dims: the number of dimensions it must have.
        name: the file, for messages.

    Returns:
        A read-only array that shares the memory of `content`.

    Raises:
        DataError: anything but exactly such a file.
    """
    header = 4 + 4 * n_dims
    if len(content) < header:
        raise DataError(f"{name}: an IDX header of {header} bytes expected, got {len(content)}")
    if content[:2] != b"\0\0":
        raise DataError(f"{name}: an IDX file starts with 00 00, this with {content[:2].hex(' ')}")
    if content[2] != _UINT8:
        raise DataError(
            f"{name}: unsigned bytes (IDX type 0x08) expected, got type 0x{content[2]:02x}"
        )
    if content[3] != n_dims:
        raise DataError(f"{name}: {n_dims} dimensions expected, got {content[3]}")
    shape = struct.unpack(f">{n_dims}I", content[4:header])
    if len(content) != header + math.prod(shape):
        raise DataError(
            f"{name}: shape {shape} needs {header + math.prod(shape)} bytes, got {len(content)}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)
