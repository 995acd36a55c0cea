"""Checks of the store's write-ahead log: whether it holds more than SQLite will read.

SQLite reads a log up to the first frame whose checksum does not match, and silently drops the rest.
If a commit follows the damage, the rest holds transactions that were acknowledged.
Format: https://www.sqlite.org/fileformat2.html#walformat and
https://www.sqlite.org/walformat.html#the_wal_index_file_format
"""

import os
import struct
import time
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.files.durable import copied_aside, next_data

__all__ = ["LOG", "damage_of_log", "foreign_journal", "set_log_aside", "unread_log"]

LOG, INDEX, JOURNAL = "-wal", "-shm", "-journal"
_HEAD, _FRAME = 32, 24  # bytes
_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}  # byte order of the checksums
_MODULO = 0xFFFFFFFF  # mask for sums modulo 2^32
_PATIENCE = 5  # reads of a log that another process may be writing
_PAUSE = 0.02  # seconds between two reads
_VERSIONS = slice(18, 20)  # bytes of a store's header; both are 2 with a write-ahead log


class _Read(NamedTuple):
    """The content of a log.

    Attributes:
        frames: number of valid frames from the start, one page each.
        commits: number of these frames that end a transaction.
        lost: number of commits after the first invalid frame.
        salts: the salts in the header.
    """

    frames: int
    commits: int
    lost: int
    salts: bytes


def unread_log(store: Path) -> Path | None:
    """A non-empty log or journal beside `store`; None if both are missing or empty."""
    for suffix in (LOG, JOURNAL):
        file = store.with_name(store.name + suffix)
        if file.is_file() and file.stat().st_size:
            return file
    return None


def foreign_journal(store: Path) -> Path | None:
    """An unfinished rollback journal beside a store that uses a write-ahead log, or None.

    Such a journal belongs to another file, and SQLite would overwrite pages of the store with its
    pages. SQLite regards a journal as finished if its first byte is zero.
    """
    journal = store.with_name(store.name + JOURNAL)
    if not journal.is_file():
        return None
    with journal.open("rb") as file, store.open("rb") as stored:
        unfinished = file.read(1).strip(b"\0") != b""
        has_log = stored.read(_VERSIONS.stop)[_VERSIONS] == b"\2\2"
    return journal if unfinished and has_log else None


def damage_of_log(store: Path) -> str | None:
    """The damage of a store's log in words; None if SQLite will read all of it.

    A log that is being written may look damaged for a moment. So damage is reported only if two
    reads in a row find it and the log did not change between them.
    """
    before = None
    for _ in range(_PATIENCE):
        now = _damage(store)
        if now is None or now == before:
            return now[0] if now else None
        before = now
        time.sleep(_PAUSE)
    return None


def set_log_aside(store: Path) -> Path:
    """Copy a damaged log, because SQLite will drop the part that it cannot read."""
    return copied_aside(store.with_name(store.name + LOG), "damaged")


def _damage(store: Path) -> tuple[str, tuple[int, int]] | None:
    """The damage in words, and (size, time of last change) of the log; None if intact."""
    log = store.with_name(store.name + LOG)
    try:
        with log.open("rb") as file:
            status = os.fstat(file.fileno())
            read = _read(file)
    except FileNotFoundError:
        return None
    if status.st_size == 0:
        return None
    state = status.st_size, status.st_mtime_ns
    if read is None:
        return f"its log {log.name} is damaged at its start: nothing in it can be read", state
    if read.lost or _frames_known(store, read.salts) > read.frames:
        message = (
            f"its log {log.name} is damaged or cut short: {read.commits} transactions in it can "
            "be read, and more were written"
        )
        return message, state
    return None


def _read(file: IO[bytes]) -> _Read | None:
    """Follow the checksums of a log; None if its header is invalid."""
    head = file.read(_HEAD)
    if len(head) < _HEAD:
        return None
    magic, _, size = struct.unpack(">III", head[:12])
    page = 65536 if size == 1 else size
    order = _MAGIC.get(magic)
    if order is None or not 512 <= page <= 65536 or page & (page - 1):
        return None
    sums = _checksum(head[:24], order, (0, 0))
    if sums != struct.unpack(">II", head[24:]):
        return None
    salts = head[16:24]
    frames = commits = lost = 0
    broken = False
    while len(frame := file.read(_FRAME + page)) == _FRAME + page:
        ours = frame[8:16] == salts  # frames of an earlier log, with other salts, may follow
        ends_transaction = ours and frame[4:8] != bytes(4)
        if not broken:
            sums = _checksum(frame[_FRAME:], order, _checksum(frame[:8], order, sums))
            broken = not ours or sums != struct.unpack(">II", frame[16:24])
        frames += not broken
        commits += ends_transaction and not broken
        lost += ends_transaction and broken
        if broken and not any(frame):
            _skip_hole(file, len(frame))
    return _Read(frames, commits, lost, salts)


def _skip_hole(file: IO[bytes], step: int) -> None:
    """Skip a hole in a sparse file, in multiples of `step`, up to the next data."""
    place = file.tell()
    data = next_data(file)
    if data is None:
        file.seek(0, os.SEEK_END)
    else:
        file.seek(place + (data - place) // step * step)


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """SQLite's checksum of 8 n bytes, continued from `sums`.

    For each pair of words: s0 += x0 + s1; s1 += x1 + s0, modulo 2^32. This is linear, so it is a
    sum with fixed weights, which NumPy computes a hundred times faster.
    """
    words = np.frombuffer(data, f"{order}u4").astype(np.uint64)
    weights, power = _weights(len(words) // 2)
    first, second = (int((row * words).sum() & _MODULO) for row in weights)
    (a, b), (c, d) = power
    return (
        (first + a * sums[0] + b * sums[1]) & _MODULO,
        (second + c * sums[0] + d * sums[1]) & _MODULO,
    )


@cache
def _weights(pairs: int) -> tuple[NDArray[np.uint64], tuple[tuple[int, int], tuple[int, int]]]:
    """Weights of the words in both sums, and the matrix to apply to the previous sums."""
    weights = np.empty((2, 2 * pairs), np.uint64)
    (a, b), (c, d) = (1, 0), (0, 1)  # the step ((1, 1), (1, 2)) to the power 0
    for pair in reversed(range(pairs)):
        # A pair adds (x0, x0 + x1) to the sums, which the later steps then multiply.
        weights[:, 2 * pair] = a + b & _MODULO, c + d & _MODULO
        weights[:, 2 * pair + 1] = b, d
        a, b, c, d = a + b & _MODULO, a + 2 * b & _MODULO, c + d & _MODULO, c + 2 * d & _MODULO
    return weights, ((a, b), (c, d))


def _frames_known(store: Path, salts: bytes) -> int:
    """Number of frames according to the log's index (shared memory); 0 without an index.

    The index survives a killed process, so it shows whether the log was cut short afterwards.
    """
    try:
        with store.with_name(store.name + INDEX).open("rb") as file:
            head = file.read(48)
    except OSError:  # no index, or no permission to read it: judge by the log alone
        return 0
    # Offset 16: mxFrame, in the byte order of this machine; 32: the salts as in the log.
    if len(head) < 48 or head[32:40] != salts:
        return 0
    return int(struct.unpack("=I", head[16:20])[0])
