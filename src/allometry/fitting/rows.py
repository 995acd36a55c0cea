"""Selection of the rows that a fit uses; the reason is recorded for every row left out."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError, UsageError, did_you_mean
from allometry.fitting.mapping import SIZE_ALIASES, check_response, data_from, logarithm_notes
from allometry.laws import Array, Law
from allometry.tables.conditions import Mask, condition
from allometry.tables.table import Origin, Table

__all__ = ["Places", "Rows", "left_out", "noise_of_residuals", "select", "sizes_of"]

Places = NDArray[np.intp]

BY_CONDITION = ("outside ", "among the ")  # prefixes of the rules of `where` and `drop_largest`
LARGEST = 1e60  # numbers above this, or below its inverse, count as damaged


@dataclass(frozen=True)
class Rows:
    """The numbers of a fit.

    Attributes:
        sizes: symbol -> (n,). y: (n,). weights: (n,), mean 1.
        kept: positions of the used rows in the table.
        dropped: pairs (row number from 1, rule). notes: on what was done, in words.
        origin: the file from which the table was read, if known.
    """

    sizes: dict[str, Array]
    y: Array
    weights: Array
    kept: Places
    dropped: list[tuple[int, str]]
    notes: tuple[str, ...]
    origin: Origin | None = None

    def take(self, places: Places) -> "Rows":
        """A subset of the used rows; weights are not rescaled."""
        return replace(
            self,
            sizes={symbol: values[places] for symbol, values in self.sizes.items()},
            y=self.y[places],
            weights=self.weights[places],
            kept=self.kept[places],
        )

    def place(self, row: int) -> str:
        """The place of a row (number from 1): `line 13` of its file or, without one, `row 12`."""
        if self.origin is None:
            return f"row {row}"
        return f"{self.origin.unit} {self.origin.numbers[row - 1]}"

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
    free: int,
) -> Rows:
    """Apply the rules in a fixed order.

    The order is: excluded, conditions, missing, not positive, largest, weights.

    Args:
        free: number of parameters that are fitted, the fewest rows that are accepted.

    Raises:
        UsageError: symbols or columns that do not match the law.
        DataError: text where numbers are needed, too few rows, or a column that does not
            determine its exponent (constant, or equal to another).
    """
    data, notes = _columns(table, law, columns)
    dropped: list[tuple[int, str]] = []
    usable = np.ones(len(table), bool)

    def drop(bad: Mask, rule: str) -> None:
        dropped.extend((int(i) + 1, rule) for i in np.flatnonzero(bad & usable))
        usable[bad] = False

    if "status" in table:
        excluded = np.array([status == "excluded" for status in table["status"]], bool)
        drop(excluded, "status is excluded")
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
    _refuse_absurd_weights(table, {"weight": weights, "noise": noise}, usable)
    weight = _weights(table, weights, noise, data[law.response] if logs else None)
    drop(~(np.isfinite(weight) & (weight > 0)), "weight missing or not positive")
    kept = np.flatnonzero(usable)
    used = {symbol: values[usable] for symbol, values in data.items()}
    _refuse_few(law, free, dropped, len(table))
    _refuse_uninformative(law, columns, used)
    _refuse_absurd(table, columns, used, kept)
    notes += (*_not_positive_notes(law, dropped), *logarithm_notes(law, columns, used))
    y = used.pop(law.response)
    weight = weight[usable] / weight[usable].mean()
    return Rows(used, y, weight, kept, dropped, (*table.notes, *notes), table.origin)


def left_out(dropped: Sequence[tuple[int, str]], *, asked: bool = True) -> str:
    """A clause such as `3 rows left out: 3 L missing or not finite`; empty if there are none.

    Args:
        dropped: of `Rows`. asked: whether to count rows left out by a condition of the caller.
    """
    rules = Counter(rule for _, rule in dropped if asked or not rule.startswith(BY_CONDITION))
    if not rules:
        return ""
    count = rules.total()
    reasons = "; ".join(f"{times} {rule}" for rule, times in rules.items())
    return f"{count} row{'' if count == 1 else 's'} left out: {reasons}"


def sizes_of(table: Table, law: Law, columns: Mapping[str, str]) -> dict[str, Array]:
    """The law's sizes in a table; D is computed if C or M is mapped in place of it."""
    data, _ = _columns(table, law, columns)
    return {s: data[s] for s in law.sizes}


