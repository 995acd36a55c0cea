"""Conditions on the rows of a table, such as ``n_params<=1e6``."""

import operator
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.tables.arithmetic import with_computed
from allometry.tables.cells import holds_numbers, is_exact
from allometry.tables.table import Table

__all__ = ["Mask", "condition", "meeting", "parsed"]

Mask = NDArray[np.bool_]

COMPARISONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


def parsed(text: str) -> tuple[str, str, str]:
    """Column, comparison and value of ``COLUMN<op>VALUE``.

    Args:
        text: with one of <= >= == != < >, or = for ==; a text value may be in quotes, and the
            column may be arithmetic of columns.

    Raises:
        UsageError: the text is not a condition.
    """
    match = re.fullmatch(r"\s*(.+?)\s*(<=|>=|==|!=|<|>|=)\s*(.*?)\s*", str(text))
    if match is None:
        raise UsageError(f"a condition like 'COLUMN<=VALUE' was expected, got {text!r}")
    name, sign, value = match.groups()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return name, sign, value


def condition(table: Table, text: str) -> Mask:
    """Rows where ``COLUMN<op>VALUE`` holds, (rows,).

    Args:
        text: as `parsed` reads it.

    Raises:
        UsageError: not a condition, no such column, or a value that cannot be compared with it.
    """
    name, sign, value = parsed(text)
    column = with_computed(table, [name])[name]
    if column.dtype.kind in "iuf":
        return np.asarray(COMPARISONS[sign](column, _number(name, value, text)), bool)
    if holds_numbers(column):
        present = np.array([cell is not None for cell in column], bool)
        met = np.zeros(len(column), bool)
        with np.errstate(invalid="ignore"):  # a gap may be NaN
            met[present] = COMPARISONS[sign](column[present], _number(name, value, text))
        return met
    if sign not in ("==", "=", "!="):
        raise UsageError(f"column {name!r} holds text: only == and != compare it, got {text!r}")
    return np.asarray(COMPARISONS[sign](np.array([str(cell) for cell in column]), value), bool)


def _number(name: str, value: str, text: str) -> float | int:
    """The number that a column of numbers is compared with, exact where it is whole."""
    try:
        whole = int(value) if value.lstrip("+-").isdecimal() and len(value) < 25 else None
        return whole if whole is not None and is_exact(whole) else float(value)
    except ValueError:
        raise UsageError(f"column {name!r} holds numbers, got {value!r} in {text!r}") from None


def meeting(table: Table, texts: Sequence[str]) -> Mask:
    """Rows that meet all of these conditions, (rows,)."""
    rows = np.ones(len(table), bool)
    for text in texts:
        rows &= condition(table, text)
    return rows
