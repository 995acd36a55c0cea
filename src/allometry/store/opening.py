"""Making, opening and copying the store's file."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

from allometry.errors import DataError, UsageError
from allometry.files.durable import written
from allometry.files.foreign import check_regular
from allometry.store.lock import names_a_holder
from allometry.store.log import damage_of_log, foreign_journal, set_log_aside, unread_log
from allometry.store.schema import MIGRATIONS, add_missing, differing, migrate, version_of
from allometry.store.sqlite_errors import damaged, sqlite_errors

__all__ = [
    "Opened", "check_file", "check_there", "copy_to", "make", "open_reader", "open_writer",
]  # fmt: skip

T = TypeVar("T")


class Opened(NamedTuple):
    """An opened store.

    Attributes:
        connection: connection to the file.
        faults: damage found before anything was read, in words.
        alone: whether the file is read without log and locks, because its folder is not
            writable: reads are correct only while nobody writes.
    """

    connection: sqlite3.Connection
    faults: tuple[str, ...] = ()
    alone: bool = False


def open_writer(path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> Opened:
    """Open for writing; makes or migrates the file if needed. Take the lock first.

    A damaged log is copied, because SQLite drops the part that it cannot read.

    Raises:
        UsageError, DataError, DiskError: as `open_reader`.
    """
    with sqlite_errors(path):
        if _is_nothing(path):
            make(path, lambda connection: None, migrations)
        _check_journal(path)
        faults: tuple[str, ...] = ()
        damage = damage_of_log(path)
        if damage is not None:
            faults = (f"{damage}; a copy of it is kept as {set_log_aside(path).name}",)
        connection = _connect(path, "rw")
        try:
            version = version_of(connection, path, len(migrations))
            others = differing(connection, migrations)
            if others:
                raise damaged(path, _not_ours(others))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if version < len(migrations):
                copy_to(connection, _free_name(path, f".version{version}"))
                migrate(connection, version, migrations)
            # SQLite opens its log on the first read.
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return Opened(connection, faults)


def open_reader(
    path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS, *, whatever: bool = False
) -> Opened:
    """Open for reading; works while a writer is active.

    Args:
        path: path of the store.
        migrations: migrations between its versions.
        whatever: also read the readable part of a damaged log. SQLite may then discard the rest,
            so by default a damaged log is ignored and left unchanged for the next writer.

    Raises:
        UsageError: there is no store at `path`.
        DataError: the file is no store, has a newer version, or has an older version that
            cannot be read without migration.
        DiskError: the folder may not be entered, or a log in it not be read.
    """
    check_there(path)
    with sqlite_errors(path):
        _check_journal(path)
        # In a folder without write access SQLite cannot make its shared memory. If there is no
        # log to replay, the file alone is the complete store.
        alone = not os.access(path.parent, os.W_OK) and unread_log(path) is None
        log = damage_of_log(path)
        without_log = alone or (log is not None and not whatever)
        connection = _connect(path, "ro", "&immutable=1" if without_log else "")
        try:
            version = version_of(connection, path, len(migrations))
            others = differing(connection, migrations)
            if not others:
                add_missing(connection, path, version, migrations)
        except BaseException:
            connection.close()
            raise
    faults = ([_not_ours(others)] if others else []) + ([log] if log else [])
    return Opened(connection, tuple(faults), alone)


def _not_ours(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name)[1:-1][:40] for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"its tables are not as allometry makes them ({shown}{more})"


def check_there(path: Path) -> None:
    """Refuse a path without a store.

    Raises:
        UsageError: there is no store, or the path is not a regular file.
        DataError: the store is missing or empty, but its log is there.
    """
    if _is_nothing(path):
        raise UsageError(
            f"no store at {path}: name one with --store FILE, or make it with "
            f"`allometry run STUDY --store {path}`"
        )


def check_file(path: Path, *, write: bool) -> None:
    """Refuse a path that cannot be a store; call before its lock is taken.

    Each name of a file (hard link) would get a separate log. So a file with several names is not
    written, and is not read while a log lies beside another of its names.

    Raises:
        UsageError: the path is a folder, a pipe or a device.
        DataError: the file has several names; or a file that was a store is missing or empty.
        DiskError: the folder may not be entered.
    """
    if not _is_nothing(path):
        other = _other_name(path)
        if other is not None and (write or unread_log(other) is not None):
            raise DataError(
                f"store {path} has another name, {other} (a hard link), and each name would get "
                "its own log, so that runs would be lost: remove one of the names, or use a copy "
                f"(cp {path} NEW.db)"
            )
    elif path.exists() and names_a_holder(path):
        raise DataError(
            f"store {path} is empty, and it was in use: put back a copy, or remove it to start over"
        )


def _other_name(path: Path) -> Path | None:
    """Another name of the file: a path in its folder, or ``?`` if it is elsewhere; None if none."""
    with sqlite_errors(path):
        status = path.stat()
        if status.st_nlink == 1:
            return None
        others = (p for p in path.parent.iterdir() if p.name != path.name and p.samefile(path))
        return next(others, Path("?"))


def _check_journal(path: Path) -> None:
    """Refuse a store beside a journal that SQLite would write over it.

    Raises:
        DataError: there is such a journal; the message says what to do.
    """
    journal = foreign_journal(path)
    if journal is not None:
        raise DataError(
            f"{journal} belongs to an unfinished change of another file, and SQLite would write it "
            f"over store {path}: move {journal.name} to another folder and try again"
        )


def _is_nothing(path: Path) -> bool:
    """Whether the path is free for a new store: the file is missing or empty, without a log.

    Raises:
        UsageError, DataError, DiskError: as `check_file`.
    """
    with sqlite_errors(path):
        if path.exists():
            check_regular(path)
            if path.stat().st_size:
                return False
        _refuse_log_alone(path)
        return True


def _refuse_log_alone(path: Path) -> None:
    """Refuse to make a store beside the log of another store, which SQLite would use for it.

    Raises:
        DataError: there is such a log; the message says what to do.
    """
    with sqlite_errors(path):
        log = unread_log(path)
        if log is not None:
            raise DataError(
                f"{log} holds runs of a store, and {path} is "
                f"{'empty' if path.exists() else 'not there'}: put the store back beside its log, "
                "or move the log to another folder to start over"
            )


def make(
    path: Path,
    fill: Callable[[sqlite3.Connection], T],
    migrations: Sequence[Sequence[str]] = MIGRATIONS,
) -> T:
    """Make a new store under a temporary name, and rename it when it is complete.

    Args:
        path: path of the store; take its lock first.
        fill: function that writes the initial content, in one transaction.

    Returns:
        the result of `fill`.
    """
    _refuse_log_alone(path)
    with written(path) as part:
        connection = _connect(part, "rw")
        try:
            # A journal in memory, so that a killed process leaves no log of the temporary file.
            connection.execute("PRAGMA journal_mode = MEMORY")
            migrate(connection, 0, migrations)
            connection.execute("BEGIN IMMEDIATE")
            filled = fill(connection)
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
    return filled


def _connect(path: Path, mode: str, more: str = "") -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}{more}", uri=True, isolation_level=None, timeout=60
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA mmap_size = 0")
    # A damaged text may not be UTF-8. It should be detected by its hash, not by an exception.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    return connection


def copy_to(connection: sqlite3.Connection, path: Path) -> None:
    """A compact copy of the whole store in a new file, on disk when this returns.

    Copying the file by other means may miss runs that are still in its log.

    Raises:
        UsageError: the file exists, or another process has made it meanwhile.
        DataError: the copied store is damaged.
        DiskError: the copy cannot be written.
    """
    with sqlite_errors(path):
        try:
            with written(path, new=True) as part:
                _vacuum_into(connection, part)
                # Set on the temporary file: SQLite writes a journal while it changes the mode, and
                # after a kill only the temporary file and its journal are left.
                with closing(_connect(part, "rw")) as copy:
                    copy.execute("PRAGMA journal_mode = WAL")
        except FileExistsError as error:
            raise UsageError(f"{path} exists: name a new file, or move that one away") from error


def _vacuum_into(connection: sqlite3.Connection, part: Path) -> None:
    try:
        # As bytes, because a file name may not be UTF-8.
        connection.execute("VACUUM INTO CAST(? AS TEXT)", (os.fsencode(part),))
    except sqlite3.DatabaseError:
        # SQLite does not say which file failed. It also reports a full disk if a damaged page of
        # the store refers to a page far beyond the end of the file.
        source = Path(connection.execute("PRAGMA database_list").fetchone()[2])
        with sqlite_errors(source):
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise damaged(source, verdict) from None
        raise


def _free_name(path: Path, suffix: str) -> Path:
    names = (path.with_name(f"{path.name}{suffix}{f'.{n}' if n > 1 else ''}") for n in count(1))
    return next(name for name in names if not os.path.lexists(name))
