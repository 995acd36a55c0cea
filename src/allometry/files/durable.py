"""Files that are whole whenever they are seen under their name, also after a loss of power."""

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
"""Names of files under way, by which a folder of our own is cleared of them after a kill."""

FORGOTTEN = 24 * 3600.0  # seconds
_PIECE = 1 << 20  # bytes
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK}


@contextmanager
def written(path: Path, *, new: bool = False, follow: bool = True) -> Iterator[Path]:
    """A file beside `path`, to be written in the block, that gets its name when the block ends.

    The content is on disk before the name is. Where the block raises, what `path` named before
    stays. The temporary file is made by this call and has a random name, so no two writers meet
    in one, and none follows a link. Of a link, the file it leads to is replaced. What is no
    regular file (a terminal, a pipe, ``/dev/stdout``) is written itself.

    Args:
        path: in a folder that exists.
        new: refuse a name that is taken, also by a file made meanwhile.
        follow: False for a file of our own, which is a regular one: what else has its name is
            refused, a link to one too.

    Yields:
        the path to write: of an empty file.

    Raises:
        FileExistsError: the name is taken and `new`, or not by a regular file and not `follow`.
        OSError: it cannot be written.
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
        _flush(part, os.O_WRONLY)  # it may have the rights of a file that cannot be read
        if new:
            _name_new(part, target)
        else:
            part.replace(target)
        _flush(target.parent)
    finally:
        part.unlink(missing_ok=True)


def copied_aside(path: Path, what: str) -> Path:
    """A copy of a file beside it, under a name of its own that says what it is."""
    aside = path.with_name(f"{path.name}.{what}-{secrets.token_hex(4)}")
    with written(aside, new=True) as part:
        _copy_data(path, part)
    return aside


def _copy_data(path: Path, part: Path) -> None:
    """Copy a file with its holes, which may be larger than the disk."""
    with path.open("rb") as source, part.open("wb") as copy:
        while (start := next_data(source)) is not None:
            end = source.seek(start, os.SEEK_HOLE)
            source.seek(start)
            copy.seek(start)
            while piece := source.read(min(_PIECE, end - source.tell())):
                copy.write(piece)
        copy.truncate(os.fstat(source.fileno()).st_size)


def next_data(file: IO[bytes]) -> int | None:
    """Where there is data again, from the place in a file on; None for nowhere."""
    try:
        return file.seek(file.tell(), os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def _remove_forgotten(folder: Path) -> None:
    """Remove our parts that nobody has written to for a day: their writers were killed."""
    # Removed meanwhile by another process, or in a folder not ours to list or to write.
    with suppress(FileNotFoundError, PermissionError):
        for part in folder.iterdir():
            if PART.fullmatch(part.name) and _is_forgotten(part.lstat()):
                part.unlink()


def _is_forgotten(status: os.stat_result) -> bool:
    ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
    return ours and time.time() - status.st_mtime > FORGOTTEN


def _part_of(target: Path) -> Path:
    """A new empty file beside the target, with its rights where it exists."""
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
    """Rename that refuses a name that is taken."""
    try:
        os.link(part, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A filesystem without hard links: the name is taken first.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        part.replace(target)


def _flush(path: Path, flags: int = os.O_RDONLY) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
