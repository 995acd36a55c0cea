"""From a table to the rows a fit uses: every row left out has a rule and a number."""

import hashlib
import operator
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError, UsageError, did_you_mean
from allometry.fitting.mapping import check_response, logarithm_notes
from allometry.laws import Array, Law
from allometry.tables.table import Table

__all__ = ["Mask", "Places", "Rows", "condition", "numbers", "select", "sizes_of"]

Places = NDArray[np.intp]
Mask = NDArray[np.bool_]

LARGEST = 1e60  # numbers beyond this, or below its inverse, are damage, not data

COMPARISONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Rows:
    """The numbers of a fit.

    Attributes:
        sizes: symbol -> (n,). y: (n,). weights: (n,), mean 1.
        kept: positions of the used rows in the table.
        dropped: pairs (row number from 1, rule). notes: in words.
    """

    sizes: dict[str, Array]
    y: Array
    weights: Array
    kept: Places
    dropped: list[tuple[int, str]]
    notes: tuple[str, ...]

    def points(self) -> Places:
        """Label of each row's design point: rows with the same sizes share one."""
        sizes = np.stack(list(self.sizes.values()), 1)
        labels: Places = np.ravel(np.unique(sizes, axis=0, return_inverse=True)[1])
        return labels

    def digest(self) -> str:
        """SHA-256 of the used numbers."""
        state = hashlib.sha256()
        for name in sorted(self.sizes):
            state.update(name.encode() + np.ascontiguousarray(self.sizes[name], "<f8").tobytes())
        state.update(np.ascontiguousarray(self.y, "<f8").tobytes())
        state.update(np.ascontiguousarray(self.weights, "<f8").tobytes())
        return f"sha256:{state.hexdigest()}"


def select(
    table: Table,
    law: Law,
    columns: Mapping[str, str],
    *,
    logs: bool,
    drop_largest: Mapping[str, int],
    where: Sequence[str],
    weights: str | None,
    noise: str | None,
) -> Rows:
    """Apply every rule in a fixed order: conditions, missing, not positive, largest.

    Raises:
        UsageError: symbols or columns that do not fit the law.
        DataError: text where numbers are needed, or a column that cannot tell
            anything about its exponent (constant, or a copy of another).
    """
    data, notes = _columns(table, law, columns)
    dropped: list[tuple[int, str]] = []
    usable = np.ones(len(table), bool)

    def drop(bad: Mask, rule: str) -> None:
        dropped.extend((int(i) + 1, rule) for i in np.flatnonzero(bad & usable))
        usable[bad] = False

    for text in where:
        drop(~condition(table, text), f"outside {text}")
    for symbol, values in data.items():
        drop(~np.isfinite(values), f"{symbol} missing or not finite")
    positive = (*(law.sizes if law.positive_sizes else ()), *((law.response,) if logs else ()))
    for symbol in positive:
        with np.errstate(invalid="ignore"):
            drop(data[symbol] <= 0, f"{symbol} not positive")
    for symbol, count in drop_largest.items():
        drop(_largest(data, usable, symbol, count), f"among the {count} largest {symbol}")
    weight = _weights(table, weights, noise)
    drop(~(np.isfinite(weight) & (weight > 0)), "weight missing or not positive")
    kept = np.flatnonzero(usable)
    used = {symbol: values[usable] for symbol, values in data.items()}
    _refuse_few(law, len(kept), len(table), dropped)
    _refuse_uninformative(law, columns, used)
    _refuse_absurd(table, columns, used, kept)
    notes = (*table.notes, *notes, *logarithm_notes(law, columns, used))
    notes += _positive_response(law, dropped)
    y = used.pop(law.response)
    return Rows(used, y, weight[usable] / weight[usable].mean(), kept, dropped, notes)


def sizes_of(table: Table, law: Law, columns: Mapping[str, str]) -> dict[str, Array]:
    """The law's sizes in a table, D made of C or M where they stand in for it."""
    data, _ = _columns(table, law, columns)
    return {s: data[s] for s in law.sizes}


