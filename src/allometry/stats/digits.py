"""Numbers as text, with as many digits as their interval warrants, or a given number of digits.

Figures and findings quote numbers: `shown_interval` rounds a number by its interval. The table of a
fit is used in computations: `allometry.fitting.printed` says how many digits each value needs.
"""

import math

__all__ = ["rounded", "shown", "shown_integer", "shown_interval", "warranted"]

MINUS, NARROW = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
FEWEST, MOST = 3, 6  # significant digits of a value beside its interval
WIDE = 10.0  # ratio high / low from which each number of an interval has its own digits


def shown(value: float, significant: int = FEWEST) -> str:
    """A number alone: thousands grouped, a true minus sign, powers of ten for long numbers."""
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
    """Every digit, thousands grouped from 10 000 on; powers of ten beyond ten digits."""
    if abs(value) >= 10**10:
        return shown(float(value), 4)
    group = "," if abs(value) >= 10_000 else ""
    return f"{value:{group}d}".replace(",", NARROW).replace("-", MINUS)


def shown_interval(value: float, low: float, high: float, significant: int | None = None) -> str:
    """Value and ends: 0.341 [0.312, 0.367], or 427 [43.8, 56 000].

    The ends have two digits of the half width. Where both are positive and a factor of ten
    or more apart, each number has three significant digits of its own.

    Args:
        significant: digits of the value; None for those of its interval.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        whole = significant is None and float(value).is_integer() and abs(value) < 1e7
        return shown_integer(int(value)) if whole else shown(value, significant or FEWEST)
    places = _places(value, low, high)
    if places is None:
        ends = (_shortest(low), _shortest(high))
    else:
        ends = (_fixed(low, places), _fixed(high, places))
    text = shown(value, significant or FEWEST)
    if significant is None and places is not None:
        text = _fixed(value, places)
    return f"{text} [{ends[0]}, {ends[1]}]"


def warranted(value: float, low: float, high: float) -> int:
    """Significant digits of a value that `shown_interval` would show by itself, three at least."""
    if value == 0 or not math.isfinite(value) or not (math.isfinite(low) and math.isfinite(high)):
        return FEWEST
    places = _places(value, low, high)
    if places is None:
        return FEWEST
    return min(MOST, max(FEWEST, places + 1 + math.floor(math.log10(abs(value)))))


def rounded(value: float, significant: int) -> float:
    """The number that `shown` writes."""
    return float(f"{value:.{significant - 1}e}") if math.isfinite(value) else value


def _places(value: float, low: float, high: float) -> int | None:
    """Decimal places to two digits of the half width; None for significant digits of each."""
    half = (high - low) / 2
    largest = max(abs(value), abs(low), abs(high))
    if half <= 1e-12 * largest or not (1e-3 <= largest < 1e7) or (low > 0 and high >= WIDE * low):
        return None
    # Never more than six digits of the largest, however narrow the interval.
    return min(1 - math.floor(math.log10(half)), MOST - 1 - math.floor(math.log10(largest)))


def _shortest(value: float) -> str:
    """Three significant digits, without zeros after the last decimal: 7.2."""
    text = shown(value)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def _fixed(value: float, places: int) -> str:
    group = "," if abs(value) >= 10_000 else ""
    text = f"{round(value, places):{group}.{max(0, places)}f}".replace(",", NARROW)
    # A rounded zero has no sign.
    return text.replace("-", MINUS if text.strip("-0.") else "")
