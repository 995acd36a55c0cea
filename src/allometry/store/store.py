"""Every result in one SQLite file with one writer.

The store keeps declared runs and trained runs. Pending runs are computed as the difference, so
no stored state can go stale. The runs of a pack are committed together or not at all. Readers
can read while the writer writes.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from allometry.errors import DataError, UsageError
from allometry.store import decisions, plans
from allometry.store import verify as store_verify
from allometry.store.declarations import (
    EarlierCode,
    earlier_codes,
    redeclared,
)
from allometry.store.lock import WriterLock, check_place, filesystem_type
from allometry.store.open_files import OpenFiles
from allometry.store.opening import check_file, check_there, open_reader, open_writer
from allometry.store.place import resolved
from allometry.store.reader import Reader
from allometry.store.record import Record, canonical, records
from allometry.store.sqlite_errors import sqlite_errors
from allometry.store.status import StudyStatus
from allometry.store.verify import Damage, Verification
from allometry.tables.table import Table
from allometry.training.result import RunResult

if TYPE_CHECKING:
    # Importing specs loads pydantic, which reading a store does not need.
    from allometry.spec import Experiment

__all__ = ["Damage", "Store", "StudyStatus", "Verification"]

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise


class Store(Reader):
    """An open store; use it in a ``with`` statement, or call `close`.

    Args:
        path: path of the SQLite file.
        write: open it as its only writer.
        new: with `write`, make the file if it is missing.
        filesystem: function from a folder to the kind of its filesystem.

    Raises:
        StoreBusyError: another process is writing the store; the message names it.
        UsageError: the store is missing, or the folder to make it in.
        DataError: the file is no store, is damaged, or comes from a newer version.
        DiskError: the place cannot be written or is on a network filesystem.
    """

    def __init__(
        self,
        path: str | Path,
        write: bool = False,
        *,
        new: bool = True,
        filesystem: Callable[[Path], str | None] = filesystem_type,
    ):
        place = resolved(path)
        check_file(place, write=write)
        self._lock: WriterLock | None = None
        if not write:
            super().__init__(place, open_reader(place))
            return
        if not new:
            check_there(place)
        if not place.parent.is_dir():
            raise UsageError(f"no folder {place.parent} to make store {place.name} in")
        check_place(place, filesystem(place.parent))
        self._lock = WriterLock(place)
        try:
            super().__init__(place, open_writer(place))
            self._mends = True
            self._files = OpenFiles.of(place)
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, then release the writer's lock."""
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    # ---- write -------------------------------------------------------------------------------

    def declare(
        self, study: str, size: str, variant: str, specs: Sequence["Experiment"]
    ) -> list[EarlierCode]:
        """Declare the runs of a size of a study, in the order of its table.

        Declaring the same runs again changes nothing; more seeds add runs. Runs declared
        earlier that differ from one of `specs` only in their seed stay declared, after the
        others. All other earlier runs belong to an earlier version of the study and are no
        longer declared; their results stay stored. Stored runs of earlier user code stay
        declared under a variant that names this code (`allometry.spec.variants.of_code`).

        Returns:
            the earlier codes whose runs were moved to such a variant by this call.

        Raises:
            UsageError: `specs` is empty, or a name cannot be encoded in UTF-8.
        """
        key = (study, size, variant)
        if any(name != name.encode("utf-8", "replace").decode() for name in key):
            raise UsageError(f"names in Unicode expected, got {key!r}")
        if not specs:
            raise UsageError(
                f"study {study} ({size}) declares no runs: one or more expected; its earlier "
                "declarations are unchanged"
            )
        rows = [row for row in self._declared_rows() if row[:3] == key]
        before = {row[3]: row for row in sorted(rows, key=lambda row: int(row[4]))}
        with sqlite_errors(self.path):
            change = redeclared(self._connection, key, specs, before)
        if change.gone or change.new:
            with self._transaction() as connection:
                change.write(connection)
        with sqlite_errors(self.path):
            return earlier_codes(change.earlier, self._connection, self._json)

    def plan(
        self, study: str, size: str, variant: str, stage: str, specs: Sequence["Experiment"],
        predicted: Mapping[str, object],
    ) -> bool:  # fmt: skip
        """Store predictions about planned runs, with the time; on disk when this returns.

        Storing an equal plan again keeps the time of the first.

        Args:
            stage: name of the stage.
            specs: the planned runs; they are declared after this call.
            predicted: predictions about the runs, as JSON data.

        Returns:
            whether the plan is new.

        Raises:
            UsageError: `predicted` is no JSON data.
        """
        from allometry.spec import run_ids

        key, names = (study, size, variant), run_ids(specs)
        with self._transaction() as connection:
            return plans.insert(connection, key, stage, names, predicted, decisions.now())

    def commit(self, results: Sequence[RunResult], provenance: Mapping[str, object]) -> int:
        """Store finished runs, all or none; on disk when this returns.

        Args:
            results: finished runs; one that is already stored is left unchanged.
            provenance: software and hardware that trained them, as JSON data
                (`allometry.engines.provenance`).

        Returns:
            number of runs that were not stored before.
        """
        document = canonical(provenance)
        name = hashlib.sha256(document.encode()).hexdigest()
        finished = records(results, name, decisions.now())
        places = ", ".join("?" * len(Record._fields))
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO provenance VALUES (?, ?) ON CONFLICT DO NOTHING", (name, document)
            )
            return connection.executemany(
                f"INSERT INTO runs VALUES ({places}) ON CONFLICT (run_id) DO NOTHING", finished
            ).rowcount

    def table(
        self, study: str, size: str, variant: str = "", only: Collection[str] | None = None
    ) -> Table:
        """See `Reader.table`; a writer quarantines damaged runs before it raises."""
        try:
            return super().table(study, size, variant, only)
        except DataError:
            if self._lock is not None:
                self.quarantine(self.verify().damaged)
            raise

    def mend(self, specs: Sequence["Experiment"]) -> tuple[Damage, ...]:
        """Quarantine damaged runs, so that these runs can be trained and read.

        Returns:
            the damage that `check` found. Damage that belongs to no run, such as that of the
            write-ahead log, is also logged as a warning.

        Raises:
            DataError: the file itself is too damaged to be repaired in place.
        """
        damaged = self.check(specs)
        for one in damaged:
            if not one.run_id:
                _log.warning("store %s: %s", self.path, one.what)
        if damaged:
            # The whole store is checked, so that other damaged runs are quarantined too.
            self.quarantine(self.verify().damaged)
        return damaged

    def quarantine(self, damaged: Sequence[Damage]) -> None:
        """Move damaged runs, unchanged, to the quarantine, so that they are pending again.

        Raises:
            DataError: the file itself is too damaged to be repaired in place.
        """
        with self._transaction() as connection:
            store_verify.set_aside(connection, damaged, decisions.now())
        self._faults = ()

    def exclude(self, run_ids: Collection[str], reason: str) -> int:
        """Leave stored runs out of every analysis; they stay stored, with status ``excluded``.

        Args:
            run_ids: the runs; one that is already excluded gets the new reason.
            reason: the reason, which the report prints.

        Returns:
            number of these runs that are stored.

        Raises:
            UsageError: the reason is empty.
        """
        with self._transaction() as connection:
            return decisions.exclude(connection, run_ids, reason)

    def include(self, run_ids: Collection[str]) -> int:
        """Undo `exclude`; returns how many of these runs were excluded."""
        with self._transaction() as connection:
            return decisions.include(connection, run_ids)

    def forget(
        self, run_ids: Collection[str], declarations: Collection[tuple[str, str, str]] = ()
    ) -> int:
        """Remove runs for good, all or none; runs that are still declared are pending again.

        Args:
            run_ids: the runs.
            declarations: (study, size, variant) whose declarations and plans are removed too.

        Returns:
            number of runs removed.
        """
        with self._transaction() as connection:
            return decisions.forget(connection, run_ids, declarations)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._lock is None:
            raise UsageError(f"store {self.path} is open for reading; open it with write=True")
        with sqlite_errors(self.path):
            self._files.check(self._connection)
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
                self._files.check(self._connection)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
