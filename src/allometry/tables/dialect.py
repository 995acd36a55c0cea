"""How a text table is laid out: its separator, its comment lines, columns to leave out.

The rules are documented in docs/fitting.md ("Tables as programs write them").
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from allometry.errors import DataError
from allometry.tables.cells import MISSING, NUMBER, listed_lines

__all__ = ["Layout", "check_header", "lay_out"]

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SEPARATOR_LINE = re.compile("sep=([,;\t|])", re.IGNORECASE)  # Excel writes and reads it
COMMENT = re.compile("#(?![,;\t|])")  # a first column may be called "#"
NUMBER_BEGINS = re.compile(r"[+-]?[.,]?\d")
ROWS_TO_SNIFF = 20


@dataclass(frozen=True)
class Layout:
    """A text table split into cells.

    Attributes:
        names: of the columns. places: position of each column in a row.
        rows: cells of each row that is not blank. lines: line number of each row.
        notes: what was not read as it stands, in words.
    """

    separator: str
    names: list[str]
    places: list[int]
    rows: list[list[str]] = field(repr=False)
    lines: list[int] = field(repr=False)
    notes: list[str]


def lay_out(path: Path, text: str, separator: str) -> Layout:
    """Split a text into a header and rows.

    Args:
        separator: that the ending of the file promises.

    Raises:
        DataError: no rows, a row with more or fewer cells than the header, a line that
            may be a comment or a row, or names that cannot be told apart.
    """
    lines = text.splitlines(keepends=True)
    first = _after_comments(lines)
    comments = [n + 1 for n in range(first) if COMMENT.match(lines[n])]
    notes = []
    if first < len(lines) and (declared := SEPARATOR_LINE.fullmatch(lines[first].rstrip("\r\n"))):
        actual, first = declared[1], first + 1
    else:
        actual = _sniffed(path, lines[first:], separator, first + 1)
    if actual != separator:
        notes.append(f"{path.name}: cells were read as separated by {SEPARATORS[actual]}")
    numbered = _split(path, lines, first, actual)
    if not numbered:
        raise DataError(f"{path} is empty: a header and rows were expected")
    header_line, header = numbered[0][0], [name.strip() for name in numbered[0][1]]
    _check_no_header(path, comments, lines, actual, header_line, header)
    numbered, skipped = _without_comments(path, numbered[1:], lines, header)
    if comments := comments + skipped:
        notes.append(f"{path.name}: {listed_lines(comments)} with # at the start skipped")
    _check_widths(path, header, numbered)
    rows = [cells for _, cells in numbered]
    places, left_out = _places(path, header, rows)
    names = [header[place] for place in places]
    check_header(path, names, header_line)
    return Layout(actual, names, places, rows, [n for n, _ in numbered], notes + left_out)


def check_header(path: Path, names: Sequence[str], line: int = 1) -> None:
    """Refuse columns without a name, two of one name, and numbers for names."""
    for place, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"{path}, line {line}: column {place} has no name")
        if names.index(name) != place - 1:
            raise DataError(f"{path}, line {line}: two columns are called {name!r}; rename one")
    if all(NUMBER.fullmatch(name) for name in names):
        raise DataError(f"{path}, line {line}: a header of column names was expected, got numbers")


def _after_comments(lines: Sequence[str]) -> int:
    """Position of the first line that is neither blank nor a comment."""
    for place, line in enumerate(lines):
        if line.strip() and not COMMENT.match(line):
            return place
    return len(lines)


def _width(line: str, separator: str) -> int:
    return len(next(csv.reader([line], delimiter=separator), []))


def _sniffed(path: Path, lines: Sequence[str], separator: str, number: int) -> str:
    """The separator of these lines: the one promised unless it leaves the header whole.

    Another one has to split the header, and the next rows into as many cells.
    """
    head = [line for line in lines[: ROWS_TO_SNIFF + 1] if line.strip() and not COMMENT.match(line)]
    try:
        if not head or _width(head[0], separator) > 1:
            return separator
        others = [
            other
            for other in (",", ";", "\t")
            if other != separator
            and _width(head[0], other) > 1
            and len({_width(line, other) for line in head}) == 1
        ]
    except csv.Error as error:
        raise DataError(f"{path}, line {number}: {error}") from None
    if len(others) > 1:
        names = " or ".join(SEPARATORS[other] for other in others)
        raise DataError(f"{path}, line {number}: cells may be separated by {names}; use commas")
    return others[0] if others else separator


def _split(
    path: Path, lines: Sequence[str], first: int, separator: str
) -> list[tuple[int, list[str]]]:
    """Pairs of line number and cells of the lines from the first on that are not blank."""
    reader = csv.reader(lines[first:], delimiter=separator, strict=True)
    try:
        return [
            (first + reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)
        ]
    except csv.Error as error:
        raise DataError(f"{path}, line {first + reader.line_num}: {error}") from None


def _without_comments(
    path: Path, numbered: list[tuple[int, list[str]]], lines: Sequence[str], header: Sequence[str]
) -> tuple[list[tuple[int, list[str]]], list[int]]:
    """The rows without comments, and the line numbers of the comments."""
    comments = [
        number
        for number, cells in numbered
        if cells[0][:1] == "#"
        and cells[0].strip() not in ("#N/A", "#NA", "#N/A N/A")
        and COMMENT.match(lines[number - 1])
    ]
    if not comments:
        return numbered, []
    skipped = set(comments)
    for number, cells in numbered:
        if number in skipped and len(cells) == len(header) and _any_number(cells):
            raise _ambiguous(path, number, f"other rows ({len(header)})")
    return [row for row in numbered if row[0] not in skipped], comments


def _check_no_header(
    path: Path, comments: Sequence[int], lines: Sequence[str], separator: str,
    header_line: int, header: Sequence[str],
) -> None:  # fmt: skip
    """Refuse a comment that may be the header, as `numpy.savetxt` writes it.

    It may where the line after it has numbers, as a row has, and equally many cells.
    """
    if len(header) > 1 and _any_number(header):
        for number in comments:
            if lines[number - 1].count(separator) == len(header) - 1:
                raise _ambiguous(path, number, f"line {header_line} ({len(header)})")


def _any_number(cells: Sequence[str]) -> bool:
    return any(NUMBER_BEGINS.match(cell.lstrip("# ")) for cell in cells)


def _ambiguous(path: Path, number: int, others: str) -> DataError:
    return DataError(
        f"{path}, line {number}: a comment was expected after #, but the line has as many cells "
        f"as {others}; delete the # where it is no comment, else the line"
    )


def _check_widths(
    path: Path, header: Sequence[str], numbered: Sequence[tuple[int, list[str]]]
) -> None:
    for line, cells in numbered:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(header)} cells were expected "
                f"({', '.join(header)}), got {len(cells)}"
            )


def _places(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[int], list[str]]:
    """Positions of the columns to read, and a note on each that is left out."""
    places, notes = list(range(len(header))), []
    while len(places) > 1 and not header[places[-1]]:
        if any(row[places[-1]].strip() not in MISSING for row in rows):
            break
        places.pop()
    if len(places) < len(header):
        notes.append(f"{path.name}: an empty column at the end of the lines was left out")
    if len(places) > 1 and not header[0]:
        del places[0]
        notes.append(f"{path.name}: the first column, an index without a name, was left out")
    return places, notes
