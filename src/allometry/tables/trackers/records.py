"""Files of records, each with its length and checksums: the framing of TensorBoard's event files.

A record is its length (8 bytes, little-endian), the checksum of these 8 bytes, the content, and the
checksum of the content. Checksums are CRC-32C (Castagnoli), rotated and with a constant added.
Source: tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details".
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.files.foreign import opened

__all__ = ["CutShort", "crc32c", "framed", "records"]

CASTAGNOLI = 0x82F63B78  # the polynomial, its bits reversed
ALL_ONES = 0xFFFFFFFF
MASK = 0xA282EAD8
LARGEST_RECORD = 64_000_000  # bytes; one with pictures may have millions
LARGEST_FILE = 2_000_000_000
LONG = 4096  # bytes, from which all blocks are processed at once
BLOCK = 512  # bytes


class CutShort(NamedTuple):
    """Where a file ends inside a record, as it does while it is written.

    Attributes:
        at: the byte at which that record begins.
    """

    at: int


def records(path: Path) -> Iterator[tuple[int, bytes] | CutShort]:
    """Place and content of each record of a file; a last `CutShort` where it ends inside one.

    Raises:
        DataError: a checksum does not match, or a record or the file is too large.
    """
    at = 0
    with opened(path) as file:
        while head := file.read(12):
            if len(head) < 12:
                yield CutShort(at)
                return
            if _masked(head[:8]) != struct.unpack("<I", head[8:])[0]:
                raise _damaged(path, at, "the length of a record")
            (size,) = struct.unpack("<Q", head[:8])
            if size > LARGEST_RECORD or at + size > LARGEST_FILE:
                raise DataError(
                    f"{path}, byte {at:,}: records up to {LARGEST_RECORD / 1e6:g} MB are read, "
                    f"of files up to {LARGEST_FILE / 1e9:g} GB; this one has {size:,} bytes"
                )
            body = file.read(size + 4)
            if len(body) < size + 4:
                yield CutShort(at)
                return
            if _masked(body[:size]) != struct.unpack("<I", body[size:])[0]:
                raise _damaged(path, at, "a record")
            yield at, body[:size]
            at += size + 16


def _damaged(path: Path, at: int, what: str) -> DataError:
    return DataError(
        f"{path}, byte {at:,}: an event file was expected, but the checksum of {what} does not "
        "match: the file is damaged or is not an event file; copy it again, or move it out of the "
        "folder"
    )


def framed(content: bytes) -> bytes:
    """The record with this content, as a file has it."""
    length = struct.pack("<Q", len(content))
    checksums = (struct.pack("<I", _masked(part)) for part in (length, content))
    return length + next(checksums) + content + next(checksums)


def _masked(content: bytes) -> int:
    crc = crc32c(content)
    return ((crc >> 15 | crc << 17) + MASK) & ALL_ONES


def crc32c(content: bytes) -> int:
    """The CRC-32C of some bytes (RFC 3720, B.4)."""
    crc = ALL_ONES
    if len(content) >= LONG:
        whole = len(content) // BLOCK * BLOCK
        crc, content = _of_blocks(content[:whole]), content[whole:]
    for byte in content:
        crc = TABLE_LIST[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ ALL_ONES


def _of_blocks(content: bytes) -> int:
    """The register after these bytes, beginning with all ones, from those of single blocks.

    The register is linear in its bits: after a block it is the register after as many zeros, plus
    that of the block beginning with zero. The latter is computed for all blocks at once.
    """
    blocks = np.frombuffer(content, np.uint8).reshape(-1, BLOCK)
    of_each = np.zeros(len(blocks), np.uint32)
    for place in range(BLOCK):
        of_each = TABLE[(of_each ^ blocks[:, place]) & 255] ^ of_each >> 8
    crc = ALL_ONES
    for of_block in of_each.tolist():
        crc = _after_zeros(crc) ^ of_block
    return crc


def _after_zeros(crc: int) -> int:
    """The register after a block of zeros."""
    out = 0
    for bit, after in enumerate(AFTER_ZEROS):
        if crc >> bit & 1:
            out ^= after
    return out


def _table() -> NDArray[np.uint32]:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, values >> 1 ^ CASTAGNOLI, values >> 1).astype(np.uint32)
    return values


TABLE = _table()
TABLE_LIST: list[int] = TABLE.tolist()


def _zeros() -> list[int]:
    registers = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for _ in range(BLOCK):
        registers = TABLE[registers & 255] ^ registers >> 8
    return list(map(int, registers))


AFTER_ZEROS = _zeros()
"""Register with one bit set, by the bit, after a block of zeros."""
