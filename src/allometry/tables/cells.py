"""Numbers as people and programs write them, one column at a time.

A plain number is what `float` reads: `1500000` or `1.5e6`, never `1,500,000` or `0x5f`.
A whole number is kept exactly where 64 bits hold it, -2**63 to 2**64 - 1; a larger one is read as
the nearest float, with a note where that loses digits.
Three other ways are read by rules for a whole column or file, each with a note:
units in every cell of a column (`1.3B`, where the caller allows units), decimal commas
(`DecimalMark`), and words for missing values (`n/a`) in a column of numbers.
"""

import math
import re
from array import array
from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from allometry.errors import DataError
from allometry.files.strict_json import LARGEST, SMALLEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "MISSING",
    "NUMBER",
    "Cells",
    "DecimalMark",
    "beyond_64_bits_note",
    "decimal_mark",
    "holds_numbers",
    "is_exact",
    "listed_lines",
    "number_in",
    "read_column",
]

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
COMMA_NUMBER = re.compile(r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?")
# One to three digits, then a mark and three digits: 1,234 may be 1.234 or 1234.
MAYBE_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
# Possessive quantifiers: backtracking would never help, and would be slow on long texts.
WITH_UNIT = re.compile(
    r"[+-]?(?=[.,_ ]*+\d)[\d.,_ ]++\s*+(k|m|b|t|g|thousand|million|billion|%)?", re.IGNORECASE
)
UNIT_CELL = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*([A-Za-z]+)")
POWERS = {
    **dict.fromkeys(("k", "K", "thousand"), 3),
    **dict.fromkeys(("M", "mn", "million"), 6),
    **dict.fromkeys(("B", "b", "G", "bn", "billion"), 9),
    **dict.fromkeys(("T", "tn", "trillion"), 12),
}
MISSING = frozenset({"", "NA", "N/A", "null", "None"})
MISSING_NUMBER = MISSING | {
    "n/a", "na", "#N/A", "#NA", "#N/A N/A", "<NA>", "NULL", "none", "-", "--", "–", "—",
}  # fmt: skip
LONGEST_CELL = 100_000
LONGEST_NUMBER = 400
ALWAYS_EXACT = 18  # characters of a whole number that 64 bits hold, whatever its digits

DecimalMark = Literal[".", ","]


@dataclass(frozen=True)
class Cells:
    """The cells of one column.

    Attributes:
        path: of the file. name: of the column. lines: line number of each cell, (n,).
        texts: stripped of spaces, (n,).
        needed: whether its numbers are: `mapped` to a symbol of a law, `maybe` (the caller
            has not said), or `no`.
        units: whether `1.3B` is read as a number.
    """

    path: Path
    name: str
    lines: Sequence[int] = field(repr=False)
    texts: Sequence[str] = field(repr=False)
    needed: Literal["mapped", "maybe", "no"]
    units: bool = False
    decimal: DecimalMark = "."

    def refusal(self, row: int, text: str) -> DataError:
        """The error that names file, line and column of a cell."""
        return DataError(f"{self.path}, line {self.lines[row]}, column {self.name!r}: {text}")


def is_exact(value: int) -> bool:
    """Whether a column keeps this whole number exactly: 64 bits hold it, with or without sign."""
    return SMALLEST <= value <= LARGEST


def holds_numbers(column: "NDArray[Any]") -> bool:
    """Whether a column holds numbers: of a type of NumPy, or Python's where no type keeps all."""
    import numpy as np  # here: completing the names of columns is fast without NumPy

    if column.dtype.kind != "O":
        return column.dtype.kind in "iuf"
    kinds = {type(cell) for cell in column if cell is not None}
    are_numbers = all(issubclass(kind, int | float | np.number) for kind in kinds)
    return bool(kinds) and are_numbers and bool not in kinds


def beyond_64_bits_note(
    path: Path,
    name: str,
    values: MutableSequence[Any],
    places: Sequence[int],
    unit: str = "line",
) -> list[str]:
    """Replace each whole number that 64 bits do not hold by the nearest float.

    Args:
        values: of a column, changed in place. places: number of the line or row of each.

    Returns:
        one note if that lost digits, otherwise no note.
    """
    lossy = []
    for i, value in enumerate(values):
        if isinstance(value, int) and not is_exact(value):
            try:
                values[i] = float(value)
            except OverflowError:
                values[i] = math.inf if value > 0 else -math.inf
            if values[i] != value:
                lossy.append(places[i])
    if not lossy:
        return []
    return [
        f"{path.name}, column {name[:60]!r}: whole numbers of more than 64 bits were read as "
        f"floats, which lost digits, {listed_lines(lossy, unit)}"
    ]


def decimal_mark(columns: Iterable[Sequence[str]]) -> DecimalMark:
    """The decimal mark of a file whose cells are not separated by commas.

    A comma where some number can only have a decimal comma (`2,98`; not `1,234`, which may
    be 1234) and no number has a point; else a point, and numbers with commas are refused.

    Args:
        columns: the cells of each column whose numbers may be needed.
    """
    comma = False
    for texts in columns:
        for text in texts:
            if "." in text and NUMBER.fullmatch(text):
                return "."
            if "," in text and COMMA_NUMBER.fullmatch(text):
                comma = comma or not MAYBE_THOUSANDS.fullmatch(text)
    return "," if comma else "."


def read_column(cells: Cells) -> tuple[list[Any], list[str]]:
    """The values of a column, and notes on cells that were not read literally.

    Returns:
        numbers (int where written as one and 64 bits hold it, else float, NaN where
        missing), or texts (None where missing).

    Raises:
        DataError: numbers mixed with text, or text, in a column whose numbers are needed.
    """
    parse = number_in if cells.decimal == "." else _comma_number
    values = [parse(text) for text in cells.texts]
    if None not in values:
        return values, _whole_notes(cells, values)
    present = [i for i, text in enumerate(cells.texts) if text not in MISSING_NUMBER]
    if present and cells.units:
        scaled = [_scaled(cells.texts[i], cells.decimal) for i in present]
        if any(value is not None for value in scaled):
            return _with_units(cells, present, scaled)
    unread = next((i for i in present if values[i] is None), None)
    if present and unread is None:
        filled = _filled(values)
        return filled, [*_whole_notes(cells, filled), *_missing_notes(cells)]
    if cells.needed != "no":
        _check_text(cells, values, unread)
    return [None if text in MISSING else text for text in cells.texts], []


def _check_text(cells: Cells, values: Sequence[float | None], unread: int | None) -> None:
    """Refuse a column of text whose cells may be numbers, or that has to be of numbers."""
    if unread is not None and (
        cells.needed == "mapped" or any(value is not None for value in values)
    ):
        raise cells.refusal(unread, _expected(cells.texts[unread]))
    for i, text in enumerate(cells.texts):
        if len(text) > LONGEST_CELL:
            raise cells.refusal(i, f"a cell of {len(text)} characters")
        if text not in MISSING_NUMBER and _looks_numeric(text):
            raise cells.refusal(i, _expected(text))


def _whole_notes(cells: Cells, values: list[Any]) -> list[str]:
    if max(map(len, cells.texts), default=0) <= ALWAYS_EXACT:
        return []
    return beyond_64_bits_note(cells.path, cells.name, values, cells.lines)


def _filled(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _missing_notes(cells: Cells) -> list[str]:
    """A note for each word that was read as a missing value; none for empty cells."""
    lines: dict[str, array[int]] = {}
    for line, text in zip(cells.lines, cells.texts, strict=True):
        if text and text in MISSING_NUMBER:
            lines.setdefault(text, array("q")).append(line)
    return [
        f"{cells.path.name}, column {cells.name!r}: {text!r} was read as a missing value, "
        f"{listed_lines(numbers)}"
        for text, numbers in lines.items()
    ]


def listed_lines(numbers: Sequence[int], unit: str = "line", most: int = 5) -> str:
    """``line 3``, ``lines 3, 5``, or the first few and how many more there are."""
    listed = ", ".join(map(str, numbers[:most]))
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return f"{unit}{'s' if len(numbers) > 1 else ''} {listed}{more}"


def _with_units(
    cells: Cells, present: Sequence[int], scaled: Sequence[float | None]
) -> tuple[list[Any], list[str]]:
    """The values of a column in which every number has a unit."""
    for i, value in zip(present, scaled, strict=True):
        if value is None:
            raise cells.refusal(i, _without_unit(cells.texts[i]))
    values: list[float] = [math.nan] * len(cells.texts)
    for i, value in zip(present, scaled, strict=True):
        values[i] = math.nan if value is None else value
    first = present[0]
    note = (
        f"{cells.path.name}, column {cells.name!r}: units were read, "
        f"{cells.texts[first]} as {values[first]:.15g}"
    )
    return values, [note, *_missing_notes(cells)]


def _without_unit(text: str) -> str:
    if text.endswith("m"):
        return f"{text[:60]!r} may be millions or thousandths; write M for millions"
    return (
        "a number with a unit was expected, as in other rows of this column (k, M, B or bn, T), "
        f"got {text[:60]!r}; write every cell with a unit, or none"
    )


def _scaled(text: str, decimal: DecimalMark) -> float | None:
    """`1.3B` as 1.3e9; None for anything but a number with a unit."""
    if len(text) > LONGEST_NUMBER or not text.isascii():
        return None
    if decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    match = UNIT_CELL.fullmatch(text)
    if match is None:
        return None
    digits, unit = match.groups()
    power = POWERS.get(unit if len(unit) == 1 else unit.lower())
    return None if power is None else float(f"{digits}e{power}")


def number_in(text: str) -> float | int | None:
    """An int where written as one, else a float; None for text."""
    if len(text) > LONGEST_NUMBER or not text.isascii():
        return None
    if text.isdigit():
        return int(text)
    if NUMBER.fullmatch(text):
        return int(text) if text[1:].isdigit() and text[0] != "." else float(text)
    return float(text) if NOT_FINITE.fullmatch(text) else None


def _comma_number(text: str) -> float | int | None:
    """As `number_in`, of a file with decimal commas: a point makes it text."""
    return None if "." in text else number_in(text.replace(",", "."))


def _looks_numeric(text: str) -> bool:
    return (
        len(text) < LONGEST_NUMBER
        and text[0] in "+-.0123456789"
        and bool(WITH_UNIT.fullmatch(text))
        and ("," in text or text[-1:].isalpha() or text[-1] == "%")
    )


def _expected(text: str) -> str:
    expected = f"a plain number like 1500000 or 1.5e6 was expected, got {text[:60]!r}"
    if text.endswith("%"):
        return f"{expected}; write percentages as fractions"
    if MAYBE_THOUSANDS.fullmatch(text):
        return f"{expected}, which may be a decimal or thousands; write it plainly"
    if COMMA_NUMBER.fullmatch(text):
        return f"{expected}; write a decimal point"
    if "," in text and text[-1].isdigit() and WITH_UNIT.fullmatch(text):
        return f"{expected}; write its digits without separators"
    if _looks_numeric(text):
        return f"{expected}; write units of thousands or millions out"
    if any(character.isdigit() for character in text):
        return f"{expected}; write digits, a decimal point and an exponent only"
    return f"{expected}; leave the cell empty for a missing value"
