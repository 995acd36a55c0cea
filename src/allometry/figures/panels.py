"""Panels of a scaling study: runs against size, fits, residuals, controls.

A panel takes plain arrays and Axes and does not depend on studies. Every run is a
small mark, and the mean of several runs at one size a large mark on top. Runs that
a fit did not use are hollow, and sizes of which it used no run are shaded. A line
is solid over the fitted sizes and dashed beyond. Without `ax`, a panel opens a new
pyplot figure, for notebooks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allometry.errors import UsageError
from allometry.figures import labels, marks
from allometry.figures.curves import Bands, Curve, Predict, curve, draw_curve
from allometry.figures.pyplot_axes import new_axes, new_columns, new_pair
from allometry.figures.style import BLUE, GREY, VERMILLION, dress, paper

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.axes import Axes

__all__ = ["control_panels", "fit_panel", "residual_panel", "runs_panel"]

Array = NDArray[np.float64]


def runs_panel(
    x: ArrayLike,
    y: ArrayLike,
    *,
    ax: "Axes | None" = None,
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
    tips: Sequence[str] = (),
) -> "Axes":
    """Draw every run against size, the mean of each size, and curves of laws.

    Args:
        x, y: (runs,). A note in the panel states how many runs cannot be drawn (not
            finite, or not positive on a log axis).
        seed: (runs,) label of the seed; with `join` a thin line joins its runs.
        used: (runs,) bool, the runs that the fit used; None for all.
        highlight: (runs,) bool, runs to mark with a ring.
        label: text beside the means, at the end `label_at`: "right", "left" or "none".
        tips: (runs,) texts that a page shows when the pointer is on a mark.
        note: text in the corner `note_at`, such as "upper right"; an empty `note_at` takes
            the emptiest corner.
    """
    px, py = marks.pair(x, y)
    fit_rows = marks.mask(used, len(px), default=True)
    with paper():
        ax = dress(ax or new_axes(), xlog=xlog, ylog=ylog)
        seen = marks.drawable(px, xlog) & marks.drawable(py, ylog)
        sx, sy = px[seen], py[seen]
        position = labels.relative(sx, xlog), labels.relative(sy, ylog)
        marks.ground(ax, sx, fit_rows[seen], xlog, position[1])
        if join:
            marks.join(ax, px, py, seen, seed, color)
        shown = [tip for tip, drawn in zip(tips, seen, strict=True) if drawn] if len(tips) else ()
        marks.runs(ax, sx, sy, fit_rows[seen], color, marker, means=means, tips=shown)
        marks.ring(ax, px, py, seen & marks.mask(highlight, len(px), default=False))
        _draw_curves(ax, sx, sy, curves, color, "" if label_at == "none" else label, label_at)
        labels.name_axes(ax, xlabel, ylabel, title)
        _note(ax, note, int((~seen).sum()), note_at or labels.emptiest_corner(*position))
    return ax


def _note(ax: "Axes", note: str, missing: int, corner: str) -> None:
    """Write the note, and how many runs cannot be drawn, in one corner."""
    count = f"{missing} runs cannot be drawn here" if missing else ""
    labels.corner_note(ax, "\n".join(filter(None, (note, count))), corner)


def _draw_curves(
    ax: "Axes", x: Array, y: Array, curves: Sequence[Curve], color: str, label: str, label_at: str
) -> None:
    """Draw the curves, with labels of curves and means that do not overlap."""
    for line in curves:
        draw_curve(ax, line, color)
    named = [(line.x, line.y, line.label, line.color or color) for line in curves if line.label]
    if label and label_at == "right" and len(x):
        named.append((x, y, label, color))
    elif label:
        labels.end_label(ax, x, y, label, color, label_at)
    ends = [float(ys[xs == xs.max()].mean()) for xs, ys, _, _ in named]
    for (xs, ys, text, ink), lift in zip(named, labels.label_offsets(ax, ends), strict=True):
        labels.end_label(ax, xs, ys, text, ink, "right", lift)


def residual_panel(
    x: ArrayLike,
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    ax: "Axes | None" = None,
    used: ArrayLike | None = None,
    relative: bool = True,
    color: str = BLUE,
    marker: str = "o",
    xlabel: str = "",
    ylabel: str = "",
    xlog: bool = True,
) -> "Axes":
    """Draw residuals (measured minus fitted), in percent of the fit or in the unit of y.

    Args:
        x, y, predicted: (runs,). relative: whether residuals are in percent of the fit.
    """
    from matplotlib.ticker import MaxNLocator

    px, py = marks.pair(x, y)
    fitted = np.asarray(predicted, float)
    residuals = 100 * (py / fitted - 1) if relative else py - fitted
    fit_rows = marks.mask(used, len(px), default=True)
    with paper():
        ax = dress(ax or new_axes(40.0), xlog=xlog)
        seen = marks.drawable(px, xlog) & np.isfinite(residuals)
        marks.ground(ax, px[seen], fit_rows[seen], xlog)
        ax.axhline(0, color=GREY, lw=0.8, zorder=1)
        marks.runs(ax, px[seen], residuals[seen], fit_rows[seen], color, marker)
        # Runs outside the fit may be far off, so the fitted runs set the scale.
        inside = np.abs(residuals[seen & fit_rows])
        if len(inside):
            reach = 1.25 * float(inside.max()) or 1.0
            ax.set_ylim(-reach, reach)
        ax.yaxis.set_major_locator(MaxNLocator(3, symmetric=True, steps=[1, 2, 5, 10]))
        labels.name_axes(
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
    axes: "tuple[Axes, Axes] | None" = None,
    interval: Bands | None = None,
    used: ArrayLike | None = None,
    label: str = "",
    relative: bool = True,
    xlabel: str = "",
    **words: Any,
) -> "tuple[Axes, Axes]":
    """Draw runs with their fit, and the residuals below.

    Args:
        axes: (upper, lower), as made by `stacked`.
        label: of the fit, at its right end.
        words: further arguments of `runs_panel`.
    """
    px, py = marks.pair(x, y)
    fit_rows = marks.mask(used, len(px), default=True)
    if not fit_rows.any():
        raise UsageError("a fit panel needs at least one fitted run; `used` is all False")
    xlog = words.get("xlog", True)
    line = curve(
        predict,
        (float(px[fit_rows].min()), float(px[fit_rows].max())),
        beyond=(float(px.min()), float(px.max())),
        interval=interval,
        label=label,
        log=xlog,
    )
    top, low = axes if axes is not None else new_pair()
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
    axes: "tuple[Axes, Axes] | None" = None,
    curves: tuple[Sequence[Curve], Sequence[Curve]] = ((), ()),
    titles: tuple[str, str] = ("trained", "untrained"),
    notes: tuple[str, str] = ("", ""),
    xlabel: str = "",
    ylabel: str = "",
    used: ArrayLike | None = None,
    xlog: bool = True,
    ylog: bool = True,
) -> "tuple[Axes, Axes]":
    """Draw one measure of trained and of untrained networks, side by side on the same scale."""
    left, right = axes if axes is not None else new_columns()
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
