"""Read a table from a file; refuse what would be guessed, naming file, row and column.

A number is a plain Python float: `1500000` or `1.5e6`, never `1.5M`, `1,500,000`
or `0x5f`. An empty cell is a missing value. A column is of numbers where every
cell present is a number; a column with numbers and other text, or of numbers with
units, is refused, or is text where the caller does not need its numbers.
"""

import csv
import json
import math
import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from allometry.errors import DataError, UnavailableError, UsageError
from allometry.tables.table import Table

__all__ = ["read_table"]

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
WITH_UNIT = re.compile(
    r"[+-]?[\d.,_ ]*\d[\d.,_ ]*\s*(k|m|b|t|g|thousand|million|billion|%)?", re.IGNORECASE
)
MISSING = {"", "NA", "N/A", "null", "None"}
LONGEST_CELL = 100_000
LONGEST_NUMBER = 400


def read_table(path: str | Path, numbers: Collection[str] | None = None) -> Table:
    """The table in a CSV, TSV, JSON-lines or Parquet file, told by its ending.

    Args:
        numbers: columns whose numbers are needed; the others may hold text that looks
            like damaged numbers ("7B" as the name of a model). None: all are.

    Raises:
        UsageError: no such file, or an ending that is none of these.
        DataError: anything in the file that is not a plain table.
        UnavailableError: a Parquet file without the extra `parquet`.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"no file {path}")
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return _from_cells(path, *_csv(path, "\t" if ending == ".tsv" else ","), numbers)
    if ending in (".jsonl", ".ndjson"):
        return _json_lines(path, numbers)
    if ending == ".parquet":
        return _parquet(path)
    raise UsageError(
        f"{path}: a .csv, .tsv, .jsonl or .parquet file was expected; "
        "save the table as one of these"
    )


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: UTF-8 text was expected, got byte "
            f"0x{error.object[error.start]:02x}; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise DataError(f"{path} could not be read: {error.strerror}") from error


def _csv(path: Path, separator: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header, and (line number, cells) of each row that is not blank."""
    text = _text(path)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}, line {line}: a NUL character; this is not a text table")
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None
    if not lines:
        raise DataError(f"{path} is empty: a header and rows were expected")
    header = [name.strip() for name in lines[0][1]]
    _check_header(path, header)
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(header)} cells were expected "
                f"({', '.join(header)}), got {len(cells)}"
            )
    return header, lines[1:]


def _check_header(path: Path, header: list[str]) -> None:
    for place, name in enumerate(header, start=1):
        if not name:
            raise DataError(f"{path}, line 1: column {place} has no name")
        if header.index(name) != place - 1:
            raise DataError(f"{path}, line 1: two columns are called {name!r}; rename one")
    if all(NUMBER.fullmatch(name) for name in header):
        raise DataError(f"{path}, line 1: a header of column names was expected, got numbers")


def _from_cells(
    path: Path,
    header: list[str],
    rows: list[tuple[int, list[str]]],
    numbers: Collection[str] | None,
) -> Table:
    if not rows:
        raise DataError(f"{path} has a header but no rows")
    columns = {}
    for place, name in enumerate(header):
        cells = [(line, row[place].strip()) for line, row in rows]
        columns[name] = _column(path, name, cells, numbers is None or name in numbers)
    return Table(columns)


def _column(path: Path, name: str, cells: list[tuple[int, str]], strict: bool) -> list[Any]:
    present = [(line, cell) for line, cell in cells if cell not in MISSING]
    kinds = [_number(cell) is not None for _, cell in present]
    if not present or not any(kinds):
        for line, cell in present:
            if len(cell) > LONGEST_CELL:
                raise DataError(
                    f"{path}, line {line}, column {name!r}: a cell of {len(cell)} characters"
                )
            if strict and _looks_numeric(cell):
                raise _not_plain(path, line, name, cell)
        return [None if cell in MISSING else cell for _, cell in cells]
    if not all(kinds) and not strict:
        return [None if cell in MISSING else cell for _, cell in cells]
    if not all(kinds):
        line, cell = present[kinds.index(False)]
        raise _not_plain(path, line, name, cell)
    return [math.nan if cell in MISSING else _number(cell) for _, cell in cells]


def _number(cell: str) -> float | int | None:
    """An int where written as one and exact in 64 bits, else a float; None for text."""
    if len(cell) > LONGEST_NUMBER or not cell.isascii():
        return None
    if NUMBER.fullmatch(cell):
        if cell.lstrip("+-").isdigit() and len(cell) < 19:
            return int(cell)
        return float(cell)
    return float(cell) if NOT_FINITE.fullmatch(cell) else None


def _looks_numeric(cell: str) -> bool:
    return (
        len(cell) < LONGEST_NUMBER
        and cell[0] in "+-.0123456789"
        and bool(WITH_UNIT.fullmatch(cell))
        and ("," in cell or cell[-1:].isalpha() or cell[-1] == "%")
    )


def _not_plain(path: Path, line: int, name: str, cell: str) -> DataError:
    return DataError(
        f"{path}, line {line}, column {name!r}: a plain number like 1500000 or 1.5e6 "
        f"was expected, got {cell[:60]!r}; write units of thousands or millions out"
    )


def _json_lines(path: Path, numbers: Collection[str] | None) -> Table:
    rows = list(_json_rows(path))
    if not rows:
        raise DataError(f"{path} is empty: a JSON object on each line was expected")
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    if not names:
        raise DataError(f"{path}: its objects have no columns")
    _check_header(path, names)
    for name in names:
        if numbers is None or name in numbers:
            _one_kind(path, name, rows)
    return Table({name: [_within_64_bits(row.get(name)) for _, row in rows] for name in names})


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Pairs of line number and object."""
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=partial(_object, path, number))
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number}: a JSON object was expected: {error.msg} at "
                f"character {error.pos + 1}"
            ) from None
        except (RecursionError, ValueError) as error:
            raise DataError(f"{path}, line {number}: {error}") from None
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, line {number}: a JSON object was expected, got {type(row).__name__}"
            )
        for name, value in row.items():
            if isinstance(value, dict | list):
                raise DataError(
                    f"{path}, line {number}, column {name!r}: a number or text was "
                    f"expected, got {type(value).__name__}"
                )
        yield number, row


def _object(path: Path, number: int, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}, line {number}: two values for column {twice!r}")
    return dict(pairs)


def _one_kind(path: Path, name: str, rows: list[tuple[int, dict[str, Any]]]) -> None:
    """Refuse a column that mixes numbers with text."""
    kinds: dict[bool, tuple[int, Any]] = {}
    for number, row in rows:
        value = row.get(name)
        if value is not None:
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            kinds.setdefault(numeric, (number, value))
    if len(kinds) == 2:
        number, value = kinds[False]
        raise DataError(
            f"{path}, line {number}, column {name!r}: a number was expected as in other "
            f"rows, got {str(value)[:60]!r}"
        )


def _within_64_bits(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value) if abs(value) < 1e308 else math.inf
    return value


def _parquet(path: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UnavailableError(
            f"{path}: reading Parquet needs pyarrow; pip install 'allometry[parquet]'"
        ) from None
    try:
        read = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {str(error)[:200]}") from None
    if read.num_rows == 0:
        raise DataError(f"{path} has no rows")
    _check_header(path, list(read.column_names))
    for field in read.schema:
        if pyarrow.types.is_nested(field.type):
            raise DataError(
                f"{path}, column {field.name!r}: numbers or text were expected, got {field.type}"
            )
    return Table({name: read.column(name).to_pylist() for name in read.column_names})
