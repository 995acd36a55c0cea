"""Rows of an interval chart: a prediction, a whisker and a dot each, under named groups."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from allometry.figures.marks import Interval
from allometry.figures.style import BLUE, GREY, VERMILLION
from allometry.figures.words import to_mathtext

__all__ = ["headings", "interval_row", "places", "row_color"]


def places(rows: Sequence[Interval]) -> list[float]:
    """Heights of rows, with room for a heading over each new group."""
    out, y = [], 0.0
    for i, row in enumerate(rows):
        if i and row.group != rows[i - 1].group:
            y += 1.3
        out.append(y)
        y += 1.0
    return out


def row_color(row: Interval) -> str:
    """The row's own colour, or its kind's."""
    return row.color or (VERMILLION if row.control else BLUE)


def headings(ax: Axes, rows: Sequence[Interval], place: Sequence[float], side: Any) -> None:
    """The name over each group, and once what the grey mark is.

    Args:
        side: transform with x in fractions of the axes and y in rows.
    """
    for i, row in enumerate(rows):
        if row.group and (i == 0 or rows[i - 1].group != row.group):
            ax.annotate(
                to_mathtext(row.group, bold=True),
                (0, place[i] - 1),
                xycoords=side,
                xytext=(-6, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontweight="bold",
            )
    first = next((i for i, row in enumerate(rows) if row.predicted is not None), None)
    if first is not None:
        at = rows[first].predicted
        middle = sum(at) / 2 if isinstance(at, tuple) else at
        ax.annotate(
            "predicted",
            (middle, place[first]),
            xytext=(0, 8),
            color=GREY,
            fontsize=7.5,
            textcoords="offset points",
            ha="center",
            va="bottom",
            annotation_clip=False,
        )


def interval_row(ax: Axes, row: Interval, y: float) -> None:
    """Prediction in grey, whisker, dot."""
    color = row_color(row)
    if isinstance(row.predicted, tuple):
        ax.fill_betweenx([y - 0.32, y + 0.32], *row.predicted, color=GREY, alpha=0.22, lw=0)
    elif row.predicted is not None:
        ax.plot([row.predicted], [y], "D", ms=5.5, mfc="none", mec=GREY, mew=1.0, zorder=2)
    ax.plot([row.low, row.high], [y, y], "-", color=color, lw=1.5, solid_capstyle="butt", zorder=3)
    ax.plot(
        [row.value],
        [y],
        "s" if row.control else "o",
        ms=4.4,
        mfc="white" if row.control else color,
        mec=color,
        mew=1.1,
        zorder=4,
    )
