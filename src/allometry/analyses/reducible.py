"""Straight-line laws of what lies above a baseline, and how sure they are.

The analysis of the Cognitive Investment notebooks (seed 000): subtract a
baseline, take logarithms, draw a line. The lines are ordinary least squares as
in ``scipy.stats.linregress``; the intervals, which the notebooks lack, come
from resampling seeds and sizes and doing the whole analysis anew each time,
baselines and cut included.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from allometry.errors import DataError
from allometry.table import Table

__all__ = ["Curves", "Grid", "Interval", "Line", "intervals", "line", "log_line", "up_to_best"]

Array = NDArray[np.float64]


class Line(NamedTuple):
    """An ordinary least-squares line with R^2 and the p-value of slope zero."""

    slope: float
    intercept: float
    r2: float
    p: float


class Interval(NamedTuple):
    """A value, and the 2.5% and 97.5% points of its resamples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curves:
    """One value a size: the sizes themselves and the columns measured, ``(sizes,)`` each."""

    size: Array
    columns: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def rows(self, index: slice) -> "Curves":
        return Curves(self.size[index], {n: c[index] for n, c in self.columns.items()})


@dataclass(frozen=True)
class Grid:
    """Runs on a grid of seeds by sizes; a run that diverged is missing (NaN).

    Attributes:
        size: rising, ``(sizes,)``.
        seeds: ``(seeds,)``.
        columns: name to ``(seeds, sizes)``.
    """

    size: Array
    seeds: NDArray[np.int64]
    columns: Mapping[str, Array]

    @classmethod
    def of(cls, table: Table, size: str, columns: tuple[str, ...]) -> "Grid":
        """The finished runs of a table.

        Raises:
            DataError: when there are none, or two of one seed and size.
        """
        done = table.where(status="done")
        if not len(done):
            raise DataError("no finished run to analyse; `allometry run` trains them")
        sizes, at_size = np.unique(done[size], return_inverse=True)
        seeds, at_seed = np.unique(done["seed"], return_inverse=True)
        if len(set(zip(at_seed, at_size, strict=True))) < len(done):
            raise DataError(f"one run for each seed and {size} expected, some come twice")
        grids = {}
        for name in columns:
            grids[name] = np.full((len(seeds), len(sizes)), np.nan)
            grids[name][at_seed, at_size] = done[name]
        return cls(sizes.astype(float), seeds, grids)

    def mean(self) -> Curves:
        """Means over seeds."""
        return self._mean(np.arange(len(self.seeds)), np.arange(len(self.size)))

    def each_seed(self) -> Iterator[tuple[int, Curves]]:
        """Every seed's own curves, the sizes it finished."""
        for i, seed in enumerate(self.seeds.tolist()):
            yield seed, self._mean(np.array([i]), np.arange(len(self.size)))

    def resample(self, rng: np.random.Generator) -> Curves:
        """Means over seeds drawn with replacement, at sizes drawn with replacement."""
        seeds = rng.integers(len(self.seeds), size=len(self.seeds))
        sizes = np.sort(rng.integers(len(self.size), size=len(self.size)))
        return self._mean(seeds, sizes)

    def _mean(self, seeds: NDArray[np.int64], sizes: NDArray[np.int64]) -> Curves:
        block = {n: c[np.ix_(seeds, sizes)] for n, c in self.columns.items()}
        present = np.all([np.isfinite(c).any(axis=0) for c in block.values()], axis=0)
        means = {n: np.nanmean(c[:, present], axis=0) for n, c in block.items()}
        return Curves(self.size[sizes][present], means)


def line(x: Array, y: Array) -> Line:
    """Least squares of y on x; NaN throughout where fewer than 3 points or one x are left."""
    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Line(np.nan, np.nan, np.nan, np.nan)
    # Closed form: linregress itself costs ten times as much, thousands of times over.
    dx, dy = x - x.mean(), y - y.mean()
    sxx, sxy, syy = dx @ dx, dx @ dy, dy @ dy
    r2 = min(1.0, float(sxy**2 / (sxx * syy)))
    t = np.sqrt(r2 * (len(x) - 2) / max(1 - r2, 1e-300))
    p = 2 * float(special.stdtr(len(x) - 2, -t))
    slope = float(sxy / sxx)
    return Line(slope, float(y.mean() - slope * x.mean()), r2, p)


def log_line(x: Array, y: Array) -> Line:
    """The power law y = 10^intercept x^slope, by least squares on log10 of the positive points."""
    positive = (x > 0) & (y > 0)
    return line(np.log10(x[positive]), np.log10(y[positive]))


def up_to_best(curves: Curves, loss: str) -> Curves:
    """The notebook's "valid regime": sizes up to and including the lowest loss."""
    return curves.rows(slice(0, int(np.argmin(curves[loss])) + 1))


def intervals(
    grid: Grid,
    statistics: Callable[[Curves], Mapping[str, float]],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Each statistic of the mean over seeds, with its 95% percentile interval.

    A resample too poor for a statistic (fewer than three points left, say) gives
    NaN and is left out of that statistic's interval; where over a tenth do, there
    is no interval (NaN).

    Args:
        statistics: the whole analysis, from curves to named numbers.
    """
    rng = np.random.default_rng(seed)
    values = statistics(grid.mean())
    drawn = [statistics(grid.resample(rng)) for _ in range(resamples)]
    out = {}
    for name, value in values.items():
        sample = np.array([d[name] for d in drawn])
        kept = sample[np.isfinite(sample)]
        enough = len(kept) >= 0.9 * resamples
        low, high = np.quantile(kept, [0.025, 0.975]) if enough else (np.nan, np.nan)
        out[name] = Interval(float(value), float(low), float(high))
    return out
