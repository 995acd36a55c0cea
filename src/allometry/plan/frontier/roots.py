"""Roots of increasing functions of one variable, for many functions at once."""

from collections.abc import Callable

import numpy as np

from allometry.laws import Array

__all__ = ["HALVINGS", "rising_root"]

HALVINGS = 64  # of a bracket: 2^-64 of its width is below the rounding of a float


def rising_root(
    function: Callable[[Array], Array], low: Array, high: Array, halvings: int = HALVINGS
) -> Array:
    """The root of an increasing function between two ends, by bisection.

    Args:
        function: x of any shape -> values of that shape.
        low, high: ends of the bracket. If the root lies outside, the nearer end is returned.
        halvings: number of bisections.
    """
    low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    for _ in range(halvings):
        middle = (low + high) / 2
        below = function(middle) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)
