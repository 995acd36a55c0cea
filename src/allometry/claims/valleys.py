"""Where curves are lowest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from allometry.laws import Array
from allometry.stats.grid import Curves

__all__ = ["LOST", "MISSING", "is_lost", "place_of_lowest", "places_of"]

LOST = 1e80  # y of a run that diverged: worse than any
MISSING = 1e120  # y where no run is, so that means over seeds tell it from those that diverged


def is_lost(y: Array) -> NDArray[np.bool_]:
    """Where a mean over seeds has a run that diverged in it."""
    return np.asarray(y >= LOST / 1e6)  # the mean of a million seeds would still be told


def places_of(curves: Curves, xs: Array) -> Array:
    """The x of the lowest y at each size, ``(sizes,)``; NaN where it is the first or last tried."""
    y = np.stack([curves[f"{i}"] for i in range(len(xs))], axis=1)
    return np.array([place_of_lowest(xs, row) for row in y])


def place_of_lowest(x: Array, y: Sequence[float]) -> float:
    """Vertex of the parabola in log x through the lowest of y and its neighbours; NaN at an end.

    Its neighbours are those of the x that were tried: an x that a seed lacks is left out. Where a
    neighbour diverged the place is that of the lowest itself.
    """
    values = np.asarray(y, float)
    tried = values < MISSING / 1e6
    x, values = x[tried], values[tried]
    if not len(x):
        return float("nan")
    k = int(np.argmin(values))
    if is_lost(values[k]) or k in (0, len(values) - 1):
        return float("nan")
    if is_lost(values[k - 1 : k + 2]).any():
        return float(x[k])
    at, around = np.log(x[k - 1 : k + 2]), values[k - 1 : k + 2]
    square, line, _ = np.polyfit(at - at[1], around, 2)
    return float(np.exp(at[1] - line / (2 * square))) if square > 0 else float(x[k])
