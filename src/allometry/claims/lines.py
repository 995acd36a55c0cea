"""Straight lines through the runs, on the axes of a claim: slope, bend, R²."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from allometry.laws import Array
from allometry.stats.lines import line

__all__ = ["FEWEST_FOR_A_BEND", "Line", "LineAxes", "bend", "is_constant"]

FEWEST_FOR_A_BEND = 4  # different x: with three, a bend cannot be told from scatter
ROUNDING = 1e-12  # relative range below which numbers count as equal


class Line(NamedTuple):
    """A line to draw: x, its height and the ends of its interval there; its height at each run."""

    at: Array
    height: Array
    low: Array
    high: Array
    at_runs: Array


def is_constant(y: Array) -> bool:
    """Whether some numbers are equal up to rounding."""
    return not len(y) or bool(np.ptp(y) <= ROUNDING * np.abs(y).max())


@dataclass(frozen=True)
class LineAxes:
    """The axes on which a line is fitted.

    Attributes:
        xlog, ylog: whether the axis is logarithmic (base 10).
    """

    xlog: bool = True
    ylog: bool = True

    def points(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The points that can be placed on these axes, in their coordinates."""
        placed = np.isfinite(x) & np.isfinite(y)
        placed &= (x > 0) | (not self.xlog)
        placed &= (y > 0) | (not self.ylog)
        return self._of(x[placed], self.xlog), self._of(y[placed], self.ylog)

    def all_points(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Like `points`, but no points where one cannot be placed or y is constant.

        A line through only those points that have a logarithm would select points by their y.
        """
        points = self.points(x, y)
        return (np.empty(0), np.empty(0)) if len(points[0]) < len(x) or is_constant(y) else points

    def statistics(self, x: Array, y: Array) -> dict[str, float]:
        """Slope and R² of the line through some points ``(n,)``."""
        law = line(*self.all_points(x, y))
        return {"slope": law.slope, "r2": law.r2}

    def predictor(self, x: Array, y: Array) -> Callable[[Array], Array]:
        """The line through some points as a function of x, in the units of the columns."""
        law = line(*self.all_points(x, y))

        def predict(at: Array) -> Array:
            straight = law.intercept + law.slope * self._of(np.asarray(at, float), self.xlog)
            return 10**straight if self.ylog else straight

        return predict

    @staticmethod
    def _of(values: Array, log: bool) -> Array:
        return np.log10(values) if log else values


def bend(x: Array, y: Array) -> float:
    """Change of the slope of a curve over the range of x, relative to its mean slope.

    The curve is the least-squares parabola through the points ``(n,)``: its slope at the largest x
    minus that at the smallest x, divided by the slope of the least-squares line. 0 for a straight
    line; NaN for fewer than four different x, or a slope of 0.
    """
    if len(np.unique(x)) < FEWEST_FOR_A_BEND:
        return float("nan")
    middle = x - x.mean()
    # Only the part that is orthogonal to the line: this is stable where some x nearly coincide.
    square = middle**2
    rest = square - np.polyval(np.polyfit(middle, square, 1), middle)
    if rest @ rest == 0:
        return float("nan")
    curvature = (rest @ y) / (rest @ rest)
    slope = (middle @ y) / (middle @ middle)
    return float(2 * curvature * np.ptp(x) / slope) if slope else float("nan")
