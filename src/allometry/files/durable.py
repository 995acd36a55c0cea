"""Atomic writing of files: under its name a file is always complete, even after a power loss."""

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["PART", "copied_aside", "next_data", "written"]

PART = re.compile(r"\.allometry-[0-9a-f]{16}\.part")
"""Names of temporary files; after a kill they are recognised by it and removed."""

FORGOTTEN = 24 * 3600.0  # seconds without a write after which a temporary file is removed
_PIECE = 1 << 20  # bytes
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK}


@contextmanager
def written(path: Path, *, new: bool = False, follow: bool = True) -> Iterator[Path]:
    """Write a file atomically: the block writes a temporary file, which is then renamed to `path`.

    The content is on disk before the file gets its name. If the block raises, the old file stays.
    The temporary file has a random name and is new, so that two writers never share one and no
    link is followed. If `path` is a link, the file it leads to is replaced. If it is not a regular
    file (a terminal, a pipe, ``/dev/stdout``), it is written directly.

    Args:
        path: path in a folder that exists.
        new: refuse a name that exists, even if another process made the file meanwhile.
        follow: False for Allometry's own files: refuse a path that is a link or not regular.

    Yields:
        the path to write: usually that of a new, empty file.

    Raises:
        FileExistsError: `new` and the name exists; or not `follow`, and the path is a link or not
            a regular file.
        OSError: the file cannot be written.
    """
    if not follow and os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise FileExistsError(errno.EEXIST, "a link, or no regular file, has its name", str(path))
    target = Path(os.path.realpath(path))
    if new and os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "File exists", str(path))
    if target.exists() and not target.is_file():
        yield path
        return
    _remove_forgotten(target.parent)
    part = _part_of(target)
    try:
        yield part
        _flush(part, os.O_WRONLY)  # not for reading, which its permissions may forbid
        if new:
            _name_new(part, target)
        else:
            part.replace(target)
        _flush(target.parent)
    finally:
        part.unlink(missing_ok=True)


def copied_aside(path: Path, what: str) -> Path:
    """Copy a file to a new file beside it, whose name contains `what` and a random part."""
    aside = path.with_name(f"{path.name}.{what}-{secrets.token_hex(4)}")
    with written(aside, new=True) as part:
        _copy_data(path, part)
    return aside


def _copy_data(path: Path, part: Path) -> None:
    """Copy a sparse file without filling its holes, which may be larger than the disk."""
    with path.open("rb") as source, part.open("wb") as copy:
        while (start := next_data(source)) is not None:
            end = source.seek(start, os.SEEK_HOLE)
            source.seek(start)
            copy.seek(start)
            while piece := source.read(min(_PIECE, end - source.tell())):
                copy.write(piece)
        copy.truncate(os.fstat(source.fileno()).st_size)


def next_data(file: IO[bytes]) -> int | None:
    """The position of the next data from the file's position on; None if only a hole follows."""
    try:
        return file.seek(file.tell(), os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def _remove_forgotten(folder: Path) -> None:
    """Remove temporary files not written for a day: their writers were killed."""
    # Another process may have removed them, and the folder may be neither readable nor writable.
    with suppress(FileNotFoundError, PermissionError):
        for part in folder.iterdir():
            if PART.fullmatch(part.name) and _is_forgotten(part.lstat()):
                part.unlink()


def _is_forgotten(status: os.stat_result) -> bool:
    ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
    return ours and time.time() - status.st_mtime > FORGOTTEN


def _part_of(target: Path) -> Path:
    """A new empty file beside the target, with the permissions of the target if that exists."""
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    part = target.with_name(f".allometry-{secrets.token_hex(8)}.part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        if target.exists():
            os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
    finally:
        os.close(descriptor)
    return part


def _name_new(part: Path, target: Path) -> None:
    """Rename a file, but refuse an existing name."""
    try:
        os.link(part, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A filesystem without hard links: first claim the name with an empty file.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        part.replace(target)


def _flush(path: Path, flags: int = os.O_RDONLY) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
