"""The store's file: its tables, their versions, and how it is opened."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from allometry.durable import put
from allometry.errors import AllometryError, DataError, DiskError, StoreBusyError, UsageError

__all__ = [
    "APPLICATION_ID", "MIGRATIONS", "check_there", "copy_to", "make", "open_reader",
    "open_writer", "sqlite_errors", "tables",
]  # fmt: skip

T = TypeVar("T")

APPLICATION_ID = 0x616C6F6D  # "alom"; file(1) and SQLite show it

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE provenance (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID",
        # The arrays come last: SQLite keeps them on pages of their own, not read for a table.
        """CREATE TABLE runs (
            run_id TEXT PRIMARY KEY, spec TEXT NOT NULL, status TEXT NOT NULL, row TEXT NOT NULL,
            seconds REAL NOT NULL, provenance TEXT NOT NULL REFERENCES provenance (id),
            finished_at TEXT NOT NULL, arrays_sha256 TEXT NOT NULL, sha256 TEXT NOT NULL,
            trajectories BLOB)""",
        """CREATE TABLE declared (
            study TEXT NOT NULL, size TEXT NOT NULL, variant TEXT NOT NULL, run_id TEXT NOT NULL,
            position INTEGER NOT NULL, spec TEXT NOT NULL, sha256 TEXT NOT NULL,
            PRIMARY KEY (study, size, variant, run_id)) WITHOUT ROWID""",
        # Damaged rows as they were found, so columns without types or conditions.
        """CREATE TABLE quarantine (
            what TEXT NOT NULL, found_at TEXT NOT NULL, run_id, spec, status, row, seconds,
            provenance, finished_at, arrays_sha256, sha256, trajectories)""",
    ),
    (
        """CREATE TABLE excluded (
            run_id TEXT PRIMARY KEY, reason TEXT NOT NULL, excluded_at TEXT NOT NULL,
            sha256 TEXT NOT NULL) WITHOUT ROWID""",
    ),
)
"""Statements leading from version n to version n + 1; entries are only ever added.

