"""The resampler of fits and studies: which rows enter a resample, and intervals from draws."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.laws import Array
from allometry.stats.interval import Interval

__all__ = [
    "FRACTION_SCALE",
    "Labels",
    "bootstrap",
    "ends",
    "fractions",
    "interval",
    "multiplicities",
]

T = TypeVar("T")
Places = NDArray[np.intp]
Labels = NDArray[Any]  # a column of numbers or text whose equal values make groups

# One over the standard deviation of the weights of `fractions`.
FRACTION_SCALE = 2.0**0.5


# The share of resamples that must have a value for there to be an interval.
FINITE_SHARE = 0.9


def bootstrap(
    whole: T,
    statistics: Callable[[T], Mapping[str, float]],
    resample: Callable[[np.random.Generator], T],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Statistics of some data with percentile intervals, the analysis repeated on resamples.

    Args:
        whole: the data, in any form that `statistics` takes.
        statistics: the whole analysis, from data to named numbers.
        resample: draws data of the same form with replacement.

    Returns:
        the same names. Ends are NaN where more than a tenth of the resamples have no value
        (a resample may have too few different rows for a statistic), and where `resamples` is 0.
    """
    rng = np.random.default_rng(seed)
    values = statistics(whole)
    drawn = [statistics(resample(rng)) for _ in range(resamples)]
    return {
        name: interval(value, np.array([d[name] for d in drawn]), level)
        for name, value in values.items()
    }


def interval(value: float, draws: Array, level: float = 0.95) -> Interval:
    """A value with the percentile interval of draws (K,); without ends as in `bootstrap`."""
    finite = np.isfinite(draws)
    if not len(draws) or finite.mean() < FINITE_SHARE:
        return Interval(float(value), np.nan, np.nan)
    return Interval(float(value), *ends(draws, level))


def ends(draws: Array, level: float) -> tuple[float, float]:
    """Percentile interval of draws (K,)."""
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def multiplicities(
    rng: np.random.Generator,
    resamples: int,
    rows: int,
    clusters: Sequence[Labels] = (),
    distinct: Labels | None = None,
    needed: int = 1,
) -> tuple[Array, int]:
    """How often each row enters each resample.

    With clusters, whole groups are drawn with replacement; with several, each is
    drawn by itself and the counts multiply (crossed two-way bootstrap, Owen 2007).

    Args:
        clusters: label of each row, (rows,), one array per way of clustering.
        distinct: label of each row's design point; a draw with fewer than
            `needed` of them cannot fit the law and is drawn again.

    Returns:
        counts (resamples, rows) as floats, and how many draws were redone.
    """
    labels = [_labels(c) for c in clusters] or [np.arange(rows)]
    points = np.arange(rows) if distinct is None else np.unique(distinct, return_inverse=True)[1]
    if points.max() + 1 < needed:
        raise DataError(
            f"{needed} distinct rows are needed to fit this law, got {points.max() + 1}"
        )
    for way in labels:
        if way.max() < 1:
            raise DataError("a cluster column needs at least two different values")
    counts = _draw(rng, resamples, labels)
    redrawn = 0
    for _ in range(200):
        poor = _distinct(counts, points) < needed
        if not poor.any():
            return counts, redrawn
        redrawn += int(poor.sum())
        counts[poor] = _draw(rng, int(poor.sum()), labels)
    raise DataError(
        "nearly every resample has too few distinct rows to fit this law; "
        "resample single rows, or fit a law with fewer parameters"
    )


def fractions(
    rng: np.random.Generator, resamples: int, rows: int, clusters: Sequence[Labels] = ()
) -> Array:
    """Weights of each row in each resample, (resamples, rows): gamma, mean 1, variance 1/2.

    No weight is zero, so the law can be fitted to every resample. Rows of one cluster share
    their weight; with several clusterings the weights multiply. The spread of draws made with
    them is too small by the factor `FRACTION_SCALE`.
    """
    weights = np.ones((resamples, rows))
    for labels in [_labels(c) for c in clusters] or [np.arange(rows)]:
        weights *= rng.gamma(2.0, 0.5, (resamples, int(labels.max()) + 1))[:, labels]
    return np.asarray(weights / weights.mean(1, keepdims=True), float)


def _labels(column: Labels) -> Places:
    """Places 0, 1, ... of a column's values; text and missing values are values too."""
    plain = column.astype(str) if column.dtype.kind == "O" else column
    places: Places = np.unique(plain, return_inverse=True)[1]
    return places


def _draw(rng: np.random.Generator, resamples: int, labels: list[Places]) -> Array:
    counts = np.ones((resamples, len(labels[0])))
    for way in labels:
        groups = int(way.max()) + 1
        counts *= rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples)[:, way]
    return counts


def _distinct(counts: Array, points: Places) -> Places:
    seen = np.zeros((len(counts), points.max() + 1))
    for column, point in enumerate(points):
        seen[:, point] += counts[:, column]
    counted: Places = (seen > 0).sum(1)
    return counted
