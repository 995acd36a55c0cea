"""Verify a store: read everything in it again and check its hashes, however damaged it is."""

import hashlib
import json
import sqlite3
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.store.record import Record, damage, digest
from allometry.store.schema import MIGRATIONS, tables

__all__ = [
    "DECLARED", "EXCLUDED", "RUNS", "Damage", "Verification", "check_runs",
    "declaration_damage", "exclusion_damage", "salvage", "set_aside", "verify",
]  # fmt: skip

RUNS = ", ".join(f"r.{name}" for name in Record._fields)
DECLARED = "study, size, variant, run_id, position, spec, sha256"
EXCLUDED = "run_id, reason, excluded_at, sha256"


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written.

    Attributes:
        run_id: of the damaged run; empty for the file itself.
        what: the damage, in words.
        rowid: of the run in table ``runs``; None if it is no row of that table.
    """

    run_id: str
    what: str
    rowid: int | None = None


@dataclass(frozen=True)
class Verification:
    """The result of reading a store again.

    Attributes:
        runs: number of runs that could be read.
        damaged: everything that is not as it was written; empty if all is well.
    """

    runs: int
    damaged: tuple[Damage, ...]

    def refuse_damage(self, path: Path) -> None:
        """Raise if anything is damaged.

        Raises:
            DataError: naming the first thing that is damaged and what to do.
        """
        if not self.damaged:
            return
        first = self.damaged[0]
        where = f"run {first.run_id[:12]}: {first.what}" if first.run_id else first.what
        more = f" (and {len(self.damaged) - 1} more)" if len(self.damaged) > 1 else ""
        raise DataError(
            f"store {path} is damaged: {where}{more}. `allometry verify --store {path}` lists all; "
            "the next `allometry run` sets damaged runs aside and trains them again"
        )


def verify(connection: sqlite3.Connection) -> Verification:
    """Hash every run, declaration, exclusion and provenance document; SQLite checks its file."""
    damaged: list[Damage] = []
    documents = _documents(connection, damaged)
    runs = 0
    for rowid, stored, what in _checked(connection, documents.keys(), damaged):
        runs += 1
        if what:
            damaged.append(Damage(_text(stored.run_id), what, rowid))
    damaged += _declarations(connection) + _exclusions(connection)
    return Verification(runs, (*damaged, *_schema(connection), *_file(connection)))


def check_runs(connection: sqlite3.Connection, run_ids: str) -> list[Damage]:
    """Damage of some runs and of all declarations and exclusions: quick, before resuming.

    Args:
        run_ids: JSON array of names.
    """
    documents = _documents(connection, [])
    query = f"SELECT r.rowid, {RUNS} FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value"
    damaged = []
    for rowid, *fields in connection.execute(query, (run_ids,)):
        stored = Record(*fields)
        what = _run_damage(stored, documents)
        if what:
            damaged.append(Damage(_text(stored.run_id), what, rowid))
    return damaged + _declarations(connection) + _exclusions(connection)


def set_aside(connection: sqlite3.Connection, damaged: Sequence[Damage], when: str) -> None:
    """Move damaged runs and exclusions to the quarantine; drop other rows that are damaged.

    Call inside a transaction. What a study declares it declares again, and runs
    that are not stored are pending again.
    """
    for one in damaged:
        if one.rowid is not None:
            connection.execute(
                f"INSERT INTO quarantine SELECT ?, ?, {RUNS} FROM runs r WHERE rowid = ?",
                (one.what, when, one.rowid),
            )
            connection.execute("DELETE FROM runs WHERE rowid = ?", (one.rowid,))
    # All rows are written again: a damaged text cannot always be searched for.
    rows = connection.execute(f"SELECT {DECLARED} FROM declared").fetchall()
    intact = [row for row in rows if declaration_damage(row) is None]
    if len(intact) < len(rows):
        connection.execute("DELETE FROM declared")
        connection.executemany("INSERT INTO declared VALUES (?, ?, ?, ?, ?, ?, ?)", intact)
    _set_exclusions_aside(connection, when)
    documents = json.dumps(list(_documents(connection, [])))
    connection.execute(
        "DELETE FROM provenance WHERE id NOT IN (SELECT value FROM json_each(?))", (documents,)
    )
    # An index entry without its row, or a row without its entry, would hide a run for ever.
    connection.execute("REINDEX")


def _set_exclusions_aside(connection: sqlite3.Connection, when: str) -> None:
    rows = connection.execute(f"SELECT {EXCLUDED} FROM excluded").fetchall()
    whats = [exclusion_damage(row) for row in rows]
    if not any(whats):
        return
    connection.executemany(
        "INSERT INTO quarantine (what, found_at, run_id, row, sha256) VALUES (?, ?, ?, ?, ?)",
        [(w, when, r[0], r[1], r[3]) for w, r in zip(whats, rows, strict=True) if w],
    )
    connection.execute("DELETE FROM excluded")
    intact = [row for what, row in zip(whats, rows, strict=True) if what is None]
    connection.executemany("INSERT INTO excluded VALUES (?, ?, ?, ?)", intact)


def salvage(source: sqlite3.Connection, target: sqlite3.Connection) -> Verification:
    """Copy everything intact into an empty store, inside a transaction of the caller's.

    Returns:
        number of runs copied, and the damage left behind.
    """
    damaged: list[Damage] = []
    documents = _documents(source, damaged)
    target.executemany("INSERT INTO provenance VALUES (?, ?)", documents.items())
    places = ", ".join("?" * len(Record._fields))
    runs = 0
    for rowid, stored, what in _checked(source, documents.keys(), damaged):
        if what:
            damaged.append(Damage(_text(stored.run_id), what, rowid))
        else:
            done = target.execute(f"INSERT OR IGNORE INTO runs VALUES ({places})", stored)
            runs += done.rowcount
    for row in _each(source, f"SELECT {DECLARED} FROM declared", damaged):
        what = declaration_damage(row)
        if what:
            damaged.append(Damage(_text(row[3]), what))
        else:
            target.execute("INSERT OR IGNORE INTO declared VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    for row in _each(source, f"SELECT {EXCLUDED} FROM excluded", damaged):
        what = exclusion_damage(row)
        if what:
            damaged.append(Damage(_text(row[0]), what))
        else:
            target.execute("INSERT OR IGNORE INTO excluded VALUES (?, ?, ?, ?)", row)
    return Verification(runs, tuple(damaged))


def _declarations(connection: sqlite3.Connection) -> list[Damage]:
    damaged: list[Damage] = []
    for row in _each(connection, f"SELECT {DECLARED} FROM declared", damaged):
        what = declaration_damage(row)
        if what:
            damaged.append(Damage(_text(row[3]), what))
    return damaged


def _exclusions(connection: sqlite3.Connection) -> list[Damage]:
    damaged: list[Damage] = []
    for row in _each(connection, f"SELECT {EXCLUDED} FROM excluded", damaged):
        what = exclusion_damage(row)
        if what:
            damaged.append(Damage(_text(row[0]), what))
    return damaged


def declaration_damage(row: tuple[Any, ...]) -> str | None:
    """What is wrong with a row of table ``declared``; None when nothing is."""
    return None if _matches_its_hash(row) else "its declaration is damaged"


def exclusion_damage(row: tuple[Any, ...]) -> str | None:
    """What is wrong with a row of table ``excluded``; None when nothing is."""
    return None if _matches_its_hash(row) else "the reason it is excluded for is damaged"


def _matches_its_hash(row: tuple[Any, ...]) -> bool:
    *fields, sha256 = row
    kinds = {*map(type, fields)} <= {str, int}
    return kinds and digest(*fields) == sha256


def _documents(connection: sqlite3.Connection, damaged: list[Damage]) -> dict[str, str]:
    """Provenance documents by name, a SHA-256 that they match; the others go to `damaged`."""
    intact = {}
    for name, document in _each(connection, "SELECT id, document FROM provenance", damaged):
        if isinstance(document, str) and name == _sha256(document):
            intact[name] = document
        else:
            damaged.append(Damage("", f"provenance document {_text(name)[:12]} is damaged"))
    return intact


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _run_damage(stored: Record, documents: Container[str]) -> str | None:
    what = damage(stored)
    if what is None and stored.provenance not in documents:
        return "its provenance is damaged"
    return what


def _checked(
    connection: sqlite3.Connection, documents: Container[str], damaged: list[Damage]
) -> Iterator[tuple[int, Record, str | None]]:
    """Rowid, record and damage of every run that can be read; the others go to `damaged`.

    A page that cannot be read ends a scan. So a second scan starts at the other end, and
    the rows between are read one by one by their place in the index.
    """
    query = f"SELECT rowid, {RUNS} FROM runs r NOT INDEXED"
    broken: list[Damage] = []
    seen = set()
    for order in ("ASC", "DESC"):
        for rowid, *fields in _each(connection, f"{query} ORDER BY rowid {order}", broken):
            if rowid not in seen:
                seen.add(rowid)
                yield rowid, Record(*fields), _run_damage(Record(*fields), documents)
        if not broken:
            return
    damaged.append(broken[0])
    for rowid, run_id in _each(connection, "SELECT rowid, run_id FROM runs ORDER BY run_id", []):
        if rowid in seen:
            continue
        unreadable: list[Damage] = []
        for _, *fields in _each(connection, f"{query} WHERE rowid = {int(rowid)}", unreadable):
            yield rowid, Record(*fields), _run_damage(Record(*fields), documents)
        damaged += [Damage(_text(run_id), one.what, rowid) for one in unreadable]


def _each(
    connection: sqlite3.Connection, query: str, broken: list[Damage]
) -> Iterator[tuple[Any, ...]]:
    """The rows of a query until one cannot be read; that goes to `broken`."""
    try:
        yield from connection.execute(query)
    # A damaged length can ask for more memory than there is, and SQLite's message
    # can quote damaged text that Python cannot decode.
    except (sqlite3.Error, MemoryError, UnicodeDecodeError) as error:
        broken.append(Damage("", f"a part of the file is not readable: {error}"))


def _schema(connection: sqlite3.Connection) -> list[Damage]:
    """Tables that differ from those the migrations make, up to the version of the file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    model = sqlite3.connect(":memory:")
    for statement in (s for statements in MIGRATIONS[:version] for s in statements):
        model.execute(statement)
    expected, present = tables(model), tables(connection)
    model.close()
    differing = {n for n in expected.keys() | present.keys() if expected.get(n) != present.get(n)}
    return [Damage("", f"table {_text(n)} is not as allometry makes it") for n in sorted(differing)]


def _file(connection: sqlite3.Connection) -> list[Damage]:
    damaged: list[Damage] = []
    lines = [_text(row[0]) for row in _each(connection, "PRAGMA integrity_check", damaged)]
    return damaged + [Damage("", f"the file: {line}") for line in lines if line != "ok"]


def _text(value: object) -> str:
    """A value from a damaged file as text that can be printed."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return repr(value)
