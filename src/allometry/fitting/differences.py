"""Derivatives of a function by central differences, each step scaled to its parameter.

An absolute step is wrong for a parameter of 1e-6 and for one of 1e6, so steps are relative.
A parameter much closer to zero than its own scale needs a longer step: the step grows until
the change of the values is well above rounding.
"""

from collections.abc import Callable

import numpy as np

from allometry.laws import Array
from allometry.fitting.solution import Lanes

__all__ = ["slopes"]

STEP = float(np.finfo(float).eps ** (1 / 3))  # balances the error of the cube with rounding
CLEAR = 1e-9  # change over the largest value: rounding is then 1e-7 of the slope
GROWTH, GROWTHS = 30.0, 14  # 30^14 = 5e20 times the first step, for a parameter of zero
LONGEST = 1e-2  # of the parameter: the relative error of the slope is about its square


def slopes(value: Callable[[Array], Array], u: Array, logs: Lanes) -> Array:
    """Derivatives (k, p, n) of `value` at u (k, p).

    Args:
        value: (m, p) -> (m, n).
        logs: which coordinates are logs, (p,): their scale is 1.
    """
    k, p = u.shape
    size = np.where(logs, 1.0, np.abs(u))
    step = STEP * np.where(size > 0, size, 1e-10)
    longest = np.where(size > 0, LONGEST * size, np.inf)
    jacobian, change, height = _central(value, u, step, np.arange(p))
    for _ in range(GROWTHS):
        faint = (change < CLEAR * height) & (step < longest)
        columns = np.flatnonzero(faint.any(0))
        lanes = np.flatnonzero(faint.any(1))
        if not len(lanes):
            break
        step = np.where(faint, np.minimum(step * GROWTH, longest), step)
        longer, *sizes = _central(value, u[lanes], step[lanes], columns)
        block = np.ix_(lanes, columns)
        jacobian[block] = np.where(faint[block][:, :, None], longer, jacobian[block])
        change[block], height[block] = sizes
    return jacobian


def _central(
    value: Callable[[Array], Array], u: Array, step: Array, columns: Array
) -> tuple[Array, Array, Array]:
    """Slopes (k, c, n) by these columns, the largest changes (k, c) and values (k, c)."""
    k, c = len(u), len(columns)
    around = np.repeat(u[None], 2 * c, 0).reshape(2, c, k, -1)
    for i, j in enumerate(columns):
        around[0, i, :, j] += step[:, j]
        around[1, i, :, j] -= step[:, j]
    spans = np.stack([around[0, i, :, j] - around[1, i, :, j] for i, j in enumerate(columns)], 1)
    ahead, behind = value(around.reshape(2 * c * k, -1)).reshape(2, c, k, -1)
    change = (ahead - behind).transpose(1, 0, 2)
    height = np.maximum(np.abs(ahead), np.abs(behind)).max(2).T
    return change / spans[:, :, None], np.abs(change).max(2), height