def _columns(
    table: Table, law: Law, columns: Mapping[str, str]
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The law's symbols; D may come as C / (6 N) or as M N, and one size as x or z."""
    needed = (*law.sizes, law.response)
    columns = dict(columns)
    if len(law.sizes) == 1 and law.sizes[0] not in columns:
        for alias in {"x", "z"} & set(columns):
            columns[law.sizes[0]] = columns.pop(alias)
    stand_in = next(
        (
            s
            for s in ("C", "M")
            if "D" in needed and "D" not in columns and {"N", s} <= set(columns)
        ),
        None,
    )
    have = set(columns) | ({"D"} if stand_in else set())
    missing = [s for s in needed if s not in have]
    extra = [s for s in columns if s not in needed and s != stand_in]
    if missing or extra:
        raise UsageError(
            f"law {law.name} needs a column for each of {', '.join(needed)}; "
            + (f"missing {', '.join(missing)}" if missing else "")
            + (" and " if missing and extra else "")
            + (f"unknown {', '.join(extra)}{did_you_mean(extra[0], needed)}" if extra else "")
        )
    check_response(law, columns)
    data = {s: numbers(table, columns[s], s) for s in needed if s in columns}
    if stand_in is None:
        return data, ()
    other = numbers(table, columns[stand_in], stand_in)
    with np.errstate(divide="ignore", invalid="ignore"):
        data["D"] = other / (6 * data["N"]) if stand_in == "C" else other * data["N"]
    return data, (f"D was computed as {'C / (6 N)' if stand_in == 'C' else 'M N'}",)


def numbers(table: Table, column: str, symbol: str) -> Array:
    """A column as numbers (rows,), NaN where a value is missing; DataError for text."""
    values = table[column]
    if values.dtype.kind in "ifb":
        return values.astype(float)
    for row, cell in enumerate(values):
        if cell is not None and not isinstance(cell, int | float | np.number):
            raise DataError(
                f"{table.place(row)}, column {column!r} ({symbol}): a number was expected, "
                f"got {cell!r}"
            )
    return np.array([np.nan if cell is None else float(cell) for cell in values])


def _largest(data: Mapping[str, Array], usable: Mask, symbol: str, count: int) -> Mask:
    if symbol not in data:
        raise UsageError(
            f"cannot drop the largest {symbol!r}; there are {', '.join(data)}"
            f"{did_you_mean(symbol, data)}"
        )
    if count < 0:
        raise UsageError(f"a number of rows to drop is at least 0, got {count}")
    bad = np.zeros(len(usable), bool)
    rows = np.flatnonzero(usable)
    if count:
        bad[rows[np.argsort(data[symbol][rows], kind="stable")[-count:]]] = True
    return bad


def _weights(table: Table, weights: str | None, noise: str | None) -> Array:
    weight = np.ones(len(table))
    if weights is not None:
        weight = weight * numbers(table, weights, "weight")
    if noise is not None:
        with np.errstate(divide="ignore"):
            weight = weight / numbers(table, noise, "noise") ** 2
    return weight


def _refuse_few(law: Law, rows: int, before: int, dropped: Sequence[tuple[int, str]]) -> None:
    free = len(law.parameters) - len(law.fixed)
    if rows >= free:
        return
    rules = Counter(rule for _, rule in dropped)
    reasons = ", ".join(f"{count} {rule}" for rule, count in rules.items())
    text = (
        f"law {law.name} has {free} parameters; {rows} of {before} rows are left after dropping"
        + (f" ({reasons})" if reasons else "")
        + ", at least as many are needed"
    )
    raise DataError("; ".join((text, *_positive_response(law, dropped))))


def _positive_response(law: Law, dropped: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """A note where rows were left out because the objective takes logarithms of the response."""
    y = law.response
    if not any(rule == f"{y} not positive" for _, rule in dropped):
        return ()
    return (f"objectives in logs leave out rows with {y} <= 0; objective squared takes any {y}",)


def _refuse_uninformative(law: Law, columns: Mapping[str, str], used: Mapping[str, Array]) -> None:
    for symbol in law.sizes:
        if law.per_row and np.ptp(used[symbol]) == 0:
            raise DataError(
                f"column {columns.get(symbol, symbol)!r} ({symbol}) is constant "
                f"({used[symbol][0]:g}): it cannot tell its exponent; "
                + (f"use a law without {symbol}" if len(law.sizes) > 1 else "map another column")
            )
    for i, first in enumerate(law.sizes):
        for second in law.sizes[i + 1 :]:
            if law.per_row and np.array_equal(used[first], used[second]):
                raise DataError(
                    f"{first} and {second} are the same numbers in every row; "
                    "their effects cannot be told apart"
                )


def _refuse_absurd(
    table: Table, columns: Mapping[str, str], used: Mapping[str, Array], kept: Places
) -> None:
    for symbol, values in used.items():
        size = np.abs(values)
        far = np.flatnonzero((size > LARGEST) | ((size > 0) & (size < 1 / LARGEST)))
        if len(far):
            raise DataError(
                f"{table.place(kept[far[0]])}, column {columns.get(symbol, symbol)!r} ({symbol}): "
                f"{values[far[0]]:g} is beyond any size or loss; correct or leave out the row"
            )


def condition(table: Table, text: str) -> Mask:
    """Rows where `COLUMN<op>VALUE` holds; op is one of <= >= == != < >."""
    match = re.fullmatch(r"\s*(.+?)\s*(<=|>=|==|!=|<|>)\s*(.*?)\s*", text)
    if match is None:
        raise UsageError(f"a condition like 'COLUMN<=VALUE' was expected, got {text!r}")
    name, sign, value = match.groups()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    column = table[name]
    if column.dtype.kind in "if":
        try:
            return np.asarray(COMPARISONS[sign](column, float(value)), bool)
        except ValueError:
            raise UsageError(f"column {name!r} holds numbers, got {value!r} in {text!r}") from None
    if sign not in ("==", "!="):
        raise UsageError(f"column {name!r} holds text: only == and != compare it, got {text!r}")
    return np.asarray(COMPARISONS[sign](np.array([str(cell) for cell in column]), value), bool)
