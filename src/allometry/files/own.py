"""Allometry's own files in a folder that may contain others; their names identify them."""

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

# Temporary files that killed earlier versions left in these folders: their own, and safetensors'.
_EARLIER = r"[0-9a-f]{64}\.\d+\.part|\.tmp[0-9A-Za-z]{6}"
_PARTS = re.compile(f"{PART.pattern}|{_EARLIER}")
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR}

_log = logging.getLogger(__name__)


def is_file(path: Path) -> bool:
    """Whether the path is a regular file and not a link; Allometry makes no links."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def own_files(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """The regular files of a folder whose names match; none if the folder does not exist.

    Raises:
        DiskError: the folder cannot be read.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        if error.errno in _NO_FOLDER:
            return []
        raise DiskError(
            f"cannot read the folder {folder}: {error.strerror}; make it readable, or move it away"
        ) from error
    return [path for path in paths if names.fullmatch(path.name) and is_file(path)]


def remove(path: Path) -> None:
    """Remove a file; if that fails, warn."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        warn_once(f"cannot remove {path}: {error.strerror}; it is no longer needed: remove it")


def sweep(folder: Path) -> None:
    """Remove the temporary files of killed writers, and the folder if it is then empty.

    Call it only while nobody writes there.
    """
    for path in own_files(folder, _PARTS):
        remove(path)
    with suppress(OSError):  # the folder is not empty, is missing, or is a link
        folder.rmdir()


@cache
def warn_once(text: str) -> None:
    """Log a warning, at most once per process."""
    _log.warning("%s", text)
