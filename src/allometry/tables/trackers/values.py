"""One number of a metric along training, by a stated rule.

``last``: the value at the largest step. ``min`` and ``max``: the smallest and the largest of the
values that are not NaN: the best loss and the best accuracy. ``smoothed``: the mean over the last
tenth of the points, rounded up; for fewer than eleven points it is the last one.
"""

import math
from collections.abc import Collection, Mapping

import numpy as np

from allometry.errors import UsageError, did_you_mean
from allometry.tables.trackers.options import RULES, Rule
from allometry.tables.trackers.tracked import Curve

__all__ = ["check_metrics", "check_rules", "reduced"]

SMOOTHED = 10  # the inverse of the share of points that are averaged


def check_rules(value: str, values: Mapping[str, str]) -> None:
    """Refuse an unknown rule."""
    for rule in (value, *values.values()):
        if rule not in RULES:
            raise UsageError(
                f"value: one of {', '.join(RULES)} was expected, got {rule!r}"
                f"{did_you_mean(rule, RULES)}"
            )


def check_metrics(values: Mapping[str, str], metrics: Collection[str]) -> None:
    """Refuse a rule for a metric that no run has."""
    for name in values:
        if name not in metrics:
            raise UsageError(
                f"value {name}={values[name]}: no run has a metric {name!r} along training"
                f"{did_you_mean(name, metrics)}"
            )


def reduced(curve: Curve, rule: Rule) -> float:
    """The number that a rule takes from a metric along training; NaN where all values are NaN."""
    values = curve.values
    if rule == "last":
        return float(values[-1])
    if rule == "smoothed":
        # A run that ends in infinities of both signs has no mean.
        with np.errstate(invalid="ignore"):
            return float(values[-math.ceil(len(values) / SMOOTHED) :].mean())
    numbers = values[~np.isnan(values)]
    if not len(numbers):
        return math.nan
    return float(numbers.min() if rule == "min" else numbers.max())
