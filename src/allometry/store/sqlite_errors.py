"""SQLite's errors translated to `AllometryError`s."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from allometry.errors import AllometryError, DataError, DiskError, StoreBusyError

__all__ = ["damaged", "sqlite_errors"]

_FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE"}
_NO_RIGHTS = {"SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_READONLY", "SQLITE_AUTH"}
_IN_USE = {"SQLITE_BUSY", "SQLITE_LOCKED"}


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Translate errors of SQLite and of files.

    Raises:
        DiskError: the disk is full, fails, or may not be written.
        DataError: the file is damaged.
        StoreBusyError: another program locked the file for a minute.
    """
    try:
        yield
    except sqlite3.Error as error:
        translated = _in_words(path, error)
        if translated is None:
            raise
        raise translated from error
    # Python's sqlite3 raises this if SQLite's message quotes damaged text.
    except UnicodeDecodeError as error:
        raise damaged(path, "its tables have no readable names") from error
    except OSError as error:
        raise DiskError(_of_the_disk(path, error)) from error


def _of_the_disk(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"cannot write {path}: {error.strerror} ({_free(path)}); make room or choose another "
            "place (--store FILE)"
        )
    return (
        f"cannot use {path}: {error.strerror or error}; check the permissions of the file and its "
        "folder, or choose another place (--store FILE)"
    )


def _in_words(path: Path, error: sqlite3.Error) -> AllometryError | None:
    name = getattr(error, "sqlite_errorname", None)
    if name is None:
        return None
    first_two = "_".join(name.split("_")[:2])
    if name in _FULL:
        return DiskError(
            f"cannot write {path}: {error} ({_free(path)}). Make room for a few times the size of "
            "the store and start again: everything committed so far is kept"
        )
    if first_two in _NO_RIGHTS:
        return DiskError(
            f"cannot write {path}: {error}; check the permissions of the file and its folder, or "
            "choose another place (--store FILE)"
        )
    if first_two in _IN_USE:
        return StoreBusyError(f"store {path} is locked by another program: close it and try again")
    if first_two == "SQLITE_IOERR" and name != "SQLITE_IOERR_SHORT_READ":
        return DiskError(f"the disk failed at {path}: {error} ({name}); check the disk")
    return damaged(path, str(error))


def damaged(path: Path, what: str) -> DataError:
    """The error for a file that cannot be repaired in place."""
    return DataError(
        f"{path} is damaged, or no allometry store: {what}. `allometry verify --store {path} "
        "--salvage NEW.db` copies the undamaged runs to a new store; the missing ones are trained "
        "again"
    )


def _free(path: Path) -> str:
    try:
        free = os.statvfs(path.parent)
    except OSError as error:
        return f"free space unknown: {error.strerror}"
    return f"{free.f_bavail * free.f_frsize / 2**20:.1f} MiB free"
