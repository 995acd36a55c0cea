"""A panel of trajectories along training: one line per network, coloured by size, and a mean."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allometry.errors import UsageError
from allometry.figures.labels import end_label, label_offsets, name_axes
from allometry.figures.pyplot_axes import new_axes
from allometry.figures.style import INK, dress, paper, ramp

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.axes import Axes

__all__ = ["trajectory_panel"]

Array = NDArray[np.float64]


def trajectory_panel(
    time: ArrayLike,
    values: ArrayLike,
    *,
    ax: "Axes | None" = None,
    sizes: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    total: ArrayLike | None = None,
    total_label: str = "mean",
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    xlog: bool = False,
    ylog: bool = False,
) -> "Axes":
    """Draw many trajectories, thin and coloured by size, with their mean or sum in black.

    Args:
        time: (points,). values: (lines, points).
        sizes: (lines,) positive, which set the colours; None colours by the order of the lines.
        labels: one for each line; those of the smallest and largest size are shown.
        total: (points,) drawn in black, such as the mean or sum of the lines.
    """
    t, lines = np.asarray(time, float), np.atleast_2d(np.asarray(values, float))
    if lines.shape[1:] != t.shape:
        raise UsageError(f"values (lines, {len(t)}) expected, got shape {lines.shape}")
    order = np.arange(1, len(lines) + 1) if sizes is None else np.asarray(sizes, float)
    with paper():
        ax = dress(ax or new_axes(), xlog=xlog, ylog=ylog)
        colors = ramp(order, log=sizes is not None)
        for line, color in zip(lines, colors, strict=True):
            ax.plot(t, line, color=color, lw=0.8, alpha=0.9)
        named = []
        if labels is not None:
            extremes = dict.fromkeys((int(np.argmin(order)), int(np.argmax(order))))
            named = [(lines[i], labels[i], colors[i]) for i in extremes]
        if total is not None:
            mean = np.asarray(total, float)
            ax.plot(t, mean, color=INK, lw=1.6, zorder=4)
            named.append((mean, total_label, INK))
        _name_ends(ax, t, named)
        name_axes(ax, xlabel, ylabel, title)
    return ax


def _name_ends(ax: "Axes", time: Array, named: Sequence[tuple[Array, str, Any]]) -> None:
    """Write labels at the last points of lines (values, label, colour), without overlap."""
    offsets = label_offsets(ax, [float(y[-1]) for y, _, _ in named])
    for (y, text, color), offset in zip(named, offsets, strict=True):
        end_label(ax, time, y, text, color, "right", offset)
