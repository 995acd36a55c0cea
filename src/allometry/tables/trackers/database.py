"""SQLite files of other programs, read only: no lock is left, no file is made, nothing runs.

A file without a log is opened as immutable, and checked for changes at the end. A file with a log
(-wal) is read together with it, as SQLite does while another program writes.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from allometry.errors import DataError, StoreBusyError
from allometry.files.foreign import check_regular, opened

__all__ = ["Database", "is_database", "reading"]

MAGIC = b"SQLite format 3\0"
LONGEST_VALUE = 16_000_000  # bytes of one text
SECONDS = 600  # that reading may take
STEPS = 100_000  # of SQLite's machine between two looks at the clock


def is_database(path: Path) -> bool:
    """Whether a file begins as those of SQLite do."""
    with opened(path) as file:
        return file.read(len(MAGIC)) == MAGIC


class Database:
    """An open file.

    Attributes:
        path: of the file. tables: name to its columns.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection):
        self.path = path
        self._connection = connection
        self.tables = self._tables()

    def rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a query; `reading` turns SQLite's errors into ours."""
        return self._connection.execute(query, values)

    def has(self, tables: Mapping[str, str]) -> bool:
        """Whether these tables have these columns, given as names separated by spaces."""
        return all(
            name in self.tables and {*columns.split()} <= self.tables[name]
            for name, columns in tables.items()
        )

    def _tables(self) -> dict[str, set[str]]:
        """The plain tables: a view or a virtual table would run code of the file's author."""
        query = (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 "
            "AND sql NOT LIKE '%GENERATED%'"
        )
        names = [str(name) for (name,) in self._connection.execute(query)]
        columns = "SELECT name FROM pragma_table_info(?)"
        return {n: {c for (c,) in self._connection.execute(columns, (n,))} for n in names}


@contextmanager
def reading(path: Path, what: str) -> Iterator[Database]:
    """The open file, within a ``with`` block.

    Args:
        path: of the file. what: the kind of file expected, in words.

    Raises:
        DataError: it is damaged, or its text is not UTF-8.
        StoreBusyError: a program has locked it, or wrote it in the meantime.
    """
    check_regular(path)
    log, journal = (path.with_name(path.name + ending) for ending in ("-wal", "-journal"))
    _check_journal(path, journal)
    before = _state(path)
    alone = not _size(log)
    more = "&immutable=1" if alone else ""
    uri = f"{path.resolve().as_uri()}?mode=ro{more}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None)) as connection:
            _bound(connection)
            connection.execute("BEGIN")  # all queries see one state, whatever is written meanwhile
            yield Database(path, connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _in_words(path, what, error) from None
    if alone and _state(path) != before:
        raise StoreBusyError(
            f"{path} was written while it was read: try again when no program writes it"
        )


def _bound(connection: sqlite3.Connection) -> None:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    for pragma in (
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "mmap_size = 0",
        "query_only = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    end = time.monotonic() + SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)


def _check_journal(path: Path, journal: Path) -> None:
    """Refuse a file whose last change is unfinished: SQLite would have to complete it first."""
    if _size(journal):
        raise StoreBusyError(
            f"{path} is being written, or its program was killed ({journal.name} is beside it): "
            "try again, or open it once with the program that made it"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _state(path: Path) -> tuple[int, int, bool]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, _size(path.with_name(path.name + "-wal")) > 0


def _in_words(path: Path, what: str, error: Exception) -> DataError | StoreBusyError:
    name = "_".join(str(getattr(error, "sqlite_errorname", "")).split("_")[:2])
    if name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return StoreBusyError(f"{path} is locked by another program: close it and try again")
    if name == "SQLITE_CANTOPEN":
        return DataError(
            f"{path} has a log (-wal) and its folder may not be written, as SQLite needs to read "
            "both: copy file and log to a folder of your own"
        )
    if name == "SQLITE_INTERRUPT":
        return DataError(f"{path}: reading took more than {SECONDS} seconds, and was ended")
    if name == "SQLITE_TOOBIG":
        return DataError(
            f"{path}: a text of more than the {LONGEST_VALUE / 1e6:g} MB that are read"
        )
    return DataError(f"{path} is damaged, or is not {what}: {error}")
