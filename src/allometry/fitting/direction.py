"""Does y rise with sizes along which the law can only fall?

Of a law of several sizes, y has to rise with each: with one alone it may rise because
another gets smaller at the same time, as along a line of equal compute.
"""

import numpy as np

from allometry.fitting.surface import LawSurface
from allometry.laws import Array

__all__ = ["falls_against_data"]

RISING = 0.5  # Spearman's rank correlation of y with a size, above which y rises with it
POINTS, PLACES = 300, 12  # parameter values, within the bounds; places along a size
WIDE = 1e6  # of a parameter without bounds
FEWEST = 30  # parameter values at which the law must be finite to be judged
FLAT = 1e-9  # relative rise that is rounding


def falls_against_data(surface: LawSurface) -> str:
    """`y rises with x: this law falls`, or nothing.

    The law is evaluated at parameter values spread over the whole range of the solver; it
    falls along a size if it rises between no two places, at none of them.
    """
    if not surface.law.per_row:  # its value at a row depends on the whole curve
        return ""
    law, y = surface.law, surface.y
    rises = all(_spearman(surface.sizes[s], y) > RISING for s in law.sizes)
    if not rises or not all(_falls(surface, s) for s in law.sizes):
        return ""
    return f"{law.response} rises with {' and '.join(law.sizes)}: this law falls"


def _falls(surface: LawSurface, size: str) -> bool:
    """Whether no parameter values within the bounds let the law rise along one size."""
    low, high = np.maximum(surface.low, -WIDE), np.minimum(surface.high, WIDE)
    u = low + np.random.default_rng(0).random((POINTS, len(low))) * (high - low)
    # Half of the values near the middle, where exponents are moderate.
    u[::2] = np.clip(u[::2], np.maximum(low, -3.0), np.minimum(high, 3.0))
    across = surface.sizes[size]
    points = {s: np.full(PLACES, np.median(v)) for s, v in surface.sizes.items()}
    points[size] = np.quantile(across, np.linspace(0, 1, PLACES))
    with np.errstate(all="ignore"):
        values = surface.law.evaluate(surface.values(u), points)
        steps, scale = np.diff(values, axis=1), np.abs(values).max(1, keepdims=True)
    finite = np.isfinite(values).all(1)
    return bool(finite.sum() >= FEWEST and (steps <= FLAT * scale)[finite].all())


# SciPy's rank correlation is in scipy.stats, whose import takes as long as most fits.
def _spearman(a: Array, b: Array) -> float:
    first, second = _ranks(a), _ranks(b)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Array) -> Array:
    """Ranks from 0, the mean rank where values are equal."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[np.ravel(places)])
