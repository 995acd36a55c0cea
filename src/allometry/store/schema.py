"""The tables of a store, and the migrations between their versions."""

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
        # The arrays come last: SQLite keeps them on separate pages, which tables need not read.
        """CREATE TABLE runs (
            run_id TEXT PRIMARY KEY, spec TEXT NOT NULL, status TEXT NOT NULL, row TEXT NOT NULL,
            seconds REAL NOT NULL, provenance TEXT NOT NULL REFERENCES provenance (id),
            finished_at TEXT NOT NULL, arrays_sha256 TEXT NOT NULL, sha256 TEXT NOT NULL,
            trajectories BLOB)""",
        """CREATE TABLE declared (
            study TEXT NOT NULL, size TEXT NOT NULL, variant TEXT NOT NULL, run_id TEXT NOT NULL,
            position INTEGER NOT NULL, spec TEXT NOT NULL, sha256 TEXT NOT NULL,
            PRIMARY KEY (study, size, variant, run_id)) WITHOUT ROWID""",
        # Damaged rows are kept unchanged, so the columns have no types or constraints.
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
"""Statements that migrate version n to version n + 1; entries are only ever added.

An older store can be read without migration if the later entries only create tables.
"""

_NEW_TABLE = "CREATE TABLE "
# Tables that ANALYZE of other programs adds: they affect how SQLite searches, not what it finds.
_STATISTICS = {
    "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
}


def version_of(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """The version of the file.

    Raises:
        DataError: the file is no store, or is newer than this program.
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
    """Names of tables, indexes, views and triggers that differ from those of the file's version.

    A file from elsewhere may have views, triggers or virtual tables under any name, which would
    run its sender's SQL. So this is checked before anything else is read.
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
    """Whether the store's tables in a file are real tables, not views or virtual tables."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
    present = {name for (name,) in connection.execute(query)}
    created = (s for statements in migrations for s in statements if s.startswith(_NEW_TABLE))
    names = {statement.split()[2] for statement in created}
    others = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
    in_file = {name for (name,) in connection.execute(others)}
    return "runs" in present and names & in_file <= present


def _made_with(connection: sqlite3.Connection) -> Counter[tuple[str, ...]]:
    """Type, name, table and SQL of everything in the schema except SQLite's own objects.

    Whole rows are counted, not names: a trigger may have the name of a table.
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
    """Create, for a reader, empty temporary tables that a store of an older version lacks.

    Raises:
        DataError: later versions did more than add tables.
    """
    statements = [s for later in migrations[version:] for s in later]
    if not all(statement.startswith(_NEW_TABLE) for statement in statements):
        raise DataError(
            f"store {path} has version {version}, this allometry reads {len(migrations)}: the next "
            f"`allometry run --store {path}` updates the store and keeps a copy"
        )
    for statement in statements:
        connection.execute(statement.replace(_NEW_TABLE, "CREATE TEMP TABLE ", 1))
