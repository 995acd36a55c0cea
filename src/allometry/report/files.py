"""Folders and files of a report: made, or said in words why they cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from allometry.errors import DiskError
from allometry.files.durable import written

__all__ = ["make_folder", "named", "write_bytes"]


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        DiskError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(
            f"cannot make the folder {folder}: {error.strerror}; choose another place"
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that is whole or as it was before.

    Raises:
        DiskError: it cannot be written.
    """
    with named(path), written(path) as part:
        part.write_bytes(content)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Name the file that cannot be written: a report has many."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror or error}; choose another place with -o"
        ) from error
