"""The beginning of a table file: its kind, and the names of its columns, read without NumPy."""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from allometry.errors import DataError
from allometry.files.foreign import opened
from allometry.files.strict_json import read_json
from allometry.tables.dialect import lay_out

__all__ = ["column_names", "ending_of"]

HEAD = 1 << 16  # bytes, unpacked
ROWS = 20  # whose names are taken: objects of JSON may have different names


def ending_of(path: Path) -> tuple[str, bool]:
    """The kind of a table file by its name, ``.csv`` say, and whether it is packed (``.gz``)."""
    packed = path.suffix.lower() == ".gz"
    return Path(path.stem if packed else path.name).suffix.lower(), packed


def column_names(path: Path) -> list[str]:
    """Names of the columns of a table of text (CSV, TSV, JSON, each also packed), in its order.

    At most the first 64 KiB are read. The list is empty for Parquet, whose reader takes a second
    to load, and for other files.

    Raises:
        UsageError: no such file.
        DataError: its beginning is not a table.
    """
    ending, packed = ending_of(path)
    if ending in (".csv", ".tsv"):
        lines = islice(_lines(_head(path, packed)), ROWS)
        separator = "\t" if ending == ".tsv" else ","
        return list(lay_out(path, lines, separator, HEAD).columns)
    if ending in (".jsonl", ".ndjson"):
        rows = [read_json(line, any_number=True) for line in _lines(_head(path, packed))][:ROWS]
        return _names(rows)
    if ending == ".json":
        return _names([_first_object(path, _head(path, packed))])
    return []


def _head(path: Path, packed: bool) -> str:
    """The first characters of a file."""
    try:
        with opened(path) as file:
            content = gzip.GzipFile(fileobj=file).read(HEAD) if packed else file.read(HEAD)
    except (gzip.BadGzipFile, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path} could not be read: {error}") from None
    return content.decode("utf-8-sig", errors="ignore")  # the last character may be cut


def _lines(text: str) -> Iterator[str]:
    """The whole lines of the beginning of a text, each with its end."""
    lines = list(io.StringIO(text, newline=""))
    if len(text.encode()) >= HEAD - 3 and lines:
        del lines[-1]  # it is cut off
    return (line for line in lines if line.strip())


def _first_object(path: Path, text: str) -> object:
    """The first object of an array of JSON."""
    if not text.lstrip().startswith("["):
        raise DataError(f"{path}: a JSON array of objects was expected")
    try:
        return json.JSONDecoder().raw_decode(text, text.index("{"))[0]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: a JSON array of objects was expected: {error}") from None


def _names(rows: list[object]) -> list[str]:
    """Names in any of these objects, each once."""
    return list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))
