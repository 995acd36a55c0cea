"""Marks of runs and means, rings, lines that join runs, and shading of sizes not fitted."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allometry.errors import UsageError
from allometry.figures.style import GREY, GROUND, INK

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["TIPS", "drawable", "ground", "join", "mask", "pair", "ring", "runs"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# More marks than this are rasterised inside the SVG, so that a page stays below a megabyte.
VECTOR_MARKS = 500

# Texts that a page shows when the pointer is on a mark: artist -> one text for each mark.
TIPS: "WeakKeyDictionary[Artist, Sequence[str]]" = WeakKeyDictionary()

SMALL, LARGE = 2.6, 5.0  # points: marks of runs, and of means or runs of sizes without repeats


def pair(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Two columns of numbers, which must have the same length."""
    px, py = np.asarray(x, float), np.asarray(y, float)
    if px.ndim != 1 or px.shape != py.shape:
        raise UsageError(
            f"x and y of the same length expected, got shapes {px.shape} and {py.shape}"
        )
    return px, py


def mask(values: ArrayLike | None, rows: int, *, default: bool) -> Flags:
    """One bool for each run; `default` for all runs if values is None."""
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
    """Shade the smallest and largest sizes if the fit used none of their runs.

    Args:
        high: height of each run in the axes, 0 to 1. If given, "not fitted" is written at the top
            or bottom, where there is more space.
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
    """Draw a mark for each run, hollow if the fit did not use it; small if sizes repeat.

    Args:
        tips: a text for each run, which a page shows when the pointer is on its mark; or empty.
        means: whether to draw a large mark at the mean of each size with several runs.
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
            TIPS[line] = [tip for tip, drawn in zip(tips, rows, strict=True) if drawn]
    if means:
        _means(ax, x, y, used, color, marker)


def _means(ax: "Axes", x: Array, y: Array, used: Flags, color: str, marker: str) -> None:
    """Draw the mean at each size with more than one run, filled if the fit used any of them."""
    sizes, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(places, weights=y) / counts
    is_fitted = np.bincount(places, weights=used) > 0
    for fitted in (True, False):
        rows = (counts > 1) & (is_fitted == fitted)
        if not rows.any():
            continue
        ax.plot(
            sizes[rows],
            means[rows],
            marker,
            ms=LARGE,
            mfc=color if fitted else "white",
            mec="white" if fitted else color,
            mew=0.6 if fitted else 0.9,
            zorder=4,
            rasterized=len(x) > VECTOR_MARKS,
        )


def ring(ax: "Axes", x: Array, y: Array, rows: Flags) -> None:
    """Draw a ring around the given runs."""
    ax.plot(x[rows], y[rows], "o", ms=7, mfc="none", mec=INK, mew=0.8, zorder=5)


def join(ax: "Axes", x: Array, y: Array, seen: Flags, seed: ArrayLike | None, color: str) -> None:
    """Draw a thin line through the runs of each seed."""
    if seed is None:
        raise UsageError("join=True needs `seed`, the label of each run's seed")
    labels = np.asarray(seed)
    for label in dict.fromkeys(labels.tolist()):
        rows = np.flatnonzero(seen & (labels == label))
        rows = rows[np.argsort(x[rows], kind="stable")]
        ax.plot(x[rows], y[rows], "-", color=color, lw=0.5, alpha=0.45, zorder=2)
