"""Decisions about stored runs: exclude with a reason, include again, forget."""

import json
import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime

from allometry.errors import UsageError
from allometry.store.record import digest

__all__ = ["exclude", "forget", "include", "now"]

Declaration = tuple[str, str, str]

_NAMED = "run_id IN (SELECT value FROM json_each(?))"


def now() -> str:
    """The current time (UTC) as the store writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def exclude(connection: sqlite3.Connection, run_ids: Collection[str], reason: str) -> int:
    """See `Store.exclude`; call inside a transaction."""
    if not reason.strip():
        raise UsageError("a reason expected, got an empty one; the report prints it")
    stored = connection.execute(f"SELECT run_id FROM runs WHERE {_NAMED}", _array(run_ids))
    rows = [(run_id, reason.strip(), now()) for (run_id,) in stored]
    connection.executemany(
        "INSERT OR REPLACE INTO excluded VALUES (?, ?, ?, ?)",
        [(*row, digest(*row)) for row in rows],
    )
    return len(rows)


def include(connection: sqlite3.Connection, run_ids: Collection[str]) -> int:
    """See `Store.include`; call inside a transaction."""
    statement = f"DELETE FROM excluded WHERE {_NAMED}"
    return connection.execute(statement, _array(run_ids)).rowcount


def forget(
    connection: sqlite3.Connection,
    run_ids: Collection[str],
    declarations: Collection[Declaration],
) -> int:
    """See `Store.forget`; call inside a transaction."""
    for table in ("declared", "plans"):
        connection.executemany(
            f"DELETE FROM {table} WHERE (study, size, variant) = (?, ?, ?)", declarations
        )
    include(connection, run_ids)
    return connection.execute(f"DELETE FROM runs WHERE {_NAMED}", _array(run_ids)).rowcount


def _array(run_ids: Collection[str]) -> tuple[str]:
    return (json.dumps(sorted(run_ids)),)
