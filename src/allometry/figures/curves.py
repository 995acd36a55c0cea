"""Curves of laws, from a function, a fit or a line, and how they are drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allometry.fitting.document import Fit
from allometry.stats.lines import Line

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.axes import Axes

__all__ = [
    "Bands",
    "Curve",
    "Predict",
    "curve",
    "draw_curve",
    "exponential_curve",
    "fit_curve",
    "logarithm_curve",
    "power_curve",
]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

Predict = Callable[[Array], ArrayLike]  # x (points,) to y (points,)
Bands = Callable[[Array], tuple[ArrayLike, ArrayLike]]  # x (points,) to (low, high)
Ends = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A line with its band.

    Attributes:
        x, y: (points,). low, high: (points,) ends of the interval, or None.
        between: x range of the fitted data, where the line is solid; None for all x.
        label: text at the right end. color: empty for the panel's colour.
        style: Matplotlib line style inside `between`.
    """

    x: Array
    y: Array
    low: Array | None = None
    high: Array | None = None
    between: tuple[float, float] | None = None
    label: str = ""
    color: str = ""
    style: str = "-"


def curve(
    predict: Predict,
    between: Ends,
    *,
    beyond: Ends | None = None,
    interval: Bands | None = None,
    label: str = "",
    points: int = 120,
    log: bool = True,
) -> Curve:
    """A law as a curve, solid over `between` and dashed out to `beyond`.

    Args:
        predict: x (points,) -> y (points,). interval: x -> (low, high).
        log: whether the points are evenly spaced in log x.
    """
    start, stop = beyond or between
    x = np.geomspace(start, stop, points) if log else np.linspace(start, stop, points)
    low, high = interval(x) if interval is not None else (None, None)
    return Curve(
        x,
        np.asarray(predict(x), float),
        None if low is None else np.asarray(low, float),
        None if high is None else np.asarray(high, float),
        between,
        label,
    )


def fit_curve(fit: Fit, between: Ends, *, symbol: str = "x") -> Curve:
    """The curve of a fit of one size, with the band of its interval."""

    def predict(x: Array) -> Array:
        return fit.predict({symbol: x})

    def interval(x: Array) -> tuple[Array, Array]:
        return fit.predict_interval({symbol: x})

    return curve(predict, between, interval=interval)


def power_curve(
    line: Line, between: Ends, *, floor: float = 0.0, beyond: Ends | None = None, label: str = ""
) -> Curve:
    """y = floor + 10^intercept x^slope, from a line fitted to logarithms of base 10."""

    def predict(x: Array) -> Array:
        return floor + 10**line.intercept * x**line.slope

    return curve(predict, between, beyond=beyond, label=label)


def logarithm_curve(line: Line, between: Ends, *, floor: float = 0.0) -> Curve:
    """y = floor + intercept + slope log10 x."""

    def predict(x: Array) -> Array:
        return floor + line.intercept + line.slope * np.log10(x)

    return curve(predict, between)


def exponential_curve(line: Line, between: Ends) -> Curve:
    """y = exp(intercept + slope x), from a line fitted to ln y."""

    def predict(x: Array) -> Array:
        return np.exp(line.intercept + line.slope * x)

    return curve(predict, between, log=False)


def draw_curve(ax: "Axes", line: Curve, color: str) -> None:
    """Draw band and line, dashed beyond the fitted data. The band does not set the scale."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Polygon

    ink = line.color or color
    x, y = np.asarray(line.x, float), np.asarray(line.y, float)
    if line.low is not None and line.high is not None:
        corners = np.vstack([np.c_[x, line.low], np.c_[x, line.high][::-1]])
        ax.add_artist(Polygon(corners, closed=True, fc=ink, alpha=0.16, lw=0, zorder=1))
    start, stop = line.between or (x.min(), x.max())
    slack = 1e-9 * (abs(start) + abs(stop))
    inside = (x >= start - slack) & (x <= stop + slack)
    ax.add_artist(Line2D(x[inside], y[inside], color=ink, lw=1.3, ls=line.style, zorder=2.5))
    for part in _outside(x, inside):
        ax.add_artist(Line2D(x[part], y[part], color=ink, lw=1.0, ls=(0, (3.5, 2)), zorder=2.5))
    ax.update_datalim(np.c_[x, _near(y, ax)])
    ax.autoscale_view()


def _near(y: Array, ax: "Axes") -> Array:
    """The line, clipped near the data, so that a wild extrapolation does not set the scale."""
    low, high = ax.dataLim.intervaly
    if not (np.isfinite(low) and np.isfinite(high) and high > low):
        return y
    if ax.get_yscale() == "log":
        return np.clip(y, low * (low / high) ** 0.3, high * (high / low) ** 0.3)
    return np.clip(y, low - 0.3 * (high - low), high + 0.3 * (high - low))


def _outside(x: Array, inside: Flags) -> list[NDArray[np.intp]]:
    """The parts before and after the fitted range, each touching it."""
    places = np.flatnonzero(inside)
    if not len(places):
        return [np.arange(len(x))]
    parts = [np.arange(0, places[0] + 1), np.arange(places[-1], len(x))]
    return [part for part in parts if len(part) > 1]
