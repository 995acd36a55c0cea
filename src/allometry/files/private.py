"""Folders of the cache whose content is trusted: compiled programs, verdicts on own parts."""

import os
import stat
from pathlib import Path

from allometry.errors import DiskError

__all__ = ["private_folder"]

WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def private_folder(path: Path) -> None:
    """Make a folder that its owner alone may enter; refuse one that others own or can write.

    Of a link, the folder it leads to is looked at. One that is there may be read by others.

    Raises:
        DiskError: saying what to do.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.stat()
    except OSError as error:
        raise DiskError(
            f"cannot make the folder {path}: {error.strerror}; choose another cache folder with "
            "ALLOMETRY_CACHE"
        ) from error
    if status.st_uid != os.geteuid():
        raise DiskError(
            f"the folder {path} belongs to another user, who could change what is in it: choose "
            "another cache folder with ALLOMETRY_CACHE"
        )
    if status.st_mode & WRITABLE:
        raise DiskError(
            f"others can write the folder {path}, and may have changed what is in it: remove it, "
            "and a new one is made"
        )
