"""An interval chart: rows with a prediction, a whisker and a dot, in named groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from allometry.errors import UsageError
from allometry.figures.labels import name_axes
from allometry.figures.pyplot_axes import new_axes
from allometry.figures.style import BLUE, GREY, GRID, VERMILLION, dress, paper, readable
from allometry.figures.words import to_mathtext
from allometry.stats.digits import shown_interval

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.axes import Axes

__all__ = ["IntervalRow", "interval_panel"]


@dataclass(frozen=True)
class IntervalRow:
    """One row of an interval chart.

    Attributes:
        label: name at the left. value, low, high: dot and ends of the whisker.
        control: whether the row is a control, where there can be no effect. Its mark is hollow, in
            the colour of controls.
        predicted: prediction of the source, a number or a range; None for no prediction.
        group: heading above the first row of each group. color: empty for the default colour.
    """

    label: str
    value: float
    low: float
    high: float
    control: bool = False
    predicted: float | tuple[float, float] | None = None
    group: str = ""
    color: str = ""


def interval_panel(
    rows: Sequence[IntervalRow],
    *,
    ax: "Axes | None" = None,
    xlabel: str = "",
    title: str = "",
    zero: bool = True,
    digits: bool = True,
) -> "Axes":
    """Draw a dot with a whisker for each row, with its label at the left and numbers at the right.

    Args:
        zero: whether to draw a line at 0, no effect.
        digits: whether to write value and interval at the right.
    """
    from matplotlib.ticker import MaxNLocator
    from matplotlib.transforms import blended_transform_factory

    if not rows:
        raise UsageError("an interval panel needs at least one row")
    with paper():
        ax = dress(ax or new_axes(12.0 + 6.5 * len(rows)), grid=False)
        ax.grid(True, axis="x", color=GRID, lw=0.5)
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        place = _places(rows)
        if zero:
            ax.axvline(0, color=GREY, lw=0.8, zorder=1)
        side = blended_transform_factory(ax.transAxes, ax.transData)
        for row, y in zip(rows, place, strict=True):
            _draw_row(ax, row, y)
            if digits:
                ax.text(
                    1.04,
                    y,
                    shown_interval(row.value, row.low, row.high),
                    transform=side,
                    va="center",
                    ha="left",
                    color=readable(_row_color(row)),
                )
        _headings(ax, rows, place, side)
        ax.set_yticks(place, [to_mathtext(row.label) for row in rows])
        ax.set_ylim(max(place) + 0.7, (-1.6 if rows[0].group else -0.7))
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        name_axes(ax, xlabel, "", title)
    return ax


def _places(rows: Sequence[IntervalRow]) -> list[float]:
    """Vertical positions of rows, with space for a heading above each new group."""
    out, y = [], 0.0
    for i, row in enumerate(rows):
        if i and row.group != rows[i - 1].group:
            y += 1.3
        out.append(y)
        y += 1.0
    return out


def _row_color(row: IntervalRow) -> str:
    """The row's own colour, or the default colour of a control or a measurement."""
    return row.color or (VERMILLION if row.control else BLUE)


def _headings(ax: "Axes", rows: Sequence[IntervalRow], place: Sequence[float], side: Any) -> None:
    """Write the name above each group, and "predicted" above the first grey mark.

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


def _draw_row(ax: "Axes", row: IntervalRow, y: float) -> None:
    """Draw the prediction in grey, the whisker and the dot."""
    color = _row_color(row)
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