An older store is read as it is where the later entries only create tables.
"""

_NEW_TABLE = "CREATE TABLE "

_FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE"}
_NO_RIGHTS = {"SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_READONLY", "SQLITE_AUTH"}
_IN_USE = {"SQLITE_BUSY", "SQLITE_LOCKED"}


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into errors meant for people.

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
    # Python's sqlite3 gives this where SQLite's message quotes damaged text.
    except UnicodeDecodeError as error:
        raise _damaged(path, "its tables have no readable names") from error
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror} ({_free(path)}); make room or choose another "
            "place (--store FILE)"
        ) from error


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
            f"cannot write {path}: {error}; check the rights of the file and its folder, or choose "
            "another (--store FILE)"
        )
    if first_two in _IN_USE:
        return StoreBusyError(f"store {path} is locked by another program: close it and try again")
    if first_two == "SQLITE_IOERR" and name != "SQLITE_IOERR_SHORT_READ":
        return DiskError(f"the disk failed at {path}: {error} ({name}); check the disk")
    return _damaged(path, str(error))


def _damaged(path: Path, what: str) -> DataError:
    return DataError(
        f"{path} is damaged, or no allometry store: {what}. `allometry verify --store {path} "
        "--salvage NEW.db` copies the runs that are whole to a new store; those missing there are "
        "trained again"
    )


def _free(path: Path) -> str:
    try:
        free = os.statvfs(path.parent)
    except OSError as error:
        return f"free space unknown: {error.strerror}"
    return f"{free.f_bavail * free.f_frsize / 2**20:.1f} MiB free"


def open_writer(path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> sqlite3.Connection:
    """The read-write connection; makes or migrates the file if needed. Take the lock first."""
    with sqlite_errors(path):
        if _is_nothing(path):
            make(path, lambda connection: None, migrations)
        connection = _connect(path, "rw")
        try:
            version = _version(connection, path, len(migrations))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if version < len(migrations):
                copy = _beside(path, f".version{version}")
                copy.unlink(missing_ok=True)  # of a migration that was stopped
                copy_to(connection, copy)
                _migrate(connection, version, migrations)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> sqlite3.Connection:
    """A read-only connection; it works while a writer is active.

    Raises:
        UsageError: when there is no store at `path`.
        DataError: when the file is no store, one of a newer version, or one of an older
            version that cannot be read as it is.
    """
    check_there(path)
    with sqlite_errors(path):
        # In a folder without write access SQLite cannot make its shared memory. Without a
        # log to replay, the file alone is the whole store.
        alone = not os.access(path.parent, os.W_OK) and not _beside(path, "-wal").exists()
        connection = _connect(path, "ro", "&immutable=1" if alone else "")
        try:
            version = _version(connection, path, len(migrations))
            _add_tables(connection, path, version, migrations)
        except BaseException:
            connection.close()
            raise
    return connection


def check_there(path: Path) -> None:
    """Refuse a path without a store.

    Raises:
        UsageError: saying how to make one.
    """
    if _is_nothing(path):
        raise UsageError(
            f"no store at {path}: name one with --store FILE, or make it with "
            f"`allometry run STUDY --store {path}`"
        )


def _add_tables(
    connection: sqlite3.Connection, path: Path, version: int, migrations: Sequence[Sequence[str]]
) -> None:
    """Give a reader the tables that a store of an older version lacks, empty and its own.

    Raises:
        DataError: when later versions did more than to add tables.
    """
    statements = [s for later in migrations[version:] for s in later]
    if not all(statement.startswith(_NEW_TABLE) for statement in statements):
        raise DataError(
            f"store {path} has version {version} and this allometry reads {len(migrations)}: the "
            f"next `allometry run --store {path}` brings it up to date and keeps a copy"
        )
    for statement in statements:
        connection.execute(statement.replace(_NEW_TABLE, "CREATE TEMP TABLE ", 1))


def _is_nothing(path: Path) -> bool:
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def make(
    path: Path,
    fill: Callable[[sqlite3.Connection], T],
    migrations: Sequence[Sequence[str]] = MIGRATIONS,
) -> T:
    """Make a new store, renamed into place when complete: a file that exists can be read.

    Args:
        path: of the store; take its lock first.
        fill: writes what is in it from the start, in one transaction.

    Returns:
        what `fill` gives.
    """
    part = _beside(path, ".part")
    for file in (part, path):
        # A log left behind by a store since removed would be replayed into this one.
        for suffix in ("-journal", "-wal", "-shm"):
            _beside(file, suffix).unlink(missing_ok=True)
    part.unlink(missing_ok=True)
    connection = _connect(part, "rwc")
    try:
        _migrate(connection, 0, migrations)
        connection.execute("BEGIN IMMEDIATE")
        filled = fill(connection)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        connection.close()
        part.unlink(missing_ok=True)
        raise
    connection.close()
    put(part, path)
    return filled


def _connect(path: Path, mode: str, more: str = "") -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}{more}", uri=True, isolation_level=None, timeout=60
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA mmap_size = 0")
    # A damaged text need not be UTF-8; it is found by its hash, not by an exception.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    return connection


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """The version of the file.

    Raises:
        DataError: when it is no store, or newer than this program.
    """
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if kind != APPLICATION_ID or version < 1 or not tables(connection):
        raise DataError(
            f"{path} is an SQLite file but not an allometry store, or its header is damaged; "
            "choose another file (--store FILE)"
        )
    if version > newest:
        raise DataError(
            f"store {path} has version {version}, this allometry knows {newest}: it was written by "
            "a newer allometry; update with `pip install -U allometry`, or use another store"
        )
    return int(version)


def tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Name to CREATE statement of everything in the file but SQLite's own."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return dict(rows.fetchall())


def _migrate(
    connection: sqlite3.Connection, version: int, migrations: Sequence[Sequence[str]]
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def copy_to(connection: sqlite3.Connection, path: Path) -> None:
    """A compact copy of the whole store in a new file, on disk when this returns.

    Copying the file itself may miss what is still in its log.

    Raises:
        UsageError: when the file exists.
    """
    if path.exists():
        raise UsageError(f"{path} exists: name a file that does not, or move that one away")
    part = _beside(path, ".part")
    part.unlink(missing_ok=True)
    with sqlite_errors(path):
        connection.execute("VACUUM INTO ?", (str(part),))
        put(part, path)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
