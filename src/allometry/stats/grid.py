"""Runs on a grid of seeds by sizes, and statistics of the curves they make.

The analysis of the Cognitive Investment notebooks (seed 000) subtracts a baseline, takes
logarithms and draws a line. The intervals, which the notebooks lack, come from resampling
seeds and sizes and repeating the whole analysis on each resample, baselines and cut included.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.laws import Array
from allometry.stats.interval import Interval, student_reach
from allometry.stats.resample import bootstrap
from allometry.tables.table import Table

__all__ = ["Curves", "Grid", "jackknifed"]

NORMAL = 1.959964  # quantile 0.975 of the standard normal distribution


@dataclass(frozen=True)
class Curves:
    """One value per size: the sizes themselves and the columns measured, ``(sizes,)`` each."""

    size: Array
    columns: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def rows(self, index: slice) -> "Curves":
        return Curves(self.size[index], {n: c[index] for n, c in self.columns.items()})

    def without(self, place: int) -> "Curves":
        """The curves without the size at this place."""
        columns = {n: np.delete(c, place) for n, c in self.columns.items()}
        return Curves(np.delete(self.size, place), columns)

    def up_to_lowest(self, name: str) -> "Curves":
        """The sizes up to and including the lowest value of a column.

        Of the test loss this is the notebooks' "valid regime".
        """
        return self.rows(slice(0, int(np.argmin(self[name])) + 1))


def _reach(ways: Sequence[Array]) -> float:
    """Factor by which the ends have to lie farther out than those of a percentile bootstrap.

    Each way of resampling, over n units, has a jackknife variance V with n - 1 degrees of
    freedom, of which the bootstrap shows the share (n - 1)/n. The sum of the V has Satterthwaite's
    degrees of freedom (1946, Biometrics Bulletin 2, 110-114).

    Args:
        ways: for each way, the statistic without each unit, (n,); NaN where it has no value.
    """
    total = shown = squares = 0.0
    for values in (way[np.isfinite(way)] for way in ways):
        n = len(values)
        if n > 1:
            variance = (n - 1) / n * float(((values - values.mean()) ** 2).sum())
            total, shown = total + variance, shown + variance * (n - 1) / n
            squares += variance**2 / (n - 1)
    if total == 0:
        return 1.0
    return float(student_reach(total**2 / squares) / NORMAL * np.sqrt(total / shown))


def jackknifed(value: float, ways: Sequence[Array]) -> Interval:
    """A value with its 95% interval from its values without each unit, ``(n,)`` for each way.

    The variance is the sum of the jackknife variances of the ways; the interval is Student's with
    Satterthwaite's degrees of freedom. It is never narrower than Student's interval of one way
    alone, because two seeds that happen to be alike understate the scatter between seeds.
    """
    reach = total = squares = 0.0
    for values in (way for way in ways if len(way) > 1):
        n = len(values)
        with np.errstate(over="ignore", invalid="ignore"):  # overflow: no ends below
            variance = (n - 1) / n * float(((values - values.mean()) ** 2).sum())
        total, squares = total + variance, squares + variance * variance / (n - 1)
        reach = max(reach, float(student_reach(n - 1) * np.sqrt(variance)))
    if not any(len(way) > 1 for way in ways) or not np.isfinite(squares):
        return Interval(float(value), np.nan, np.nan)
    if squares > 0:
        both = student_reach(total**2 / squares) * np.sqrt(total)
        reach = max(reach, float(both))
    return Interval(float(value), float(value) - reach, float(value) + reach)


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
        """The curves of each seed, over the sizes that it finished."""
        for i, seed in enumerate(self.seeds.tolist()):
            yield seed, self._mean(np.array([i]), np.arange(len(self.size)))

    def resample(self, rng: np.random.Generator) -> Curves:
        """Means over seeds drawn with replacement, at sizes drawn with replacement."""
        seeds = rng.integers(len(self.seeds), size=len(self.seeds))
        sizes = np.sort(rng.integers(len(self.size), size=len(self.size)))
        return self._mean(seeds, sizes)

    def intervals(
        self,
        statistics: Callable[[Curves], Mapping[str, float]],
        *,
        resamples: int = 1000,
        seed: int = 0,
    ) -> dict[str, Interval]:
        """Each statistic of the mean over seeds, with its 95% bootstrap interval.

        A bootstrap of few seeds is too narrow. Its ends are moved away from the value by a factor
        from Student's t for this number of seeds and sizes, see `_reach`.

        Args:
            statistics: the whole analysis, from curves to named numbers.
        """
        intervals = bootstrap(
            self.mean(), statistics, self.resample, resamples=resamples, seed=seed
        )
        without = [
            [statistics(curves) for curves in left_out]
            for left_out in (self._without_seeds(), self._without_sizes())
        ]
        return {
            name: interval.stretched(
                _reach([np.array([values[name] for values in way]) for way in without]),
                share="r2" in name.split("_"),
            )
            for name, interval in intervals.items()
        }

    def jackknife(
        self, statistics: Callable[[Curves], Mapping[str, float]], *, fixed_sizes: bool = False
    ) -> dict[str, Interval]:
        """Each statistic of the mean over seeds, with the 95% interval of its jackknife.

        The variance is that from leaving out each seed plus that from leaving out each size, which
        counts the scatter of single runs twice; see `jackknifed`. Unlike the bootstrap it needs no
        resamples with enough different sizes, so it works with few sizes.

        Args:
            statistics: the whole analysis, from curves to named numbers.
            fixed_sizes: the statistic is about these sizes and no others, so only seeds are left
                out.

        Returns:
            intervals; without ends where the statistic has no value without one seed or size.
        """
        values = statistics(self.mean())
        ways = [self._without_seeds()] + ([] if fixed_sizes else [self._without_sizes()])
        without = [[statistics(curves) for curves in left_out] for left_out in ways]
        return {
            name: jackknifed(value, [np.array([v[name] for v in way]) for way in without])
            for name, value in values.items()
        }

    def _without_seeds(self) -> Iterator[Curves]:
        """The means without each seed; none where there is a single seed."""
        seeds, sizes = np.arange(len(self.seeds)), np.arange(len(self.size))
        return (self._mean(np.delete(seeds, i), sizes) for i in seeds if len(seeds) > 1)

    def _without_sizes(self) -> Iterator[Curves]:
        """The means over seeds without each size."""
        means = self.mean()
        present = np.isin(self.size, means.size)
        for place, is_present in zip(np.cumsum(present) - 1, present, strict=True):
            yield means.without(place) if is_present else means

    def _mean(self, seeds: NDArray[np.int64], sizes: NDArray[np.int64]) -> Curves:
        block = {n: c[np.ix_(seeds, sizes)] for n, c in self.columns.items()}
        present = np.all([np.isfinite(c).any(axis=0) for c in block.values()], axis=0)
        means = {n: np.nanmean(c[:, present], axis=0) for n, c in block.items()}
        return Curves(self.size[sizes][present], means)
