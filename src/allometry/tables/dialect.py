"""How a text table is laid out: its separator, its comment lines, columns to leave out.

The rules are documented in docs/fitting.md ("Tables as programs write them").
"""

import csv
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from allometry.errors import DataError
from allometry.tables.cells import MISSING, NUMBER, listed_lines
from allometry.tables.limits import check_cells, check_columns, listed

__all__ = ["Layout", "check_header", "lay_out"]

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SEPARATOR_LINE = re.compile("sep=([,;\t|])", re.IGNORECASE)  # Excel writes and reads it
COMMENT = re.compile("#(?![,;\t|])")  # a first column may be called "#"
NUMBER_BEGINS = re.compile(r"[+-]?[.,]?\d")
ROWS_TO_SNIFF = 20
CELLS_AT_ONCE = 10_000  # to be put into columns


@dataclass(frozen=True)
class Layout:
    """A text table split into cells.

    Attributes:
        columns: name -> its cells without spaces around, for the rows that are not blank.
        lines: line number of each row.
        notes: sentences on content that was not read literally.
    """

    separator: str
    columns: dict[str, list[str]] = field(repr=False)
    lines: Sequence[int] = field(repr=False)
    notes: list[str]


class _Lines:
    """The lines of a text one by one, and the first of the record under way."""

    def __init__(self, lines: Iterable[str]):
        self._lines = iter(lines)
        self.first = ""
        self.of_record = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if not self.of_record:
                self.first = line
            self.of_record += 1
            yield line


def lay_out(path: Path, text: Iterable[str], separator: str, size: int) -> Layout:
    """Split a text into a header and rows.

    Args:
        text: its lines, each with its end.
        separator: the usual one for the ending of the file. size: of the file in bytes.

    Raises:
        DataError: no rows, a row with more or fewer cells than the header, a line that
            may be a comment or a row, or names that cannot be told apart.
    """
    lines = iter(text)
    before, ahead = _after_comments(lines)
    comments = [number for number, line in enumerate(before, start=1) if COMMENT.match(line)]
    notes = []
    first = len(before)
    if ahead and (declared := SEPARATOR_LINE.fullmatch(ahead[0].rstrip("\r\n"))):
        actual, first, ahead = declared[1], first + 1, ahead[1:]
    else:
        ahead += islice(lines, ROWS_TO_SNIFF)
        actual = _sniffed(path, ahead, separator, first + 1)
    if actual != separator:
        notes.append(f"{path.name}: cells were read as separated by {SEPARATORS[actual]}")
    records = _records(path, chain(ahead, lines), first, actual)
    header_line, header, _ = next(records, (0, [], ""))
    if not header:
        raise DataError(f"{path} is empty: a header and rows were expected")
    header = [name.strip() for name in header]
    check_columns(path, len(header))
    _check_no_header(path, comments, before, actual, header_line, header)
    columns, numbers, skipped = _columns(path, header, records, size)
    if comments := comments + skipped:
        notes.append(f"{path.name}: {listed_lines(comments)} with # at the start skipped")
    places, left_out = _places(path, header, columns)
    names = [header[place] for place in places]
    check_header(path, names, header_line)
    named = {name: columns[place] for name, place in zip(names, places, strict=True)}
    return Layout(actual, named, numbers, notes + left_out)


def check_header(path: Path, names: Sequence[str], line: int = 1) -> None:
    """Refuse columns without a name, two of one name, and numbers for names."""
    seen = set()
    for place, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"{path}, line {line}: column {place} has no name")
        if name in seen:
            raise DataError(
                f"{path}, line {line}: two columns are called {name[:60]!r}; rename one"
            )
        seen.add(name)
    if all(NUMBER.fullmatch(name) for name in names):
        raise DataError(f"{path}, line {line}: a header of column names was expected, got numbers")


def _after_comments(lines: Iterator[str]) -> tuple[list[str], list[str]]:
    """The blank lines and comments at the start, and the line after them if there is one."""
    before: list[str] = []
    for line in lines:
        if line.strip() and not COMMENT.match(line):
            return before, [line]
        before.append(line)
    return before, []


def _width(line: str, separator: str) -> int:
    return len(next(csv.reader([line], delimiter=separator), []))


def _sniffed(path: Path, lines: Sequence[str], separator: str, number: int) -> str:
    """The separator of these first lines: the usual one, unless it does not split the header.

    Another one has to split the header, and the next rows into as many cells.
    """
    head = [line for line in lines if line.strip() and not COMMENT.match(line)]
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


def _records(
    path: Path, text: Iterable[str], before: int, separator: str
) -> Iterator[tuple[int, list[str], str]]:
    """Number, cells and first line of each record that is not blank.

    Args:
        before: number of lines of the file before these.
    """
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield before + reader.line_num, cells, lines.first
            lines.of_record = 0
    except csv.Error as error:
        raise DataError(f"{path}, line {before + reader.line_num}: {error}") from None


def _columns(
    path: Path, header: Sequence[str], records: Iterable[tuple[int, list[str], str]], size: int
) -> tuple[list[list[str]], Sequence[int], list[int]]:
    """The cells by column, the line number of each row, and those of comments left out."""
    columns: list[list[str]] = [[] for _ in header]
    numbers, skipped = array("q"), array("q")
    block: list[list[str]] = []
    for number, cells, line in records:
        if cells[0][:1] == "#" and _is_comment(cells, line):
            if len(cells) == len(header) and _any_number(cells):
                raise _ambiguous(path, number, f"other rows ({len(header)})")
            skipped.append(number)
            continue
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {number}: {len(header)} cells were expected "
                f"({listed(header)}), got {len(cells)}"
            )
        numbers.append(number)
        block.append(cells)
        if len(block) * len(header) >= CELLS_AT_ONCE:
            check_cells(path, len(numbers), len(header), size)
            _add(columns, block)
            block = []
    check_cells(path, len(numbers), len(header), size)
    _add(columns, block)
    return columns, numbers, list(skipped)


def _add(columns: Sequence[list[str]], rows: Sequence[Sequence[str]]) -> None:
    for column, cells in zip(columns, zip(*rows, strict=True), strict=False):
        column.extend(map(str.strip, cells))


def _is_comment(cells: Sequence[str], line: str) -> bool:
    return cells[0].strip() not in ("#N/A", "#NA", "#N/A N/A") and bool(COMMENT.match(line))


def _check_no_header(
    path: Path, comments: Sequence[int], lines: Sequence[str], separator: str,
    header_line: int, header: Sequence[str],
) -> None:  # fmt: skip
    """Refuse a comment that may be the header, as `numpy.savetxt` writes it.

    It may be one where the line that was read as the header has numbers, and as many cells.
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
        f"as {others}; delete the # if the line is data, or the line if it is a comment"
    )


def _places(
    path: Path, header: Sequence[str], columns: Sequence[Sequence[str]]
) -> tuple[list[int], list[str]]:
    """Positions of the columns to read, and a note on each that is left out."""
    places, notes = list(range(len(header))), []
    while len(places) > 1 and not header[places[-1]]:
        if not MISSING.issuperset(columns[places[-1]]):
            break
        places.pop()
    if len(places) < len(header):
        notes.append(f"{path.name}: an empty column at the end of the lines was left out")
    if len(places) > 1 and not header[0]:
        del places[0]
        notes.append(f"{path.name}: the first column, an index without a name, was left out")
    return places, notes
