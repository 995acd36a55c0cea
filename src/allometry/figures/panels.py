"""Panels of a scaling study: runs, fits, residuals, controls, intervals, trajectories.

A panel takes plain arrays and Axes and knows nothing of studies. Every run is a
small mark, the mean of runs at one size a large one on top. Runs a fit did not
use are hollow, on a light ground where none of their size was used. A line is
solid over the sizes it was fitted to and dashed beyond. Without `ax` a panel
opens a pyplot figure of its own, for notebooks.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory
from numpy.typing import ArrayLike, NDArray

from allometry.errors import UsageError
from allometry.figures import intervals as interval_rows
from allometry.figures import marks
from allometry.figures.marks import Curve, Interval
from allometry.figures.style import BLUE, GREY, GRID, INK, VERMILLION, dress, paper, ramp, readable
from allometry.figures.words import to_mathtext
from allometry.stats.digits import shown_interval

__all__ = [
    "Curve",
    "Interval",
    "control_panels",
    "curve",
    "fit_panel",
    "interval_panel",
    "residual_panel",
    "runs_panel",
    "trajectory_panel",
]

Predict = Callable[[NDArray], ArrayLike]
Ends = Callable[[NDArray], tuple[ArrayLike, ArrayLike]]


def curve(
    predict: Predict,
    between: tuple[float, float],
    *,
    beyond: tuple[float, float] | None = None,
    interval: Ends | None = None,
    label: str = "",
    points: int = 120,
    log: bool = True,
) -> Curve:
    """A law as a line over `between`, and dashed out to `beyond`.

    Args:
        predict: x (points,) to y (points,). interval: x to (low, high).
        log: evenly spaced points in log x.
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


def runs_panel(
    x: ArrayLike,
    y: ArrayLike,
    *,
    ax: Axes | None = None,
    seed: ArrayLike | None = None,
    join: bool = False,
    used: ArrayLike | None = None,
    highlight: ArrayLike | None = None,
    curves: Sequence[Curve] = (),
    color: str = BLUE,
    marker: str = "o",
    label: str = "",
    label_at: str = "right",
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    note: str = "",
    note_at: str = "",
    xlog: bool = True,
    ylog: bool = True,
    means: bool = True,
) -> Axes:
    """Every run against size, the mean of each size, and laws.

    Args:
        x, y: (runs,). Runs whose x or y cannot be drawn (not finite, or not
            positive on a log axis) are counted in the panel.
        seed: (runs,) label of the seed; with `join` a thin line joins its runs.
        used: (runs,) bool, the runs the fit rests on; None for all.
        highlight: (runs,) bool, runs to ring.
        label: direct label of the means, at the "right" or "left" end, or "none".
        note: a few words in the corner `note_at`, such as "upper right"; empty for
            the emptiest corner.
    """
    px, py = marks.pair(x, y)
    fit_rows = marks.mask(used, len(px), default=True)
    rings = marks.mask(highlight, len(px), default=False)
    with paper():
        ax = dress(ax or marks.own_axes(), xlog=xlog, ylog=ylog)
        seen = marks.drawable(px, xlog) & marks.drawable(py, ylog)
        sx, sy, kept = px[seen], py[seen], fit_rows[seen]
        high = marks.heights(sy, ylog)
        marks.ground(ax, sx, kept, xlog, high)
        if join:
            marks.join(ax, px, py, seen, seed, color)
        marks.runs(ax, sx, sy, kept, color, marker)
        if means:
            marks.means(ax, sx, sy, kept, color, marker)
        ring = seen & rings
        ax.plot(px[ring], py[ring], "o", ms=7, mfc="none", mec=INK, mew=0.8, zorder=5)
        for line in curves:
            marks.draw_curve(ax, line, color)
        _name_ends(ax, sx, sy, curves, color, "" if label_at == "none" else label, label_at)
        marks.words(ax, xlabel, ylabel, title)
        lost = int((~seen).sum())
        missing = f"{lost} runs cannot be drawn here" if lost else ""
        marks.corner(
            ax,
            "\n".join(filter(None, (note, missing))),
            note_at or marks.emptiest(marks.heights(sx, xlog), high),
        )
    return ax


