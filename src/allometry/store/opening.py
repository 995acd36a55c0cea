"""How the store's file is made, opened and copied."""

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
    """A file that was opened.

    Attributes:
        connection: to it.
        faults: what was found to be wrong before anything was read, in words.
        alone: whether a reader sees the file without a log, in a folder that it may not write:
            what it reads is right only as long as nobody writes.
    """

    connection: sqlite3.Connection
    faults: tuple[str, ...] = ()
    alone: bool = False


def open_writer(path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> Opened:
    """The read-write connection; makes or migrates the file if needed. Take the lock first.

    Of a log that is damaged a copy is kept, as SQLite drops what it cannot read of it.

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
            # SQLite opens its log with the first thing it reads.
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return Opened(connection, faults)


def open_reader(
    path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS, *, whatever: bool = False
) -> Opened:
    """A read-only connection; it works while a writer is active.

    Args:
        path: of the store.
        migrations: its versions.
        whatever: read what can be read of a damaged log, too. SQLite then forgets that there was
            more, so otherwise the file is opened without it, and the next writer finds it as it is.

    Raises:
        UsageError: when there is no store at `path`.
        DataError: when the file is no store, one of a newer version, or one of an older
            version that cannot be read as it is.
        DiskError: when its folder may not be entered, or a log in it not be read.
    """
    check_there(path)
    with sqlite_errors(path):
        _check_journal(path)
        # In a folder without write access SQLite cannot make its shared memory. Without a
        # log to replay, the file alone is the whole store.
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
        UsageError: saying how to make one, or that it is no file.
        DataError: the store is gone and its log is not, or it has two names.
    """
    if _is_nothing(path):
        raise UsageError(
            f"no store at {path}: name one with --store FILE, or make it with "
            f"`allometry run STUDY --store {path}`"
        )


def check_file(path: Path, *, write: bool) -> None:
    """Refuse what is at the path of a store and can be none; before its lock is taken.

    Each name of a file has a log of its own. So one with several is not written, and not read
    while a log stands beside another of its names.

    Raises:
        UsageError: a folder, a pipe, a device.
        DataError: it has several names; or it is missing or empty, and was a store.
        DiskError: its folder may not be entered.
    """
    if not _is_nothing(path):
        other = _other_name(path)
        if other is not None and (write or unread_log(other) is not None):
            raise DataError(
                f"store {path} has another name, {other} (a hard link), and with a log for each "
                f"runs would be lost: remove one of the names, or use a copy (cp {path} NEW.db)"
            )
    elif path.exists() and names_a_holder(path):
        raise DataError(
            f"store {path} is empty, and it was in use: put back a copy, or remove it to start over"
        )


def _other_name(path: Path) -> Path | None:
    """Another name of the file: one in its folder, or ``?`` for one elsewhere; None for none."""
    with sqlite_errors(path):
        status = path.stat()
        if status.st_nlink == 1:
            return None
        others = (p for p in path.parent.iterdir() if p.name != path.name and p.samefile(path))
        return next(others, Path("?"))


def _check_journal(path: Path) -> None:
    """Refuse a store with a journal that would undo it.

    Raises:
        DataError: saying what to do.
    """
    journal = foreign_journal(path)
    if journal is not None:
        raise DataError(
            f"{journal} is an unfinished change of another file, which would be written over store "
            f"{path}: move {journal.name} to another folder and try again"
        )


def _is_nothing(path: Path) -> bool:
    """Whether a new store can be made here.

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
    """Refuse to make a store where the log of another one would be taken for its own.

    Raises:
        DataError: saying what to do.
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
    """Make a new store, renamed into place when complete: a file that exists can be read.

    Args:
        path: of the store; take its lock first.
        fill: writes what is in it from the start, in one transaction.

    Returns:
        what `fill` gives.
    """
    _refuse_log_alone(path)
    with written(path) as part:
        connection = _connect(part, "rw")
        try:
            # Of the part alone: killed or not, no log of it is left.
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
    # A damaged text need not be UTF-8; it is found by its hash, not by an exception.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    return connection


def copy_to(connection: sqlite3.Connection, path: Path) -> None:
    """A compact copy of the whole store in a new file, on disk when this returns.

    Copying the file itself may miss what is still in its log.

    Raises:
        UsageError: when the file exists, also where another process has made it since.
        DataError: the store that is copied is damaged.
        DiskError: the copy cannot be written.
    """
    with sqlite_errors(path):
        try:
            with written(path, new=True) as part:
                _vacuum_into(connection, part)
                # Here, where a kill leaves no more than the part: to make it a store with a log
                # SQLite writes a journal, which a store has none of.
                with closing(_connect(part, "rw")) as copy:
                    copy.execute("PRAGMA journal_mode = WAL")
        except FileExistsError as error:
            raise UsageError(
                f"{path} exists: name a file that does not, or move that one away"
            ) from error


def _vacuum_into(connection: sqlite3.Connection, part: Path) -> None:
    try:
        # As bytes: a name need not be UTF-8.
        connection.execute("VACUUM INTO CAST(? AS TEXT)", (os.fsencode(part),))
    except sqlite3.DatabaseError:
        # SQLite does not say which file it means. It says that the disk is full, too, where a
        # damaged page of the store names one far behind its end.
        source = Path(connection.execute("PRAGMA database_list").fetchone()[2])
        with sqlite_errors(source):
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise damaged(source, found) from None
        raise


def _free_name(path: Path, suffix: str) -> Path:
    names = (path.with_name(f"{path.name}{suffix}{f'.{n}' if n > 1 else ''}") for n in count(1))
    return next(name for name in names if not os.path.lexists(name))
