"""Moments of K over draws: its second moment, and the dependence of its mean on the width."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import Interval
from allometry.studies.ntk_depth.analysis import Cells

__all__ = [
    "NARROW", "MeanShift", "SecondMoment", "intervals", "leading_order", "mean_shift", "means",
    "second_moment",
]  # fmt: skip

Array = NDArray[np.float64]
# Range of depths for the exponent of the mean in M: deep enough, and drawn at most widths.
DEPTHS = (8, 18)
NARROW, MIDDLE = 100, 250  # the exponent compares widths of 100 to 250 with larger ones


class SecondMoment(NamedTuple):
    """ln(E[K(x,x)^2] / E[K(x,x)]^2) of each pair of depth and width, each array ``(pairs,)``.

    Attributes:
        beta: 5 L/M.
        cells: number of cells with the pair.
        measured: estimated from the draws; E[K(x,x)] is known exactly and not estimated.
        leading: predicted by `leading_order`.
    """

    beta: Array
    cells: Array
    measured: Array
    leading: Array

    def slope(self, values: Array) -> float:
        """Slope of `values` on 5 L/M, by a line through 0 for 5 L/M <= 1, weighted by cells."""
        near = self.beta <= 1
        x, weight = self.beta[near], self.cells[near]
        return float((weight * x * values[near]).sum() / (weight * x**2).sum())


class MeanShift(NamedTuple):
    """E[K(x, x') / ((2/D) K_inf^(L+1)) - 1] off the diagonal, at depths 8 to 18.

    On the diagonal the expectation is exactly 0. The diagonal's fluctuation, which the other
    entries share, is subtracted draw by draw.

    Attributes:
        width: the widths, ``(widths,)``.
        shift: mean over the cells of each width, ``(widths,)``.
        exponent: of M, from widths of 100 to 250 to larger ones; NaN if either mean is not
            positive or either range has no widths.
    """

    width: Array
    shift: Array
    exponent: float


def leading_order(depth: int, width: int) -> float:
    """E[K(x,x)^2] / E[K(x,x)]^2 to leading order in 1/M.

    K is a sum over L + 1 layers, and its terms have equal expectations. The product of two terms
    d layers apart passes L - d layers twice in the same direction, with a factor 1 + 5/M for each,
    and d layers once forward and once backward, with a factor 1 + 1/M for each.
    """
    layers = np.arange(depth + 1)
    apart = np.abs(layers[:, None] - layers)
    return float(((1 + 5 / width) ** (depth - apart) * (1 + 1 / width) ** apart).mean())


def second_moment(curves: Curves) -> SecondMoment:
    """The second moment, from means over draws."""
    pairs, pair = np.unique(
        np.stack([curves["depth"], curves["width"]], 1), axis=0, return_inverse=True
    )
    cells = np.bincount(pair.ravel()).astype(float)
    return SecondMoment(
        beta=5 * pairs[:, 0] / pairs[:, 1],
        cells=cells,
        measured=np.log(np.bincount(pair.ravel(), curves["square"]) / cells),
        leading=np.log([leading_order(int(depth), int(width)) for depth, width in pairs]),
    )


def mean_shift(curves: Curves) -> MeanShift:
    """The shift of the mean off the diagonal, from means over draws."""
    deep = (curves["depth"] >= DEPTHS[0]) & (curves["depth"] <= DEPTHS[1])
    width, shift = curves["width"][deep], curves["off_diagonal"][deep]
    widths, at = np.unique(width, return_inverse=True)
    shifts = np.bincount(at, shift) / np.bincount(at)
    groups = (width >= NARROW) & (width <= MIDDLE), width > MIDDLE
    if not all(group.any() for group in groups):
        return MeanShift(widths, shifts, float("nan"))
    near, far = (float(shift[group].mean()) for group in groups)
    ln = [float(np.log(width[group]).mean()) for group in groups]
    exponent = np.log(far / near) / (ln[1] - ln[0]) if min(near, far) > 0 else float("nan")
    return MeanShift(widths, shifts, float(exponent))


def means(cells: Cells) -> Curves:
    """Means over draws of the columns that the moments are computed from."""
    return _grid(cells).mean()


def intervals(cells: Cells) -> Mapping[str, Interval]:
    """Statistics of the moments with 95% intervals of a jackknife over draws, for fixed cells.

    Returns:
        `slope`: of the second moment on 5 L/M; `of_leading`: `slope` over that of `leading_order`;
        `mean_shift`: the exponent of the mean in M. With one draw per cell there are no intervals.
    """
    return _grid(cells).jackknife(_statistics, fixed_sizes=True)


def _statistics(curves: Curves) -> dict[str, float]:
    moment = second_moment(curves)
    slope = moment.slope(moment.measured)
    return {
        "slope": slope,
        "of_leading": slope / moment.slope(moment.leading),
        "mean_shift": mean_shift(curves).exponent,
    }


def _grid(cells: Cells) -> Grid:
    """A grid with the cells as its sizes and the draws as its seeds."""
    square = cells.columns["diagonal_square"].T
    sizes = {name: np.broadcast_to(cells.size(name), square.shape) for name in ("depth", "width")}
    off_diagonal = (cells.columns["off_diagonal"] - cells.columns["diagonal"]).T
    index, draws = np.arange(square.shape[1], dtype=float), np.arange(len(square))
    return Grid(index, draws, {**sizes, "square": square, "off_diagonal": off_diagonal})
