"""Read a table from a file; ambiguous content is refused, naming file, line and column.

An empty cell is a missing value. A column is of numbers where every cell present is a
number (`allometry.tables.cells` says what counts as one); a column with numbers and other
text is refused, or is text where the caller does not need its numbers. `Table.notes` lists
what is not read literally.
"""

import codecs
import io
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from allometry.errors import DataError, UsageError
from allometry.files.foreign import check_regular
from allometry.tables.arithmetic import columns_needed, with_computed
from allometry.tables.cells import Cells, decimal_mark, read_column
from allometry.tables.dialect import lay_out
from allometry.tables.head import ending_of
from allometry.tables.json_rows import json_array, json_lines
from allometry.tables.limits import ADVICE as SMALLER
from allometry.tables.limits import most_unpacked
from allometry.tables.parquet import read_parquet
from allometry.tables.source import Source
from allometry.tables.table import Origin, Table, as_column

if TYPE_CHECKING:
    import pandas

__all__ = ["TableLike", "as_table", "read_table", "table_of_bytes"]

TableLike: TypeAlias = "Table | pandas.DataFrame | Mapping[str, Any] | str | Path"

ADVICE = {
    ".xlsx": "save the sheet as CSV UTF-8",
    ".xls": "save the sheet as CSV UTF-8",
    ".ods": "save the sheet as CSV UTF-8",
    ".txt": "save it with commas between the cells as .csv, or with tabs as .tsv",
}


def as_table(value: TableLike, numbers: Collection[str] | None = None) -> Table:
    """A table from any of the forms in which one may be given.

    Args:
        value: a Table, a DataFrame, a dict of columns of one length, or the path of a file.
        numbers: as for `read_table`; units are read in these columns of a file. A text that
            is arithmetic of columns becomes a column, see `allometry.tables.arithmetic`.

    Raises:
        UsageError: anything else, or what `read_table` raises.
    """
    return with_computed(_read_as_table(value, numbers), numbers or ())


def _read_as_table(value: TableLike, numbers: Collection[str] | None) -> Table:
    if isinstance(value, Table):
        return value
    if isinstance(value, str | Path):
        return read_table(value, numbers, units=numbers or ())
    if isinstance(value, Mapping):
        return Table({str(name): column for name, column in value.items()})
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        return _of_frame(value)
    raise UsageError(
        "a Table, a pandas DataFrame, a dict of lists or the path of a file was expected, got "
        f"{type(value).__name__}"
    )


