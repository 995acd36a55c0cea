"""Numbers a person gives to a plan, refused in words where they cannot be meant."""

import math

from allometry.errors import UsageError

__all__ = ["not_negative", "positive", "share"]


def positive(value: float, what: str) -> float:
    """The value; refused where it is not a positive finite number.

    Args:
        what: names the quantity and its unit, such as "compute in FLOP".

    Raises:
        UsageError: it is zero, negative, infinite or not a number.
    """
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"a positive {what} is expected, got {value:g}")
    return float(value)


def not_negative(value: float, what: str) -> float:
    """The value; UsageError where it is negative, infinite or not a number."""
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{what} of zero or more is expected, got {value:g}")
    return float(value)


def share(value: float, what: str) -> float:
    """The value; UsageError where it is not above 0 and at most 1."""
    if not 0 < value <= 1:
        percent = f"; for {value:g}% write {value / 100:g}" if 1 < value <= 100 else ""
        raise UsageError(f"{what} is a share above 0 and at most 1, got {value:g}{percent}")
    return float(value)
