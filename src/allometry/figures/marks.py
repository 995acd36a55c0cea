"""What panels are made of: marks, means, lines with bands, labels, light grounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from numpy.typing import ArrayLike, NDArray

from allometry.errors import UsageError
from allometry.figures.style import (
    COLUMN,
    GREY,
    GROUND,
    INK,
    MM,
    PAGE,
    readable,
)
from allometry.figures.words import to_mathtext

__all__ = [
    "Curve",
    "Interval",
    "corner",
    "draw_curve",
    "drawable",
    "emptiest",
    "end_label",
    "ground",
    "heights",
    "join",
    "mask",
    "means",
    "own_axes",
    "own_columns",
    "own_pair",
    "pair",
    "runs",
    "spread",
    "words",
]

# More marks than this become pixels inside the SVG: a page stays under a megabyte.
VECTOR_MARKS = 500

SMALL, LARGE = 2.6, 5.0  # points: a run, a mean (or a run that is alone at its size)


@dataclass(frozen=True)
class Curve:
    """A line with its band.

    Attributes:
        x, y: (points,). low, high: (points,) ends of the interval, or None.
        between: x range of the data it was fitted to, drawn solid; None for all.
        label: direct label at the right end. color: empty for the panel's.
        style: Matplotlib line style inside `between`.
    """

    x: NDArray
    y: NDArray
    low: NDArray | None = None
    high: NDArray | None = None
    between: tuple[float, float] | None = None
    label: str = ""
    color: str = ""
    style: str = "-"


@dataclass(frozen=True)
class Interval:
    """One row of an interval chart.

    Attributes:
        label: named at the left. value, low, high: dot and whisker.
        control: where there can be no effect: hollow and in the control's colour.
        predicted: what the source says, a number or a range; None where it says none.
        group: a heading over the first row of each group. color: empty for the kind's.
    """

    label: str
    value: float
    low: float
    high: float
    control: bool = False
    predicted: float | tuple[float, float] | None = None
    group: str = ""
    color: str = ""


def pair(x: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray]:
    """Two columns of numbers of one length."""
    px, py = np.asarray(x, float), np.asarray(y, float)
    if px.ndim != 1 or px.shape != py.shape:
        raise UsageError(f"x and y of one length expected, got shapes {px.shape} and {py.shape}")
    return px, py


def mask(values: ArrayLike | None, rows: int, *, default: bool) -> NDArray:
    """A bool for each run."""
    if values is None:
        return np.full(rows, default)
    chosen = np.asarray(values)
    if chosen.shape != (rows,) or chosen.dtype.kind != "b":
        raise UsageError(
            f"a bool for each of {rows} runs expected, got {chosen.dtype} of shape {chosen.shape}"
        )
    return chosen


def drawable(values: NDArray, log: bool) -> NDArray:
    """Which values have a place on the axis."""
    return np.isfinite(values) & ((values > 0) if log else True)


def own_axes(height: float = 62.0) -> Axes:
    """Axes of a new pyplot figure one column wide, for a notebook."""
    return _pyplot_axes(1, 1, COLUMN, height)[0]


def own_pair() -> tuple[Axes, Axes]:
    """Upper and lower axes on one x, in a new pyplot figure."""
    top, low = _pyplot_axes(
        2, 1, COLUMN, 85.0, sharex=True, gridspec_kw={"height_ratios": (3.2, 1)}
    )
    return top, low


def own_columns() -> tuple[Axes, Axes]:
    """Two axes side by side on one scale, in a new pyplot figure."""
    left, right = _pyplot_axes(1, 2, PAGE, 62.0, sharex=True)
    return left, right


def _pyplot_axes(rows: int, columns: int, width: float, height: float, **words: Any) -> list[Axes]:
    from matplotlib import pyplot  # chooses a screen, so only where one is asked for

    _, axes = pyplot.subplots(
        rows,
        columns,
        figsize=(width * MM, height * MM),
        layout="constrained",
        squeeze=False,
        **words,
    )
    return list(axes.ravel())


def ground(ax: Axes, x: NDArray, used: NDArray, log: bool, high: NDArray | None = None) -> None:
    """Light ground behind sizes, at either end, of which the fit used no run.

    Args:
        high: height of each run, 0 to 1, to write "not fitted" where there is room.
    """
    sizes = np.unique(x)
    kept = np.array([used[x == size].any() for size in sizes])
    if kept.all() or not kept.any():
        return
    first, last = np.flatnonzero(kept)[[0, -1]]
    spans = []
    if first > 0:
        spans.append((sizes[0], sizes[first - 1], sizes[first]))
    if last < len(sizes) - 1:
        spans.append((sizes[-1], sizes[last + 1], sizes[last]))
    for outer, edge, inner in spans:
        middle = math.sqrt(edge * inner) if log else (edge + inner) / 2
        reach = outer * (outer / middle) ** 0.08 if log else outer + 0.08 * (outer - middle)
        ax.axvspan(*sorted((middle, reach)), color=GROUND, lw=0, zorder=0)
        if high is not None:
            inside = (x >= min(middle, reach)) & (x <= max(middle, reach))
            top = bool(high[inside].mean() < 0.5)
            centre = math.sqrt(reach * middle) if log else (reach + middle) / 2
            ax.annotate(
                "not fitted",
                (centre, float(top)),
                xycoords=("data", "axes fraction"),
                xytext=(0, -3 if top else 3),
                textcoords="offset points",
                ha="center",
                va="top" if top else "bottom",
                color=GREY,
                fontsize=7.5,
            )


def runs(ax: Axes, x: NDArray, y: NDArray, used: NDArray, color: str, marker: str) -> None:
    """A mark for each run, hollow where the fit did not use it; small where means go on top."""
    pixels = len(x) > VECTOR_MARKS
    repeated = len(np.unique(x)) < len(x) or pixels
    for chosen, face in ((used, color), (~used, "white")):
        ax.plot(
            x[chosen],
            y[chosen],
            marker,
            ms=SMALL if repeated else LARGE,
            mfc=face,
            mec=color,
            mew=0.5,
            alpha=0.55 if repeated and face != "white" else 0.85,
            zorder=3,
            rasterized=pixels,
        )


def means(ax: Axes, x: NDArray, y: NDArray, used: NDArray, color: str, marker: str) -> None:
    """The mean of runs at each size that has more than one, filled where any was used."""
    for size in np.unique(x):
        here = x == size
        if here.sum() < 2:
            continue
        fitted = bool(used[here].any())
        ax.plot(
            [size],
            [y[here].mean()],
            marker,
            ms=LARGE,
            mfc=color if fitted else "white",
            mec="white" if fitted else color,
            mew=0.6 if fitted else 0.9,
            zorder=4,
        )


def join(
    ax: Axes, x: NDArray, y: NDArray, seen: NDArray, seed: ArrayLike | None, color: str
) -> None:
    """A thin line through the runs of each seed."""
    if seed is None:
        raise UsageError("join=True needs `seed`, the label of each run's seed")
    labels = np.asarray(seed)
    for label in dict.fromkeys(labels.tolist()):
        chosen = np.flatnonzero(seen & (labels == label))
        chosen = chosen[np.argsort(x[chosen], kind="stable")]
        ax.plot(x[chosen], y[chosen], "-", color=color, lw=0.5, alpha=0.45, zorder=2)


def draw_curve(ax: Axes, line: Curve, color: str) -> None:
    """Band, then the line: solid where it was fitted, dashed beyond. The band sets no scale."""
    ink = line.color or color
    x, y = np.asarray(line.x, float), np.asarray(line.y, float)
    if line.low is not None and line.high is not None:
        corners = np.vstack([np.c_[x, line.low], np.c_[x, line.high][::-1]])
        ax.add_artist(Polygon(corners, closed=True, fc=ink, alpha=0.16, lw=0, zorder=1))
    start, stop = line.between or (x.min(), x.max())
    slack = 1e-9 * (abs(start) + abs(stop))
    inside = (x >= start - slack) & (x <= stop + slack)
    ax.add_artist(Line2D(x[inside], y[inside], color=ink, lw=1.3, ls=line.style, zorder=2.5))
    for part in _outside(x, inside):
        ax.add_artist(Line2D(x[part], y[part], color=ink, lw=1.0, ls=(0, (3.5, 2)), zorder=2.5))
    ax.update_datalim(np.c_[x, _near(y, ax)])
    ax.autoscale_view()


def _near(y: NDArray, ax: Axes) -> NDArray:
    """The line where it is near the data: a wild extrapolation does not set the scale."""
    low, high = ax.dataLim.intervaly
    if not (np.isfinite(low) and np.isfinite(high) and high > low):
        return y
    if ax.get_yscale() == "log":
        return np.clip(y, low * (low / high) ** 0.3, high * (high / low) ** 0.3)
    return np.clip(y, low - 0.3 * (high - low), high + 0.3 * (high - low))


def _outside(x: NDArray, inside: NDArray) -> list[NDArray]:
    """The stretches before and after the fitted one, each touching it."""
    places = np.flatnonzero(inside)
    if not len(places):
        return [np.arange(len(x))]
    parts = [np.arange(0, places[0] + 1), np.arange(places[-1], len(x))]
    return [part for part in parts if len(part) > 1]


def end_label(
    ax: Axes, x: NDArray, y: NDArray, text: str, color: Any, side: str, lift: float = 0.0
) -> None:
    """A few words beside the last (or the first) point."""
    if side not in ("right", "left"):
        raise UsageError(f"label_at is 'right', 'left' or 'none', got {side!r}")
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


def spread(ax: Axes, ends: Sequence[float], gap: float = 10.0) -> list[float]:
    """How many points to lift each label at these y so that none covers another."""
    if not len(ends):
        return []
    ax.autoscale_view()
    figure = ax.get_figure(root=True)
    assert figure is not None  # an Axes that draws is in a figure
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


def words(ax: Axes, xlabel: str, ylabel: str, title: str) -> None:
    """Labels and title, where given: a second panel on the same axes keeps the first's."""
    if xlabel:
        ax.set_xlabel(to_mathtext(xlabel))
    if ylabel:
        ax.set_ylabel(to_mathtext(ylabel))
    if title:
        ax.set_title(to_mathtext(title, bold=True), loc="left")


def heights(values: NDArray, log: bool) -> NDArray:
    """Where each value stands between the smallest (0) and the largest (1)."""
    v = np.log(values) if log else values
    span = np.ptp(v) if len(v) else 0.0
    return (v - v.min()) / span if span > 0 else np.full(len(v), 0.5)


def emptiest(x: NDArray, y: NDArray) -> str:
    """The corner with the fewest of the points, each 0 to 1; the upper right in doubt."""
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


def corner(ax: Axes, text: str, place: str) -> None:
    """A note in a corner of the axes."""
    vertical, _, horizontal = place.partition(" ")
    if vertical not in ("upper", "lower") or horizontal not in ("left", "right"):
        raise UsageError(f"note_at is like 'upper right', got {place!r}")
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