def _columns(
    table: Table, law: Law, columns: Mapping[str, str]
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The values of the law's symbols (rows,), and notes.

    D is computed if C or M is mapped in place of it; a single size may be mapped as x or z.
    """
    needed = (*law.sizes, law.response)
    columns = dict(columns)
    if len(law.sizes) == 1 and law.sizes[0] not in columns:
        for alias in {*SIZE_ALIASES} & set(columns):
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
    data = {s: table.numbers(columns[s], s) for s in needed if s in columns}
    if stand_in is None:
        return data, ()
    other = table.numbers(columns[stand_in], stand_in)
    data["D"] = data_from(stand_in, other, data["N"])
    return data, (f"D was computed as {'C / (6 N)' if stand_in == 'C' else 'M N'}",)


def _largest(data: Mapping[str, Array], usable: Mask, symbol: str, count: int) -> Mask:
    if symbol not in data:
        raise UsageError(
            f"cannot drop the largest {symbol!r}; there are {', '.join(data)}"
            f"{did_you_mean(symbol, data)}"
        )
    if count < 0:
        raise UsageError(f"the number of rows to drop must be at least 0, got {count}")
    bad = np.zeros(len(usable), bool)
    rows = np.flatnonzero(usable)
    if count:
        bad[rows[np.argsort(data[symbol][rows], kind="stable")[-count:]]] = True
    return bad


def _weights(table: Table, weights: str | None, noise: str | None, divisor: Array | None) -> Array:
    weight = np.ones(len(table))
    if weights is not None:
        weight = weight * table.numbers(weights, "weight")
    if noise is not None:
        with np.errstate(divide="ignore"):
            weight = weight / noise_of_residuals(table, noise, divisor) ** 2
    return weight


def noise_of_residuals(table: Table, column: str, y: Array | None) -> Array:
    """The standard deviation of each row's residual, (rows,).

    Args:
        column: of the standard deviations, in units of y.
        y: the response (rows,) if residuals are of log y: sd(log y) is sd(y) / y for small
            errors. None if they are of y.
    """
    noise = table.numbers(column, "noise")
    if y is None:
        return noise
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(noise / y)


def _not_positive_notes(law: Law, dropped: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """A note if rows were left out because residuals are of log y."""
    count = sum(rule == f"{law.response} not positive" for _, rule in dropped)
    if not count:
        return ()
    return (f"{count} row{'s have' if count > 1 else ' has'} {_without_logarithm(law)}",)


def _without_logarithm(law: Law) -> str:
    return (
        f"no logarithm of {law.response}, since {law.response} <= 0; "
        f"objective squared fits {law.response} itself"
    )


def _refuse_few(law: Law, free: int, dropped: Sequence[tuple[int, str]], before: int) -> None:
    if before - len(dropped) < free:
        rules = Counter(rule for _, rule in dropped)
        reasons = ", ".join(f"{count} {rule}" for rule, count in rules.items())
        advice = f"{law.response} not positive" in rules
        raise DataError(
            f"law {law.name} has {free} parameters to fit and needs at least as many rows; "
            f"{before - len(dropped)} of {before} rows are left after dropping"
            + (f" (left out: {reasons})" if reasons else "")
            + (f"; some rows have {_without_logarithm(law)}" if advice else "")
        )


def _refuse_uninformative(law: Law, columns: Mapping[str, str], used: Mapping[str, Array]) -> None:
    for symbol in law.sizes:
        if law.per_row and np.ptp(used[symbol]) == 0:
            raise DataError(
                f"column {columns.get(symbol, symbol)!r} ({symbol}) is constant "
                f"({used[symbol][0]:g}), so its exponent cannot be determined; "
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
        finite = np.isfinite(size)
        far = np.flatnonzero(finite & ((size > LARGEST) | ((size > 0) & (size < 1 / LARGEST))))
        if len(far):
            raise DataError(
                f"{table.place(kept[far[0]])}, column {columns.get(symbol, symbol)!r} ({symbol}): "
                f"{values[far[0]]:g} is not a plausible size, loss or weight; "
                "correct or leave out the row"
            )


def _refuse_absurd_weights(table: Table, columns: Mapping[str, str | None], usable: Mask) -> None:
    for name, column in columns.items():
        if column is not None:
            values = table.numbers(column, name)[usable]
            _refuse_absurd(table, {name: column}, {name: values}, np.flatnonzero(usable))
