"""The trained networks kept beside a store."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from allometry.store.place import resolved
from allometry.training.kept import Kept

__all__ = ["weights"]


def weights(run_id: str, store: str | Path = "allometry.db") -> dict[str, NDArray[Any]]:
    """The trained parameters of a run, by name, kept by ``run(..., keep="weights")``.

    Args:
        run_id: of the run, a column of every table.
        store: the store beside which they are.

    Raises:
        UsageError: they were not kept.
        DataError: the file is damaged.
    """
    return Kept.beside(resolved(store), "weights").weights(run_id)
