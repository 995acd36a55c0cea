"""Tables in Parquet, in which a few bytes may stand for many: sizes first, values after.

A text that a file stores once and uses in many rows is held once. The sizes that the file states
are checked before anything is unpacked, and rows are counted while they are read. A file
with false sizes can take as much memory as one of its pages claims.
"""

from typing import TYPE_CHECKING, Any, BinaryIO

from allometry.errors import DataError, UnavailableError
from allometry.tables.cells import beyond_64_bits_note
from allometry.tables.dialect import check_header
from allometry.tables.limits import ADVICE, check_cells, check_columns, most_unpacked
from allometry.tables.source import Source
from allometry.tables.table import Origin, Table

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

__all__ = ["read_parquet"]

ROWS_AT_ONCE = 10_000
LONGEST_IN_FOOTER = 10_000_000  # bytes of one text there, and of all its lists


def read_parquet(source: Source) -> Table:
    """The table in a Parquet file.

    Raises:
        DataError: it is not Parquet, or is damaged, nested, or larger than what is read.
        UnavailableError: the extra `parquet` is not installed.
    """
    path = source.path
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UnavailableError(
            f"{path}: reading Parquet needs pyarrow; pip install 'allometry[parquet]'"
        ) from None
    try:
        with source.opened() as file, _texts_once(file) as parquet:
            _check(source, parquet)
            columns = _values(source, parquet)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{path} is not a whole Parquet file: {str(error)[:200]}") from None
    rows = len(next(iter(columns.values())))
    if rows == 0:
        raise DataError(f"{path} has no rows")
    places = range(1, rows + 1)
    notes = [
        note
        for name, values in columns.items()
        for note in beyond_64_bits_note(path, name, values, places, "row")
    ]
    return Table(columns, notes=notes, origin=Origin(path, places, "row"))


def _texts_once(file: BinaryIO) -> "ParquetFile":
    """The file, with columns of text read as indices into their distinct texts."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    limits = {"thrift_string_size_limit": LONGEST_IN_FOOTER}
    plain = ParquetFile(file, **limits)
    schema = plain.schema_arrow
    texts = [field.name for field in schema if pyarrow.types.is_string(field.type)]
    file.seek(0)
    return ParquetFile(file, metadata=plain.metadata, read_dictionary=texts, **limits)


def _check(source: Source, parquet: "ParquetFile") -> None:
    """Refuse nested columns and a size that is too large, by what the file states."""
    from pyarrow import types

    path, metadata, schema = source.path, parquet.metadata, parquet.schema_arrow
    check_columns(path, len(schema))
    check_header(path, schema.names)
    wide = 0  # bytes of a row, of the columns whose values all have one width
    for field in schema:
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        if types.is_nested(kind):
            raise DataError(
                f"{path}, column {field.name!r}: numbers or text were expected, got {kind}"
            )
        if types.is_fixed_size_binary(kind):
            wide += kind.byte_width
    check_cells(path, metadata.num_rows, len(schema), source.size)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    stated = sum(group.total_byte_size for group in groups)
    size, most = max(stated, wide * metadata.num_rows), most_unpacked(source.size)
    if size > most:
        raise DataError(
            f"{path} unpacks to {size / 1e6:,.0f} MB, more than the {most / 1e6:g} MB that are "
            f"read of it; {ADVICE}"
        )


def _values(source: Source, parquet: "ParquetFile") -> dict[str, list[Any]]:
    """The values of each column; equal texts of a batch are one object."""
    columns: dict[str, list[Any]] = {name: [] for name in parquet.schema_arrow.names}
    rows = 0
    for batch in parquet.iter_batches(batch_size=ROWS_AT_ONCE):
        rows += batch.num_rows
        check_cells(source.path, rows, len(columns), source.size)
        for name, values in zip(columns, batch.columns, strict=True):
            columns[name].extend(_plain(values))
    return columns


def _plain(values: "pyarrow.Array") -> list[Any]:
    from pyarrow import types

    if not types.is_dictionary(values.type):
        return list(values.to_pylist())
    texts = values.dictionary.to_pylist()
    return [None if place is None else texts[place] for place in values.indices.to_pylist()]
