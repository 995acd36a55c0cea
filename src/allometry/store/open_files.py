"""The open files of a store's connection, and whether their paths still lead to them."""

import sqlite3
from pathlib import Path
from typing import NamedTuple, Self

from allometry.errors import DiskError
from allometry.store.log import LOG

__all__ = ["OpenFiles", "file_state"]

Inode = tuple[int, int]


def file_state(path: Path) -> tuple[object, ...]:
    """A value that changes when a file is written, or when its log is made or removed."""
    status = path.stat()
    log = path.with_name(path.name + LOG)
    return status.st_ino, status.st_size, status.st_mtime_ns, log.exists()


class OpenFiles(NamedTuple):
    """A store and its log at the time of opening.

    Attributes:
        path: the store.
        inodes: device and inode of the store and of its log; None for a missing file.
    """

    path: Path
    inodes: tuple[Inode | None, Inode | None]

    @classmethod
    def of(cls, path: Path) -> Self:
        return cls(path, (_inode(path), _inode(path.with_name(path.name + LOG))))

    def check(self, connection: sqlite3.Connection) -> None:
        """Stop if one of the files was moved, removed or replaced.

        Before that, the content of the log is written into the opened file, wherever it is now.

        Raises:
            DiskError: one of them was moved, removed or replaced.
        """
        if OpenFiles.of(self.path) == self:
            return
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            where = "everything stored is in the file that was opened"
        except sqlite3.Error as error:
            where = f"the runs stored last may only be in its log ({error})"
        raise DiskError(
            f"store {self.path} or its log was moved, removed or replaced while it was written; "
            f"{where}. Put that file back and start again: missing runs are trained again"
        )


def _inode(path: Path) -> Inode | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
