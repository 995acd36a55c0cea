"""Pictures of a fit: data with band and residuals, held-out rows, profile, basins."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from allometry.errors import UsageError
from allometry.fitting.document import Fit
from allometry.fitting.profile import Profile
from allometry.laws import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_basins", "draw_fit", "draw_held_out", "draw_profile", "save_fit_figure"]

INK, FAINT = "#1b4f72", "#aab7c4"


def draw_fit(fit: Fit, ax: "Axes | None" = None, residuals_ax: "Axes | None" = None) -> "Axes":
    """Data, fitted curve and interval band; residuals beside where an Axes is given.

    A law of one size is drawn over it; a law of several is drawn as predicted
    against measured.
    """
    ax = _axes() if ax is None else ax
    y = fit.data[fit.law.response]
    if len(fit.law.sizes) == 1:
        across = fit.data[fit.law.sizes[0]]
        _curve(fit, ax, across, y)
    else:
        across = fit.predict(fit.data)
        _diagonal(ax, across, y)
    _log_axes(ax, across, y, straight=fit.law.centring != "ratio")
    if residuals_ax is not None:
        residuals_ax.axhline(0, color=FAINT, linewidth=1)
        residuals_ax.plot(across, fit.residuals(), "o", markersize=3, color=INK)
        residuals_ax.set_xscale(ax.get_xscale())
        residuals_ax.set_xlabel(ax.get_xlabel())
        residuals_ax.set_ylabel("log residual" if fit.objective.logs else "residual")
    return ax


def save_fit_figure(fit: Fit, path: str | Path) -> None:
    """Data, fit and residuals as a file of the kind its name says (SVG, PNG, PDF)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    draw_fit(fit, *figure.subplots(1, 2))
    figure.suptitle(f"{fit.law.name}: {fit.formula}", fontsize=9)
    figure.savefig(path)


def draw_held_out(
    fit: Fit, sizes: Mapping[str, ArrayLike], measured: ArrayLike, ax: "Axes | None" = None
) -> "Axes":
    """Predicted against measured on rows the fit has not seen, with interval bars."""
    y = np.asarray(measured, float)
    predicted = fit.predict(sizes)
    if len(predicted) != len(y):
        raise UsageError(f"{len(predicted)} sizes but {len(y)} measured values")
    ax = _axes() if ax is None else ax
    _diagonal(ax, predicted, y)
    if fit.draws:
        low, high = fit.predict_interval(sizes, of="run")
        bars = [np.maximum(predicted - low, 0), np.maximum(high - predicted, 0)]
        ax.errorbar(predicted, y, xerr=bars, fmt="none", ecolor=FAINT, zorder=0)
    _log_axes(ax, predicted, y)
    return ax


def _axes() -> "Axes":
    from matplotlib.figure import Figure

    return Figure(figsize=(5, 4), layout="constrained").add_subplot()


def _curve(fit: Fit, ax: "Axes", x: Array, y: Array) -> None:
    spread = (x > 0).all() and fit.law.centring == "ratio"
    grid = np.geomspace(x.min(), x.max(), 200) if spread else np.linspace(x.min(), x.max(), 200)
    symbol = fit.law.sizes[0]
    if fit.draws:
        low, high = fit.predict_interval({symbol: grid})
        ax.fill_between(
            grid,
            low,
            high,
            color=INK,
            alpha=0.15,
            linewidth=0,
            label=f"{100 * fit.interval.level:g}% interval",
        )
    ax.plot(grid, fit.predict({symbol: grid}), color=INK, label=fit.formula)
    ax.plot(x, y, "o", markersize=3.5, color=INK, label=f"{fit.rows} rows")
    ax.set_xlabel(fit.columns.get(symbol, symbol))
    ax.set_ylabel(fit.columns.get(fit.law.response, fit.law.response))
    ax.legend(frameon=False, fontsize="small")


def _diagonal(ax: "Axes", predicted: Array, y: Array) -> None:
    ends = [min(predicted.min(), y.min()), max(predicted.max(), y.max())]
    ax.plot(ends, ends, color=FAINT, linewidth=1)
    ax.plot(predicted, y, "o", markersize=3.5, color=INK)
    ax.set_xlabel("predicted")
    ax.set_ylabel("measured")


def _log_axes(ax: "Axes", x: Array, y: Array, straight: bool = False) -> None:
    if (x > 0).all() and not straight:
        ax.set_xscale("log")
    if (y > 0).all():
        ax.set_yscale("log")


def draw_profile(profile: Profile, ax: "Axes | None" = None) -> "Axes":
    """One parameter's profile: the statistic along it, and the threshold of its interval."""
    ax = _axes() if ax is None else ax
    ax.plot(profile.values, profile.statistic, "-o", markersize=2.5, color=INK)
    ax.axhline(profile.threshold, color=FAINT, linewidth=1)
    ax.set_ylim(0, 4 * profile.threshold)
    if (profile.values > 0).all() and profile.values[-1] > 30 * profile.values[0]:
        ax.set_xscale("log")
    ax.set_xlabel(profile.name)
    ax.set_ylabel(f"likelihood ratio ({profile.verdict.replace('_', ' ')})")
    return ax


def draw_basins(values: ArrayLike, ax: "Axes | None" = None) -> "Axes":
    """Where the starts ended: each start's objective over the best, in rising order."""
    endings = np.sort(np.asarray(values, float))
    endings = endings[np.isfinite(endings)]
    ax = _axes() if ax is None else ax
    ax.plot(np.arange(1, len(endings) + 1), endings / endings[0] - 1 + 1e-12, ".", color=INK)
    ax.set_yscale("log")
    ax.set_xlabel("start, best first")
    ax.set_ylabel("objective over the best, less 1")
    return ax
