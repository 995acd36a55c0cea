"""Where curves are lowest."""

from collections.abc import Sequence

import numpy as np

from allometry.laws import Array
from allometry.stats.grid import Curves

__all__ = ["LOST", "place_of_lowest", "places_of"]

LOST = 1e30  # y of a run that diverged: worse than any


def places_of(curves: Curves, xs: Array) -> Array:
    """The x of the lowest y at each size, ``(sizes,)``; NaN where it is the first or last tried."""
    y = np.stack([curves[f"{i}"] for i in range(len(xs))], axis=1)
    return np.array([place_of_lowest(xs, row) for row in y])


def place_of_lowest(x: Array, y: Sequence[float]) -> float:
    """Vertex of the parabola in log x through the lowest of y and its neighbours; NaN at an end.

    Where a neighbour diverged the place is that of the lowest itself.
    """
    values = np.asarray(y, float)
    k = int(np.argmin(values))
    if values[k] >= LOST / 1e6 or k in (0, len(values) - 1):
        return float("nan")
    if max(values[k - 1], values[k + 1]) >= LOST / 1e6:
        return float(x[k])
    at, around = np.log(x[k - 1 : k + 2]), values[k - 1 : k + 2]
    square, line, _ = np.polyfit(at - at[1], around, 2)
    return float(np.exp(at[1] - line / (2 * square))) if square > 0 else float(x[k])
