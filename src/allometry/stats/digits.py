"""Numbers as a person reads them: as many digits as their interval warrants."""

import math

__all__ = ["shown", "shown_integer", "shown_interval"]

MINUS, NARROW = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def shown(value: float, significant: int = 3) -> str:
    """A number alone: thousands apart, a real minus sign, powers of ten where long."""
    if math.isnan(value):
        return "\N{EN DASH}"
    if math.isinf(value):
        return (MINUS if value < 0 else "") + "∞"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e7:
        return _fixed(value, significant - 1 - math.floor(math.log10(abs(value))))
    front, exponent = f"{value:.{significant - 1}e}".split("e")
    return front.replace("-", MINUS) + "×10" + str(int(exponent)).translate(RAISED)


def shown_integer(value: int) -> str:
    """Every digit, thousands apart from 10 000 on; powers of ten beyond ten digits."""
    if abs(value) >= 10**10:
        return shown(float(value), 4)
    group = "," if abs(value) >= 10_000 else ""
    return f"{value:{group}d}".replace(",", NARROW).replace("-", MINUS)


def shown_interval(value: float, low: float, high: float) -> str:
    """Value and ends to two digits of the half width: 0.341 [0.312, 0.367]."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return shown(value)
    half = (high - low) / 2
    largest = max(abs(value), abs(low), abs(high))
    if half <= 0 or not (1e-3 <= largest < 1e7):
        return f"{shown(value)} [{shown(low)}, {shown(high)}]"
    # Never more than six digits of the value, however narrow the interval.
    places = min(1 - math.floor(math.log10(half)), 5 - math.floor(math.log10(largest)))
    return f"{_fixed(value, places)} [{_fixed(low, places)}, {_fixed(high, places)}]"


def _fixed(value: float, places: int) -> str:
    group = "," if abs(value) >= 10_000 else ""
    text = f"{round(value, places):{group}.{max(0, places)}f}".replace(",", NARROW)
    # A rounded zero has no sign.
    return text.replace("-", MINUS if text.strip("-0.") else "")
