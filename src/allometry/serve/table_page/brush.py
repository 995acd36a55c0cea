"""Conditions that keep some rows of a table, so that a command line can say what was drawn.

A rectangle to keep becomes ends of columns, `params>=1e7`. Runs to leave out become one such end
where all beyond it go, else `loss!=3.217`, a value that the row does not share.
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

DIGITS = 17  # that say a float exactly


def conditions_of(
    choices: Choices, table: Table, x: Array, y: Array, columns: Sequence[str]
) -> tuple[str, ...]:
    """The conditions of the choices, and those of the rectangle or the row.

    Args:
        x, y: of each row on the chart, (rows,), NaN where it is not on it.
        columns: of which ends may be given, or arithmetic of columns.

    Raises:
        UsageError: no run is in the rectangle, none would be left, or no condition tells rows
            apart.
    """
    met = meeting(table, choices.where)
    on_chart = np.isfinite(x) & np.isfinite(y)  # of the other rows no fit is made
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
            raise UsageError("no run is in that rectangle; draw it around some")
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
        raise AssertionError(f"conditions that keep other rows: {more}")
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
    """Ends of few columns beyond which exactly these rows lie; empty where there are none.

    The column whose end leaves out the most of what is left comes first.
    """
    stays, rest, conditions = kept & ~leaves, leaves.copy(), []
    while rest.any():
        best: tuple[int, str, Mask] | None = None
        for name, values in numbers.items():
            if not np.isfinite(values[stays]).all():
                continue  # a row without a number meets no such condition
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
    """The number of fewest digits that is at least `last` and less than `first`."""
    middle = last + (first - last) / 2 if isfinite(first) else last
    for digits in range(1, DIGITS + 1):
        value = float(f"{middle:.{digits}g}")
        if last <= value < first:
            return value
    return last


def _text(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e6 else repr(value)


def _one_by_one(table: Table, kept: Mask, leaves: Mask) -> list[str]:
    """A condition for each row that goes, by a value that none of those that stay has.

    Raises:
        UsageError: a row that is in every column as another that stays.
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
                f"{table.place(int(row))} has no value of its own, so no condition leaves it out "
                "and keeps the others; give rows an id, or leave out those like it as well"
            )
        conditions.append(condition)
    return list(dict.fromkeys(conditions))


def _cell(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _can_be_said(name: str, value: object) -> bool:
    """Whether a condition with this value is read as it was meant."""
    if (
        value is None
        or isinstance(value, bool)
        or (isinstance(value, float) and not isfinite(value))
    ):
        return False
    text = f"{name}!={_cell(value)}"
    is_one_line = text.splitlines() == [text.strip()]
    return is_one_line and parsed(text) == (name, "!=", _cell(value))
