"""Text on a panel: names of axes, labels of curves without overlap, notes in corners."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.figures.style import INK, RC, readable
from allometry.figures.words import to_mathtext
from allometry.figures.wrap import wrapped

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.axes import Axes

__all__ = ["corner_note", "emptiest_corner", "end_label", "label_offsets", "name_axes", "relative"]

Array = NDArray[np.float64]
OVERHANG = 12.0  # points by which a label on one line may be longer than its axis
LAID_OUT = 0.8  # length of an axis after the layout, which needs space for labels, over before


def end_label(
    ax: "Axes", x: Array, y: Array, text: str, color: Any, side: str, lift: float = 0.0
) -> None:
    """Write a label beside the last (side "right") or first ("left") point."""
    if side not in ("right", "left"):
        raise UsageError(f"label_at must be 'right', 'left' or 'none', got {side!r}")
    if not len(x):
        return
    end = x.max() if side == "right" else x.min()
    ax.annotate(
        to_mathtext(text),
        (end, y[x == end].mean()),
        xytext=(6 if side == "right" else -6, lift),
        textcoords="offset points",
        color=readable(color),
        va="center",
        annotation_clip=False,
        zorder=6,
        ha="left" if side == "right" else "right",
    )


def label_offsets(ax: "Axes", ends: Sequence[float], gap: float = 10.0) -> list[float]:
    """Vertical shifts in points of labels at these y, so that labels do not overlap."""
    if not len(ends):
        return []
    ax.autoscale_view()
    figure = ax.get_figure(root=True)
    assert figure is not None  # every Axes drawn here is in a figure
    points = ax.get_window_extent().height * 72 / figure.dpi
    low, high = ax.transScale.transform([(1, y) for y in ax.get_ylim()])[:, 1]
    at = ax.transScale.transform([(1, y) for y in ends])[:, 1]
    place = (at - low) / (high - low) * points
    order = np.argsort(place)
    wanted = place[order].copy()
    for _ in range(20):
        for i in range(len(wanted) - 1):
            short = gap - (wanted[i + 1] - wanted[i])
            if short > 0:
                wanted[i] -= short / 2
                wanted[i + 1] += short / 2
    lifts = np.empty(len(place))
    lifts[order] = wanted - place[order]
    return [float(lift) for lift in lifts]


def name_axes(ax: "Axes", xlabel: str, ylabel: str, title: str) -> None:
    """Set labels and title; an empty text keeps that of an earlier panel on the same axes."""
    if xlabel:
        ax.set_xlabel(to_mathtext(xlabel))
    if ylabel:
        ax.set_ylabel(to_mathtext(_beside(ax, ylabel)))
    if title:
        ax.set_title(to_mathtext(title, bold=True), loc="left")


def _beside(ax: "Axes", ylabel: str) -> str:
    """The label of a vertical axis, broken into lines if it is much longer than its axis.

    The length of the axis is measured before the layout, which makes it shorter.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None  # every Axes drawn here is in a figure
    points = ax.get_window_extent().height * 72 / figure.dpi
    size = RC["axes.labelsize"]
    fits = wrapped(ylabel, points + OVERHANG, size) == ylabel
    return ylabel if fits else wrapped(ylabel, LAID_OUT * points, size)


def relative(values: Array, log: bool) -> Array:
    """Position of each value between the smallest (0) and the largest (1)."""
    v = np.log(values) if log else values
    span = np.ptp(v) if len(v) else 0.0
    return (v - v.min()) / span if span > 0 else np.full(len(v), 0.5)


def emptiest_corner(x: Array, y: Array) -> str:
    """The corner with the fewest points (coordinates 0 to 1); among ties, the upper right first."""
    corners = {
        f"{v} {h}": int(
            (
                (x > 0.5 if h == "right" else x < 0.5) & (y > 0.62 if v == "upper" else y < 0.38)
            ).sum()
        )
        for v in ("upper", "lower")
        for h in ("right", "left")
    }
    return min(corners, key=corners.__getitem__)


def corner_note(ax: "Axes", text: str, place: str) -> None:
    """A note in a corner of the axes."""
    vertical, _, horizontal = place.partition(" ")
    if vertical not in ("upper", "lower") or horizontal not in ("left", "right"):
        raise UsageError(f"note_at must be a corner such as 'upper right', got {place!r}")
    if text:
        ax.annotate(
            to_mathtext(text),
            (0.97 if horizontal == "right" else 0.03, 0.96 if vertical == "upper" else 0.04),
            xycoords="axes fraction",
            ha=horizontal,
            color=INK,
            zorder=6,
            va="top" if vertical == "upper" else "bottom",
            linespacing=1.35,
        )
