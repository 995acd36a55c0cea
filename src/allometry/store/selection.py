"""Stored runs picked by their study, size, changes and columns, or by their names."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from allometry.errors import UsageError
from allometry.spec.variants import Changes, variant
from allometry.store.missing import nothing_stored
from allometry.store.results import stored_variant
from allometry.store.status import StudyStatus
from allometry.store.store import Store
from allometry.tables.conditions import meeting
from allometry.tables.table import Table

__all__ = ["Selection", "named_runs", "run_ids_named", "runs_of_study"]

Declaration = tuple[str, str, str]
LEAST = 6  # characters of a run_id that name a run, where no other begins with them


@dataclass(frozen=True)
class Selection:
    """Stored runs of one store.

    Attributes:
        run_ids: of the runs, each once.
        tables: their rows, by (study, size, variant) of every declaration they were picked
            from; a run that several declare is in each.
        whole: declarations of which no run was left out by a condition.
        elsewhere: number of these runs that another (study, size, variant) declares as well.
    """

    run_ids: tuple[str, ...]
    tables: dict[Declaration, Table]
    whole: tuple[Declaration, ...]
    elsewhere: dict[Declaration, int]


def runs_of_study(
    store: Store,
    study: str,
    *,
    size: str | None = None,
    changes: Changes | None = None,
    where: Sequence[str] = (),
) -> Selection:
    """The stored runs of a study.

    Args:
        study: its name.
        size: one of its sizes; None for all.
        changes: as given to `run` (``--set``); None or {} for the study as it is and with
            any changes.
        where: conditions on the columns of its table, all of which hold.

    Raises:
        UsageError: nothing of the kind was declared, or a condition is none.
        DataError: a stored run is damaged.
    """
    declared = [e for e in store.status() if e.study == study and size in (None, e.size)]
    if changes:
        declared = [e for e in declared if e.variant == _variant(store, e, changes)]
    if not declared:
        raise nothing_stored(
            store.path, store.status(), study, size or "", variant(changes) if changes else ""
        )
    tables = {}
    for entry in declared:
        table = store.table(*entry[:3])
        tables[entry[:3]] = table.take(meeting(table, where)) if len(table) else table
    run_ids = dict.fromkeys(name for table in tables.values() for name in table["run_id"])
    elsewhere = {key: n for key, n in _declaring(store, run_ids).items() if key not in tables}
    return Selection(tuple(run_ids), tables, () if where else tuple(tables), elsewhere)


def named_runs(store: Store, names: Sequence[str]) -> Selection:
    """Runs by name.

    Args:
        names: run_ids, or at least their first 6 characters.

    Raises:
        UsageError: a name that no run of the store begins with, or more than one.
    """
    run_ids = run_ids_named(store, names)
    counts = _declaring(store, run_ids)
    tables = {key: store.table(*key, only=run_ids) for key in counts}
    return Selection(tuple(run_ids), tables, (), {})


def run_ids_named(store: Store, names: Sequence[str]) -> list[str]:
    """The whole run_ids of names as `named_runs` takes them, each once; UsageError as there."""
    stored = store.run_ids()
    return list(dict.fromkeys(_run_named(name, stored, store) for name in names))


def _run_named(name: str, stored: Sequence[str], store: Store) -> str:
    matching = [run_id for run_id in stored if run_id.startswith(name)]
    if len(matching) == 1 and len(name) >= LEAST:
        return matching[0]
    if len(name) < LEAST or len(matching) > 1:
        raise UsageError(
            f"run {name!r}: a run_id expected, or as many of its first characters as name one "
            f"run, {LEAST} at least; {len(matching)} begin so"
        )
    raise UsageError(
        f"no run {name!r} in store {store.path}; `allometry table STUDY` lists them by run_id"
    )


def _variant(store: Store, entry: StudyStatus, changes: Changes) -> str:
    return stored_variant(store, entry.study, entry.size, changes)


def _declaring(store: Store, run_ids: Collection[str]) -> dict[Declaration, int]:
    """Every (study, size, variant) that declares some of these runs, with their number."""
    keys = [entry[:3] for entry in store.status()]
    counts = {key: sum(run_id in run_ids for run_id in store.declared(*key)) for key in keys}
    return {key: count for key, count in counts.items() if count}
