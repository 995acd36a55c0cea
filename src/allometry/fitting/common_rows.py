"""The rows that every law of a comparison can use: criteria need the same data for all laws."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from allometry.errors import DataError
from allometry.fitting.objectives import OBJECTIVES
from allometry.fitting.options import FitOptions, ObjectiveName
from allometry.fitting.problem import Problem
from allometry.fitting.rows import Places, Rows
from allometry.laws import Law
from allometry.tables.conditions import Mask
from allometry.tables.table import Table

__all__ = ["CommonRows", "common_rows", "equal_rows", "usable_test_rows"]


@dataclass(frozen=True)
class CommonRows:
    """The rows to fit, and why the others were left out.

    Attributes:
        places: positions of the rows in the table (n,).
        refusals: name of a law that cannot be fitted -> reason.
        left_out: number of rows that some law could not use.
        notes: which rows were left out and why, in words.
        table_notes: how the table was read and what its columns look like, in words.
    """

    places: Places
    refusals: dict[str, str]
    left_out: int
    notes: tuple[str, ...]
    table_notes: tuple[str, ...]


def common_rows(
    table: Table, laws: Mapping[str, Law], columns: Mapping[str, str], options: FitOptions
) -> CommonRows:
    """Leave out every row that some law cannot use.

    A law that cannot be fitted to the table, or to the rows that remain for all laws, is
    refused. The rows that only a refused law cannot use are kept.
    """
    refusals: dict[str, str] = {}
    while True:
        accepted = {name: law for name, law in laws.items() if name not in refusals}
        rows, refused = _rows(table, accepted, columns, options)
        places = np.arange(len(table))
        for of_law in rows.values():
            places = np.intersect1d(places, of_law.kept)
        if not refused:
            without = replace(options, drop_largest=None)
            _, refused = _rows(table.take(places), accepted, columns, without)
        if not refused:
            break
        refusals.update(refused)
    left_out, notes = _left_out(rows, len(table))
    table_notes = dict.fromkeys(note for of_law in rows.values() for note in of_law.notes)
    return CommonRows(places, refusals, left_out, notes, tuple(table_notes))


def _rows(
    table: Table, laws: Mapping[str, Law], columns: Mapping[str, str], options: FitOptions
) -> tuple[dict[str, Rows], dict[str, str]]:
    """The rows of each law that can be fitted to the table, and the reasons for the others."""
    rows, refused = {}, {}
    for name, law in laws.items():
        law_columns = {s: c for s, c in columns.items() if s not in _companion_symbols(law)}
        try:
            rows[name] = Problem.of_table(table, law, law_columns, options).rows
        except DataError as refusal:
            refused[name] = str(refusal)
    return rows, refused


def _companion_symbols(law: Law) -> tuple[str, ...]:
    """Symbols that only the law's companion has; its rows are selected separately."""
    return () if law.companion is None else (law.companion.response,)


def _left_out(rows: Mapping[str, Rows], total: int) -> tuple[int, tuple[str, ...]]:
    """Number of rows that some law could not use, and a note on which laws and why."""
    rules: dict[str, set[int]] = {}
    laws: dict[str, list[str]] = {}
    for name, of_law in rows.items():
        for row, rule in of_law.dropped:
            rules.setdefault(rule, set()).add(row)
            if name not in laws.setdefault(rule, []):
                laws[rule].append(name)
    requested = {rule for rule in rules if rule.startswith("among the ")}
    reasons = [
        f"{len(places)} {rule}"
        + ("" if len(laws[rule]) == len(rows) else f" (needed by {', '.join(laws[rule])})")
        for rule, places in rules.items()
        if rule not in requested
    ]
    count = len(set().union(*(places for rule, places in rules.items() if rule not in requested)))
    if not count:
        return 0, ()
    return count, (f"{count} of {total} rows were left out for every law: {'; '.join(reasons)}",)


def usable_test_rows(
    table: Table, laws: Mapping[str, Law], columns: Mapping[str, str], objective: ObjectiveName
) -> Mask:
    """Rows set aside on which every law can be scored, (rows,).

    In these rows all numbers are finite. The response is positive if the objective is in logs,
    and sizes are positive if some law needs it.
    """
    usable = np.ones(len(table), bool)
    logs = OBJECTIVES[objective].logs
    response = next(iter(laws.values())).response
    for symbol, column in columns.items():
        values = table.numbers(column, symbol)
        usable &= np.isfinite(values)
        is_response = symbol == response
        if logs if is_response else any(law.positive_sizes for law in laws.values()):
            with np.errstate(invalid="ignore"):
                usable &= values > 0
    return usable


def equal_rows(table: Table) -> int:
    """Number of rows that equal an earlier one in every column."""
    rows = zip(*(table[column].tolist() for column in table.columns), strict=True)
    return len(table) - len(set(rows))