def _name_ends(
    ax: Axes, x: NDArray, y: NDArray, curves: Sequence[Curve], color: str, label: str, label_at: str
) -> None:
    """Direct labels of the curves and of the means, none over another."""
    named = [(line.x, line.y, line.label, line.color or color) for line in curves if line.label]
    if label and label_at == "right" and len(x):
        named.append((x, y, label, color))
    elif label:
        marks.end_label(ax, x, y, label, color, label_at)
    ends = [float(ys[xs == xs.max()].mean()) for xs, ys, _, _ in named]
    for (xs, ys, text, ink), lift in zip(named, marks.spread(ax, ends), strict=True):
        marks.end_label(ax, xs, ys, text, ink, "right", lift)


def residual_panel(
    x: ArrayLike,
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    ax: Axes | None = None,
    used: ArrayLike | None = None,
    relative: bool = True,
    color: str = BLUE,
    marker: str = "o",
    xlabel: str = "",
    ylabel: str = "",
    xlog: bool = True,
) -> Axes:
    """Measured less fitted, around zero: in percent of the fit, or as they are.

    Args:
        x, y, predicted: (runs,).
    """
    px, py = marks.pair(x, y)
    fitted = np.asarray(predicted, float)
    rest = 100 * (py / fitted - 1) if relative else py - fitted
    fit_rows = marks.mask(used, len(px), default=True)
    with paper():
        ax = dress(ax or marks.own_axes(40.0), xlog=xlog)
        seen = marks.drawable(px, xlog) & np.isfinite(rest)
        marks.ground(ax, px[seen], fit_rows[seen], xlog)
        ax.axhline(0, color=GREY, lw=0.8, zorder=1)
        marks.runs(ax, px[seen], rest[seen], fit_rows[seen], color, marker)
        marks.means(ax, px[seen], rest[seen], fit_rows[seen], color, marker)
        # Runs outside the fit may be far off; the scale belongs to those inside.
        inside = np.abs(rest[seen & fit_rows])
        if len(inside):
            reach = 1.25 * float(inside.max()) or 1.0
            ax.set_ylim(-reach, reach)
        ax.yaxis.set_major_locator(MaxNLocator(3, symmetric=True, steps=[1, 2, 5, 10]))
        marks.words(
            ax,
            xlabel,
            ylabel or ("run \N{MINUS SIGN} fit (%)" if relative else "run \N{MINUS SIGN} fit"),
            "",
        )
    return ax


def fit_panel(
    x: ArrayLike,
    y: ArrayLike,
    predict: Predict,
    *,
    axes: tuple[Axes, Axes] | None = None,
    interval: Ends | None = None,
    used: ArrayLike | None = None,
    label: str = "",
    relative: bool = True,
    xlabel: str = "",
    **words: Any,
) -> tuple[Axes, Axes]:
    """Runs with their fit, and its residuals below.

    Args:
        axes: (upper, lower), as `stacked` makes them.
        label: of the fit, at its right end.
        words: further arguments of `runs_panel`.
    """
    px, py = marks.pair(x, y)
    fit_rows = marks.mask(used, len(px), default=True)
    if not fit_rows.any():
        raise UsageError("a fit panel needs at least one run the fit used; `used` is all False")
    xlog = words.get("xlog", True)
    line = curve(
        predict,
        (float(px[fit_rows].min()), float(px[fit_rows].max())),
        beyond=(float(px.min()), float(px.max())),
        interval=interval,
        label=label,
        log=xlog,
    )
    top, low = axes if axes is not None else marks.own_pair()
    runs_panel(px, py, ax=top, used=fit_rows, curves=(line, *words.pop("curves", ())), **words)
    residual_panel(
        px,
        py,
        np.asarray(predict(px), float),
        ax=low,
        used=fit_rows,
        relative=relative,
        xlabel=xlabel,
        xlog=xlog,
        **{k: words[k] for k in ("color", "marker") if k in words},
    )
    return top, low


