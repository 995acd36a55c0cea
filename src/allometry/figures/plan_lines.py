"""Lines of a plan: the best runs under a law, N* and D* by an approach, and the planned run."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from allometry.errors import UsageError
from allometry.figures.curves import Curve, draw_curve
from allometry.figures.labels import end_label, label_offsets
from allometry.figures.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PINK,
    SKY,
    VERMILLION,
)
from allometry.figures.words import literal
from allometry.laws import Array
from allometry.plan.approaches.approach import Line
from allometry.plan.document import Evidence, Plan
from allometry.plan.frontier.optimum import Frontier, Point
from allometry.plan.runs import Runs
from allometry.stats.interval import Interval

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.axes import Axes

__all__ = [
    "APPROACH_NAMES", "best_runs", "computes", "draw_lines", "drawn", "evidence_of", "label_of",
    "law_colors", "line_curve", "mark_planned", "per_compute", "runs_of",
]  # fmt: skip

# A law and the approach based on it have the same colour.
APPROACH_NAMES = {
    "1": ("1 envelope", GREEN),
    "2": ("2 IsoFLOP", VERMILLION),
    "3": ("3 parametric", BLUE),
    "kaplan": ("Kaplan's law", ORANGE),
}
LAWS = {"chinchilla": BLUE, "kaplan": ORANGE}
OTHER_LAWS = (PINK, SKY, INK, GREEN, VERMILLION)
BEYOND = 2.0  # lines extend to this factor of the largest compute
POINTS = 80  # of a line
LONGEST = 24  # most characters of a law's name in a label


def evidence_of(plan: Plan) -> Evidence:
    """The evidence of a plan.

    Raises:
        UsageError: the plan was read from a document, which does not keep it.
    """
    if plan.evidence is None:
        raise UsageError(
            "figures need the runs and fits of a plan, which a plan document does not keep: make "
            "the plan again from its table"
        )
    return plan.evidence


def runs_of(plan: Plan) -> Runs:
    """The runs of a plan.

    Raises:
        UsageError: the plan was made from given parameters of a law, or read from a document.
    """
    runs = evidence_of(plan).runs
    if runs is None:
        raise UsageError("this figure shows runs, but the plan was made from given parameters")
    return runs


def law_colors(laws: Iterable[str]) -> dict[str, str]:
    """A colour for each law, by name."""
    names = list(laws)
    others = [name for name in names if name not in LAWS]
    return {
        name: LAWS.get(name) or OTHER_LAWS[others.index(name) % len(OTHER_LAWS)] for name in names
    }


def label_of(law: str) -> str:
    """A law's name as a label, shortened if it would leave no space for the figure."""
    return literal(law if len(law) <= LONGEST else f"{law[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}")


def drawn(*values: float) -> bool:
    """Whether all values can be drawn on a logarithmic axis."""
    return bool(np.isfinite(values).all()) and min(values) > 0


def computes(plan: Plan) -> Array:
    """FLOP from the cheapest of the runs to beyond the plan, (points,)."""
    runs, planned = evidence_of(plan).runs, plan.first.compute.value
    known = [planned] if drawn(planned) else []
    known += [] if runs is None else [float(runs.compute.min()), float(runs.compute.max())]
    least = min(known) if runs is not None else min(known) / 1e3
    return np.geomspace(least, BEYOND * max(known), POINTS)


def best_runs(frontier: Frontier, compute: Array) -> Point:
    """The best run for a law's values at each of many computes, (points,) each."""
    return per_compute(frontier, len(compute)).at(compute)


def per_compute(frontier: Frontier, points: int) -> Frontier:
    """A frontier with its single set of parameters repeated `points` times."""
    return replace(
        frontier, values={name: np.repeat(v, points) for name, v in frontier.values.items()}
    )


def line_curve(
    line: Line, compute: Array, level: float, between: tuple[float, float], label: str, color: str
) -> Curve:
    """N* or D* against compute by an approach, with the band of its draws."""
    x = np.log(compute)
    low = high = None
    if np.isfinite(line.exponents).any():
        with np.errstate(over="ignore"):  # draws can have extreme slopes
            draws = np.exp(line.intercepts[:, None] + line.exponents[:, None] * x)
        low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    values = np.exp(line.intercept + line.exponent * x)
    return Curve(compute, values, low, high, between, label, color)


def draw_lines(ax: "Axes", curves: Sequence[Curve]) -> None:
    """Draw curves with their names at the right ends, without overlap."""
    for line in curves:
        draw_curve(ax, line, INK)
    named = [line for line in curves if np.isfinite(line.y[-1])]
    # A line that leaves the panel has its name at the edge.
    bottom, top = sorted(ax.get_ylim())
    ends = [np.clip(line.y, bottom, top) for line in named]
    lifts = label_offsets(ax, [float(y[-1]) for y in ends], 11.0)
    for line, y, lift in zip(named, ends, lifts, strict=True):
        end_label(ax, line.x, y, line.label, line.color, "right", lift)


def mark_planned(
    ax: "Axes",
    x: float,
    y: Interval,
    *,
    color: str = INK,
    axis: Literal["x", "y"] = "y",
    label: str = "",
) -> None:
    """Draw a star at the planned run, with a whisker for the interval along one axis."""
    place = (x, y.value) if axis == "y" else (y.value, x)
    if not drawn(*place):
        return
    if y.has_ends:
        ends = ([x, x], [y.low, y.high]) if axis == "y" else ([y.low, y.high], [x, x])
        ax.plot(*ends, "-", color=color, lw=1.4, marker="_" if axis == "y" else "|", ms=7, mew=1.4,
                solid_capstyle="butt", zorder=5)  # fmt: skip
    ax.plot(
        [place[0]], [place[1]], "*", ms=8.5, mfc=color, mec="white", mew=0.8, zorder=6,
        label=label or None,
    )  # fmt: skip
