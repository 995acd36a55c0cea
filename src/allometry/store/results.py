"""Read what a store holds: a study's table, and which of its sizes."""

from collections.abc import Mapping
from pathlib import Path

from allometry.errors import UsageError
from allometry.spec import variant
from allometry.store import Store
from allometry.tables.table import Table

__all__ = ["stored_size", "table"]


def table(
    study: str,
    *,
    store: str | Path = "allometry.db",
    size: str | None = None,
    changes: Mapping[str, str] | None = None,
) -> Table:
    """The finished runs of a study, trajectories with them.

    Args:
        size: quick, notebook or paper; None for the largest there is.
        changes: as given to `run` (``--set``).
    """
    with Store(Path(store)) as opened:
        return opened.table(study, size or stored_size(opened, study), variant(changes or {}))


def stored_size(store: Store, study: str) -> str:
    """The largest size of a study with a run in the store.

    Raises:
        UsageError: when there is none.
    """
    order = ("paper", "notebook", "quick")
    held = {entry.size for entry in store.status() if entry.study == study and entry.done}
    for size in (*order, *sorted(held)):
        if size in held:
            return size
    raise UsageError(
        f"no finished run of {study} in {store.path}; train some: allometry run {study} "
        f"--store {store.path}"
    )
