"""Moments of K over draws: how heavy its tails are, and how its mean depends on the width."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.stats.interval import Interval
from allometry.stats.resample import bootstrap
from allometry.studies.ntk_depth.analysis import Cells

__all__ = ["Moments", "intervals"]

Array = NDArray[np.float64]
DEPTHS = (8, 18)  # of the exponent of the mean in M: deep enough, and there at most widths
NARROW, MIDDLE = 100, 250  # widths: the exponent lies between 100 to 250 and above


@dataclass(frozen=True)
class Moments:
    """Moments of some cells; a draw that is not there is missing (NaN).

    Attributes:
        beta: 5 L/M of each pair of depth and width, ``(pairs,)``.
        pair: the pair of each cell, ``(cells,)``.
        depth, width: L and M of each cell, ``(cells,)``.
        square: K(x, x)^2 over its squared expectation, ``(cells, draws)``.
        beside: entries beside the diagonal over their expectation in the limit, less the
            same on the diagonal, ``(cells, draws)``.
    """

    beta: Array
    pair: NDArray[np.int64]
    depth: Array
    width: Array
    square: Array
    beside: Array

    @classmethod
    def of(cls, cells: Cells) -> "Moments":
        depth, width = cells.size("depth"), cells.size("width")
        pairs, pair = np.unique(np.stack([depth, width], 1), axis=0, return_inverse=True)
        return cls(
            beta=5 * pairs[:, 0] / pairs[:, 1],
            pair=pair.ravel(),
            depth=depth,
            width=width,
            square=cells.columns["diagonal_square"],
            beside=cells.columns["off_diagonal"] - cells.columns["diagonal"],
        )

    def resample(self, rng: np.random.Generator) -> "Moments":
        """The draws of each cell resampled."""
        drawn = rng.integers(self.square.shape[1], size=self.square.shape)
        square, beside = (np.take_along_axis(a, drawn, axis=1) for a in (self.square, self.beside))
        return Moments(self.beta, self.pair, self.depth, self.width, square, beside)

    def log_ratio(self) -> Array:
        """ln(E[K(x,x)^2] / E[K(x,x)]^2) of each pair of depth and width, ``(pairs,)``.

        E[K(x,x)] is known exactly, so it is not estimated.
        """
        total = np.bincount(self.pair, np.nanmean(self.square, axis=1))
        return np.asarray(np.log(total / np.bincount(self.pair)))

    def heavy_tail(self) -> dict[str, float]:
        """Slope of `log_ratio` on 5 L/M, line through 0, where 5 L/M <= 1.

        Each pair of depth and width is a point, weighted by how many cells have it.
        """
        weight, near = np.bincount(self.pair).astype(float), self.beta <= 1
        numerator = (weight * self.beta * self.log_ratio())[near].sum()
        return {"heavy_tail": float(numerator / (weight * self.beta**2)[near].sum())}

    def mean_shift(self) -> dict[str, float]:
        """Exponent in M of E[K(x, x') / ((2/D) K_inf^(L+1)) - 1] beside the diagonal.

        On the diagonal the expectation is exact; its fluctuation, which the other entries
        share, is subtracted draw by draw. Depths 8 to 18; between widths 100 to 250 and
        wider ones. NaN where a mean is not positive or there are no such widths.
        """
        each = np.nanmean(self.beside, axis=1)
        deep = (self.depth >= DEPTHS[0]) & (self.depth <= DEPTHS[1])
        groups = (
            deep & (self.width >= NARROW) & (self.width <= MIDDLE),
            deep & (self.width > MIDDLE),
        )
        if not all(group.any() for group in groups):
            return {"mean_shift": np.nan}
        near, far = (float(each[group].mean()) for group in groups)
        at = [float(np.log(self.width[group]).mean()) for group in groups]
        if min(near, far) <= 0:
            return {"mean_shift": np.nan}
        return {"mean_shift": float(np.log(far / near)) / (at[1] - at[0])}

    def both(self) -> Mapping[str, float]:
        """`heavy_tail` and `mean_shift`."""
        return {**self.heavy_tail(), **self.mean_shift()}


def intervals(moments: Moments, resamples: int) -> dict[str, Interval]:
    """`heavy_tail` and `mean_shift` with 95% intervals from draws resampled within each cell.

    One draw a cell gives no interval.
    """
    several = moments.square.shape[1] > 1
    by_name = bootstrap(
        moments, Moments.both, moments.resample, resamples=resamples if several else 0
    )
    return {name: interval.with_value_inside() for name, interval in by_name.items()}
