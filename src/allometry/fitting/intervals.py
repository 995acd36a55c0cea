"""How sure a fit is: estimates with intervals, and a verdict on each parameter."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from allometry.laws.law import Parameter

__all__ = ["Bounded", "Estimate", "IntervalMethod", "MethodName", "Verdict", "bounded", "verdict"]

Bounded = Literal["identified", "lower_bound_only", "upper_bound_only", "not_identified"]
Verdict = Literal[Bounded, "fixed", "no_interval"]
MethodName = Literal["pairs", "fractional", "residual", "profile", "none"]

# If one end of a positive parameter's interval differs from its value by more than this
# factor, the data bound the parameter from the other side only.
OPEN_FACTOR = 100.0


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its interval and what may be said of it."""

    value: float
    low: float
    high: float
    verdict: Verdict

    def __repr__(self) -> str:
        return f"{self.value:.6g} ({self.low:.4g}, {self.high:.4g}) {self.verdict}"


@dataclass(frozen=True)
class IntervalMethod:
    """How the intervals were made, and how far that went well.

    Attributes:
        method: pairs, fractional, residual, profile or none.
        level: coverage aimed at.
        resamples: fits they rest on. converged: share of these that converged.
        cluster: columns whose groups were resampled whole; empty for single rows.
        redrawn: draws thrown back for having too few distinct rows to fit the law.
    """

    method: MethodName
    level: float
    resamples: int
    converged: float
    cluster: tuple[str, ...] = ()
    redrawn: int = 0


def verdict(
    parameter: Parameter,
    value: float,
    median: float,
    low: float,
    high: float,
    at_low: float,
    at_high: float,
    level: float,
) -> Bounded:
    """What an interval of resamples allows to be said of its parameter.

    Args:
        median: of the resamples.
        at_low, at_high: shares of resamples that ran into the solver's bounds.
    """
    tail = (1 - level) / 2
    open_low, open_high = at_low > tail, at_high > tail
    if parameter.positive and value > 0:
        open_low |= not low > min(value, median) / OPEN_FACTOR
        # If the value itself is near zero, the factor of the upper end has no meaning.
        open_high |= at_low < 0.25 and not high < max(value, median) * OPEN_FACTOR
    if not (np.isfinite(low) and np.isfinite(high)):
        return "not_identified"
    return bounded(below=not open_low, above=not open_high)


def bounded(*, below: bool, above: bool) -> Bounded:
    """The verdict where the data bound a parameter from below, from above, or both."""
    if below and above:
        return "identified"
    if below:
        return "lower_bound_only"
    return "upper_bound_only" if above else "not_identified"
