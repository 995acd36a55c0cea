"""Marks of runs: one a run, one a mean, rings, lines that join, ground without fitted runs."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allometry.errors import UsageError
from allometry.figures.style import GREY, GROUND, INK

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["TIPS", "drawable", "ground", "join", "mask", "pair", "ring", "runs"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# More marks than this become pixels inside the SVG: a page stays under a megabyte.
VECTOR_MARKS = 500

# What a page shows when a mark is pointed at: of each artist, a text for each of its marks.
TIPS: "WeakKeyDictionary[Artist, Sequence[str]]" = WeakKeyDictionary()

SMALL, LARGE = 2.6, 5.0  # points: a run, a mean (or a run that is alone at its size)


def pair(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Two columns of numbers of one length."""
    px, py = np.asarray(x, float), np.asarray(y, float)
    if px.ndim != 1 or px.shape != py.shape:
        raise UsageError(f"x and y of one length expected, got shapes {px.shape} and {py.shape}")
    return px, py


def mask(values: ArrayLike | None, rows: int, *, default: bool) -> Flags:
    """A bool for each run."""
    if values is None:
        return np.full(rows, default)
    flags = np.asarray(values)
    if flags.shape != (rows,) or flags.dtype.kind != "b":
        raise UsageError(
            f"a bool for each of {rows} runs expected, got {flags.dtype} of shape {flags.shape}"
        )
    return flags


def drawable(values: Array, log: bool) -> Flags:
    """Which values can be drawn: finite, and positive on a log axis."""
    return np.isfinite(values) & ((values > 0) if log else True)


def ground(ax: "Axes", x: Array, used: Flags, log: bool, high: Array | None = None) -> None:
    """Grey ground behind the smallest and largest sizes where the fit used no run.

    Args:
        high: height of each run, 0 to 1, to write "not fitted" where there is room.
    """
    sizes = np.unique(x)
    fitted = np.array([used[x == size].any() for size in sizes])
    if fitted.all() or not fitted.any():
        return
    first, last = np.flatnonzero(fitted)[[0, -1]]
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


def runs(
    ax: "Axes",
    x: Array,
    y: Array,
    used: Flags,
    color: str,
    marker: str,
    *,
    means: bool = True,
    tips: Sequence[str] = (),
) -> None:
    """A mark for each run, hollow where the fit did not use it; small where sizes repeat.

    Args:
        tips: a text for each run, which a page shows when it is pointed at; empty for none.
        means: draw a large mark at the mean of each size with several runs.
    """
    pixels = len(x) > VECTOR_MARKS
    repeated = len(np.unique(x)) < len(x) or pixels
    for rows, face in ((used, color), (~used, "white")):
        (line,) = ax.plot(
            x[rows],
            y[rows],
            marker,
            ms=SMALL if repeated else LARGE,
            mfc=face,
            mec=color,
            mew=0.5,
            alpha=0.55 if repeated and face != "white" else 0.85,
            zorder=3,
            rasterized=pixels,
        )
        if len(tips):
            TIPS[line] = [tip for tip, here in zip(tips, rows, strict=True) if here]
    if means:
        _means(ax, x, y, used, color, marker)


def _means(ax: "Axes", x: Array, y: Array, used: Flags, color: str, marker: str) -> None:
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


def ring(ax: "Axes", x: Array, y: Array, rows: Flags) -> None:
    """A ring around the runs to highlight."""
    ax.plot(x[rows], y[rows], "o", ms=7, mfc="none", mec=INK, mew=0.8, zorder=5)


def join(ax: "Axes", x: Array, y: Array, seen: Flags, seed: ArrayLike | None, color: str) -> None:
    """A thin line through the runs of each seed."""
    if seed is None:
        raise UsageError("join=True needs `seed`, the label of each run's seed")
    labels = np.asarray(seed)
    for label in dict.fromkeys(labels.tolist()):
        rows = np.flatnonzero(seen & (labels == label))
        rows = rows[np.argsort(x[rows], kind="stable")]
        ax.plot(x[rows], y[rows], "-", color=color, lw=0.5, alpha=0.45, zorder=2)
