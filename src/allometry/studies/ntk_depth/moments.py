"""Moments of K over draws: how heavy its tails are, and how its mean depends on the width."""

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
DEPTHS = (8, 18)  # of the exponent of the mean in M: deep enough, and there at most widths
NARROW, MIDDLE = 100, 250  # widths: the exponent lies between 100 to 250 and above


class SecondMoment(NamedTuple):
    """ln(E[K(x,x)^2] / E[K(x,x)]^2) of each pair of depth and width, each array ``(pairs,)``.

    Attributes:
        beta: 5 L/M. cells: how many cells have the pair.
        measured: E[K(x,x)] is known exactly, so it is not estimated.
        leading: the same by `leading_order`.
    """

    beta: Array
    cells: Array
    measured: Array
    leading: Array

    def slope(self, values: Array) -> float:
        """Slope of some values on 5 L/M, line through 0, where 5 L/M <= 1, weighted by cells."""
        near = self.beta <= 1
        x, weight = self.beta[near], self.cells[near]
        return float((weight * x * values[near]).sum() / (weight * x**2).sum())


class MeanShift(NamedTuple):
    """E[K(x, x') / ((2/D) K_inf^(L+1)) - 1] beside the diagonal, at depths 8 to 18.

    On the diagonal the expectation is exact; its fluctuation, which the other entries share, is
    subtracted draw by draw.

    Attributes:
        width, shift: mean over the cells of each width ``(widths,)``.
        exponent: in M, between widths 100 to 250 and wider ones; NaN where a mean is not positive
            or there are no such widths.
    """

    width: Array
    shift: Array
    exponent: float


def leading_order(depth: int, width: int) -> float:
    """E[K(x,x)^2] / E[K(x,x)]^2 to leading order in 1/M.

    K is a sum over L + 1 layers, whose terms have equal expectations. The product of two
    terms d layers apart passes L - d layers twice in the same direction, each of which gives
    1 + 5/M, and d layers once forward and once backward, each of which gives 1 + 1/M.
    """
    layers = np.arange(depth + 1)
    apart = np.abs(layers[:, None] - layers)
    return float(((1 + 5 / width) ** (depth - apart) * (1 + 1 / width) ** apart).mean())


def second_moment(curves: Curves) -> SecondMoment:
    """The second moment from means over draws."""
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
    """The mean beside the diagonal from means over draws."""
    deep = (curves["depth"] >= DEPTHS[0]) & (curves["depth"] <= DEPTHS[1])
    width, shift = curves["width"][deep], curves["beside"][deep]
    widths, at = np.unique(width, return_inverse=True)
    each = np.bincount(at, shift) / np.bincount(at)
    groups = (width >= NARROW) & (width <= MIDDLE), width > MIDDLE
    if not all(group.any() for group in groups):
        return MeanShift(widths, each, float("nan"))
    near, far = (float(shift[group].mean()) for group in groups)
    ln = [float(np.log(width[group]).mean()) for group in groups]
    exponent = np.log(far / near) / (ln[1] - ln[0]) if min(near, far) > 0 else float("nan")
    return MeanShift(widths, each, float(exponent))


def means(cells: Cells) -> Curves:
    """Means over draws of what the moments are made of."""
    return _grid(cells).mean()


def intervals(cells: Cells) -> Mapping[str, Interval]:
    """The slope of the second moment on 5 L/M, the same over that of `leading_order`, and the
    exponent of the mean, with 95% intervals: the jackknife of the draws, the cells being what they
    are. One draw a cell gives none."""
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
    """Cells as the sizes of a grid, draws as its seeds."""
    square = cells.columns["diagonal_square"].T
    sizes = {name: np.broadcast_to(cells.size(name), square.shape) for name in ("depth", "width")}
    beside = (cells.columns["off_diagonal"] - cells.columns["diagonal"]).T
    index, draws = np.arange(square.shape[1], dtype=float), np.arange(len(square))
    return Grid(index, draws, {**sizes, "square": square, "beside": beside})
