"""New stores made from others: the merged runs of several, or the intact part of a damaged one."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from allometry.errors import DataError, UsageError
from allometry.spec.comparison import differences
from allometry.store.declarations import DECLARED
from allometry.store.lock import WriterLock, check_place, filesystem_type
from allometry.store.opening import make, open_reader
from allometry.store.place import resolved
from allometry.store.plans import INSERT, PLANS
from allometry.store.record import Record, decode_arrays, digest
from allometry.store.sqlite_errors import sqlite_errors
from allometry.store.verify import EXCLUDED, RUNS, Damage, Verification, verify

__all__ = ["Merged", "merge", "new_store"]

T = TypeVar("T")

NAMED = 3  # at most so many differing runs are named in a message


def new_store(path: str | Path, fill: Callable[[sqlite3.Connection], T]) -> T:
    """Make and fill a store; its file appears only when it is complete.

    Args:
        path: path of a file that does not exist.
        fill: function that writes the content, in one transaction.

    Returns:
        the result of `fill`.

    Raises:
        UsageError: the file exists, or its folder does not.
        StoreBusyError: another process is making the same store.
        DiskError: the store cannot be written.
    """
    target = resolved(path)
    if not target.parent.is_dir():
        raise UsageError(f"no folder {target.parent} to make store {target.name} in")
    check_place(target, filesystem_type(target.parent))
    _refuse_existing(target)
    with closing(WriterLock(target)), sqlite_errors(target):
        _refuse_existing(target)  # again, because another process may have made it meanwhile
        return make(target, fill)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise UsageError(f"{path} exists: name a new file, or move that one away")


@dataclass(frozen=True)
class Merged:
    """The result of merging stores.

    Attributes:
        stores: the stores, in the order given. taken: number of runs taken from each.
        repeated: number of runs of later stores that an earlier one has with equal content.
        differing: number of runs of later stores that an earlier one has with other content.
    """

    stores: tuple[Path, ...]
    taken: tuple[int, ...]
    repeated: int
    differing: int


def merge(stores: Sequence[str | Path], output: str | Path, *, keep_first: bool = False) -> Merged:
    """Make a new store with the runs, declarations, exclusions and plans of several.

    A run that several stores have is taken from the first of them, with its seconds and its
    provenance. The reasons of exclusions and the order of declared runs are also those of the
    first. Quarantined runs are not copied. The stores are only read; other processes may write
    them meanwhile.

    Args:
        stores: paths of stores, of this version or an older one.
        output: path of a file that does not exist.
        keep_first: take the run of the first store even if contents differ.

    Raises:
        UsageError: a store is missing, or `output` exists.
        DataError: a store is damaged; or a run has different content in two stores, which the
            message names with the differing columns.
        DiskError: the new store cannot be written.
    """
    paths = tuple(resolved(store) for store in stores)
    with ExitStack() as stack:
        readers = []
        for path in paths:
            opened = open_reader(path)
            readers.append(stack.enter_context(closing(opened.connection)))
            faults = tuple(Damage("", fault) for fault in opened.faults)
            Verification(0, faults).refuse_damage(path)

        def fill(target: sqlite3.Connection) -> Merged:
            union = _Union(target)
            for path, reader in zip(paths, readers, strict=True):
                with sqlite_errors(path):
                    reader.execute("BEGIN")  # a consistent snapshot while others write
                    verify(reader).refuse_damage(path)
                    union.add(path, reader)
            if union.differing and not keep_first:
                raise DataError(union.refusal())
            return Merged(paths, tuple(union.taken), union.repeated, len(union.differing))

        return new_store(output, fill)


@dataclass
class _Union:
    """The new store while it is filled.

    Attributes:
        taken, repeated: as in `Merged`.
        origins: run_id to the path of the store that the run was taken from.
        differing: one description for each run that differs.
    """

    target: sqlite3.Connection
    taken: list[int] = field(default_factory=list)
    repeated: int = 0
    origins: dict[str, Path] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)

    def add(self, path: Path, source: sqlite3.Connection) -> None:
        """Add everything that the intact store at `path` has and the new one lacks."""
        self.target.executemany(
            "INSERT OR IGNORE INTO provenance VALUES (?, ?)",
            source.execute("SELECT id, document FROM provenance"),
        )
        before = len(self.origins)
        places = ", ".join("?" * len(Record._fields))
        for fields in source.execute(f"SELECT {RUNS} FROM runs r ORDER BY r.rowid"):
            run = Record(*fields)
            if run.run_id in self.origins:
                self._compare(run, path)
            else:
                self.target.execute(f"INSERT INTO runs VALUES ({places})", run)
                self.origins[run.run_id] = path
        self.taken.append(len(self.origins) - before)
        self._add_declarations(source)
        self.target.executemany(
            "INSERT OR IGNORE INTO excluded VALUES (?, ?, ?, ?)",
            source.execute(f"SELECT {EXCLUDED} FROM excluded"),
        )
        # If two stores have the same plan, the earlier time counts.
        plans = source.execute(f"SELECT {PLANS} FROM plans").fetchall()
        for row in plans:
            self.target.execute("DELETE FROM plans WHERE id = ? AND made_at > ?", (row[0], row[6]))
        self.target.executemany(INSERT, plans)

    def refusal(self) -> str:
        """The error message for runs that differ: the first of them, and what to do."""
        more = len(self.differing) - NAMED
        shown = "; ".join(self.differing[:NAMED]) + (f"; and {more} more runs" if more > 0 else "")
        return (
            f"runs with equal run_id but different content: {shown}. Nothing was written. Keep "
            "those of the first store with --keep-first, or remove those of one store with "
            "`allometry forget --run ID --store FILE`"
        )

    def _compare(self, run: Record, path: Path) -> None:
        query = f"SELECT {RUNS} FROM runs r WHERE r.run_id = ?"
        ((*fields,),) = self.target.execute(query, (run.run_id,))
        what = _difference(Record(*fields), run)
        if what:
            first = self.origins[run.run_id]
            self.differing.append(f"{run.run_id[:12]} of {first} and {path}: {', '.join(what)}")
        else:
            self.repeated += 1

    def _add_declarations(self, source: sqlite3.Connection) -> None:
        """Add declarations: new runs follow those already declared, in the order of `source`."""
        keys = source.execute("SELECT DISTINCT study, size, variant FROM declared").fetchall()
        where = "FROM declared WHERE (study, size, variant) = (?, ?, ?)"
        for key in keys:
            known = {run_id for (run_id,) in self.target.execute(f"SELECT run_id {where}", key)}
            rows = source.execute(f"SELECT run_id, spec {where} ORDER BY position", key)
            new = [row for row in rows if row[0] not in known]
            for position, (run_id, spec) in enumerate(new, start=len(known)):
                row = (*key, run_id, position, spec)
                self.target.execute(
                    f"INSERT INTO declared ({DECLARED}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*row, digest(*row)),
                )


def _difference(first: Record, second: Record) -> list[str]:
    """The parts in which two stored runs of one name differ, except seconds and provenance."""
    specs = json.loads(first.spec), json.loads(second.spec)
    # A field that one spec lacks was added later; its default is the old behaviour.
    changed = min(list(differences(*specs)), list(differences(*reversed(specs))), key=len)
    parts = [f"the spec ({'; '.join(changed)})"] if changed else []
    if first.status != second.status:
        parts.append("status")
    parts += _differing_names(json.loads(first.row), json.loads(second.row))
    if first.arrays_sha256 != second.arrays_sha256:
        arrays = decode_arrays(first.trajectories), decode_arrays(second.trajectories)
        texts = [{n: (a.dtype.str, a.shape, a.tobytes()) for n, a in part.items()}
                 for part in arrays]  # fmt: skip
        parts += [f"trajectory {name}" for name in _differing_names(*texts)]
    return parts


def _differing_names(first: dict[str, Any], second: dict[str, Any]) -> Iterator[str]:
    for name in {**first, **second}:
        if name not in first or name not in second or first[name] != second[name]:
            yield name
