"""Derivatives of a function by central differences, each step scaled to its parameter.

No absolute step suits both a parameter of 1e-6 and one of 1e6, so steps are relative. They grow
where the change of the values is not well above rounding (a parameter much closer to zero than
its natural scale), and shrink where the values curve within a step (the position of a narrow
peak).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.solution import Lanes
from allometry.laws import Array

__all__ = ["slopes"]

STEP = float(np.finfo(float).eps ** (1 / 3))  # balances the third-order error with rounding
CLEAR = 1e-9  # least change over the largest value: rounding is then 1e-7 of the slope
BENT, STRAIGHT = 1e-3, 1e-4  # second over first difference: largest allowed, and target
GROWTH, CHANGES = 30.0, 14  # 30^14 = 5e20 times the first step, for a parameter of zero
LONGEST = 1e-2  # of the parameter: the relative error of the slope is about its square


def slopes(value: Callable[[Array], Array], u: Array, logs: Lanes) -> tuple[Array, Array]:
    """Values (k, n) and derivatives (k, p, n) of `value` at u (k, p).

    Args:
        value: (m, p) -> (m, n).
        logs: which coordinates are logarithms, (p,); their scale is 1.
    """
    size = np.where(logs, 1.0, np.abs(u))
    step = STEP * np.where(size > 0, size, 1e-10)
    longest = np.where(size > 0, LONGEST * size, np.inf)
    middle = value(u)
    jacobian, change, bend, height = _central(value, middle, u, step, np.arange(u.shape[1]))
    for _ in range(CHANGES):
        faint = (change < CLEAR * height) & (step < longest)
        bent = (change >= CLEAR * height) & (bend > BENT * change)
        changed = faint | bent
        lanes, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        if not len(lanes):
            break
        shorter = step * STRAIGHT * change / np.where(bent, bend, 1.0)
        step = np.where(faint, np.minimum(step * GROWTH, longest), np.where(bent, shorter, step))
        block = np.ix_(lanes, columns)
        again = _central(value, middle[lanes], u[lanes], step[lanes], columns)
        jacobian[block], change[block], bend[block], height[block] = again
    return middle, jacobian


def _central(
    value: Callable[[Array], Array], middle: Array, u: Array, step: Array, columns: NDArray[np.intp]
) -> tuple[Array, Array, Array, Array]:
    """Slopes (k, c, n) in these columns, and the largest first and second differences and values.

    Args:
        middle: values at u, (k, n).
    """
    k, c = len(u), len(columns)
    around = np.repeat(u[None], 2 * c, 0).reshape(2, c, k, -1)
    for i, j in enumerate(columns):
        around[0, i, :, j] += step[:, j]
        around[1, i, :, j] -= step[:, j]
    spans = np.stack([around[0, i, :, j] - around[1, i, :, j] for i, j in enumerate(columns)], 1)
    ahead, behind = value(around.reshape(2 * c * k, -1)).reshape(2, c, k, -1)
    change = (ahead - behind).transpose(1, 0, 2)
    bend = np.abs(ahead + behind - 2 * middle).max(2).T
    height = np.maximum(np.abs(ahead), np.abs(behind)).max(2).T
    return change / spans[:, :, None], np.abs(change).max(2), bend, height
