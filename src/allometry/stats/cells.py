"""Runs in cells, seeds by cells, where a cell is one combination of some columns."""

from collections.abc import Sequence

import numpy as np

from allometry.errors import DataError
from allometry.stats.grid import Grid
from allometry.tables.table import Table

__all__ = ["cells_of"]


def cells_of(table: Table, keys: Sequence[str], columns: Sequence[str]) -> Grid:
    """A grid whose sizes are the combinations of some columns that the runs have.

    Args:
        table: finished runs; without a column ``seed`` they count as of one seed.
        keys: columns of numbers that make a cell; they become columns of the grid.
        columns: measured.

    Raises:
        DataError: two runs of one seed and cell.
    """
    places, at_cell = np.unique(
        np.stack([np.asarray(table[key], float) for key in keys]), axis=1, return_inverse=True
    )
    of_seeds = table["seed"] if "seed" in table else np.zeros(len(table))
    seeds, at_seed = np.unique(of_seeds, return_inverse=True)
    if len(set(zip(at_seed, at_cell, strict=True))) < len(table):
        raise DataError(
            f"one run for each seed and {', '.join(keys)} expected, some come twice: name the "
            "column in which they differ, or choose runs by a condition"
        )
    shape = len(seeds), places.shape[1]
    of_cells = {
        key: np.broadcast_to(values, shape) for key, values in zip(keys, places, strict=True)
    }
    for name in columns:
        of_cells[name] = np.full(shape, np.nan)
        of_cells[name][at_seed, at_cell] = table[name]
    return Grid(np.arange(shape[1], dtype=float), seeds, of_cells)
