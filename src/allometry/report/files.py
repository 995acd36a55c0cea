"""Making folders and files of a report, with errors that name them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from allometry.errors import DiskError
from allometry.files.durable import written

__all__ = ["make_folder", "named", "write_bytes"]


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

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
    """Write a file atomically; if writing fails, the old file stays.

    Raises:
        DiskError: it cannot be written.
    """
    with named(path), written(path) as part:
        part.write_bytes(content)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn errors of writing into a `DiskError` that names the file."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror or error}; choose another place with -o"
        ) from error
