"""Means over seeds and shares of cases, with their exact 95% intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from allometry.stats.interval import NO_VALUE, Interval, student_reach

__all__ = [
    "difference",
    "mean",
    "mean_logarithm",
    "next_draw_reach",
    "over_seeds",
    "share",
]


def mean(values: ArrayLike) -> Interval:
    """Mean of the finite values with Student's 95% interval; no ends from fewer than two."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return NO_VALUE
    middle = float(finite.mean())
    if len(finite) < 2:
        return Interval(middle, np.nan, np.nan)
    error = float(finite.std(ddof=1)) / np.sqrt(len(finite))
    reach = student_reach(len(finite) - 1) * error
    return Interval(middle, middle - reach, middle + reach)


def difference(first: ArrayLike, second: ArrayLike) -> Interval:
    """Mean of one sample less that of another, with Welch's 95% interval.

    Args:
        first, second: two values or more each; their variances may differ.

    Returns:
        no ends where neither sample varies.
    """
    samples = np.asarray(first, float), np.asarray(second, float)
    value = float(samples[0].mean() - samples[1].mean())
    squares = [float(sample.var(ddof=1)) / len(sample) for sample in samples]
    total = sum(squares)
    if total == 0:
        return Interval(value, np.nan, np.nan)
    freedom = total**2 / sum(
        square**2 / (len(sample) - 1) for square, sample in zip(squares, samples, strict=True)
    )
    reach = float(student_reach(freedom) * np.sqrt(total))
    return Interval(value, value - reach, value + reach)


def mean_logarithm(values: ArrayLike) -> Interval:
    """Geometric mean of positive values, Student's interval on their logarithms."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return Interval(*np.exp(mean(np.log(np.asarray(values, float)))).tolist())


def next_draw_reach(n: int) -> float:
    """Half width of the 95% prediction interval of one further draw, from n draws.

    In standard deviations of these draws (n - 1 in their variance), about their mean; NaN
    for fewer than two.
    """
    if n < 2:
        return float("nan")
    return float(student_reach(n - 1) * np.sqrt(1 + 1 / n))


def over_seeds(each: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    """Each statistic's mean over runs with Student's interval; no ends from one run.

    A name with ``_r2_`` in it is an R^2: these are averaged as ln(1 - R^2), so that their
    interval stays within 0 and 1.
    """
    out = {}
    for name in each[0] if each else ():
        values = np.array([statistics[name] for statistics in each])
        if "_r2_" in name:
            missed = np.array(mean(-np.log(np.maximum(1 - values, 1e-12))))
            out[name] = Interval(*np.maximum(1 - np.exp(-missed), 0).tolist())
        else:
            out[name] = mean(values)
    return out


def share(hits: int, cases: int) -> Interval:
    """A share with Clopper and Pearson's 95% interval, for independent cases."""
    from scipy.special import betaincinv

    low = float(betaincinv(hits, cases - hits + 1, 0.025)) if hits else 0.0
    high = float(betaincinv(hits + 1, cases - hits, 0.975)) if hits < cases else 1.0
    return Interval(hits / cases, low, high)
