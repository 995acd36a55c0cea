"""Cache folders whose content is trusted: compiled programs, verdicts on user-defined parts."""

import os
import stat
from pathlib import Path

from allometry.errors import DiskError

__all__ = ["private_folder"]

WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter; refuse a folder that others own or can write.

    For a link, the folder it leads to is checked. Others may read an existing folder.

    Raises:
        DiskError: the folder cannot be made, or others own it or can write it.
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
            f"others can write the folder {path}, and may have changed its content: remove it; a "
            "new one will be made"
        )
