"""Verify a store: read everything again and check the hashes, however damaged the file is."""

import hashlib
import json
import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.store import plans
from allometry.store.declarations import ALL_DECLARED, checked, matches_its_hash
from allometry.store.record import Record, damage, decode_arrays, decoded

__all__ = [
    "EXCLUDED", "RUNS", "Damage", "Verification", "check_runs", "documents", "exclusion_damage",
    "index_damage", "salvage", "set_aside", "verify",
]  # fmt: skip

RUNS = ", ".join(f"r.{name}" for name in Record._fields)
EXCLUDED = "run_id, reason, excluded_at, sha256"


@dataclass(frozen=True)
class Damage:
    """One damaged part of a store.

    Attributes:
        run_id: run_id of the damaged run; empty if the damage belongs to no run.
        what: the damage, in words.
        rowid: row of the run in table ``runs``; None if the damage is elsewhere.
    """

    run_id: str
    what: str
    rowid: int | None = None


@dataclass(frozen=True)
class Verification:
    """The result of reading a store again.

    Attributes:
        runs: number of runs that could be read.
        damaged: all damage; empty if the store is intact.
    """

    runs: int
    damaged: tuple[Damage, ...]

    def refuse_damage(self, path: Path) -> None:
        """Raise if anything is damaged.

        Raises:
            DataError: names the first damage and what to do.
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
    """Hash every run, declaration, exclusion, plan and provenance; let SQLite check its file."""
    damaged: list[Damage] = []
    names = _documents(connection, damaged).keys()
    runs = 0
    for rowid, stored, what in _checked(connection, names, damaged):
        runs += 1
        if what:
            damaged.append(Damage(_text(stored.run_id), what, rowid))
    damaged += _damaged_beside_runs(connection)
    return Verification(runs, (*damaged, *_file(connection)))


def check_runs(connection: sqlite3.Connection, run_ids: str) -> list[Damage]:
    """Damage of some runs, of everything else that is not a run, and of the index.

    Used before a study is resumed. Only hashes are checked: content under a valid hash is checked
    when it is read.

    Args:
        run_ids: run_ids as a JSON array.
    """
    names = documents(connection)
    query = f"SELECT r.rowid, {RUNS} FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value"
    damaged = []
    for rowid, *fields in connection.execute(query, (run_ids,)):
        stored = Record(*fields)
        what = damage(stored) or _provenance_damage(stored, names)
        if what:
            damaged.append(Damage(_text(stored.run_id), what, rowid))
    return damaged + _damaged_beside_runs(connection)


def _damaged_beside_runs(connection: sqlite3.Connection) -> list[Damage]:
    """Damage of declarations, exclusions and plans, and of the index of the runs."""
    damaged = _declarations(connection) + _exclusions(connection) + _plans(connection)
    return damaged + index_damage(connection)


def set_aside(connection: sqlite3.Connection, damaged: Sequence[Damage], when: str) -> None:
    """Move damaged runs, exclusions and plans to the quarantine; drop other damaged rows.

    Call inside a transaction. A study declares its runs again when it is run, and runs that are
    no longer stored are pending again.
    """
    _set_copies_aside(connection, when)
    # Before other rows are removed: SQLite cannot remove a row without an entry in the index.
    connection.execute("REINDEX")
    for one in damaged:
        if one.rowid is not None:
            _quarantine(connection, one.what, when, one.rowid)
    # All rows are written again, because a row with a damaged text cannot always be found.
    rows = connection.execute(ALL_DECLARED).fetchall()
    if any(what for _, what in checked(rows)):
        intact = {row[:4]: row for row in rows if matches_its_hash(row)}
        connection.execute("DELETE FROM declared")
        connection.executemany("INSERT INTO declared VALUES (?, ?, ?, ?, ?, ?, ?)", intact.values())
    _set_exclusions_aside(connection, when)
    _set_plans_aside(connection, when)
    intact_names = json.dumps(list(documents(connection)))
    connection.execute(
        "DELETE FROM provenance WHERE id NOT IN (SELECT value FROM json_each(?))", (intact_names,)
    )


def _set_copies_aside(connection: sqlite3.Connection, when: str) -> None:
    """Keep the first row of each run; a second was inserted if the index hid the first."""
    rows = connection.execute("SELECT rowid, +run_id FROM runs NOT INDEXED ORDER BY rowid")
    first: dict[str, int] = {}
    copies = [rowid for rowid, name in rows.fetchall() if first.setdefault(name, rowid) != rowid]
    for rowid in copies:
        _quarantine(connection, "a second row of its run", when, rowid)


def _quarantine(connection: sqlite3.Connection, what: str, when: str, rowid: int) -> None:
    connection.execute(
        f"INSERT INTO quarantine SELECT ?, ?, {RUNS} FROM runs r NOT INDEXED WHERE rowid = ?",
        (what, when, rowid),
    )
    connection.execute("DELETE FROM runs WHERE rowid = ?", (rowid,))


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


def _set_plans_aside(connection: sqlite3.Connection, when: str) -> None:
    rows = connection.execute(f"SELECT rowid, {plans.PLANS} FROM plans NOT INDEXED").fetchall()
    for rowid, *row in rows:
        what = plans.damage(tuple(row))
        if what:
            connection.execute(
                "INSERT INTO quarantine (what, found_at, row, sha256) VALUES (?, ?, ?, ?)",
                (what, when, row[5], row[7]),
            )
            connection.execute("DELETE FROM plans WHERE rowid = ?", (rowid,))


def salvage(source: sqlite3.Connection, target: sqlite3.Connection) -> Verification:
    """Copy everything intact into an empty store; call inside a transaction.

    Returns:
        number of copied runs, and the damage that was not copied.
    """
    damaged: list[Damage] = []
    intact = _documents(source, damaged)
    target.executemany("INSERT INTO provenance VALUES (?, ?)", intact.items())
    places = ", ".join("?" * len(Record._fields))
    runs = 0
    for rowid, stored, what in _checked(source, intact.keys(), damaged):
        if what:
            damaged.append(Damage(_text(stored.run_id), what, rowid))
        else:
            done = target.execute(f"INSERT OR IGNORE INTO runs VALUES ({places})", stored)
            runs += done.rowcount
    for row, what in checked(_each(source, ALL_DECLARED, damaged)):
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
    for row in _each(source, f"SELECT {plans.PLANS} FROM plans NOT INDEXED", damaged):
        what = plans.damage(row)
        if what:
            damaged.append(Damage("", what))
        else:
            target.execute(plans.INSERT, row)
    return Verification(runs, tuple(damaged))


def _declarations(connection: sqlite3.Connection) -> list[Damage]:
    damaged: list[Damage] = []
    for row, what in checked(_each(connection, ALL_DECLARED, damaged)):
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


def _plans(connection: sqlite3.Connection) -> list[Damage]:
    damaged: list[Damage] = []
    for row in _each(connection, f"SELECT {plans.PLANS} FROM plans NOT INDEXED", damaged):
        what = plans.damage(row)
        if what:
            damaged.append(Damage("", what))
    return damaged


def exclusion_damage(row: tuple[Any, ...]) -> str | None:
    """The damage of a row of table ``excluded`` in words; None if it is intact."""
    return None if matches_its_hash(row) else "the reason for its exclusion is damaged"


def documents(connection: sqlite3.Connection) -> dict[str, str]:
    """The intact provenance documents by name."""
    return _documents(connection, [])


def _documents(connection: sqlite3.Connection, damaged: list[Damage]) -> dict[str, str]:
    """The provenance documents that match their name, a SHA-256; others go to `damaged`."""
    intact = {}
    for name, document in _each(connection, "SELECT id, document FROM provenance", damaged):
        if isinstance(document, str) and name == _sha256(document):
            intact[name] = document
        else:
            damaged.append(Damage("", f"provenance document {_text(name)[:12]} is damaged"))
    return intact


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _run_damage(stored: Record, names: Container[str]) -> str | None:
    """The damage of a run, its trajectories or its provenance in words; None if intact.

    Args:
        names: names of the intact provenance documents.
    """
    what = damage(stored)
    if what is not None:
        return what
    try:
        decoded(stored)
        decode_arrays(stored.trajectories)
    except DataError as error:
        return str(error)
    return _provenance_damage(stored, names)


def _provenance_damage(stored: Record, names: Container[str]) -> str | None:
    return None if stored.provenance in names else "its provenance is damaged"


def _checked(
    connection: sqlite3.Connection, names: Container[str], damaged: list[Damage]
) -> Iterator[tuple[int, Record, str | None]]:
    """Rowid, record and damage of every run that can be read; unreadable ones go to `damaged`.

    A page that cannot be read ends a scan. So a second scan starts at the other end, and
    the rows between are read one by one with rowids from the index.
    """
    query = f"SELECT rowid, {RUNS} FROM runs r NOT INDEXED"
    broken: list[Damage] = []
    seen = set()
    for order in ("ASC", "DESC"):
        for rowid, *fields in _each(connection, f"{query} ORDER BY rowid {order}", broken):
            if rowid not in seen:
                seen.add(rowid)
                yield rowid, Record(*fields), _run_damage(Record(*fields), names)
        if not broken:
            return
    damaged.append(broken[0])
    for rowid, run_id in _each(connection, "SELECT rowid, run_id FROM runs ORDER BY run_id", []):
        if rowid in seen:
            continue
        unreadable: list[Damage] = []
        for _, *fields in _each(connection, f"{query} WHERE rowid = {int(rowid)}", unreadable):
            yield rowid, Record(*fields), _run_damage(Record(*fields), names)
        damaged += [Damage(_text(run_id), one.what, rowid) for one in unreadable]


def _each(
    connection: sqlite3.Connection, query: str, broken: list[Damage]
) -> Iterator[tuple[Any, ...]]:
    """The rows of a query up to the first that cannot be read; its error goes to `broken`."""
    try:
        yield from connection.execute(query)
    # A damaged length can ask for more memory than the machine has, and SQLite's message
    # can quote damaged text that Python cannot decode.
    except (sqlite3.Error, MemoryError, UnicodeDecodeError) as error:
        broken.append(Damage("", f"a part of the file is not readable: {error}"))


def index_damage(connection: sqlite3.Connection) -> list[Damage]:
    """Damage of the index: it must have the names of all rows, in order, for searches to work."""
    damaged: list[Damage] = []
    rows = _each(connection, "SELECT +run_id, rowid FROM runs NOT INDEXED", damaged)
    names = {rowid: name for name, rowid in rows}
    entries = _each(connection, "SELECT run_id, rowid FROM runs ORDER BY run_id", damaged)
    if damaged or not _is_index(entries, names):
        damaged.append(Damage("", "the index of the runs does not match their rows"))
    return damaged


def _is_index(entries: Iterable[tuple[Any, ...]], names: Mapping[int, object]) -> bool:
    """Whether the entries of an index are those of all rows, in ascending order."""
    before, count = "", 0
    for name, rowid in entries:
        # Python orders texts by code point, which is SQLite's order of UTF-8.
        if not isinstance(name, str) or names.get(rowid) != name or name <= before:
            return False
        before = name
        count += 1
    return count == len(names)


def _file(connection: sqlite3.Connection) -> list[Damage]:
    damaged: list[Damage] = []
    lines = [_text(row[0]) for row in _each(connection, "PRAGMA integrity_check", damaged)]
    return damaged + [Damage("", f"the file: {line}") for line in lines if line != "ok"]


def _text(value: object) -> str:
    """A value from a damaged file as text that can be printed."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return repr(value)
