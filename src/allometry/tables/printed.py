"""Values as a few aligned lines, for `print` and for the prompt of Python."""

import textwrap
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from numpy.typing import NDArray

from allometry.errors import printable
from allometry.tables.cells import holds_numbers

__all__ = ["WIDTH", "aligned", "counted", "labelled", "shortened", "table_text"]

WIDTH = 80  # characters of a line
FIRST, LAST = 4, 2  # rows shown of a table too long to be shown whole
LONGEST_CELL = 24  # characters
LINES_OF_NAMES = 3  # for the columns that have no room


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows of cells as lines, two spaces between columns.

    Args:
        right: positions of the columns that end at their right edge, as numbers do.
    """
    rows = [list(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]


def shortened(text: str, lines: int = 1, indent: str = "") -> list[str]:
    """A text in at most `lines` lines, each indented; an ellipsis ends a text that is cut."""
    return textwrap.wrap(
        printable(text), WIDTH, initial_indent=indent, subsequent_indent=indent, max_lines=lines,
        placeholder=" …",
    )  # fmt: skip


def labelled(rows: Sequence[tuple[str, str]], lines: int = 2) -> list[str]:
    """Texts beside their labels, each in at most `lines` lines; an empty text is left out."""
    rows = [(printable(label), text) for label, text in rows]
    width = max((len(label) for label, _ in rows), default=0) + 4
    out = []
    for label, text in rows:
        first, *more = shortened(text, lines, " " * width) or [""]
        out += [f"  {label}".ljust(width) + first[width:], *more] if first else []
    return out


def counted(rows: int, columns: int) -> str:
    """The size of a table in words."""
    return f"{rows} row{'s' * (rows != 1)}, {columns} column{'s' * (columns != 1)}"


def table_text(columns: Mapping[str, NDArray[Any]], rows: int) -> str:
    """A table in at most 12 lines: its size, some of its rows, the columns that have no room.

    Columns that are the same in all rows give way to those that differ.
    """
    values = {name: column.tolist() for name, column in columns.items()}
    differ = [n for n, v in values.items() if rows < 2 or any(cell != v[0] for cell in v)]
    whole = rows <= FIRST + LAST + 1
    places = list(range(rows)) if whole else [*range(FIRST), *range(rows - LAST, rows)]
    shown: dict[str, list[str]] = {}
    room = WIDTH + 2
    for name in differ if rows else ():
        cells = [_in_one_line(name), *(_cell(values[name][i]) for i in places)]
        room -= max(map(len, cells)) + 2
        if room < 0:
            break
        shown[name] = cells if whole else [*cells[: FIRST + 1], "…", *cells[FIRST + 1 :]]
    numbers = [i for i, name in enumerate(shown) if holds_numbers(columns[name])]
    lines = aligned(list(zip(*shown.values(), strict=True)), numbers)
    rest = ", ".join(name for name in columns if name not in shown)
    more = shortened(f"not shown: {rest}" if shown else rest, LINES_OF_NAMES) if rest else []
    return "\n".join([f"Table: {counted(rows, len(columns))}", *lines, *more])


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    text = _in_one_line(text)
    if len(text) <= LONGEST_CELL:
        return text
    return text[:12] + "…"  # of a run_id as many characters as messages give


def _in_one_line(text: str) -> str:
    return printable(" ".join(text.split()))
