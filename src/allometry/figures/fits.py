"""Figures of a fit: data with band and residuals, held-out rows, profile, basins."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from allometry.errors import UsageError
from allometry.figures.labels import corner_note, emptiest_corner, relative
from allometry.figures.style import BLUE, GREY, dress, headline, panels, paper, save_figure, stacked
from allometry.figures.words import literal
from allometry.fitting.document import Fit
from allometry.fitting.profile import Profile
from allometry.laws import Array

__all__ = [
    "check_ending", "draw_basins", "draw_fit", "draw_held_out", "draw_profile", "save_fit_figure",
]  # fmt: skip

ENDINGS = (".svg", ".png", ".pdf", ".eps", ".jpg", ".tif", ".webp")
FIT_WIDTH, FIT_HEIGHT = 120.0, 100.0  # mm


def draw_fit(fit: Fit, ax: Axes | None = None, residuals_ax: Axes | None = None) -> Axes:
    """Draw data, fitted curve and interval band; residuals too if `residuals_ax` is given.

    A law of one size is drawn against that size; a law of several sizes as predicted against
    measured values.
    """
    ax = _axes() if ax is None else ax
    y = fit.data[fit.law.response]
    one_size = len(fit.law.sizes) == 1
    across = fit.data[fit.law.sizes[0]] if one_size else fit.predict(fit.data)
    straight = one_size and fit.law.centring != "ratio"
    xlog, ylog = bool((across > 0).all()) and not straight, bool((y > 0).all())
    with paper():
        dress(ax, xlog=xlog, ylog=ylog)
        if one_size:
            _curve(fit, ax, across, y)
        else:
            _diagonal(ax, across, y)
        corner = emptiest_corner(relative(across, xlog), relative(y, ylog))
        corner_note(ax, _note(fit, one_size), corner)
        if residuals_ax is not None:
            _residuals(fit, residuals_ax, across, xlog)
            residuals_ax.set_xlabel(ax.get_xlabel())
    return ax


def _note(fit: Fit, band: bool) -> str:
    rows = f"{fit.rows} rows"
    if not (band and fit.draws):
        return rows
    return f"{rows}\nband: {100 * fit.interval.level:g}% interval"


def _residuals(fit: Fit, ax: Axes, across: Array, xlog: bool) -> None:
    dress(ax, xlog=xlog)
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=1)
    ax.plot(across, fit.residuals(), "o", markersize=2.6, color=BLUE)
    ax.set_ylabel("log residual" if fit.objective.logs else "residual")


def save_fit_figure(fit: Fit, path: str | Path) -> None:
    """Write a figure of data, fit and residuals; the format follows from the file's ending.

    A status other than `converged` is part of the headline.

    Raises:
        UsageError: the ending is not one of `ENDINGS`.
    """
    path = check_ending(path)
    figure, (top,), (low,) = stacked(width=FIT_WIDTH, height=FIT_HEIGHT)
    draw_fit(fit, top, low)
    top.set_xlabel("")
    doubt = "" if fit.status.code == "converged" else f" ({fit.status.code})"
    headline(figure, f"{fit.law.name}{doubt}: {fit.formula}")
    save_figure(figure, path)


def check_ending(path: str | Path) -> Path:
    """The path, if figures can be written in the format of its ending.

    Raises:
        UsageError: they cannot; the message lists the endings.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        ending = f"{path.suffix!r}" if path.suffix else "no ending"
        raise UsageError(
            f"{path}: a figure needs one of the endings {', '.join(ENDINGS)}; got {ending}"
        )
    return path


def draw_held_out(
    fit: Fit, sizes: Mapping[str, ArrayLike], measured: ArrayLike, ax: Axes | None = None
) -> Axes:
    """Draw predicted against measured values of rows that were not fitted, with interval bars."""
    y = np.asarray(measured, float)
    predicted = fit.predict(sizes)
    if len(predicted) != len(y):
        raise UsageError(
            f"as many sizes as measured values expected, got {len(predicted)} and {len(y)}"
        )
    ax = _axes() if ax is None else ax
    dress(ax, xlog=bool((predicted > 0).all()), ylog=bool((y > 0).all()))
    _diagonal(ax, predicted, y)
    if fit.draws:
        low, high = fit.predict_interval(sizes, of="run")
        bars = [np.maximum(predicted - low, 0), np.maximum(high - predicted, 0)]
        ax.errorbar(predicted, y, xerr=bars, fmt="none", ecolor=GREY, zorder=0)
    return ax


def _axes() -> Axes:
    ax: Axes = panels(width=FIT_WIDTH, height=0.8 * FIT_WIDTH)[1][0, 0]
    return ax


def _curve(fit: Fit, ax: Axes, x: Array, y: Array) -> None:
    spread = (x > 0).all() and fit.law.centring == "ratio"
    grid = np.geomspace(x.min(), x.max(), 200) if spread else np.linspace(x.min(), x.max(), 200)
    symbol = fit.law.sizes[0]
    if fit.draws:
        low, high = fit.predict_interval({symbol: grid})
        ax.fill_between(grid, low, high, color=BLUE, alpha=0.16, linewidth=0)
    ax.plot(grid, fit.predict({symbol: grid}), color=BLUE, linewidth=1.3)
    ax.plot(x, y, "o", markersize=2.6, color=BLUE, alpha=0.7)
    ax.set_xlabel(literal(fit.columns.get(symbol, symbol)))
    ax.set_ylabel(literal(fit.columns.get(fit.law.response, fit.law.response)))


def _diagonal(ax: Axes, predicted: Array, y: Array) -> None:
    ends = [min(predicted.min(), y.min()), max(predicted.max(), y.max())]
    ax.plot(ends, ends, color=GREY, linewidth=1)
    ax.plot(predicted, y, "o", markersize=2.6, color=BLUE)
    ax.set_xlabel("predicted")
    ax.set_ylabel("measured")


def draw_profile(profile: Profile, ax: Axes | None = None) -> Axes:
    """Draw the profile of one parameter: the statistic, and the threshold of the interval."""
    ax = _axes() if ax is None else ax
    positive = bool((profile.values > 0).all())
    dress(ax, xlog=positive and bool(profile.values[-1] > 30 * profile.values[0]))
    ax.plot(profile.values, profile.statistic, "-o", markersize=2.5, color=BLUE)
    ax.axhline(profile.threshold, color=GREY, linewidth=1)
    ax.set_ylim(0, 4 * profile.threshold)
    ax.set_xlabel(literal(profile.name))
    ax.set_ylabel(f"likelihood ratio ({profile.verdict.replace('_', ' ')})")
    return ax


def draw_basins(values: ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw where the starts ended: each objective over the best, in increasing order."""
    endings = np.sort(np.asarray(values, float))
    endings = endings[np.isfinite(endings)]
    ax = dress(_axes() if ax is None else ax, ylog=True)
    ax.plot(np.arange(1, len(endings) + 1), endings / endings[0] - 1 + 1e-12, ".", color=BLUE)
    ax.set_xlabel("start, best first")
    ax.set_ylabel("objective / best objective \N{MINUS SIGN} 1")
    return ax
