"""Every result in one SQLite file with one writer.

The store has the runs that were declared and the runs that were trained. Pending runs are
the difference, so no state can go stale. The runs of a pack are committed together or
not at all. Readers can read while the writer writes.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from numpy.typing import NDArray

from allometry.errors import DataError, UsageError
from allometry.spec import Experiment, check_same, run_ids, texts
from allometry.store import decisions
from allometry.store import verify as store_verify
from allometry.store.copies import new_store
from allometry.store.declarations import EarlierCode, earlier_codes, redeclared
from allometry.store.lock import WriterLock, check_place, filesystem_type
from allometry.store.record import Record, canonical, damage, decode_arrays, records
from allometry.store.rows import Rows
from allometry.store.schema import (
    check_there,
    copy_to,
    open_reader,
    open_writer,
    sqlite_errors,
)
from allometry.store.status import StudyStatus, statuses
from allometry.store.verify import DECLARED, EXCLUDED, RUNS, Damage, Verification
from allometry.tables.table import Table
from allometry.training.result import RunResult

__all__ = ["Damage", "Store", "StudyStatus", "Verification"]

E = TypeVar("E", bound=Experiment)


class Store:
    """One store, open until `close`; use it in a ``with`` statement.

    Args:
        path: of the SQLite file.
        write: be its one writer.
        new: where it is written, make the file when there is none.
        filesystem: gives the kind of filesystem of a folder.

    Raises:
        StoreBusyError: another process writes it: who, since when, what to do.
        UsageError: there is no store, or no folder to make one in.
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
        # Resolved, so that two names of one file share one lock.
        self.path = Path(path).expanduser().resolve()
        self._lock: WriterLock | None = None
        if not write:
            self._connection = open_reader(self.path)
            return
        if not new:
            check_there(self.path)
        if not self.path.parent.is_dir():
            raise UsageError(f"no folder {self.path.parent} to make store {self.path.name} in")
        check_place(self.path, filesystem(self.path.parent))
        self._lock = WriterLock(self.path)
        try:
            self._connection = open_writer(self.path)
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
        """Close the file, then let the next writer in."""
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    # ---- write -------------------------------------------------------------------------------

    def declare(
        self, study: str, size: str, variant: str, specs: Sequence[Experiment]
    ) -> list[EarlierCode]:
        """Declare the runs of a size of a study, in the order of its table.

        Declaring the same runs again changes nothing, and more seeds add runs. Runs
        declared earlier that differ from one of `specs` only in their seed stay, after
        the others. All others belong to an earlier version of the study and are no
        longer declared; their results stay stored. Stored runs of other code of the user
        stay declared under the name of that code (`allometry.spec.of_code`).

        Returns:
            the codes whose runs got such a name now.
        """
        key = (study, size, variant)
        if any(name != name.encode("utf-8", "replace").decode() for name in key):
            raise UsageError(f"names in Unicode expected, got {key!r}")
        query = (
            f"SELECT {DECLARED} FROM declared WHERE (study, size, variant) = (?, ?, ?) "
            "ORDER BY position"
        )
        before = {row[3]: row for row in self._all(query, key)}
        for row in before.values():
            self._refuse(row[3], store_verify.declaration_damage(row))
        with sqlite_errors(self.path):
            change = redeclared(self._connection, key, specs, before)
        if change.gone or change.new:
            with self._transaction() as connection:
                change.write(connection)
        with sqlite_errors(self.path):
            return earlier_codes(change.earlier, self._connection, self._json)

    def commit(self, results: Sequence[RunResult], provenance: Mapping[str, object]) -> int:
        """Store finished runs, all or none; on disk when this returns.

        Args:
            results: a run that is stored already is left as it is.
            provenance: what trained them, as JSON data (`allometry.engines.provenance`).

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

    def quarantine(self, damaged: Sequence[Damage]) -> None:
        """Move damaged runs, as they are, to the quarantine, so that they are pending again.

        Raises:
            DataError: when the file itself is too damaged to be repaired in place.
        """
        with self._transaction() as connection:
            store_verify.set_aside(connection, damaged, decisions.now())

    def exclude(self, run_ids: Collection[str], reason: str) -> int:
        """Leave stored runs out of every analysis; they stay stored, with status ``excluded``.

        Args:
            run_ids: of any runs; one that is excluded already gets the new reason.
            reason: why, in words that the report prints.

        Returns:
            number of runs among them that are stored.

        Raises:
            UsageError: for an empty reason.
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
        """Remove runs for good, all or none: they are pending again where they are declared.

        Args:
            run_ids: of the runs.
            declarations: of a study, size and variant each, to remove as well.

        Returns:
            number of runs removed.
        """
        with self._transaction() as connection:
            return decisions.forget(connection, run_ids, declarations)

    # ---- read --------------------------------------------------------------------------------

    def pending(self, specs: Sequence[E]) -> list[E]:
        """The runs that are not stored.

        Raises:
            DataError: a run is stored under the same name with another spec,
                naming the field that changed.
        """
        names = run_ids(specs)
        left = dict(zip(names, texts(specs), strict=True))
        for name, stored in self._specs_of(names):
            present = left.pop(name, stored)
            if stored != present:
                check_same(name, self._json(name, stored), self._json(name, present))
        return [spec for name, spec in zip(names, specs, strict=True) if name in left]

    def _specs_of(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """(run_id, spec) of the runs with these names, and perhaps of others."""
        ((stored,),) = self._all("SELECT count(*) FROM runs")
        # Reading all of a million runs in order takes a third of the time of looking each one up.
        if len(names) * 3 > stored:
            return self._each("SELECT run_id, spec FROM runs")
        return self._each(
            "SELECT r.run_id, r.spec FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value",
            (json.dumps(names),),
        )

    def check(self, specs: Sequence[Experiment]) -> tuple[Damage, ...]:
        """Damage of these runs, of declarations and of exclusions, by their hashes; quick."""
        names = json.dumps(run_ids(specs))
        with sqlite_errors(self.path):
            return tuple(store_verify.check_runs(self._connection, names))

    def table(
        self,
        study: str,
        size: str,
        variant: str = "",
        only: Collection[str] | None = None,
    ) -> Table:
        """The stored runs of a size of a study, one row each, in declared order.

        Columns: run_id, study, seed, those the measures gave, status, seconds. An excluded run
        has status ``excluded``; where there is one, column ``excluded_because`` has the reasons.

        Args:
            only: the run_ids wanted, all declared ones when None.

        Raises:
            UsageError: when no such runs were declared.
            DataError: when a run is not as it was written, naming it.
        """
        declared = ", ".join(f"d.{name}" for name in DECLARED.split(", "))
        query = (
            f"SELECT {declared}, r.rowid, {RUNS} FROM declared d "
            "LEFT JOIN runs r ON r.run_id = d.run_id "
            "WHERE (d.study, d.size, d.variant) = (?, ?, ?) ORDER BY d.position"
        )
        rows, reasons = Rows(), self.exclusions()
        declared_any = False
        for row in self._each(query, (study, size, variant)):
            declared_any = True
            declaration, rowid, stored = row[:7], row[7], Record(*row[8:])
            what = store_verify.declaration_damage(declaration)
            if what is None and rowid is not None:
                what = damage(stored)
            self._refuse(declaration[3], what)
            if rowid is not None and (only is None or stored.run_id in only):
                rows.add(stored, reasons.get(stored.run_id))
        if not declared_any:
            raise UsageError(self._not_declared(study, size, variant))
        return rows.table(study)

    def exclusions(self) -> dict[str, str]:
        """The reason of every excluded run, by run_id.

        Raises:
            DataError: when one is not as it was written.
        """
        rows = self._all(f"SELECT {EXCLUDED} FROM excluded")
        for row in rows:
            self._refuse(row[0], store_verify.exclusion_damage(row))
        return {run_id: reason for run_id, reason, *_ in rows}

    def declared(self, study: str, size: str, variant: str = "") -> list[str]:
        """The run_ids that a size of a study declares, in order, whether stored or not."""
        query = "SELECT run_id FROM declared WHERE (study, size, variant) = (?, ?, ?)"
        rows = self._all(f"{query} ORDER BY position", (study, size, variant))
        return [run_id for (run_id,) in rows]

    def run_ids(self) -> list[str]:
        """The run_ids of all stored runs."""
        return [run_id for (run_id,) in self._all("SELECT run_id FROM runs")]

    def trajectories(self, run_id: str) -> dict[str, NDArray[Any]]:
        """The arrays of one run by name, first axis the point along training; {} for none.

        Raises:
            UsageError: when no such run is stored.
            DataError: when it is not as it was written.
        """
        rows = self._all(f"SELECT {RUNS} FROM runs r WHERE r.run_id = ?", (run_id,))
        if not rows:
            raise UsageError(f"no run {run_id!r} in store {self.path}")
        stored = Record(*rows[0])
        self._refuse(run_id, damage(stored))
        return decode_arrays(stored.trajectories)

    def provenance(
        self, study: str, size: str, variant: str = ""
    ) -> list[tuple[dict[str, object], int]]:
        """Provenance of a study's runs: each document with its number of runs, oldest first."""
        query = (
            "SELECT p.id, p.document, count(*) FROM declared d JOIN runs r ON r.run_id = d.run_id "
            "JOIN provenance p ON p.id = r.provenance "
            "WHERE (d.study, d.size, d.variant) = (?, ?, ?) "
            "GROUP BY p.id ORDER BY min(r.finished_at)"
        )
        rows = self._all(query, (study, size, variant))
        return [(self._json(name, document), runs) for name, document, runs in rows]

    def status(self) -> list[StudyStatus]:
        """One entry for each size of each study that was declared."""
        with sqlite_errors(self.path):
            return statuses(self._connection)

    def verify(self) -> Verification:
        """Read and hash everything again; works on a damaged file as far as it can be read."""
        with sqlite_errors(self.path):
            return store_verify.verify(self._connection)

    # ---- copies ------------------------------------------------------------------------------

    def backup(self, path: str | Path) -> None:
        """A compact copy in a new file; a copy of the file itself may miss its last runs."""
        with sqlite_errors(self.path):
            copy_to(self._connection, Path(path).expanduser().resolve())

    def salvage(self, path: str | Path) -> Verification:
        """Copy everything intact into a new store: number of runs, and the damage left behind."""
        return new_store(path, lambda copy: store_verify.salvage(self._connection, copy))

    # ---- SQLite ------------------------------------------------------------------------------

    def _all(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self._each(query, values))

    def _each(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        with sqlite_errors(self.path):
            yield from self._connection.execute(query, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._lock is None:
            raise UsageError(f"store {self.path} is open for reading; open it with write=True")
        with sqlite_errors(self.path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _refuse(self, run_id: object, what: str | None) -> None:
        if what is not None:
            Verification(1, (Damage(str(run_id), what),)).refuse_damage(self.path)

    def _json(self, name: str, text: str) -> dict[str, Any]:
        try:
            return dict(json.loads(text))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"store {self.path}: the text kept with {name[:12]} is damaged ({error}); "
                f"`allometry verify --store {self.path}` lists all that is"
            ) from error

    def _not_declared(self, study: str, size: str, variant: str) -> str:
        declared = [f"{s.study} {s.size} {s.variant}".strip() for s in self.status()]
        asked = f"{study} {size} {variant}".strip()
        return (
            f"no runs of {asked!r} in store {self.path}; it has {', '.join(declared) or 'none'}. "
            f"Train them with `allometry run {study} --size {size} --store {self.path}`, or with "
            "the path of its file in the place of the name where the study is your own"
        )
