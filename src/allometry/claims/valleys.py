"""Where curves are lowest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from allometry.laws import Array
from allometry.stats.grid import Curves

__all__ = ["LOST", "MISSING", "is_lost", "place_of_lowest", "places_of"]

LOST = 1e80  # y of a diverged run: worse than every finite y
MISSING = 1e120  # y of a missing run: so large that a mean over seeds shows it beside diverged ones


def is_lost(y: Array) -> NDArray[np.bool_]:
    """Whether means over seeds include a run that diverged or is missing."""
    return np.asarray(y >= LOST / 1e6)  # true for one such run among a million seeds


def places_of(curves: Curves, xs: Array) -> Array:
    """The x of the lowest y at each size, ``(sizes,)``; NaN where it is the first or last tried."""
    y = np.stack([curves[f"{i}"] for i in range(len(xs))], axis=1)
    return np.array([place_of_lowest(xs, row) for row in y])


def place_of_lowest(x: Array, y: Sequence[float]) -> float:
    """Vertex of the parabola in log x through the lowest of y and its neighbours; NaN at an end.

    An x at which a run is missing is left out first. Where a neighbour has diverged, the result is
    the x of the lowest y itself.
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
