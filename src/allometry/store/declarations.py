"""Changes of table ``declared`` when a study declares its runs, also after its code changed."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from allometry.errors import DataError
from allometry.files.strict_json import read_json
from allometry.spec.variants import of_code
from allometry.store.record import canonical, digest

if TYPE_CHECKING:
    # Importing specs loads pydantic, which reading a store does not need.
    from allometry.spec import Experiment

__all__ = [
    "ALL_DECLARED", "DECLARED", "STORED", "Change", "EarlierCode", "Key", "Row", "checked",
    "earlier_codes", "matches_its_hash", "redeclared",
]  # fmt: skip

DECLARED = "study, size, variant, run_id, position, spec, sha256"
ALL_DECLARED = f"SELECT {DECLARED} FROM declared"
STORED = """SELECT d.run_id FROM declared d JOIN runs r ON r.run_id = d.run_id
    WHERE (d.study, d.size, d.variant) = (?, ?, ?) ORDER BY d.position, d.run_id"""

Key = tuple[str, str, str]  # study, size, variant
Row = tuple[Any, ...]  # of table ``declared``: a key, run_id, position, spec, sha256


def checked(rows: Iterable[Row]) -> Iterator[tuple[Row, str | None]]:
    """Each row of table ``declared`` with its damage in words; None if it is intact.

    Args:
        rows: all rows in the order of the file, which is that of their keys. So a damaged key is
            out of place, or does not match the hash of its row. A search by key would silently
            stop at the damage.
    """
    before: tuple[str, ...] = ()
    for row in rows:
        if not matches_its_hash(row):
            yield row, "its declaration is damaged"
            continue
        place = row[:4]  # Python orders texts by code point, which is SQLite's order of UTF-8
        yield row, "its declaration is out of place" if place <= before else None
        before = place


def matches_its_hash(row: Row) -> bool:
    """Whether the last field is the hash of the others, and these are texts and integers."""
    *fields, sha256 = row
    kinds = {*map(type, fields)} <= {str, int}
    return kinds and digest(*fields) == sha256


class EarlierCode(NamedTuple):
    """Stored runs of a study that an earlier version of its code made.

    Attributes:
        name: name of the code, as in ``--set code=NAME``.
        runs: number of runs.
        parts: name to hash of each function, class and constant of the code; empty if unknown, as
            in stores of older versions.
    """

    name: str
    runs: int
    parts: Mapping[str, str]


class Change(NamedTuple):
    """Rows of table ``declared`` to write.

    Attributes:
        gone: key and run_id of rows to remove.
        new: rows to add or replace.
        earlier: earlier code to the rows among `new` that keep its stored runs declared.
    """

    gone: list[Row]
    new: list[Row]
    earlier: dict[str, list[Row]]

    def write(self, connection: sqlite3.Connection) -> None:
        connection.executemany(
            "DELETE FROM declared WHERE (study, size, variant, run_id) = (?, ?, ?, ?)", self.gone
        )
        connection.executemany(
            "INSERT OR REPLACE INTO declared VALUES (?, ?, ?, ?, ?, ?, ?)", self.new
        )


def redeclared(
    connection: sqlite3.Connection,
    key: Key,
    specs: Sequence["Experiment"],
    before: Mapping[str, Row],
) -> Change:
    """The rows to write so that a key declares these runs; see `Store.declare`.

    Args:
        connection: connection to the store.
        key: study, size and variant.
        specs: the runs.
        before: run_id to row, for the runs that the key declares so far.
    """
    after = _after(key, specs, before)
    left = [row for run_id, row in before.items() if run_id not in after]
    codes = {spec.code for spec in specs}
    earlier: dict[str, list[Row]] = {}
    for row in _stored(connection, left):
        code = str(_fields(row[5]).get("code", ""))
        if code not in codes:
            fields = (*_key_of(key, code), *row[3:6])
            earlier.setdefault(code, []).append((*fields, digest(*fields)))
    gone = [row[:4] for row in left]
    for code in codes:  # current code: runs under its name, if any, are declared under `key` again
        query = "SELECT run_id FROM declared WHERE (study, size, variant) = (?, ?, ?)"
        earlier_key = _key_of(key, code)
        gone += [(*earlier_key, run_id) for (run_id,) in connection.execute(query, earlier_key)]
    new = [row for run_id, row in after.items() if before.get(run_id) != row]
    return Change(gone, new + [row for rows in earlier.values() for row in rows], earlier)


def earlier_codes(
    earlier: Mapping[str, Sequence[Row]],
    connection: sqlite3.Connection,
    parse: Callable[[str, str], Mapping[str, Any]],
) -> list[EarlierCode]:
    """Each earlier code with its number of runs, and its parts from the provenance of its runs.

    Args:
        earlier: `Change.earlier`.
        connection: connection to the store.
        parse: function of a name and a text that parses the text as JSON; the name is for errors.
    """
    from allometry.spec.code import short_name

    known: dict[str, Mapping[str, str]] = {}
    if earlier:
        for name, document in connection.execute("SELECT id, document FROM provenance"):
            known |= parse(name, document).get("code", {})
    return [EarlierCode(short_name(c), len(rows), known.get(c, {})) for c, rows in earlier.items()]


def _after(key: Key, specs: Sequence["Experiment"], before: Mapping[str, Row]) -> dict[str, Row]:
    """The rows of these runs, and of earlier runs that differ from them only in their seed."""
    from allometry.spec import run_ids, texts

    named = dict(zip(run_ids(specs), texts(specs), strict=True))
    others = [row for run_id, row in before.items() if run_id not in named]
    if others:
        kinds = {_without_seed(text) for text in named.values()}
        named |= {row[3]: row[5] for row in others if _without_seed(row[5]) in kinds}
    rows = {}
    for position, (run_id, text) in enumerate(named.items()):
        fields = (*key, run_id, position, text)
        rows[run_id] = (*fields, digest(*fields))
    return rows


def _stored(connection: sqlite3.Connection, rows: Iterable[Row]) -> list[Row]:
    """The rows whose runs are stored."""
    by_name = {row[3]: row for row in rows}
    query = "SELECT run_id FROM runs WHERE run_id IN (SELECT value FROM json_each(?))"
    stored = {run_id for (run_id,) in connection.execute(query, (json.dumps([*by_name]),))}
    return [row for run_id, row in by_name.items() if run_id in stored]


def _key_of(key: Key, code: str) -> Key:
    """The key under which runs of a code stay declared after the study's code has changed."""
    from allometry.spec.code import short_name

    study, size, variant = key
    return study, size, of_code(variant, short_name(code))


def _fields(text: str) -> dict[str, Any]:
    """The fields of a stored spec.

    Raises:
        DataError: the text is no JSON object; other programs may have written the store.
    """
    fields = read_json(text)
    if not isinstance(fields, dict):
        raise DataError(f"a spec in the store is not a JSON object, but {text[:40]!r}")
    return fields


def _without_seed(text: str) -> str:
    return canonical({n: value for n, value in _fields(text).items() if n != "seed"})
