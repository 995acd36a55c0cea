"""The files below a folder that a tracker wrote: a limited number, without following links."""

import os
from pathlib import Path

from allometry.errors import DataError

__all__ = ["files_below"]

MOST_FILES = 500_000
MOST_DEEP = 30  # nested folders


def files_below(folder: Path) -> list[Path]:
    """Paths of the files below a folder, relative to it, sorted by folder and name.

    Raises:
        DataError: there are too many, or a folder cannot be read.
    """
    files: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=_refuse):
        inner = Path(place).relative_to(folder)
        if len(inner.parts) >= MOST_DEEP:
            raise DataError(f"{folder}: folders more than {MOST_DEEP} deep; name one further down")
        folders.sort()
        files += [inner / name for name in sorted(names)]
        if len(files) > MOST_FILES:
            raise DataError(
                f"{folder} has more than the {MOST_FILES:,} files that are looked through; name a "
                "folder further down"
            )
    return files


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} could not be read: {error.strerror or error}") from error
