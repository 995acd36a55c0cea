"""Where a rising function of one variable is zero, for many functions at once."""

from collections.abc import Callable

import numpy as np

from allometry.laws import Array

__all__ = ["HALVINGS", "rising_root"]

HALVINGS = 64  # of a bracket: 2^-64 of its width is below the rounding of a float


def rising_root(
    function: Callable[[Array], Array], low: Array, high: Array, halvings: int = HALVINGS
) -> Array:
    """The zero of a rising function between two ends, by bisection.

    Args:
        function: x of any shape -> values of that shape.
        low, high: ends of the bracket; the zero lies between them, or the nearer end is given.
        halvings: of the bracket.
    """
    low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    for _ in range(halvings):
        middle = (low + high) / 2
        below = function(middle) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)
