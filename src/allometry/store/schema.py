"""The tables of a store, and the versions they had."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from allometry.errors import DataError

__all__ = [
    "APPLICATION_ID", "MIGRATIONS", "add_missing", "differing", "has_tables", "migrate",
    "version_of",
]  # fmt: skip

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
    (
        """CREATE TABLE plans (
            id TEXT PRIMARY KEY, study TEXT NOT NULL, size TEXT NOT NULL, variant TEXT NOT NULL,
            stage TEXT NOT NULL, document TEXT NOT NULL, made_at TEXT NOT NULL,
            sha256 TEXT NOT NULL)""",
    ),
)
"""Statements leading from version n to version n + 1; entries are only ever added.

An older store is read as it is where the later entries only create tables.
"""

_NEW_TABLE = "CREATE TABLE "
# What ANALYZE of other programs adds: how SQLite searches, not what it finds.
_STATISTICS = {
    "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
}


def version_of(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """The version of the file.

    Raises:
        DataError: when it is no store, or newer than this program.
    """
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if kind != APPLICATION_ID or version < 1 or not _made_with(connection):
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


def differing(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> list[str]:
    """Names of what is in a file and is not as the migrations to its version make it.

    A file from elsewhere may have views, triggers or virtual tables under any name, which would
    run its sender's SQL. So this is asked before anything else is read.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    model = sqlite3.connect(":memory:")
    for statement in (s for statements in migrations[:version] for s in statements):
        model.execute(statement)
    expected, present = _made_with(model), _made_with(connection)
    model.close()
    return sorted({str(name) for _, name, *_ in ((expected - present) | (present - expected))})


def has_tables(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> bool:
    """Whether every table of ours that is in a file is a table, and not a view of its name."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
    present = {name for (name,) in connection.execute(query)}
    created = (s for statements in migrations for s in statements if s.startswith(_NEW_TABLE))
    names = {statement.split()[2] for statement in created}
    others = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
    in_file = {name for (name,) in connection.execute(others)}
    return "runs" in present and names & in_file <= present


def _made_with(connection: sqlite3.Connection) -> Counter[tuple[str, ...]]:
    """Everything in the file but what is SQLite's own: its kind, its name, its table, its SQL.

    Counted, as a trigger may have the name of a table.
    """
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    return Counter(row for row in connection.execute(query) if row[3] not in _STATISTICS)


def migrate(
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


def add_missing(
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