def _of_frame(frame: "pandas.DataFrame") -> Table:
    """The columns of a DataFrame; its index is left out."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"two columns of the DataFrame are called {twice!r}; rename one")
    columns: dict[str, Any] = {}
    for place, name in enumerate(names):
        series = frame.iloc[:, place]
        missing = series.isna().to_numpy()
        values = series.to_numpy()
        if values.dtype.kind == "O" and missing.any():
            columns[name] = [None if m else v for v, m in zip(values, missing, strict=True)]
        else:
            columns[name] = values.tolist() if values.dtype.kind == "O" else values
    return Table(columns)


def read_table(
    path: str | Path, numbers: Collection[str] | None = None, *, units: Collection[str] = ()
) -> Table:
    """The table in a CSV, TSV, JSON or Parquet file; the ending gives the kind.

    Text files may be compressed: `runs.csv.gz`.

    Args:
        numbers: columns whose numbers are needed; the others may hold text that looks
            like damaged numbers ("7B" as the name of a model). None: all columns. Arithmetic
            such as `1-accuracy` needs the columns in it.
        units: columns of sizes that may be written with units, `1.3B` or `400M`.

    Raises:
        UsageError: no such file, or an ending that is none of these.
        DataError: anything in the file that is not a plain table.
        UnavailableError: a Parquet file without the extra `parquet`.
    """
    path = Path(path)
    check_regular(path)
    return _read(Source(path, path.stat().st_size), numbers, units)


def table_of_bytes(
    name: str,
    content: bytes,
    numbers: Collection[str] | None = None,
    *,
    units: Collection[str] = (),
) -> Table:
    """The table in bytes that are not in a file; otherwise as `read_table`.

    Args:
        name: of the file that they come from. Its ending gives the kind, and messages have it; no
            file of this name is looked up or opened.
    """
    return _read(Source(Path(name), len(content), content), numbers, units)


def _read(source: Source, numbers: Collection[str] | None, units: Collection[str]) -> Table:
    path = source.path
    ending, packed = ending_of(path)
    if ending in (".csv", ".tsv"):
        return _delimited(source, "\t" if ending == ".tsv" else ",", numbers, units)
    if ending in (".jsonl", ".ndjson"):
        return json_lines(path, _content(source), numbers, source.size)
    if ending == ".json":
        return json_array(path, _content(source), numbers, source.size)
    if ending == ".parquet" and not packed:
        return read_parquet(source)
    raise UsageError(
        f"{path}: a .csv, .tsv, .jsonl, .json or .parquet file was expected (text also as .gz); "
        f"{ADVICE.get(ending, 'save the table as one of these')}"
    )


def _content(source: Source) -> bytes:
    """The bytes of the file, unpacked, without the byte order mark of UTF-8."""
    packed = source.path.suffix.lower() == ".gz"
    content = _unpacked(source) if packed else source.read()
    return content.removeprefix(codecs.BOM_UTF8)


def _unpacked(source: Source) -> bytes:
    import gzip

    path, most = source.path, most_unpacked(source.size)
    try:
        with source.opened() as file, gzip.GzipFile(fileobj=file) as unpacked:
            content = unpacked.read(most + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}") from None
    except OSError as error:
        raise DataError(f"{path} could not be read: {error.strerror or error}") from None
    if len(content) > most:
        raise DataError(
            f"{path} unpacks to more than the {most / 1e6:g} MB that are read of it; {SMALLER}"
        )
    return content


def _lines(path: Path, content: bytes) -> Iterator[str]:
    """The lines of a text, each with its end: \\n, \\r\\n or a lone \\r, as CSV has them."""
    try:
        yield from io.TextIOWrapper(io.BytesIO(content), "utf-8", newline="")
    except UnicodeDecodeError:
        raise DataError(f"{path}, {_undecoded(content)}; save the file as UTF-8") from None


def _undecoded(content: bytes) -> str:
    """Where content is not UTF-8: the reader's error gives no place in the whole content."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "line 1: UTF-8 text was expected, got UTF-16"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return f"line {line}: UTF-8 text was expected, got byte 0x{content[error.start]:02x}"
    raise AssertionError("a piece was no UTF-8, the whole is")


def _delimited(
    source: Source, separator: str, numbers: Collection[str] | None, units: Collection[str]
) -> Table:
    """The table of a text with a header and rows of cells."""
    path, content = source.path, _content(source)
    if b"\0" in content and not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise DataError(f"{path}, line {line}: a NUL character; this is not a text table")
    layout = lay_out(path, _lines(path, content), separator, source.size)
    if not layout.lines:
        raise DataError(f"{path} has a header but no rows")
    texts = layout.columns
    wanted = set(texts) if numbers is None else columns_needed(numbers, texts)
    with_units = columns_needed(units, texts)
    mark = "." if layout.separator == "," else decimal_mark(texts[name] for name in wanted)
    notes = list(layout.notes)
    if mark == ",":
        notes.append(f"{path.name}: commas in numbers were read as decimal commas")
    needed: Literal["mapped", "maybe"] = "maybe" if numbers is None else "mapped"
    columns = {}
    for name in list(texts):
        need = needed if name in wanted else "no"
        cells = Cells(path, name, layout.lines, texts.pop(name), need, name in with_units, mark)
        values, column_notes = read_column(cells)
        columns[name] = as_column(name, values)  # at once: as numbers it takes less memory
        notes.extend(column_notes)
    return Table(columns, notes=notes, origin=Origin(path, layout.lines))
