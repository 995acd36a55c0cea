"""Files that are whole whenever they are seen under their name, also after a loss of power."""

import os
from pathlib import Path

__all__ = ["put"]


def put(part: Path, path: Path) -> None:
    """Give a finished file its name, in the same folder, in place of one that had it."""
    _flush(part)
    part.replace(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
