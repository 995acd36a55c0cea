"""The figure of each kind of claim. Matplotlib comes in here, when a figure is drawn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from allometry.claims.optimum import LOST, places_of
from allometry.figures.curves import curve, power_curve
from allometry.figures.labels import end_label, label_offsets, name_axes
from allometry.figures.panels import fit_panel, residual_panel, runs_panel
from allometry.figures.style import (
    BLUE,
    COLUMN,
    GREY,
    PAGE,
    VERMILLION,
    dress,
    headline,
    letters,
    panels,
    paper,
    ramp,
    stacked,
)
from allometry.fitting.document import Fit
from allometry.laws import Array
from allometry.stats.lines import log_line
from allometry.tables.table import Table

if TYPE_CHECKING:
    from allometry.claims.equals import Equals
    from allometry.claims.optimum import Optimum
    from allometry.claims.power_law import PowerLaw
    from allometry.claims.slope import OfALine

__all__ = ["draw_lines", "draw_optimum", "draw_power_law", "draw_printed"]

WIDTH = 1.35 * COLUMN  # mm, of a figure with one panel


def draw_power_law(claim: "PowerLaw", runs: Table, law: Fit, control: str) -> Figure:
    """Runs, law and band; the control's runs; residuals below."""
    figure, (top,), (low,) = stacked(width=WIDTH)
    x, y = _numbers(runs, claim.x), _numbers(runs, claim.y)
    if control:
        runs_panel(x, _numbers(runs, control), ax=top, color=VERMILLION, marker="s",
                   label="untrained")  # fmt: skip
    fit_panel(
        x,
        y,
        lambda at: law.predict({"x": at}),
        axes=(top, low),
        interval=(lambda at: law.predict_interval({"x": at})) if law.draws else None,
        xlabel=claim.label(claim.x),
        ylabel=claim.label(claim.y),
    )
    headline(figure, claim.title)
    return figure


def draw_lines(claim: "OfALine", groups: Mapping[str, Table]) -> Figure:
    """Runs with the line through each group of them; residuals below."""
    figure, (top,), (low,) = stacked(width=WIDTH)
    axes = claim.axes
    for (name, runs), color, marker in zip(
        groups.items(), (BLUE, VERMILLION), ("o", "s"), strict=False
    ):
        x, y = _numbers(runs, claim.x), _numbers(runs, claim.y)
        predict = axes.predictor(x, y)
        line = curve(predict, (float(x.min()), float(x.max())), log=axes.xlog)
        runs_panel(
            x, y, ax=top, curves=[line], color=color, marker=marker, label=name,
            xlog=axes.xlog, ylog=axes.ylog, ylabel=claim.label(claim.y),
        )  # fmt: skip
        residual_panel(
            x, y, np.asarray(predict(x)), ax=low, color=color, marker=marker, xlog=axes.xlog,
            relative=axes.ylog, xlabel=claim.label(claim.x),
        )  # fmt: skip
    top.tick_params(labelbottom=False)
    headline(figure, claim.title)
    return figure


def draw_optimum(claim: "Optimum", runs: Table) -> Figure:
    """y over x for each size, the lowest marked; and where it is, against the size."""
    xs, grid = claim.grid(runs)
    figure, axes = panels(1, 2, width=PAGE)
    mean = grid.mean()
    places = places_of(mean, xs)
    _valleys(axes[0, 0], claim, xs, grid.size, mean.columns, places)
    each = [places_of(curves, xs) for _, curves in grid.each_seed()]
    at = np.tile(grid.size, len(each))
    law = log_line(grid.size, places)
    ends = (float(grid.size.min()), float(grid.size.max()))
    runs_panel(
        at, np.concatenate(each), ax=axes[0, 1], curves=[power_curve(law, ends)],
        xlabel=claim.label(claim.moves_with), ylabel=f"{claim.word(claim.x)} of the lowest",
    )  # fmt: skip
    letters(axes)
    headline(figure, claim.title)
    return figure


def _valleys(
    ax: Axes, claim: "Optimum", xs: Array, sizes: Array, columns: Any, places: Array
) -> None:
    with paper():
        dress(ax, xlog=True, ylog=True)
        colors, named = ramp(sizes), []
        for k, size in enumerate(sizes):
            y = np.array([columns[f"{i}"][k] for i in range(len(xs))])
            seen = y < LOST / 1e6
            ax.plot(xs[seen], y[seen], "o-", ms=2.6, lw=1.0, color=colors[k])
            if np.isfinite(places[k]):
                ax.plot([places[k]], [y[seen].min()], "v", ms=5, color=colors[k], zorder=4)
            if seen.any():
                named.append((xs[seen], y[seen], f"{size:g}", colors[k]))
        shown = [named[0], named[-1]] if len(named) > 2 else named
        offsets = label_offsets(ax, [float(y[-1]) for _, y, _, _ in shown])
        for (x, y, text, color), offset in zip(shown, offsets, strict=True):
            end_label(ax, x, y, text, color, "right", offset)
        title = f"{claim.word(claim.moves_with)} at the right end"
        name_axes(ax, claim.label(claim.x), claim.label(claim.y), title)


def draw_printed(claim: "Equals", runs: Table) -> Figure:
    """Runs beside the numbers printed, and their difference in tolerances below."""
    figure, (top,), (low,) = stacked(width=WIDTH)
    x, y = _numbers(runs, claim.x), _numbers(runs, claim.y)
    printed = np.array(sorted(claim.printed.items()), float)
    known = np.isin(x, printed[:, 0])
    expected = np.array([claim.printed.get(value, np.nan) for value in x.tolist()])
    xlog, ylog = bool((x > 0).all()), bool((y > 0).all())
    runs_panel(x, y, ax=top, used=known, xlog=xlog, ylog=ylog, ylabel=claim.label(claim.y))
    with paper():
        top.plot(*printed.T, "x", ms=6, color=GREY, zorder=5)
        top.annotate(
            "× printed", (1, 1), xycoords="axes fraction", ha="right", va="top", color=GREY
        )
    residual_panel(
        x[known], y[known], expected[known], ax=low, relative=False, xlog=xlog,
        xlabel=claim.label(claim.x), ylabel="run \N{MINUS SIGN} printed",
    )  # fmt: skip
    with paper():
        low.axhspan(-claim.tolerance, claim.tolerance, color=GREY, alpha=0.15, lw=0)
    headline(figure, claim.title)
    return figure


def _numbers(runs: Table, column: str) -> Array:
    return np.asarray(runs[column], float)
