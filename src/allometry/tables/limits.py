"""How large a table from a file may be: within these limits reading takes less than 512 MB.

A cell takes some 150 bytes at most while it is read, a column a thousand, a JSON value thirty times
its text. A larger table can be given as a DataFrame or a dict of arrays.
"""

from collections.abc import Collection
from itertools import islice
from pathlib import Path

from allometry.errors import DataError

__all__ = [
    "ADVICE",
    "LARGEST_FILE",
    "LARGEST_VALUE",
    "MOST_CELLS",
    "MOST_COLUMNS",
    "check_cells",
    "check_columns",
    "check_gaps",
    "listed",
]

LARGEST_FILE = 50_000_000  # bytes, of a compressed file those unpacked
LARGEST_VALUE = 8_000_000  # bytes of one JSON value: a line of JSON lines, or a whole array
MOST_COLUMNS = 20_000
MOST_CELLS = 2_500_000
FEW_CELLS = 500_000  # a table of so many may have any number of gaps
ADVICE = "keep the columns and rows to fit, or give it as a pandas DataFrame"
NAMES_LISTED = 50


def check_columns(path: Path, columns: int) -> None:
    """Refuse a table of more columns than are read."""
    if columns > MOST_COLUMNS:
        raise DataError(
            f"{path} has more than the {MOST_COLUMNS:,} columns that are read; {ADVICE}"
        )


def check_cells(path: Path, rows: int, columns: int) -> None:
    """Refuse a table of more cells than are read."""
    if rows * columns > MOST_CELLS:
        raise DataError(
            f"{path} has {columns:,} columns and at least {rows:,} rows, more than the "
            f"{MOST_CELLS:,} cells that are read; {ADVICE}"
        )


def check_gaps(path: Path, rows: int, columns: int, size: int) -> None:
    """Refuse objects of so many different keys that nearly all cells of their table are gaps.

    Args:
        size: of what was read so far, in bytes. A cell that is there takes five or more.
    """
    if rows * columns > max(FEW_CELLS, size):
        raise DataError(
            f"{path}: its first {rows:,} objects have {columns:,} different keys, so nearly all "
            "cells of their table would be empty; write the same keys in each object"
        )


def listed(names: Collection[str]) -> str:
    """Names with commas between, the first ones where they are very many."""
    shown = ", ".join(name[:60] for name in islice(names, NAMES_LISTED))
    more = len(names) - NAMES_LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown
