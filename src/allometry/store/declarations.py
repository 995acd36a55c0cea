"""What declaring the runs of a study changes, and which declarations other code of it leaves."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from allometry.errors import DataError
from allometry.files.strict_json import read_json
from allometry.spec.variants import of_code
from allometry.store.record import canonical, digest

if TYPE_CHECKING:
    # Specs bring pydantic, which reading a store does not need.
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
    """Each row of table ``declared`` with what is wrong with it, None for nothing.

    Args:
        rows: all of them, as they stand in the file. They stand there by their keys, so a key
            that was damaged is out of place, or does not match the hash of its row; a search for
            it would end at the damage without a word.
    """
    before: tuple[str, ...] = ()
    for row in rows:
        if not matches_its_hash(row):
            yield row, "its declaration is damaged"
            continue
        place = row[:4]  # in the order of Unicode, which is that of UTF-8
        yield row, "its declaration is out of place" if place <= before else None
        before = place


def matches_its_hash(row: Row) -> bool:
    """Whether the last field is the hash of the others, which are texts and whole numbers."""
    *fields, sha256 = row
    kinds = {*map(type, fields)} <= {str, int}
    return kinds and digest(*fields) == sha256


class EarlierCode(NamedTuple):
    """Stored runs of a study that other code made than it has now.

    Attributes:
        name: of the code, as ``--set code=NAME`` takes it.
        runs: how many.
        parts: name to hash of each function, class and constant it is made of; empty where it is
            not known, as in stores that are older than this.
    """

    name: str
    runs: int
    parts: Mapping[str, str]


class Change(NamedTuple):
    """Rows of table ``declared`` to write.

    Attributes:
        gone: keys with run_id of rows to remove.
        new: rows to add or to replace.
        earlier: code to the rows among `new` that keep its stored runs declared.
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
    """What is to be written so that a key declares these runs, as `Store.declare` says.

    Args:
        connection: of the store.
        key: study, size and variant.
        specs: the runs.
        before: run_id to row of what the key declares so far.
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
    for code in codes:  # which is no earlier one, or no longer
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
        earlier: of a `Change`.
        connection: of the store.
        parse: a text kept under a name as JSON.
    """
    from allometry.spec.code import short_name

    known: dict[str, Mapping[str, str]] = {}
    if earlier:
        for name, document in connection.execute("SELECT id, document FROM provenance"):
            known |= parse(name, document).get("code", {})
    return [EarlierCode(short_name(c), len(rows), known.get(c, {})) for c, rows in earlier.items()]


def _after(key: Key, specs: Sequence["Experiment"], before: Mapping[str, Row]) -> dict[str, Row]:
    """The rows of these runs, and of those that differ from one of them in their seed alone."""
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
    """Those of these rows whose runs are stored."""
    by_name = {row[3]: row for row in rows}
    query = "SELECT run_id FROM runs WHERE run_id IN (SELECT value FROM json_each(?))"
    stored = {run_id for (run_id,) in connection.execute(query, (json.dumps([*by_name]),))}
    return [row for run_id, row in by_name.items() if run_id in stored]


def _key_of(key: Key, code: str) -> Key:
    """The key under which runs of a code stay declared once the study has another."""
    from allometry.spec.code import short_name

    study, size, variant = key
    return study, size, of_code(variant, short_name(code))


def _fields(text: str) -> dict[str, Any]:
    """A spec as the store keeps it.

    Raises:
        DataError: it is none, in a store from elsewhere.
    """
    fields = read_json(text)
    if not isinstance(fields, dict):
        raise DataError(f"a spec in the store is no object, but {text[:40]!r}")
    return fields


def _without_seed(text: str) -> str:
    return canonical({n: value for n, value in _fields(text).items() if n != "seed"})
