"""Reading files that others wrote: only regular files, without blocking, up to a size limit.

The kind of a file is checked before it is opened, so that no device is opened. It is opened in
non-blocking mode, so that a pipe put in its place meanwhile cannot block.
"""

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

from allometry.errors import DataError, UsageError

__all__ = ["check_regular", "expanded", "is_file", "is_folder", "opened", "read_bytes"]

PIECE = 1 << 20  # bytes
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
NO_NAME = {errno.ENOENT, errno.ENOTDIR}
BAD_NAME = {errno.ELOOP: "its links lead in a circle", errno.ENAMETOOLONG: "its name is too long"}
LONGEST_SHOWN = 200  # characters of a path in a message


def expanded(path: str | Path) -> Path:
    """The path with ``~`` and ``~name`` replaced by home folders.

    Raises:
        UsageError: there is no user of that name.
    """
    if not str(path).startswith("~"):  # also for ./~name, which Path would shorten to ~name
        return Path(path)
    try:
        return Path(path).expanduser()
    except RuntimeError:
        name = Path(path).parts[0]
        raise UsageError(
            f"no home folder of {name} is known; for a file of this name write ./{name}"
        ) from None


def check_regular(path: str | Path) -> None:
    """Refuse anything but a regular file or a link to one, without opening it.

    Raises:
        UsageError: there is no such file, or it is a folder, a pipe, a socket or a device.
        DataError: its status cannot be read.
    """
    try:
        _refuse_irregular(path, Path(path).stat().st_mode)
    except OSError as error:
        raise _refusal(path, error) from None
    except ValueError:  # a null byte or a lone surrogate: no file can have such a name
        raise UsageError(f"no file {_shown(path)}") from None


def is_file(path: str | Path) -> bool:
    """Whether the path is a regular file; False if it cannot be examined or is no valid name."""
    return stat.S_ISREG(_mode(path))


def is_folder(path: str | Path) -> bool:
    """Whether the path is a folder; False as for `is_file`."""
    return stat.S_ISDIR(_mode(path))


def _mode(path: str | Path) -> int:
    """The `st_mode` of the path; 0 if it cannot be read."""
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):
        return 0


def opened(path: str | Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        UsageError, DataError: as `check_regular`, or the file may not be read.
    """
    check_regular(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise _refusal(path, error) from None
    file = os.fdopen(descriptor, "rb")
    try:
        _refuse_irregular(path, os.fstat(descriptor).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def read_bytes(path: str | Path, limit: int, advice: str = "") -> bytes:
    """The content of a regular file.

    Args:
        limit: largest size in bytes. advice: what to do about a larger file, for the message.

    Raises:
        UsageError, DataError: as `opened`; or the file is too large, or reading fails.
    """
    content = io.BytesIO()
    with opened(path) as file:
        _check_size(path, os.fstat(file.fileno()).st_size, limit, advice)
        try:
            # In pieces, because the file may grow, and some filesystems report no size.
            while piece := file.read(PIECE):
                content.write(piece)
                _check_size(path, content.tell(), limit, advice)
        except OSError as error:
            raise _refusal(path, error) from None
    return content.getvalue()


def _check_size(path: str | Path, size: int, limit: int, advice: str) -> None:
    if size > limit:
        raise DataError(
            f"{_shown(path)} is larger than the {limit / 1e6:,.6g} MB that are read"
            f"{'; ' if advice else ''}{advice}"
        )


def _refuse_irregular(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in KINDS if is_kind(mode)), "no regular file")
        raise UsageError(f"a file was expected, but {_shown(path)} is {kind}")


def _refusal(path: str | Path, error: OSError) -> UsageError | DataError:
    if error.errno in NO_NAME:
        return UsageError(f"no file {_shown(path)}")
    if error.errno in BAD_NAME:
        return UsageError(f"no file {_shown(path)}: {BAD_NAME[error.errno]}")
    return DataError(f"{_shown(path)} could not be read: {error.strerror or error}")


def _shown(path: str | Path) -> str:
    text = str(path)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
