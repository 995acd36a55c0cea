"""Selection of stored runs by study, size, changes and columns, or by run_id."""

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
LEAST = 6  # shortest prefix of a run_id that can name a run


@dataclass(frozen=True)
class Selection:
    """Stored runs of one store.

    Attributes:
        run_ids: run_ids of the runs, each once.
        tables: rows of the runs, by the (study, size, variant) they were selected from; a run
            that several of these declare is in each table.
        whole: declarations selected without any condition.
        elsewhere: for each other (study, size, variant), how many of these runs it declares too.
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
        changes: as given to `run` (``--set``); None or {} for runs with any changes or none.
        where: conditions on the columns of its table; a run must meet all of them.

    Raises:
        UsageError: no such runs were declared, or a condition is invalid.
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
    """The stored runs with these names.

    Args:
        names: run_ids, or at least their first 6 characters.

    Raises:
        UsageError: no run_id in the store begins with a name, or several do.
    """
    run_ids = run_ids_named(store, names)
    counts = _declaring(store, run_ids)
    tables = {key: store.table(*key, only=run_ids) for key in counts}
    return Selection(tuple(run_ids), tables, (), {})


def run_ids_named(store: Store, names: Sequence[str]) -> list[str]:
    """The full run_ids of names, each once; names and errors as of `named_runs`."""
    stored = store.run_ids()
    return list(dict.fromkeys(_run_named(name, stored, store) for name in names))


def _run_named(name: str, stored: Sequence[str], store: Store) -> str:
    matching = [run_id for run_id in stored if run_id.startswith(name)]
    if len(matching) == 1 and len(name) >= LEAST:
        return matching[0]
    if len(name) < LEAST or len(matching) > 1:
        raise UsageError(
            f"run {name!r}: a run_id expected, or first characters of it that only one run has, "
            f"{LEAST} at least; {len(matching)} begin so"
        )
    raise UsageError(
        f"no run {name!r} in store {store.path}; `allometry table STUDY` lists them by run_id"
    )


def _variant(store: Store, entry: StudyStatus, changes: Changes) -> str:
    return stored_variant(store, entry.study, entry.size, changes)


def _declaring(store: Store, run_ids: Collection[str]) -> dict[Declaration, int]:
    """For each (study, size, variant) that declares any of these runs, how many it declares."""
    keys = [entry[:3] for entry in store.status()]
    counts = {key: sum(run_id in run_ids for run_id in store.declared(*key)) for key in keys}
    return {key: count for key, count in counts.items() if count}
