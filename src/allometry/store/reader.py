"""Reading an open store, with checks of everything that is read."""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

from allometry.errors import DataError, StoreBusyError, UsageError
from allometry.files.strict_json import read_json
from allometry.spec.comparison import check_same
from allometry.store import plans as store_plans
from allometry.store import verify as store_verify
from allometry.store.copies import new_store
from allometry.store.declarations import ALL_DECLARED, STORED, Row, checked
from allometry.store.missing import nothing_stored
from allometry.store.open_files import file_state
from allometry.store.opening import Opened, copy_to, open_reader
from allometry.store.place import resolved
from allometry.store.record import Record, damage, decode_arrays
from allometry.store.rows import Rows
from allometry.store.schema import has_tables
from allometry.store.sqlite_errors import sqlite_errors
from allometry.store.status import StudyStatus, counted, statuses
from allometry.store.verify import EXCLUDED, RUNS, Damage, Verification
from allometry.tables.plans import CommittedPlan
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Importing specs loads pydantic, which reading a store does not need.
    from allometry.spec import Experiment

__all__ = ["Reader"]

E = TypeVar("E", bound="Experiment")


class Reader:
    """A store open for reading; base class of the writer.

    A damaged index can hide a stored run. If a search finds nothing, all rows are read, to
    distinguish a missing run from a hidden one.
    """

    def __init__(self, path: Path, opened: Opened):
        self.path = path
        self._connection, self._faults, alone = opened
        self._state = file_state(path) if alone else None
        self._mends = False  # whether faults found at opening are repaired; the writer does so

    def pending(self, specs: Sequence[E]) -> list[E]:
        """The runs that are not stored.

        Raises:
            DataError: a run is stored under the same run_id with another spec; the message names
                the field that differs.
        """
        from allometry.spec import run_ids, texts

        with self._reading():
            names = run_ids(specs)
            left = dict(zip(names, texts(specs), strict=True))
            for name, stored in self._specs_of(names):
                present = left.pop(name, stored)
                if stored != present:
                    check_same(name, self._json(name, stored), self._json(name, present))
            self._refuse_hidden(left)
            return [spec for name, spec in zip(names, specs, strict=True) if name in left]

    def _specs_of(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """(run_id, spec) of the runs with these names, possibly also of other runs."""
        ((stored,),) = self._all("SELECT count(*) FROM runs")
        # Reading a million runs in order takes a third of the time of looking up each of them.
        if len(names) * 3 > stored:
            return self._each("SELECT +run_id, spec FROM runs NOT INDEXED")
        return self._each(
            "SELECT r.run_id, r.spec FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value",
            (json.dumps(names),),
        )

    def check(self, specs: Sequence["Experiment"]) -> tuple[Damage, ...]:
        """Damage to these runs, declarations, exclusions, plans and the index, found by hashes."""
        from allometry.spec import run_ids

        names = json.dumps(run_ids(specs))
        faults = [Damage("", fault) for fault in self._faults]
        with sqlite_errors(self.path), self._one_state() as connection:
            return (*faults, *store_verify.check_runs(connection, names))

    def table(
        self, study: str, size: str, variant: str = "", only: Collection[str] | None = None
    ) -> Table:
        """The stored runs of a size of a study, one row each, in declared order.

        Columns: run_id, study, seed, those of the measures, status, seconds. An excluded run
        has status ``excluded``; if there are any, column ``excluded_because`` has the reasons.

        Args:
            only: run_ids to include; None for all declared ones.

        Raises:
            UsageError: no such runs were declared. DataError: a run is damaged, by name.
        """
        with self._reading():
            names = self.declared(study, size, variant)
            if not names:
                raise nothing_stored(self.path, self.status(), study, size, variant)
            rows, plans = self._rows_of(names, only), self.plans(study, size, variant)
            return rows.table(study, plans)

    def table_of(self, study: str, specs: Sequence["Experiment"]) -> Table:
        """A table of the stored runs among these, whether declared or not."""
        from allometry.spec import run_ids

        with self._reading():
            return self._rows_of(run_ids(specs)).table(study)

    def sample(self, study: str, size: str, variant: str, most: int) -> Table:
        """At most `most` stored runs of a size of a study, evenly spaced over its table.

        Raises:
            DataError: one of them is damaged; the message names it.
        """
        with self._reading():
            names = [name for (name,) in self._each(STORED, (study, size, variant))]
            step = max(1, -(-len(names) // most))
            return self._rows_of(names[::step]).table(study)

    def _rows_of(self, names: Sequence[str], only: Collection[str] | None = None) -> Rows:
        """Rows of the stored runs among `names`, in this order; if given, only those in `only`."""
        rows, reasons, missing = Rows(), self.exclusions(), set(names)
        for stored in self._stored(names):
            self._refuse(stored.run_id, damage(stored))
            missing.discard(stored.run_id)
            if only is None or stored.run_id in only:
                self._add(rows, stored, reasons)
        self._refuse_hidden(missing)
        return rows

    def _stored(self, names: Sequence[str]) -> Iterator[Record]:
        """Records of the stored runs among `names`, in this order."""
        query = f"SELECT {RUNS} FROM json_each(?) j CROSS JOIN runs r ON r.run_id = j.value"
        return (Record(*fields) for fields in self._each(query, (json.dumps(names),)))

    def _add(self, rows: Rows, stored: Record, reasons: Mapping[str, str]) -> None:
        try:
            rows.add(stored, reasons.get(stored.run_id))
        except DataError as error:
            self._refuse(stored.run_id, str(error))

    def _refuse_hidden(self, names: Collection[str]) -> None:
        """Refuse the store if it may hold one of these runs, which a search did not find.

        Raises:
            DataError: the index hides such a run, or does not match the rows.
        """
        if names:
            for (name,) in self._each("SELECT +run_id FROM runs NOT INDEXED"):
                self._refuse(name, "the index hides it" if name in names else None)
            self._refuse_other_index()

    def _refuse_other_index(self) -> None:
        """Refuse the store if its index of the runs does not match their rows."""
        for found in store_verify.index_damage(self._connection):
            self._refuse("", found.what)

    def exclusions(self) -> dict[str, str]:
        """The reason of every excluded run, by run_id.

        Raises:
            DataError: a reason is damaged.
        """
        rows = self._all(f"SELECT {EXCLUDED} FROM excluded")
        for row in rows:
            self._refuse(row[0], store_verify.exclusion_damage(row))
        return {run_id: reason for run_id, reason, *_ in rows}

    def plans(self, study: str, size: str, variant: str = "") -> list[CommittedPlan]:
        """The plans of a size of a study, oldest first, with the times their runs finished.

        Raises:
            DataError: a plan is damaged.
        """
        with self._reading():
            rows = self._all(f"SELECT {store_plans.PLANS} FROM plans NOT INDEXED")
            for row in rows:
                self._refuse("", store_plans.damage(row))
            plans = store_plans.committed(rows, (study, size, variant))
            names = sorted({run_id for plan in plans for run_id in plan.runs})
            trained_at = {run.run_id: run.finished_at for run in self._stored(names)}
            return [
                plan._replace(trained_at={n: trained_at[n] for n in plan.runs if n in trained_at})
                for plan in plans
            ]

    def declared(self, study: str, size: str, variant: str = "") -> list[str]:
        """The run_ids that a size of a study declares, in order, whether stored or not."""
        key = (study, size, variant)
        places = [(row[4], row[3]) for row in self._declared_rows() if row[:3] == key]
        return [run_id for _, run_id in sorted(places)]

    def _declared_rows(self) -> Iterator[Row]:
        """All rows of table ``declared``, checked for damage and order."""
        for row, what in checked(self._each(ALL_DECLARED)):
            self._refuse(row[3], what)
            yield row

    def run_ids(self) -> list[str]:
        """The run_ids of all stored runs."""
        with self._reading():
            self._refuse_other_index()
            stored = list(self._rows())
            for one in stored:
                self._refuse(one.run_id, damage(one, arrays=False))
            return [one.run_id for one in stored]

    def trajectories(self, run_id: str) -> dict[str, NDArray[Any]]:
        """The trajectories of one run by name; empty if it has none.

        The first axis of each array is the point along training.

        Raises:
            UsageError: no such run is stored. DataError: the run is damaged.
        """
        with self._reading():
            try:
                return decode_arrays(self._one(run_id).trajectories)
            except DataError as error:
                self._refuse(run_id, str(error))
                raise

    def spec(self, run_id: str) -> dict[str, Any]:
        """The spec of one run as a JSON document, with all fields it had when it was stored.

        Raises:
            UsageError: no such run is stored. DataError: the run is damaged.
        """
        with self._reading():
            return self._json(run_id, self._one(run_id).spec)

    def _one(self, run_id: str) -> Record:
        """A stored run, checked for damage."""
        records = list(self._stored([run_id]))
        if not records:
            self._refuse_hidden([run_id])
            raise UsageError(f"no run {run_id!r} in store {self.path}")
        (stored,) = records
        self._refuse(run_id, damage(stored))
        return stored

    def provenance(
        self, study: str, size: str, variant: str = ""
    ) -> list[tuple[dict[str, object], int]]:
        """Provenance of a study's runs: each document with its number of runs, oldest first."""
        with self._reading():
            first: dict[str, str] = {}  # document to the time its first run finished
            runs: Counter[str] = Counter()
            for stored in self._whole_rows(set(self.declared(study, size, variant))):
                name, when = stored.provenance, stored.finished_at
                first[name] = min(when, first.get(name, when))
                runs[name] += 1
            documents = store_verify.documents(self._connection)
            for name in runs:
                if name not in documents:
                    self._refuse("", f"provenance document {name[:12]}")
            in_order = sorted(runs, key=lambda name: first[name])
            return [(self._json(name, documents[name]), runs[name]) for name in in_order]

    def status(self) -> list[StudyStatus]:
        """One entry for each declared study, size and variant."""
        with self._reading():
            declared = [row[:4] for row in self._declared_rows()]
            runs = self._whole_rows({run_id for *_, run_id in declared})
            return statuses(declared, runs, self.exclusions())

    def counts(self) -> list[StudyStatus]:
        """The result of `status`, counted by SQLite without checking hashes, which is fast.

        Raises:
            DataError: the file is damaged, or has values that allometry does not write.
        """
        with self._reading() as connection:
            return counted(connection, self.path)

    def _whole_rows(self, names: Collection[str]) -> Iterator[Record]:
        """These runs without their trajectories, in the order of the file.

        If one of them is missing, all other runs of the store must be undamaged: a run with a
        damaged name could be the missing one.
        """
        missing = set(names)
        for stored in self._rows():
            if stored.run_id in names:
                self._refuse(stored.run_id, damage(stored, arrays=False))
                missing.discard(stored.run_id)
                yield stored
        if missing:
            self._refuse_other_index()
            for stored in self._rows():
                if stored.run_id not in names:
                    self._refuse(stored.run_id, damage(stored, arrays=False))

    def _rows(self) -> Iterator[Record]:
        # A search by name would miss a run that a damaged index hides.
        columns = ", ".join(f"+{name}" for name in Record._fields[:-1])
        for fields in self._each(f"SELECT {columns} FROM runs NOT INDEXED"):
            yield Record(*(*fields, None))

    def verify(self) -> Verification:
        """Read and hash everything again; a damaged file is read as far as possible."""
        with sqlite_errors(self.path):
            if not has_tables(self._connection):
                return self._with_faults(Verification(0, ()))
            with self._one_state() as connection:
                return self._with_faults(store_verify.verify(connection))

    def _with_faults(self, verification: Verification) -> Verification:
        faults = (Damage("", fault) for fault in self._faults)
        return Verification(verification.runs, (*verification.damaged, *faults))

    # ---- copies ------------------------------------------------------------------------------

    def backup(self, path: str | Path) -> None:
        """Write a compact copy to a new file.

        Copying the file by other means may miss the last runs, which are still in its log.
        """
        with self._allowed():
            copy_to(self._connection, resolved(path))

    def salvage(self, path: str | Path) -> Verification:
        """Copy everything intact into a new store; the number of runs, and the damage left out."""
        if not has_tables(self._connection):
            raise DataError(f"{self.path}: {self._faults[0]}; nothing can be copied from it")
        with closing(open_reader(self.path, whatever=True).connection) as whole:
            whole.execute("BEGIN")  # a consistent snapshot while another process writes
            copied = new_store(path, lambda copy: store_verify.salvage(whole, copy))
        return self._with_faults(copied)

    # ---- SQLite ------------------------------------------------------------------------------

    def _all(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self._each(query, values))

    def _each(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        with self._reading() as connection:
            yield from connection.execute(query, values)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._allowed(), self._one_state() as connection:
            yield connection

    @contextmanager
    def _one_state(self) -> Iterator[sqlite3.Connection]:
        """Read from one consistent snapshot of the store while another process may write."""
        if self._connection.in_transaction:
            yield self._connection
            return
        self._connection.execute("BEGIN")
        try:
            yield self._connection
        finally:
            if self._connection.in_transaction:  # some errors end the transaction
                self._connection.execute("ROLLBACK")  # COMMIT would fail on an unreadable file

    @contextmanager
    def _allowed(self) -> Iterator[None]:
        """Allow reading only if the store was undamaged at opening and is not written meanwhile.

        Raises:
            DataError: it was damaged. StoreBusyError: it was written while read without locks.
        """
        with sqlite_errors(self.path):
            if self._faults and not self._mends:
                self._refuse("", self._faults[0])
            yield
            if self._state is not None and self._state != file_state(self.path):
                raise StoreBusyError(
                    f"store {self.path} was written while it was read, in a folder without write "
                    "access, where readers cannot lock it: read it again"
                )

    def _refuse(self, run_id: object, what: str | None) -> None:
        if what is not None:
            Verification(1, (Damage(str(run_id), what),)).refuse_damage(self.path)

    def _json(self, name: str, text: str) -> dict[str, Any]:
        try:
            return dict(read_json(text))
        except (DataError, TypeError, ValueError) as error:
            raise DataError(
                f"store {self.path}: the text stored for {name[:12]} is damaged ({error}); "
                f"`allometry verify --store {self.path}` lists all damage"
            ) from error
