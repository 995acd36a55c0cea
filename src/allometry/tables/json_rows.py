"""Tables as JSON: an object on each line, or one array of objects."""

import io
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.files.strict_json import read_json
from allometry.tables.arithmetic import columns_needed
from allometry.tables.cells import beyond_64_bits_note
from allometry.tables.dialect import check_header
from allometry.tables.limits import LARGEST_VALUE, check_cells, check_columns, check_gaps
from allometry.tables.table import Origin, Table, Unit

__all__ = ["json_array", "json_lines"]

BLANK = b" \t\r\n"  # to JSON; a line ends at \n alone


def json_lines(path: Path, content: bytes, numbers: Collection[str] | None, size: int) -> Table:
    """The table of UTF-8 text with a JSON object on each line.

    Args:
        size: of the file in bytes, which may be compressed.
    """
    table = _table(path, _line_values(path, content), numbers, "line", size)
    if table is None:
        raise DataError(f"{path} is empty: a JSON object on each line was expected")
    return table


def json_array(path: Path, content: bytes, numbers: Collection[str] | None, size: int) -> Table:
    """The table of UTF-8 text that is one JSON array of objects.

    Args:
        size: of the file in bytes, which may be compressed.
    """
    if len(content) > LARGEST_VALUE:
        raise DataError(
            f"{path} is larger than the {LARGEST_VALUE / 1e6:g} MB that are read of a JSON array; "
            "write an object on each line, as .jsonl (pandas: to_json(orient='records', "
            "lines=True))"
        )
    try:
        rows = read_json(content, any_number=True)
    except DataError as error:
        raise DataError(f"{path}: a JSON array of objects was expected: {error}") from None
    if not isinstance(rows, list):
        raise DataError(
            f"{path}: a JSON array of objects was expected, got {_kind(rows)}; pandas writes one "
            "with to_json(orient='records')"
        )
    numbered = ((number, row, len(content)) for number, row in enumerate(rows, start=1))
    table = _table(path, numbered, numbers, "row", size)
    if table is None:
        raise DataError(f"{path} is empty: a JSON array of objects was expected")
    return table


def _line_values(path: Path, content: bytes) -> Iterator[tuple[int, object, int]]:
    """Number and value of each line that is not blank, and the bytes up to its end."""
    size = 0
    for number, line in enumerate(io.BytesIO(content), start=1):
        size += len(line)
        if not line.strip(BLANK):
            continue
        if len(line) > LARGEST_VALUE:
            raise DataError(
                f"{path}, line {number}: {LARGEST_VALUE / 1e6:g} MB are read of one line; write "
                "an object of numbers and texts on each line"
            )
        try:
            # Stripped, so that an error at the end of the line is reported in this line.
            yield number, read_json(line.rstrip(BLANK), any_number=True), size
        except DataError as error:
            reason = str(error).replace(" at line 1, character", " at character")
            raise DataError(
                f"{path}, line {number}: a JSON object was expected: {reason}"
            ) from None


def _table(
    path: Path,
    rows: Iterable[tuple[int, object, int]],
    numbers: Collection[str] | None,
    unit: Unit,
    size: int,
) -> Table | None:
    """The table of these rows, None where there are none.

    Args:
        rows: number, value, and the bytes of text up to its end. size: of the file in bytes.
    """
    columns: dict[str, list[Any]] = {}
    places = array("q")
    for number, row, end in rows:
        for name, value in _flat(path, unit, number, row).items():
            column = columns.setdefault(name, [])
            column.extend([None] * (len(places) - len(column)))
            column.append(value)
        places.append(number)
        check_columns(path, len(columns))
        check_cells(path, len(places), len(columns), size)
        check_gaps(path, len(places), len(columns), end)
    if not places:
        return None
    if not columns:
        raise DataError(f"{path}: its objects have no columns")
    check_header(path, list(columns))
    wanted = columns.keys() if numbers is None else columns_needed(numbers, columns)
    notes = []
    for name, column in columns.items():
        column.extend([None] * (len(places) - len(column)))
        if name in wanted:
            _check_kind(path, name, column, places, unit, mapped=numbers is not None)
        notes += beyond_64_bits_note(path, name, column, places, unit)
    return Table(columns, notes=notes, origin=Origin(path, places, unit))


def _flat(path: Path, unit: Unit, number: int, row: object) -> dict[str, Any]:
    """The row, if it is an object of numbers and texts."""
    if not isinstance(row, dict):
        raise DataError(f"{path}, {unit} {number}: a JSON object was expected, got {_kind(row)}")
    for name, value in row.items():
        if isinstance(value, dict | list):
            raise DataError(
                f"{path}, {unit} {number}, column {name[:60]!r}: a number or text was "
                f"expected, got {_kind(value)}"
            )
    return row


def _kind(value: object) -> str:
    return type(value).__name__


def _check_kind(
    path: Path, name: str, column: Sequence[Any], places: Sequence[int], unit: Unit, *, mapped: bool
) -> None:
    """Refuse a column that mixes numbers with text, and text in a mapped column."""
    kinds: dict[bool, tuple[int, Any]] = {}
    for number, value in zip(places, column, strict=True):
        if value is not None:
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            kinds.setdefault(numeric, (number, value))
    number, value = kinds.get(False, (0, None))
    if len(kinds) == 2 or (mapped and isinstance(value, str)):
        raise DataError(
            f"{path}, {unit} {number}, column {name[:60]!r}: a number was expected"
            f"{' as in other rows' if len(kinds) == 2 else ''}, got {str(value)[:60]!r}"
        )
