"""Read a study's table from a store, and find out which sizes and variants are stored."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from allometry.errors import UsageError
from allometry.spec.sizes import SIZES
from allometry.spec.variants import Changes, is_variant, variant
from allometry.store import Store
from allometry.store.missing import nothing_stored
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Importing specs loads pydantic, which reading a store does not need.
    from allometry.spec import Experiment

__all__ = ["declared_now", "stored_size", "stored_variant", "table"]

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise


def table(
    study: str,
    *,
    store: str | Path = "allometry.db",
    size: str | None = None,
    changes: Changes | None = None,
    sizes: Sequence[str] = SIZES,
    specs: Callable[[str, None, Changes], Sequence["Experiment"]] | None = None,
) -> Table:
    """The finished runs of a study, with their trajectories.

    Args:
        study: the name of the study.
        store: the SQLite file.
        size: one of the study's sizes; None for the largest one stored.
        changes: as given to `run` (``--set``).
        sizes: the study's sizes from small to large; by default those of the shipped studies.
        specs: `Study.specs`, if the study is available: runs that it no longer declares are
            left out (`declared_now`).

    Raises:
        UsageError: no such runs are stored.
        DataError: a stored run is damaged.
    """
    with Store(Path(store)) as opened:
        size = size or stored_size(opened, study, sizes)
        rows = opened.table(study, size, stored_variant(opened, study, size, changes or {}))
    if specs is None or "code" in (changes or {}):
        return rows
    return declared_now(rows, specs(size, None, changes or {}), study, size)


def declared_now(rows: Table, specs: Sequence["Experiment"], study: str, size: str) -> Table:
    """The runs of a table that the study now declares, with any seeds, or has planned.

    The other runs were declared by another file whose study has the same name, or by the same
    file before it was edited. A warning says how many are left out.

    Args:
        rows: the runs stored under the name of the study.
        specs: the runs that the study declares now.
        study: its name.
        size: size of the runs.

    Raises:
        UsageError: no run is left.
    """
    from allometry.spec import run_ids

    if not len(rows):
        return rows
    names = rows["run_id"].tolist()
    declared = set(run_ids(specs)) | {run_id for plan in rows.plans for run_id in plan.runs}
    if not declared.issuperset(names):  # there may be other seeds, by --seeds
        seeds = set(rows["seed"].tolist())
        others = [s.model_copy(update={"seed": seed}) for s in specs for seed in seeds - {s.seed}]
        declared |= set(run_ids(others))
    kept = [i for i, run_id in enumerate(names) if run_id in declared]
    if len(kept) == len(rows):
        return rows
    left_out = (
        f"{len(rows) - len(kept)} of {len(rows)} runs stored as {study} ({size}) are of another "
        "file of that name, or of this one before it was edited"
    )
    if not kept:
        raise UsageError(
            f"{left_out}: run the study again (stored runs are reused, not trained again); the "
            f"runs left out are in the table of that name: allometry table {study} --size {size}"
        )
    _log.warning("%s: they are left out", left_out)
    return rows.take(np.array(kept))


def stored_size(store: Store, study: str, sizes: Sequence[str] = SIZES) -> str:
    """The largest size of a study with a run in the store.

    Args:
        store: the open store.
        study: the name of the study.
        sizes: the study's sizes from small to large; other sizes are tried after these, by name.

    Raises:
        UsageError: no size has a finished run.
    """
    # Counted without hashes, for the table that follows checks every run.
    stored = {entry.size for entry in store.counts() if entry.study == study and entry.done}
    for size in (*reversed(sizes), *sorted(stored)):
        if size in stored:
            return size
    raise nothing_stored(store.path, store.status(), study, finished=True)


def stored_variant(store: Store, study: str, size: str, changes: Changes) -> str:
    """The name under which the store has, or would have, runs with these changes.

    Older versions of allometry kept changes as typed, such as ``1e-3`` where `variant` gives
    ``0.001``. Such names are recognised.
    """
    name = variant(changes)
    if not changes:
        return name
    declared = [e.variant for e in store.status() if (e.study, e.size) == (study, size)]
    if name in declared:
        return name
    return next((other for other in declared if is_variant(other, changes)), name)
