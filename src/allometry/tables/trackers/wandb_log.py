"""The file of a run that wandb writes on the machine where the run is (``run-ID.wandb``).

After a header of seven bytes, the file has blocks of 32,768 bytes. They hold records, each with its
checksum (CRC-32), length and kind: whole, or the first, a middle or the last part. The content is a
Record of wandb_internal.proto. Sources: wandb/sdk/internal/datastore.py and
wandb/proto/wandb_internal.proto in the repository wandb/wandb, and LevelDB's doc/log_format.md.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from allometry.errors import DataError
from allometry.files.foreign import opened
from allometry.tables.trackers.records import CutShort

__all__ = ["log_records"]

HEAD = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
BLOCK = 32_768
FRAME = struct.Struct("<IHB")  # checksum, length, kind
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4
OF_KIND = {kind: zlib.crc32(bytes([kind])) for kind in (WHOLE, FIRST, MIDDLE, LAST)}
LARGEST_RECORD = 64_000_000  # bytes


def log_records(path: Path) -> Iterator[tuple[int, bytes] | CutShort]:
    """Place and content of each record; a last `CutShort` where the file ends inside one.

    Raises:
        DataError: a checksum does not match, or the file is of another kind.
    """
    parts: list[bytes] = []
    with opened(path) as file:
        if file.read(len(HEAD)) != HEAD:
            raise DataError(
                f"{path}: a run file of wandb was expected, but it does not begin like one"
            )
        at = len(HEAD)
        while True:
            left = BLOCK - at % BLOCK
            if left < FRAME.size:
                at += len(file.read(left))
            frame = file.read(FRAME.size)
            if not frame and not parts:
                return
            if len(frame) < FRAME.size:
                yield CutShort(at)
                return
            checksum, size, kind = FRAME.unpack(frame)
            content = file.read(size)
            if len(content) < size:
                yield CutShort(at)
                return
            if kind not in OF_KIND or zlib.crc32(content, OF_KIND[kind]) != checksum:
                raise _damaged(path, at, "its checksum does not match")
            if (kind in (WHOLE, FIRST)) == bool(parts):
                raise _damaged(path, at, "its kind does not follow that of the record before")
            parts.append(content)
            if sum(map(len, parts)) > LARGEST_RECORD:
                raise _damaged(path, at, f"it has more than {LARGEST_RECORD / 1e6:g} MB")
            if kind in (WHOLE, LAST):
                yield at, b"".join(parts)
                parts = []
            at += FRAME.size + size


def _damaged(path: Path, at: int, what: str) -> DataError:
    return DataError(f"{path}, byte {at:,}: a record of wandb was expected: {what}")
