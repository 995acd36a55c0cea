"""Estimates with intervals, and the rules for the verdict on each parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from allometry.laws.law import Kind, Parameter
from allometry.stats.interval import Interval

__all__ = [
    "NEAR",
    "WIDEST",
    "Bounded",
    "Estimate",
    "IntervalMethod",
    "MethodName",
    "Verdict",
    "bounded",
    "is_narrow",
    "openness",
    "width_verdict",
]

Bounded = Literal["identified", "wide", "lower_bound_only", "upper_bound_only", "not_identified"]
Verdict = Literal[Bounded, "unproven", "fixed", "no_interval"]
MethodName = Literal["pairs", "fractional", "residual", "student", "jackknife", "profile", "none"]

# Largest ratio of the ends of an interval whose parameter counts as identified. Derived
# quantities are shares and exponents, so they are judged as exponents.
WIDEST: Mapping[Kind, float] = {"exponent": 2.0, "floor": 2.0, "coefficient": 10.0}
# An interval whose ends have two signs is narrow if it is no longer than this, in the units of
# the fit (exponents; levels over the typical y), as 0.00 [-0.02, 0.02] is.
NEAR = 0.1

# If one end of the interval of a positive parameter differs from the value by more than this
# factor, the data bound the parameter only from the other side.
OPEN_FACTOR = 100.0


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its interval and a verdict."""

    value: float
    low: float
    high: float
    verdict: Verdict

    @property
    def interval(self) -> Interval:
        """The number with the ends of its interval."""
        return Interval(self.value, self.low, self.high)

    def __repr__(self) -> str:
        return f"{self.value:.6g} ({self.low:.4g}, {self.high:.4g}) {self.verdict}"


@dataclass(frozen=True)
class IntervalMethod:
    """How the intervals were computed, and how well that worked.

    Attributes:
        method: a method of `allometry.fitting.resample`, profile, or none.
        level: nominal coverage.
        resamples: number of refits. converged: share of these that converged.
        cluster: columns whose groups were resampled whole; empty for single rows.
        redrawn: draws that were repeated because they had too few distinct rows to fit the law.
        groups: number of clusters in each column of `cluster`.
    """

    method: MethodName
    level: float
    resamples: int
    converged: float
    cluster: tuple[str, ...] = ()
    redrawn: int = 0
    groups: tuple[int, ...] = ()


def openness(
    parameter: Parameter,
    value: float,
    median: float,
    low: float,
    high: float,
    at_low: float,
    at_high: float,
    level: float,
) -> tuple[bool, bool]:
    """Whether an interval of resamples is open below, and above.

    Args:
        median: of the resamples.
        at_low, at_high: shares of resamples that ended at the solver's bounds.
    """
    tail = (1 - level) / 2
    below, above = at_low > tail, at_high > tail
    if parameter.positive and value > 0:
        below |= not low > min(value, median) / OPEN_FACTOR
        # If many resamples are at the lower bound, the ratio of the upper end has no meaning.
        above |= at_low < 0.25 and not high < max(value, median) * OPEN_FACTOR
    return below, above


def is_narrow(low: float, high: float, widest: float) -> bool:
    """Whether both ends have the same sign and differ by at most a factor `widest`."""
    if low * high <= 0:
        return False
    return max(high / low, low / high) <= widest


def width_verdict(
    parameter: Parameter, kind: Kind, low: float, high: float, length: float
) -> Literal["identified", "wide"]:
    """The verdict by the ratio of the ends or, if they have two signs, by the interval's length.

    Args:
        length: of the interval, in the units of the fit.
    """
    either_sign = low < 0 < high and (parameter.bounds is None or parameter.bounds[0] < 0)
    if is_narrow(low, high, WIDEST[kind]) or (either_sign and length <= NEAR):
        return "identified"
    return "wide"


def bounded(*, below: bool, above: bool) -> Bounded:
    """The verdict on a parameter that the data bound from below, from above, both or neither."""
    if below and above:
        return "identified"
    if below:
        return "lower_bound_only"
    return "upper_bound_only" if above else "not_identified"
