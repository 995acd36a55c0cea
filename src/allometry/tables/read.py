"""Read a table from a file; refuse what would be guessed, naming file, line and column.

An empty cell is a missing value. A column is of numbers where every cell present is a
number (`allometry.tables.cells` says what counts as one); a column with numbers and other
text is refused, or is text where the caller does not need its numbers. Whatever is not read
as it stands is said in `Table.notes`.
"""

import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from allometry.errors import DataError, UnavailableError, UsageError
from allometry.tables.arithmetic import columns_needed, with_computed
from allometry.tables.cells import Cells, decimal_mark, read_column
from allometry.tables.dialect import check_header, lay_out
from allometry.tables.json_rows import json_array, json_lines
from allometry.tables.table import Origin, Table

if TYPE_CHECKING:
    import pandas

__all__ = ["TableLike", "as_table", "read_table"]

TableLike: TypeAlias = "Table | pandas.DataFrame | Mapping[str, Any] | str | Path"

ADVICE = {
    ".xlsx": "save the sheet as CSV UTF-8",
    ".xls": "save the sheet as CSV UTF-8",
    ".ods": "save the sheet as CSV UTF-8",
    ".txt": "save it with commas between the cells as .csv, or with tabs as .tsv",
}


def as_table(value: TableLike, numbers: Collection[str] | None = None) -> Table:
    """A table of whatever holds one.

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
    """The table in a CSV, TSV, JSON or Parquet file, told by its ending.

    Text files may be compressed: `runs.csv.gz`.

    Args:
        numbers: columns whose numbers are needed; the others may hold text that looks
            like damaged numbers ("7B" as the name of a model). None: all are. Of arithmetic
            such as `1-accuracy`, the columns in it.
        units: columns of sizes that may be written with units, `1.3B` or `400M`.

    Raises:
        UsageError: no such file, or an ending that is none of these.
        DataError: anything in the file that is not a plain table.
        UnavailableError: a Parquet file without the extra `parquet`.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"no file {path}")
    packed = path.suffix.lower() == ".gz"
    ending = Path(path.stem if packed else path.name).suffix.lower()
    if ending in (".csv", ".tsv"):
        return _delimited(path, "\t" if ending == ".tsv" else ",", numbers, units)
    if ending in (".jsonl", ".ndjson"):
        return json_lines(path, _text(path), numbers)
    if ending == ".json":
        return json_array(path, _text(path), numbers)
    if ending == ".parquet" and not packed:
        return _parquet(path)
    raise UsageError(
        f"{path}: a .csv, .tsv, .jsonl, .json or .parquet file was expected (text also as .gz); "
        f"{ADVICE.get(ending, 'save the table as one of these')}"
    )


def _text(path: Path) -> str:
    try:
        return _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: UTF-8 text was expected, got byte "
            f"0x{error.object[error.start]:02x}; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise DataError(f"{path} could not be read: {error.strerror or error}") from error


def _content(path: Path) -> bytes:
    """The bytes of the file, unpacked."""
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    import gzip

    try:
        return gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}") from None


def _delimited(
    path: Path, separator: str, numbers: Collection[str] | None, units: Collection[str]
) -> Table:
    """The table of a text with a header and rows of cells."""
    text = _text(path)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}, line {line}: a NUL character; this is not a text table")
    layout = lay_out(path, text, separator)
    if not layout.rows:
        raise DataError(f"{path} has a header but no rows")
    texts = {
        name: [row[place].strip() for row in layout.rows]
        for name, place in zip(layout.names, layout.places, strict=True)
    }
    wanted = set(layout.names) if numbers is None else columns_needed(numbers, layout.names)
    with_units = columns_needed(units, layout.names)
    mark = "." if layout.separator == "," else decimal_mark(texts[name] for name in wanted)
    notes = list(layout.notes)
    if mark == ",":
        notes.append(f"{path.name}: commas in numbers were read as decimal commas")
    needed: Literal["mapped", "maybe"] = "maybe" if numbers is None else "mapped"
    columns = {}
    for name, column in texts.items():
        need = needed if name in wanted else "no"
        cells = Cells(path, name, layout.lines, column, need, name in with_units, mark)
        columns[name], column_notes = read_column(cells)
        notes.extend(column_notes)
    return Table(columns, notes=notes, origin=Origin(path, layout.lines))


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
    check_header(path, list(read.column_names))
    for field in read.schema:
        if pyarrow.types.is_nested(field.type):
            raise DataError(
                f"{path}, column {field.name!r}: numbers or text were expected, got {field.type}"
            )
    columns = {name: read.column(name).to_pylist() for name in read.column_names}
    return Table(columns, origin=Origin(path, range(1, read.num_rows + 1), "row"))
