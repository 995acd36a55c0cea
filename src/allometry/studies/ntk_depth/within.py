"""Exponents of each size among cells that are equal in the other three sizes.

The jobs behind the printed table have deep cells only for small N, D and M. A regression on all
cells therefore attributes curvature in one size to an exponent of another: it gives K_inf, which
does not depend on M, an exponent of M.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.document import Fit
from allometry.stats.interval import NO_VALUE, Interval, student_reach
from allometry.studies.ntk_depth.analysis import SIZES, Cells

__all__ = ["Exponents", "by_width", "of_fit", "within"]

Exponents = Mapping[str, Interval]  # by size: L, D, N, M
Array = NDArray[np.float64]
Labels = NDArray[np.intp]
FEWEST = 3.0  # effective number of clusters that an interval needs
LETTERS = dict(zip("NDML", SIZES, strict=True))


def within(cells: Cells, values: Array) -> Exponents:
    """The exponent of each size among cells that are equal in the other three sizes.

    On logarithms one slope is fitted to all cells, with a separate intercept for each group of
    cells that are equal in the other three sizes.

    The interval is Student's from a jackknife over clusters of groups. Groups that differ only in
    depth form one cluster, because their deviations from the law are alike. A few large clusters
    have most of the weight, so the degrees of freedom are computed from the effective number of
    clusters. If this number is below three, the interval has no ends.

    Args:
        values: positive values, one per cell, ``(cells,)``.
    """
    return {letter: _exponent(cells, values, size) for letter, size in LETTERS.items()}


def of_fit(law: Fit) -> Exponents:
    """The exponents of the regression on all cells."""
    fitted = {letter: law.parameters[f"alpha_{letter}"] for letter in LETTERS}
    return {letter: Interval(p.value, p.low, p.high) for letter, p in fitted.items()}


def by_width(radius: Exponents) -> Exponents:
    """The exponents of K - K_inf, from those of M (K - K_inf)."""
    return {**radius, "M": Interval(*(end - 1 for end in radius["M"]))}


def _exponent(cells: Cells, values: Array, size: str) -> Interval:
    group, cluster = _alike(cells, {size}), _alike(cells, {size, "depth"})
    x, y = (_centred(np.log(v), group) for v in (cells.size(size), values))
    cross, square = np.bincount(cluster, x * y), np.bincount(cluster, x * x)
    cross, square = cross[square > 0], square[square > 0]
    if not len(square):
        return NO_VALUE
    value, n = float(cross.sum() / square.sum()), len(square)
    n_effective = square.sum() ** 2 / (square**2).sum()
    if n_effective < FEWEST:
        return Interval(value, np.nan, np.nan)
    without = (cross.sum() - cross) / (square.sum() - square)
    error = np.sqrt((n - 1) / n * ((without - value) ** 2).sum())
    reach = float(student_reach(n_effective - 1) * error)
    return Interval(value, value - reach, value + reach)


def _alike(cells: Cells, but: set[str]) -> Labels:
    """Labels ``(cells,)``: the same for cells that are equal in all sizes except `but`."""
    kept = [i for i, name in enumerate(SIZES) if name not in but]
    labels: Labels = np.unique(cells.sizes[:, kept], axis=0, return_inverse=True)[1].ravel()
    return labels


def _centred(values: Array, group: Labels) -> Array:
    return np.asarray(values - (np.bincount(group, values) / np.bincount(group))[group])
