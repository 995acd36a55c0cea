"""Conditions on columns that select the same rows as a drawn rectangle, for a command line.

A rectangle to keep becomes bounds on columns, such as `params>=1e7`. Runs to leave out become a
bound if all runs beyond it are left out, else conditions such as `loss!=3.217`, with a value that
no remaining row has.
"""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np

from allometry.errors import UsageError
from allometry.laws import Array
from allometry.serve.table_page.choices import Choices, Rectangle
from allometry.serve.table_page.recognise import roles
from allometry.tables.arithmetic import with_computed
from allometry.tables.conditions import Mask, meeting, parsed
from allometry.tables.table import Table

__all__ = ["conditions_of"]

DIGITS = 17  # digits that represent any float exactly


def conditions_of(
    choices: Choices, table: Table, x: Array, y: Array, columns: Sequence[str]
) -> tuple[str, ...]:
    """The conditions of the choices, and those that represent the rectangle or the row.

    Args:
        x, y: position of each row on the chart, (rows,); NaN if it is not on it.
        columns: columns, or arithmetic of columns, that may get bounds.

    Raises:
        UsageError: no run is in the rectangle, no run would be left, or no condition separates
            the rows.
    """
    met = meeting(table, choices.where)
    on_chart = np.isfinite(x) & np.isfinite(y)  # other rows are not fitted
    kept = met & on_chart
    if choices.leave_row is not None:
        leaves = np.zeros(len(table), bool)
        if not 1 <= choices.leave_row <= len(table):
            raise UsageError(f"leave row: a row from 1 to {len(table)} expected")
        leaves[choices.leave_row - 1] = True
        kept |= leaves & met
    elif choices.rectangle is not None:
        inside = _inside(choices.rectangle, x, y)
        if not (inside & kept).any():
            raise UsageError("no run is in that rectangle; draw it around some runs")
        leaves = ~inside if choices.rectangle.keeps else inside
    else:
        return choices.where
    leaves &= kept
    if not leaves.any():
        return choices.where
    if not (kept & ~leaves).any():
        raise UsageError("no run would be left; leave out fewer")
    numbers = {name: _numbers(table, name) for name in columns}
    more = _ends(kept, leaves, numbers) or _one_by_one(table, kept, leaves)
    conditions = (*choices.where, *more)
    if (meeting(table, conditions) != (kept & ~leaves))[kept].any():
        raise AssertionError(f"these conditions keep other rows: {more}")
    return conditions


def _numbers(table: Table, name: str) -> Array:
    """The numbers of a column or of arithmetic, (rows,)."""
    return with_computed(table, [name]).numbers(name, "condition")


def _inside(rectangle: Rectangle, x: Array, y: Array) -> Mask:
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (x >= rectangle.x[0]) & (x <= rectangle.x[1])
            & (y >= rectangle.y[0]) & (y <= rectangle.y[1])
        )  # fmt: skip


def _ends(kept: Mask, leaves: Mask, numbers: Mapping[str, Array]) -> list[str]:
    """Bounds on few columns beyond which exactly these rows lie; empty if there are none.

    The algorithm is greedy: each bound leaves out as many of the remaining rows as possible.
    """
    stays, rest, conditions = kept & ~leaves, leaves.copy(), []
    while rest.any():
        best: tuple[int, str, Mask] | None = None
        for name, values in numbers.items():
            if not np.isfinite(values[stays]).all():
                continue  # a row without a number would not meet the condition
            low, high = float(values[stays].min()), float(values[stays].max())
            for sign, beyond in (("<=", values > high), (">=", values < low)):
                out = rest & beyond
                if out.any() and (best is None or out.sum() > best[0]):
                    outer = values[kept & beyond]
                    end = (
                        _between(high, float(outer.min()))
                        if sign == "<="
                        else -_between(-low, -float(outer.max()))
                    )
                    best = int(out.sum()), f"{name}{sign}{_text(end)}", out
        if best is None:
            return []
        conditions.append(best[1])
        rest &= ~best[2]
    return conditions


def _between(last: float, first: float) -> float:
    """The number with fewest digits that is at least `last` and less than `first`."""
    middle = last + (first - last) / 2 if isfinite(first) else last
    for digits in range(1, DIGITS + 1):
        value = float(f"{middle:.{digits}g}")
        if last <= value < first:
            return value
    return last


def _text(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e6 else repr(value)


def _one_by_one(table: Table, kept: Mask, leaves: Mask) -> list[str]:
    """A condition for each row to leave out, with a value that no remaining row has.

    Raises:
        UsageError: a row shares each of its values with a remaining row.
    """
    stays, conditions = kept & ~leaves, list[str]()
    role = roles(table)
    names = sorted(table.columns, key=lambda name: role.get(name) not in ("run", "L"))
    values = {name: table[name].tolist() for name in names}
    staying = {name: {v[i] for i in np.flatnonzero(stays)} for name, v in values.items()}
    for row in np.flatnonzero(leaves):
        conditions_of_row = (
            f"{name}!={_cell(column[row])}"
            for name, column in values.items()
            if column[row] not in staying[name] and _can_be_said(name, column[row])
        )
        condition = next(conditions_of_row, None)
        if condition is None:
            raise UsageError(
                f"{table.place(int(row))} has no unique value, so no condition leaves out only "
                "this row; add a column with an id of each row, or leave out similar rows too"
            )
        conditions.append(condition)
    return list(dict.fromkeys(conditions))


def _cell(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _can_be_said(name: str, value: object) -> bool:
    """Whether a condition with this value is parsed as intended."""
    if (
        value is None
        or isinstance(value, bool)
        or (isinstance(value, float) and not isfinite(value))
    ):
        return False
    text = f"{name}!={_cell(value)}"
    is_one_line = text.splitlines() == [text.strip()]
    return is_one_line and parsed(text) == (name, "!=", _cell(value))
