"""Exponents of each size among cells alike in the other three.

The jobs behind the printed table stopped at a frontier of all four sizes: there are deep cells
only where N, D and M are small. A regression on all cells then takes a bend in one size for a
power of another: it gives K_inf, which holds no M, an exponent of M.
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
FEWEST = 3.0  # equal clusters, as an interval over sizes needs three
LETTERS = dict(zip("NDML", SIZES, strict=True))


def within(cells: Cells, values: Array) -> Exponents:
    """The exponent of each size: one slope on logarithms for all cells, and a level of its own for
    each group alike in the other three sizes.

    The interval is Student's from the jackknife over clusters, which hold the groups that differ in
    depth alone: what bends the law at one depth bends it at the next. A few large clusters weigh
    most, so its degrees of freedom are those of as many equal ones as would weigh the same; where
    these are fewer than three there are no ends.

    Args:
        values: one of each cell, ``(cells,)``, positive.
    """
    return {letter: _exponent(cells, values, size) for letter, size in LETTERS.items()}


def of_fit(law: Fit) -> Exponents:
    """Those of the regression on all cells."""
    fitted = {letter: law.parameters[f"alpha_{letter}"] for letter in LETTERS}
    return {letter: Interval(p.value, p.low, p.high) for letter, p in fitted.items()}


def by_width(radius: Exponents) -> Exponents:
    """Those of K - K_inf from those of M (K - K_inf)."""
    return {**radius, "M": Interval(*(end - 1 for end in radius["M"]))}


def _exponent(cells: Cells, values: Array, size: str) -> Interval:
    group, cluster = _alike(cells, {size}), _alike(cells, {size, "depth"})
    x, y = (_centred(np.log(v), group) for v in (cells.size(size), values))
    cross, square = np.bincount(cluster, x * y), np.bincount(cluster, x * x)
    cross, square = cross[square > 0], square[square > 0]
    if not len(square):
        return NO_VALUE
    value, n = float(cross.sum() / square.sum()), len(square)
    equal = square.sum() ** 2 / (square**2).sum()
    if equal < FEWEST:
        return Interval(value, np.nan, np.nan)
    without = (cross.sum() - cross) / (square.sum() - square)
    error = np.sqrt((n - 1) / n * ((without - value) ** 2).sum())
    reach = float(student_reach(equal - 1) * error)
    return Interval(value, value - reach, value + reach)


def _alike(cells: Cells, but: set[str]) -> Labels:
    """Which cells are alike in all sizes but some, ``(cells,)``."""
    kept = [i for i, name in enumerate(SIZES) if name not in but]
    labels: Labels = np.unique(cells.sizes[:, kept], axis=0, return_inverse=True)[1].ravel()
    return labels


def _centred(values: Array, group: Labels) -> Array:
    return np.asarray(values - (np.bincount(group, values) / np.bincount(group))[group])
