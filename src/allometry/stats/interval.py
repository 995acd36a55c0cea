"""A number with the ends of its interval, and how both are written."""

import math
from collections.abc import Callable
from typing import NamedTuple

from allometry.stats.digits import shown_interval

__all__ = ["NO_VALUE", "Interval", "student_reach"]


class Interval(NamedTuple):
    """A value and the ends of its 95% interval; ends are NaN where there is no interval."""

    value: float
    low: float
    high: float

    @property
    def has_ends(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    def stretched(self, factor: float, *, share: bool = False) -> "Interval":
        """The interval with the distance of each end from the value multiplied by a factor.

        Args:
            share: whether the value is at most 1, as R^2 is. Then the distances are those of
                ln(1 - value), and a low end that was at least 0 stays at least 0.
        """
        if not share:
            ends = (self.value + factor * (end - self.value) for end in (self.low, self.high))
            return Interval(self.value, *ends)
        middle, *ends_left = (math.log(max(1 - x, 1e-12)) for x in self)
        low, high = (1 - math.exp(middle + factor * (end - middle)) for end in ends_left)
        return Interval(self.value, max(low, 0.0) if self.low >= 0 else low, high)

    def shown(self, form: str | Callable[[float], str] = "", unit: str = "") -> str:
        """The text "value [low, high] unit"; the value alone where there are no ends.

        Args:
            form: format of each number, such as ``.2f``, or a function that writes it; empty
                for as many digits as the width of the interval warrants.
        """
        unit = f" {unit}" if unit else ""
        if not form:
            return shown_interval(*self) + unit
        value, low, high = (form(v) if callable(form) else format(v, form) for v in self)
        return f"{value} [{low}, {high}]{unit}" if self.has_ends else f"{value}{unit}"


NO_VALUE = Interval(math.nan, math.nan, math.nan)


def student_reach(freedom: float, level: float = 0.95) -> float:
    """Half width of Student's two-sided interval, in standard errors.

    Args:
        freedom: degrees of freedom, not necessarily a whole number.
        level: probability that the interval covers.
    """
    from scipy.special import stdtrit  # takes 0.2 s; most commands do not need it

    return float(stdtrit(freedom, (1 + level) / 2))
