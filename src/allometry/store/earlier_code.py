"""Stored runs of a study that other code of the user made: they stay declared, under its name."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from allometry.spec import of_code
from allometry.spec.code import short_name
from allometry.store.record import digest

__all__ = ["EarlierCode", "declared_under", "earlier_codes", "rows_by_code"]

Row = tuple[Any, ...]  # of table ``declared``: study, size, variant, run_id, position, spec, sha256


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


def rows_by_code(
    rows: Iterable[Row], stored: Collection[str], codes: Collection[str]
) -> dict[str, list[Row]]:
    """Rows of stored runs by their code, without those of the codes given."""
    by_code: dict[str, list[Row]] = {}
    for row in rows:
        code = str(json.loads(row[5]).get("code", ""))
        if row[3] in stored and code not in codes:
            by_code.setdefault(code, []).append(row)
    return by_code


def declared_under(code: str, rows: Sequence[Row]) -> list[Row]:
    """The same rows, declared under the name of their code."""
    moved = [(*row[:2], of_code(row[2], short_name(code)), *row[3:6]) for row in rows]
    return [(*fields, digest(*fields)) for fields in moved]


def earlier_codes(
    rows: Mapping[str, Sequence[Row]], documents: Sequence[Mapping[str, Any]]
) -> list[EarlierCode]:
    """Each code with its number of runs, and its parts from the provenance of its runs."""
    known: dict[str, Mapping[str, str]] = {}
    for document in documents:
        known |= document.get("code", {})
    return [EarlierCode(short_name(c), len(some), known.get(c, {})) for c, some in rows.items()]
