"""Straight lines by least squares, with the results of `scipy.stats.linregress`."""

from typing import NamedTuple

import numpy as np

from allometry.laws import Array
from allometry.stats.interval import NO_VALUE, Interval, student_reach

__all__ = ["Line", "line", "log_line", "slope_interval"]


class Line(NamedTuple):
    """An ordinary least-squares line with R^2 and the p-value of slope zero."""

    slope: float
    intercept: float
    r2: float
    p: float


def line(x: Array, y: Array) -> Line:
    """Least squares of y on x over the finite points.

    All NaN for fewer than 3 points, and where x or y is constant.
    """
    from scipy.special import stdtr

    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Line(np.nan, np.nan, np.nan, np.nan)
    # Closed form: linregress takes ten times as long, and this is called thousands of times.
    dx, dy = x - x.mean(), y - y.mean()
    sxx, sxy, syy = dx @ dx, dx @ dy, dy @ dy
    r2 = min(1.0, float(sxy**2 / (sxx * syy)))
    t = np.sqrt(r2 * (len(x) - 2) / max(1 - r2, 1e-300))
    p = 2 * float(stdtr(len(x) - 2, -t))
    slope = float(sxy / sxx)
    return Line(slope, float(y.mean() - slope * x.mean()), r2, p)


def log_line(x: Array, y: Array) -> Line:
    """The power law y = 10^intercept x^slope, by least squares on log10 of the positive points."""
    positive = (x > 0) & (y > 0)
    return line(np.log10(x[positive]), np.log10(y[positive]))


def slope_interval(x: Array, y: Array) -> Interval:
    """Slope of y on x with Student's 95% interval from the scatter about the line.

    NaN where `line` has none.
    """
    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    law = line(x, y)
    if not np.isfinite(law.slope):
        return NO_VALUE
    rest = y - law.intercept - law.slope * x
    error = np.sqrt((rest @ rest) / (len(x) - 2) / ((x - x.mean()) ** 2).sum())
    reach = student_reach(len(x) - 2) * error
    return Interval(law.slope, float(law.slope - reach), float(law.slope + reach))
