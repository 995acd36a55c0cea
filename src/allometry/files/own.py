"""Files of our own in a folder that may hold others': known by their names, and nothing else."""

import errno
import logging
import re
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from allometry.errors import DiskError
from allometry.files.durable import PART

__all__ = ["is_file", "own_files", "remove", "sweep", "warn_once"]

# Parts that earlier versions left in these folders when they were killed: theirs, and safetensors'.
_EARLIER = r"[0-9a-f]{64}\.\d+\.part|\.tmp[0-9A-Za-z]{6}"
_PARTS = re.compile(f"{PART.pattern}|{_EARLIER}")
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR}

_log = logging.getLogger(__name__)


def is_file(path: Path) -> bool:
    """Whether this is a regular file, not a link to one: we make no links."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def own_files(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """The regular files of a folder with such names; none where there is no folder.

    Raises:
        DiskError: the folder cannot be read.
    """
    try:
        here = sorted(folder.iterdir())
    except OSError as error:
        if error.errno in _NO_FOLDER:
            return []
        raise DiskError(
            f"cannot read the folder {folder}: {error.strerror}; give rights there, or move it away"
        ) from error
    return [path for path in here if names.fullmatch(path.name) and is_file(path)]


def remove(path: Path) -> None:
    """Remove a file; one that cannot be removed stays, and a warning says so."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        warn_once(f"cannot remove {path}: {error.strerror}; it is not needed any more: remove it")


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left half written, and a folder with nothing in it.

    Only while nobody writes there.
    """
    for path in own_files(folder, _PARTS):
        remove(path)
    with suppress(OSError):  # not empty, not there, a link to another disk: it stays
        folder.rmdir()


@cache
def warn_once(text: str) -> None:
    """A warning, which a process gives once."""
    _log.warning("%s", text)
