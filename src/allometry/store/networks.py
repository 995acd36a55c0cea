"""Trained networks kept beside a store."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from allometry.store.place import resolved
from allometry.training.kept import Kept

__all__ = ["weights"]


def weights(run_id: str, store: str | Path = "allometry.db") -> dict[str, NDArray[Any]]:
    """The trained parameters of a run, by name, as kept by ``run(..., keep="weights")``.

    Args:
        run_id: the run_id, a column of every table.
        store: the store; its networks lie in a folder beside it.

    Raises:
        UsageError: the weights were not kept.
        DataError: their file is damaged.
    """
    return Kept.beside(resolved(store), "weights").weights(run_id)
