"""Regions, intervals and runs in words, and the rule about seeds."""

from math import inf, isfinite, isinf, isnan
from typing import TypeGuard

import numpy as np

from allometry.errors import UsageError, quoted
from allometry.findings import Verdict
from allometry.stats.interval import Interval
from allometry.tables.table import Table

__all__ = [
    "ROUNDING",
    "in_words",
    "is_number",
    "judged",
    "n_seeds",
    "over",
    "region",
    "region_in_words",
    "verdict_over_seeds",
]

FEWEST_SIZES = 4  # a line needs three, and its jackknife interval leaves one out
ROUNDING = 1e-9  # relative difference below which two numbers differ by rounding alone


def region(ends: tuple[float, float], claim: str) -> tuple[float, float]:
    """The region that a claim allows.

    Raises:
        UsageError: not a pair of rising numbers, or a pair that allows every number.
    """
    try:
        low, high = ends
        numbers = all(is_number(end) or end in (-inf, inf) for end in (low, high))
        usable = numbers and low < high and (low, high) != (-inf, inf)
    except (TypeError, ValueError):
        usable = False
    if not usable:
        raise UsageError(
            f"claim {claim!r}: predicts=(low, high), rising, with at least one finite end, "
            f"expected, got {quoted(ends)}"
        )
    return low, high


def region_in_words(ends: tuple[float, float]) -> str:
    """``above 0``, ``below 1``, ``between 0.2 and 0.4``."""
    low, high = ends
    if isinf(high):
        return f"above {low:g}"
    return f"below {high:g}" if isinf(low) else f"between {low:g} and {high:g}"


def in_words(interval: Interval, form: str = "") -> str:
    """A number with its interval; "not known" where it has no value."""
    return "not known" if isnan(interval.value) else interval.shown(form)


def n_seeds(table: Table) -> int:
    """How many seeds the runs have; 1 without a column ``seed``."""
    return len(np.unique(table["seed"])) if "seed" in table else 1


def over(runs: Table, x: str) -> str:
    """The runs in words: how many different x and how many seeds."""
    sizes, seeds = len(np.unique(runs[x])), n_seeds(runs)
    few = ", too few for an interval" if sizes < FEWEST_SIZES else ""
    of_seeds = "one seed, which gives no verdict" if seeds == 1 else f"{seeds} seeds"
    return f"{sizes} size{'s' if sizes > 1 else ''}{few}, {of_seeds}"


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number; True and False do not count."""
    numbers = int | float | np.integer | np.floating
    return isinstance(value, numbers) and not isinstance(value, bool) and isfinite(value)


def judged(interval: Interval, low: float, high: float, *groups: Table) -> Verdict:
    """The verdict on whether a number lies between two bounds.

    Undecided where a bound lies within the interval or at its end, where the interval has no ends,
    and where one of the groups of runs has one seed.
    """
    below, above = (0.0 if isinf(end) else ROUNDING * abs(end) for end in (low, high))
    verdict: Verdict = "undecided"
    if low + below < interval.low and interval.high < high - above:
        verdict = "agrees"
    elif interval.low > high + above or interval.high < low - below:
        verdict = "disagrees"
    return verdict_over_seeds(verdict, *groups)


def verdict_over_seeds(verdict: Verdict, *groups: Table) -> Verdict:
    """The verdict; undecided where a group has one seed, as seeds may scatter by any amount."""
    return verdict if all(n_seeds(runs) > 1 for runs in groups) else "undecided"
