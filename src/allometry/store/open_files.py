"""The files that a store's connection has open: still those that stand under their names."""

import sqlite3
from pathlib import Path
from typing import NamedTuple, Self

from allometry.errors import DiskError
from allometry.store.log import LOG

__all__ = ["OpenFiles", "file_state"]

Inode = tuple[int, int]


def file_state(path: Path) -> tuple[object, ...]:
    """What changes whenever a file, or what stands for it beside it, is written."""
    status = path.stat()
    log = path.with_name(path.name + LOG)
    return status.st_ino, status.st_size, status.st_mtime_ns, log.exists()


class OpenFiles(NamedTuple):
    """A store and its log as they were opened.

    Attributes:
        path: of the store.
        inodes: of both files.
    """

    path: Path
    inodes: tuple[Inode | None, Inode | None]

    @classmethod
    def of(cls, path: Path) -> Self:
        return cls(path, (_inode(path), _inode(path.with_name(path.name + LOG))))

    def check(self, connection: sqlite3.Connection) -> None:
        """Refuse to go on when one of the files was moved, removed or replaced.

        What is in the log is brought into the file first, wherever that is now.

        Raises:
            DiskError: saying what happened.
        """
        if OpenFiles.of(self.path) == self:
            return
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            where = "all that was stored is in the file that was there"
        except sqlite3.Error as error:
            where = f"what was stored last may stand in its log alone ({error})"
        raise DiskError(
            f"store {self.path} or its log was moved, removed or replaced while it was written; "
            f"{where}. Put that file back, and start again: what is missing is trained"
        )


def _inode(path: Path) -> Inode | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
