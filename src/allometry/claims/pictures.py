"""The figure of each kind of claim, from plain values.

It imports Matplotlib, so claims import this module only when a figure is drawn.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from allometry.claims.claim import Labels
from allometry.claims.lines import Line, LineAxes
from allometry.claims.valleys import is_lost, places_of
from allometry.figures.curves import Curve, power_curve
from allometry.figures.intervals import IntervalRow, interval_panel
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
from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import Interval
from allometry.stats.lines import log_line

__all__ = [
    "draw_exponents",
    "draw_lines",
    "draw_optimum",
    "draw_power_law",
    "draw_printed",
]

WIDTH = 1.17 * COLUMN  # mm, of a figure with one panel


def draw_power_law(
    words: Labels, x: Array, y: Array, law: Fit, control: Array | None, tips: Sequence[str]
) -> Figure:
    """Runs, law and band; the control's runs; residuals below."""
    figure, (top,), (low,) = stacked(width=WIDTH)
    if control is not None:
        runs_panel(x, control, ax=top, color=VERMILLION, marker="s", label="untrained")
    fit_panel(
        x,
        y,
        lambda at: law.predict({"x": at}),
        axes=(top, low),
        interval=(lambda at: law.predict_interval({"x": at})) if law.draws else None,
        xlabel=words.x,
        ylabel=words.y,
        tips=tips,
    )
    headline(figure, words.title)
    return figure


def draw_lines(
    words: Labels,
    axes: LineAxes,
    groups: Mapping[str, tuple[Array, Array, Sequence[str]]],
    lines: Mapping[str, Line],
) -> Figure:
    """Runs, x and y of each group, with the line through them and its band; residuals below."""
    figure, (top,), (low,) = stacked(width=WIDTH)
    for (name, (x, y, tips)), color, marker in zip(
        groups.items(), (BLUE, VERMILLION), ("o", "s"), strict=False
    ):
        line = lines[name]
        runs_panel(
            x, y, ax=top, curves=[Curve(line.at, line.height, line.low, line.high)],
            color=color, marker=marker, label=name, xlog=axes.xlog, ylog=axes.ylog,
            ylabel=words.y, tips=tips,
        )  # fmt: skip
        residual_panel(
            x, y, line.at_runs, ax=low, color=color, marker=marker, xlog=axes.xlog,
            relative=axes.ylog, xlabel=words.x,
        )  # fmt: skip
    top.tick_params(labelbottom=False)
    headline(figure, words.title)
    return figure


def draw_optimum(words: Labels, along: str, xs: Array, grid: Grid) -> Figure:
    """y against x for each size with its optimum marked, and the optimum against the size.

    Args:
        along: label of the sizes. xs, grid: as `Optimum.grid` gives them.
    """
    figure, axes = panels(1, 2, width=PAGE)
    mean = grid.mean()
    places = places_of(mean, xs)
    _draw_valleys(axes[0, 0], words, along, xs, mean, places)
    each = [places_of(curves, xs) for _, curves in grid.each_seed()]
    ends = (float(grid.size.min()), float(grid.size.max()))
    runs_panel(
        np.tile(grid.size, len(each)), np.concatenate(each), ax=axes[0, 1],
        curves=[power_curve(log_line(grid.size, places), ends)],
        xlabel=along, ylabel=f"{words.x} of the lowest {words.y.partition(' (')[0]}",
    )  # fmt: skip
    letters(axes)
    headline(figure, words.title)
    return figure


def _draw_valleys(
    ax: Axes, words: Labels, along: str, xs: Array, mean: Curves, places: Array
) -> None:
    with paper():
        tried = np.concatenate([mean[f"{i}"] for i in range(len(xs))])
        dress(ax, xlog=True, ylog=bool((tried > 0).all()))
        colors, ends = ramp(mean.size), []
        for k, size in enumerate(mean.size):
            y = np.array([mean[f"{i}"][k] for i in range(len(xs))])
            seen = ~is_lost(y)  # false for missing ones too, as MISSING is above LOST
            ax.plot(xs[seen], y[seen], "o-", ms=2.6, lw=1.0, color=colors[k])
            if np.isfinite(places[k]):
                ax.plot([places[k]], [y[seen].min()], "v", ms=5, color=colors[k], zorder=4)
            if seen.any():
                ends.append((xs[seen], y[seen], f"{size:g}", colors[k]))
        shown = [ends[0], ends[-1]] if len(ends) > 2 else ends
        offsets = label_offsets(ax, [float(y[-1]) for _, y, _, _ in shown])
        for (x, y, text, color), offset in zip(shown, offsets, strict=True):
            end_label(ax, x, y, text, color, "right", offset)
        name_axes(ax, words.x, words.y, f"{along} at the right end")


def draw_printed(
    words: Labels, x: Array, y: Array, printed: Mapping[float, float], tolerance: float,
    tips: Sequence[str],
) -> Figure:  # fmt: skip
    """Runs and the printed numbers; below, their differences with the tolerance."""
    figure, (top,), (low,) = stacked(width=WIDTH)
    known = np.isin(x, list(printed))
    expected = np.array([printed.get(value, np.nan) for value in x.tolist()])
    xlog, ylog = bool((x > 0).all()), bool((y > 0).all())
    runs_panel(x, y, ax=top, used=known, xlog=xlog, ylog=ylog, ylabel=words.y, tips=tips)
    residual_panel(
        x[known], y[known], expected[known], ax=low, relative=False, xlog=xlog, xlabel=words.x,
        ylabel="run \N{MINUS SIGN} printed",
    )  # fmt: skip
    with paper():
        top.plot(*np.array(sorted(printed.items()), float).T, "x", ms=6, color=GREY, zorder=5)
        top.annotate(
            "× printed", (1, 1), xycoords="axes fraction", ha="right", va="top", color=GREY
        )
        low.axhspan(-tolerance, tolerance, color=GREY, alpha=0.15, lw=0)
    headline(figure, words.title)
    return figure


def draw_exponents(
    title: str, label: str, rows: Mapping[str, tuple[Interval, tuple[float, float]]]
) -> Figure:
    """Exponents with their intervals, one per row, and the predicted range in grey."""
    figure, axes = panels(1, 1, width=WIDTH, height=14 + 9 * len(rows))
    marks = [IntervalRow(name, *of, predicted=region) for name, (of, region) in rows.items()]
    interval_panel(marks, ax=axes[0, 0], xlabel=label)
    headline(figure, title)
    return figure
