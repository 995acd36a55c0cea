"""How sure a fit is: resamples of its rows, intervals and a verdict per parameter."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.laws.law import Parameter

__all__ = [
    "FRACTION_SCALE",
    "Estimate",
    "Interval",
    "ends",
    "fractions",
    "multiplicities",
    "verdict",
]

# An end farther than this factor from the value says nothing useful about a
# positive parameter: the data bound it from the other side only.
OPEN_FACTOR = 100.0

# One over the standard deviation of the weights of `fractions`.
FRACTION_SCALE = 2.0**0.5


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its interval and what may be said of it."""

    value: float
    low: float
    high: float
    verdict: str

    def __repr__(self) -> str:
        return f"{self.value:.6g} ({self.low:.4g}, {self.high:.4g}) {self.verdict}"


@dataclass(frozen=True)
class Interval:
    """How the intervals were made.

    Attributes:
        method: pairs, fractional, residual, profile or none.
        level: coverage aimed at.
        resamples: fits they rest on. converged: share of these that converged.
        cluster: columns whose groups were resampled whole; empty for single rows.
        redrawn: draws thrown back for having too few distinct rows to fit the law.
    """

    method: str
    level: float
    resamples: int
    converged: float
    cluster: tuple[str, ...] = ()
    redrawn: int = 0


def multiplicities(
    rng: np.random.Generator,
    resamples: int,
    rows: int,
    clusters: Sequence[NDArray] = (),
    distinct: NDArray | None = None,
    needed: int = 1,
) -> tuple[NDArray, int]:
    """How often each row enters each resample.

    With clusters, whole groups are drawn with replacement; with several, each is
    drawn by itself and the counts multiply (crossed two-way bootstrap, Owen 2007).

    Args:
        clusters: label of each row, (rows,), one array a way.
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
    rng: np.random.Generator, resamples: int, rows: int, clusters: Sequence[NDArray] = ()
) -> NDArray:
    """Weights of each row in each resample, (resamples, rows): gamma, mean 1, variance 1/2.

    No row vanishes, so every resample can fit the law. Rows of one cluster share
    their weight; with several clusterings the weights multiply. Draws made with them
    spread `FRACTION_SCALE` times too little.
    """
    weights = np.ones((resamples, rows))
    for labels in [_labels(c) for c in clusters] or [np.arange(rows)]:
        weights *= rng.gamma(2.0, 0.5, (resamples, int(labels.max()) + 1))[:, labels]
    return weights / weights.mean(1, keepdims=True)


def _labels(column: NDArray) -> NDArray:
    """Places 0, 1, ... of a column's values; text and missing values are values too."""
    plain = column.astype(str) if column.dtype.kind == "O" else column
    return np.unique(plain, return_inverse=True)[1]


def _draw(rng: np.random.Generator, resamples: int, labels: list[NDArray]) -> NDArray:
    counts = np.ones((resamples, len(labels[0])))
    for way in labels:
        groups = int(way.max()) + 1
        counts *= rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples)[:, way]
    return counts


def _distinct(counts: NDArray, points: NDArray) -> NDArray:
    seen = np.zeros((len(counts), points.max() + 1))
    for column, point in enumerate(points):
        seen[:, point] += counts[:, column]
    return (seen > 0).sum(1)


def ends(draws: NDArray, level: float) -> tuple[float, float]:
    """Percentile interval of draws (K,)."""
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def verdict(
    parameter: Parameter,
    value: float,
    median: float,
    low: float,
    high: float,
    at_low: float,
    at_high: float,
    level: float,
) -> str:
    """identified | lower_bound_only | upper_bound_only | not_identified.

    Args:
        median: of the resamples.
        at_low, at_high: shares of resamples that ran into the solver's bounds.
    """
    tail = (1 - level) / 2
    open_low, open_high = at_low > tail, at_high > tail
    if parameter.positive and value > 0:
        open_low |= not low > min(value, median) / OPEN_FACTOR
        # A value that has itself vanished says nothing about how far the top is.
        open_high |= at_low < 0.25 and not high < max(value, median) * OPEN_FACTOR
    if not (np.isfinite(low) and np.isfinite(high)):
        return "not_identified"
    return {
        (False, False): "identified",
        (False, True): "lower_bound_only",
        (True, False): "upper_bound_only",
        (True, True): "not_identified",
    }[bool(open_low), bool(open_high)]
