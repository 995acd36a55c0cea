"""Regions, intervals and runs in words, and the rule about seeds."""

from math import inf, isinf, isnan

import numpy as np

from allometry.errors import UsageError
from allometry.findings import Verdict
from allometry.stats.interval import Interval
from allometry.tables.table import Table

__all__ = ["in_words", "n_seeds", "over", "region", "region_in_words", "verdict_over_seeds"]


def region(ends: tuple[float, float], claim: str) -> tuple[float, float]:
    """The region that a claim allows.

    Raises:
        UsageError: no pair of rising numbers, or one that allows everything.
    """
    try:
        low, high = ends
        usable = low < high and (low, high) != (-inf, inf)
    except (TypeError, ValueError):
        usable = False
    if not usable:
        raise UsageError(
            f"claim {claim!r}: predicts=(low, high), with one end that is finite at least, "
            f"expected, got {ends!r}"
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
    """How many seeds the runs have; 1 where they name none."""
    return len(np.unique(table["seed"])) if "seed" in table else 1


def over(runs: Table, x: str) -> str:
    """What the runs are: how many different x and how many seeds."""
    sizes, seeds = len(np.unique(runs[x])), n_seeds(runs)
    if seeds == 1:
        return f"{sizes} sizes, one seed, which gives no verdict"
    return f"{sizes} sizes, {seeds} seeds"


def verdict_over_seeds(verdict: Verdict, runs: Table) -> Verdict:
    """The verdict; undecided where there is one seed, for nothing says how others would be."""
    return verdict if n_seeds(runs) > 1 else "undecided"