def control_panels(
    x: ArrayLike,
    trained: ArrayLike,
    untrained: ArrayLike,
    *,
    axes: tuple[Axes, Axes] | None = None,
    curves: tuple[Sequence[Curve], Sequence[Curve]] = ((), ()),
    titles: tuple[str, str] = ("trained", "untrained"),
    notes: tuple[str, str] = ("", ""),
    xlabel: str = "",
    ylabel: str = "",
    used: ArrayLike | None = None,
    xlog: bool = True,
    ylog: bool = True,
) -> tuple[Axes, Axes]:
    """The same measure of trained and of untrained networks, side by side on one scale."""
    left, right = axes if axes is not None else marks.own_columns()
    for ax, y, color, marker, k in (
        (left, trained, BLUE, "o", 0),
        (right, untrained, VERMILLION, "s", 1),
    ):
        runs_panel(
            x,
            y,
            ax=ax,
            used=used,
            curves=curves[k],
            color=color,
            marker=marker,
            xlabel=xlabel,
            ylabel="" if k else ylabel,
            title=titles[k],
            note=notes[k],
            xlog=xlog,
            ylog=ylog,
        )
    limits = [f(ax.get_ylim()) for f in (min, max) for ax in (left, right)]
    for ax in (left, right):
        ax.set_ylim(min(limits[:2]), max(limits[2:]))
    right.tick_params(labelleft=False)
    return left, right


def interval_panel(
    rows: Sequence[Interval],
    *,
    ax: Axes | None = None,
    xlabel: str = "",
    title: str = "",
    zero: bool = True,
    digits: bool = True,
) -> Axes:
    """Dots with whiskers, a row each, labelled at the left, the number at the right.

    Args:
        zero: draw the line of no effect.
        digits: write value and interval at the right.
    """
    if not rows:
        raise UsageError("an interval panel needs at least one row")
    with paper():
        ax = dress(ax or marks.own_axes(12.0 + 6.5 * len(rows)), grid=False)
        ax.grid(True, axis="x", color=GRID, lw=0.5)
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        place = interval_rows.places(rows)
        if zero:
            ax.axvline(0, color=GREY, lw=0.8, zorder=1)
        side = blended_transform_factory(ax.transAxes, ax.transData)
        for row, y in zip(rows, place, strict=True):
            interval_rows.interval_row(ax, row, y)
            if digits:
                ax.text(
                    1.02,
                    y,
                    shown_interval(row.value, row.low, row.high),
                    transform=side,
                    va="center",
                    ha="left",
                    color=readable(interval_rows.row_color(row)),
                )
        interval_rows.headings(ax, rows, place, side)
        ax.set_yticks(place, [to_mathtext(row.label) for row in rows])
        ax.set_ylim(max(place) + 0.7, (-1.6 if rows[0].group else -0.7))
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        marks.words(ax, xlabel, "", title)
    return ax


def trajectory_panel(
    time: ArrayLike,
    values: ArrayLike,
    *,
    ax: Axes | None = None,
    sizes: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    total: ArrayLike | None = None,
    total_label: str = "mean",
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    xlog: bool = False,
    ylog: bool = False,
) -> Axes:
    """Many courses along training, thin and in one ramp of sizes, their total in black.

    Args:
        time: (points,). values: (lines, points).
        sizes: (lines,) positive, what the colours order; None for the lines' order.
        labels: one a line; the smallest and the largest size are labelled.
    """
    t, lines = np.asarray(time, float), np.atleast_2d(np.asarray(values, float))
    if lines.shape[1:] != t.shape:
        raise UsageError(f"values (lines, {len(t)}) expected, got shape {lines.shape}")
    order = np.arange(1, len(lines) + 1) if sizes is None else np.asarray(sizes, float)
    with paper():
        ax = dress(ax or marks.own_axes(), xlog=xlog, ylog=ylog)
        colors = ramp(order, log=sizes is not None)
        for line, color in zip(lines, colors, strict=True):
            ax.plot(t, line, color=color, lw=0.8, alpha=0.9)
        named = (
            []
            if labels is None
            else [
                (lines[i], labels[i], colors[i])
                for i in dict.fromkeys((int(np.argmin(order)), int(np.argmax(order))))
            ]
        )
        if total is not None:
            whole = np.asarray(total, float)
            ax.plot(t, whole, color=INK, lw=1.6, zorder=4)
            named.append((whole, total_label, INK))
        lifts = marks.spread(ax, [float(y[-1]) for y, _, _ in named])
        for (y, text, ink), lift in zip(named, lifts, strict=True):
            marks.end_label(ax, t, y, text, ink, "right", lift)
        marks.words(ax, xlabel, ylabel, title)
    return ax
