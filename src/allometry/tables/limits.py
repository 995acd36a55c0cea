"""How large a table from a file may be.

A cell takes some 150 bytes at most while it is read, a column a thousand, a JSON value thirty times
its text. A file of any kind may hold 50 MB and 2.5 million cells, which take less than 512 MB. More
is read of a file that is large itself, so that memory is linear in its size; at most 200 MB and 10
million cells, 2 GB. A larger table can be given as a DataFrame or a dict of arrays.
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
    "most_unpacked",
]

LARGEST_FILE = 200_000_000  # bytes
SMALL_FILE = 50_000_000  # bytes that any file may hold, unpacked
PACKED = 10  # unpacked bytes for each byte of a compressed file: text rarely has more
LARGEST_VALUE = 8_000_000  # bytes of one JSON value: a line of JSON lines, or a whole array
MOST_COLUMNS = 20_000
MOST_CELLS = 10_000_000  # a million runs with ten columns
SMALL_CELLS = 2_500_000  # that any file may hold
BYTES_A_CELL = 4  # on the disk, of a larger table
FEW_CELLS = 500_000  # a table with no more cells may have any number of gaps
ADVICE = "keep only the columns and rows to fit, or give it as a pandas DataFrame"
NAMES_LISTED = 50


def check_columns(path: Path, columns: int) -> None:
    """Refuse a table of more columns than are read."""
    if columns > MOST_COLUMNS:
        raise DataError(
            f"{path} has more than the {MOST_COLUMNS:,} columns that are read; {ADVICE}"
        )


def check_cells(path: Path, rows: int, columns: int, size: int) -> None:
    """Refuse a table with more cells than are read from a file of its size in bytes."""
    if rows * columns <= SMALL_CELLS:
        return
    most = min(MOST_CELLS, max(SMALL_CELLS, size // BYTES_A_CELL))
    if rows * columns > most:
        raise DataError(
            f"{path} has {columns:,} columns and at least {rows:,} rows, more than the "
            f"{most:,} cells that are read of it; {ADVICE}"
        )


def most_unpacked(size: int) -> int:
    """Unpacked bytes that are read from a compressed file of a size in bytes."""
    return min(LARGEST_FILE, max(SMALL_FILE, PACKED * size))


def check_gaps(path: Path, rows: int, columns: int, size: int) -> None:
    """Refuse objects whose keys differ so much that nearly all cells of their table are gaps.

    Args:
        size: bytes read so far. A cell that is present takes five or more.
    """
    if rows * columns > max(FEW_CELLS, size):
        raise DataError(
            f"{path}: its first {rows:,} objects have {columns:,} different keys, so nearly all "
            "cells of their table would be empty; write the same keys in each object"
        )


def listed(names: Collection[str]) -> str:
    """Names separated by commas; only the first ones where there are very many."""
    shown = ", ".join(name[:60] for name in islice(names, NAMES_LISTED))
    more = len(names) - NAMES_LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown
