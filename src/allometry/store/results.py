"""Read what a store holds: a study's table, which of its sizes, which of its variants."""

from collections.abc import Sequence
from pathlib import Path

from allometry.errors import UsageError
from allometry.spec import SIZES, Changes, is_variant, variant
from allometry.store import Store
from allometry.tables.table import Table

__all__ = ["stored_size", "stored_variant", "table"]


def table(
    study: str,
    *,
    store: str | Path = "allometry.db",
    size: str | None = None,
    changes: Changes | None = None,
    sizes: Sequence[str] = SIZES,
) -> Table:
    """The finished runs of a study, with their trajectories.

    Args:
        study: the name of the study.
        store: the SQLite file.
        size: one of the study's sizes; None for the largest one stored.
        changes: as given to `run` (``--set``).
        sizes: the study's sizes from small to large, where they are not those of the
            shipped studies.

    Raises:
        UsageError: when no such runs are stored.
        DataError: when a stored run is damaged.
    """
    with Store(Path(store)) as opened:
        size = size or stored_size(opened, study, sizes)
        return opened.table(study, size, stored_variant(opened, study, size, changes or {}))


def stored_size(store: Store, study: str, sizes: Sequence[str] = SIZES) -> str:
    """The largest size of a study with a run in the store.

    Args:
        store: the open store.
        study: the name of the study.
        sizes: the study's sizes from small to large; any others come after them, by name.

    Raises:
        UsageError: when there is none.
    """
    stored = {entry.size for entry in store.status() if entry.study == study and entry.done}
    for size in (*reversed(sizes), *sorted(stored)):
        if size in stored:
            return size
    raise UsageError(
        f"no finished run of {study} in {store.path}; train some: allometry run {study} "
        f"--store {store.path}, or with the path of its file where the study is your own"
    )


def stored_variant(store: Store, study: str, size: str, changes: Changes) -> str:
    """The name under which the store has runs with these changes, or would have them.

    A store that was written when names kept the text as typed may say ``1e-3`` where
    `variant` says ``0.001``; its runs are found all the same.
    """
    name = variant(changes)
    if not changes:
        return name
    declared = [e.variant for e in store.status() if (e.study, e.size) == (study, size)]
    if name in declared:
        return name
    return next((other for other in declared if is_variant(other, changes)), name)
