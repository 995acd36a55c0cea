"""Checks of numbers that users give to a plan."""

import math

from allometry.errors import UsageError

__all__ = ["not_negative", "positive", "share"]


def positive(value: float, what: str) -> float:
    """The value, if it is a positive finite number.

    Args:
        what: name and unit of the quantity, such as "compute in FLOP".

    Raises:
        UsageError: the value is zero, negative, infinite or not a number.
    """
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"a positive {what} is expected, got {value:g}")
    return float(value)


def not_negative(value: float, what: str) -> float:
    """The value, if it is a finite number of at least 0.

    Raises:
        UsageError: the value is negative, infinite or not a number.
    """
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{what} of zero or more is expected, got {value:g}")
    return float(value)


def share(value: float, what: str) -> float:
    """The value, if it is above 0 and at most 1.

    Raises:
        UsageError: it is not.
    """
    if not 0 < value <= 1:
        percent = f"; for {value:g}% write {value / 100:g}" if 1 < value <= 100 else ""
        raise UsageError(f"{what} must be above 0 and at most 1, got {value:g}{percent}")
    return float(value)
