"""Tables as JSON: an object on each line, or one array of objects."""

import json
import math
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.tables.arithmetic import columns_needed
from allometry.tables.dialect import check_header
from allometry.tables.table import Origin, Table, Unit

__all__ = ["json_array", "json_lines"]

Row = tuple[int, dict[str, Any]]  # number of its line, or its own, and its values


def json_lines(path: Path, text: str, numbers: Collection[str] | None) -> Table:
    """The table of a text with a JSON object on each line."""
    rows = list(_line_rows(path, text))
    if not rows:
        raise DataError(f"{path} is empty: a JSON object on each line was expected")
    return _table(path, rows, numbers, "line")


def json_array(path: Path, text: str, numbers: Collection[str] | None) -> Table:
    """The table of a text that is one JSON array of objects."""
    try:
        array = json.loads(text, object_pairs_hook=partial(_object, path, "an object"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {error.lineno}: a JSON array of objects was expected: {error.msg} at "
            f"character {error.colno}"
        ) from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"{path}: {error}") from None
    if not isinstance(array, list):
        raise DataError(
            f"{path}: a JSON array of objects was expected, got {_kind(array)}; pandas writes one "
            "with to_json(orient='records')"
        )
    if not array:
        raise DataError(f"{path} is empty: a JSON array of objects was expected")
    rows = [(i, _flat(path, f"row {i}", row)) for i, row in enumerate(array, start=1)]
    return _table(path, rows, numbers, "row")


def _table(path: Path, rows: list[Row], numbers: Collection[str] | None, unit: Unit) -> Table:
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    if not names:
        raise DataError(f"{path}: its objects have no columns")
    check_header(path, names)
    wanted = set(names) if numbers is None else columns_needed(numbers, names)
    for name in names:
        if name in wanted:
            _check_kind(path, name, rows, unit, mapped=numbers is not None)
    columns = {name: [_within_64_bits(row.get(name)) for _, row in rows] for name in names}
    return Table(columns, origin=Origin(path, [number for number, _ in rows], unit))


def _line_rows(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            row = json.loads(line, object_pairs_hook=partial(_object, path, where))
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, {where}: a JSON object was expected: {error.msg} at "
                f"character {error.pos + 1}"
            ) from None
        except (RecursionError, ValueError) as error:
            raise DataError(f"{path}, {where}: {error}") from None
        yield number, _flat(path, where, row)


def _flat(path: Path, where: str, row: object) -> dict[str, Any]:
    """The row, if it is an object of numbers and texts."""
    if not isinstance(row, dict):
        raise DataError(f"{path}, {where}: a JSON object was expected, got {_kind(row)}")
    for name, value in row.items():
        if isinstance(value, dict | list):
            raise DataError(
                f"{path}, {where}, column {name!r}: a number or text was "
                f"expected, got {_kind(value)}"
            )
    return row


def _kind(value: object) -> str:
    return type(value).__name__


def _object(path: Path, where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}, {where}: two values for column {twice!r}")
    return dict(pairs)


def _check_kind(path: Path, name: str, rows: list[Row], unit: Unit, *, mapped: bool) -> None:
    """Refuse a column that mixes numbers with text, and text in a mapped column."""
    kinds: dict[bool, tuple[int, Any]] = {}
    for number, row in rows:
        value = row.get(name)
        if value is not None:
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            kinds.setdefault(numeric, (number, value))
    number, value = kinds.get(False, (0, None))
    if len(kinds) == 2 or (mapped and isinstance(value, str)):
        raise DataError(
            f"{path}, {unit} {number}, column {name!r}: a number was expected"
            f"{' as in other rows' if len(kinds) == 2 else ''}, got {str(value)[:60]!r}"
        )


def _within_64_bits(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value) if abs(value) < 1e308 else math.inf
    return value
