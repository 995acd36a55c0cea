"""Detection of data that rise with sizes along which the law can only fall.

For a law of several sizes, y must rise with each. A rise with one size alone may be due to
another size that falls at the same time, as along a line of equal compute.
"""

import numpy as np

from allometry.fitting.surface import LawSurface
from allometry.laws import Array

__all__ = ["falls_against_data"]

RISING = 0.5  # Spearman's rank correlation of y with a size above which y rises with it
POINTS, PLACES = 300, 12  # number of parameter vectors within the bounds; of points along a size
WIDE = 1e6  # bound of a parameter without bounds
FEWEST = 30  # parameter vectors at which the law must be finite to be judged
FLAT = 1e-9  # relative rise below which a change counts as rounding


def falls_against_data(surface: LawSurface) -> str:
    """A clause such as `y rises with x: this law falls`, or an empty string.

    The law is evaluated at parameter vectors spread over the whole range of the solver. It
    falls along a size if no vector lets it rise between two neighbouring points.
    """
    if not surface.law.per_row:  # the value at a row depends on the whole curve
        return ""
    law, y = surface.law, surface.y
    rises = all(_spearman(surface.sizes[s], y) > RISING for s in law.sizes)
    if not rises or not all(_falls(surface, s) for s in law.sizes):
        return ""
    return f"{law.response} rises with {' and '.join(law.sizes)}: this law falls"


def _falls(surface: LawSurface, size: str) -> bool:
    """Whether the law rises along one size at none of the tried parameter vectors."""
    low, high = np.maximum(surface.low, -WIDE), np.minimum(surface.high, WIDE)
    u = low + np.random.default_rng(0).random((POINTS, len(low))) * (high - low)
    # Half of the vectors lie near the middle, where exponents are moderate.
    u[::2] = np.clip(u[::2], np.maximum(low, -3.0), np.minimum(high, 3.0))
    across = surface.sizes[size]
    points = {s: np.full(PLACES, np.median(v)) for s, v in surface.sizes.items()}
    points[size] = np.quantile(across, np.linspace(0, 1, PLACES))
    with np.errstate(all="ignore"):
        values = surface.law.evaluate(surface.values(u), points)
        steps, scale = np.diff(values, axis=1), np.abs(values).max(1, keepdims=True)
    finite = np.isfinite(values).all(1)
    return bool(finite.sum() >= FEWEST and (steps <= FLAT * scale)[finite].all())


# Written here because importing scipy.stats takes as long as most fits.
def _spearman(a: Array, b: Array) -> float:
    first, second = _ranks(a), _ranks(b)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Array) -> Array:
    """Ranks from 0; equal values have their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[np.ravel(places)])
