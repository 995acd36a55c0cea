"""Figures of wasted compute: over N and D under one law, and of each plan under other laws."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from allometry.errors import UsageError
from allometry.figures.marks import VECTOR_MARKS
from allometry.figures.plan_lines import (
    best_runs,
    drawn,
    evidence_of,
    label_of,
    mark_planned,
    per_compute,
)
from allometry.figures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    dress,
    headline,
    panels,
    paper,
    readable,
)
from allometry.laws import Array
from allometry.plan.document import Plan
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.waste import wasted
from allometry.plan.law_plan import SHARES
from allometry.stats.digits import shown

__all__ = ["draw_disagreement", "draw_waste"]

GRID = 60  # points along each axis
AROUND = 3.0  # factor beyond the smallest and the largest N and D
ALONE = 30.0  # factor around the planned run if there are no runs
LINES = (0.25, 0.5, 0.75)  # shares drawn as lines
ALONG = 0.75  # position of the number along a line: at the ends it would be cut off
TINTS = (0.75, 0.45, 0.2)  # strengths of blue for shares of 1, 5 and 10%


@dataclass(frozen=True)
class _Window:
    """The drawn ranges of N and D."""

    n: tuple[float, float]
    d: tuple[float, float]


def draw_waste(plan: Plan) -> Figure:
    """Draw the share of compute that a run of N and D wastes under the first law.

    Raises:
        UsageError: the plan has no best size, or was read from a document.
    """
    evidence, first = evidence_of(plan), plan.first
    n, d = first.n_opt.value, first.d_opt.value
    if not drawn(n, d):
        raise UsageError(f"{first.law} has no best size here, so there is no waste to draw")
    frontier, window = evidence.frontiers[first.law], _window(plan)
    figure, axes = panels(height=108.0)
    ax = axes[0, 0]
    with paper():
        dress(ax, xlog=True, ylog=True, grid=False)
        _draw_field(ax, frontier, window)
        if evidence.runs is not None:
            ax.plot(evidence.runs.n, evidence.runs.d, "o", ms=2.6, mfc="white", mec=INK, mew=0.5,
                    zorder=3, label=f"{plan.rows} runs",
                    rasterized=len(evidence.runs) > VECTOR_MARKS)  # fmt: skip
        _draw_best(ax, frontier, window)
        _draw_budget(ax, plan, window)
        mark_planned(ax, d, first.n_opt, axis="x", label="planned run")
        ax.set_xlim(window.n)
        ax.set_ylim(window.d)
        ax.set_xlabel("parameters, N")
        ax.set_ylabel("tokens, D")
        _legend(ax)
    headline(figure, _waste_in_words(plan))
    return figure


def _window(plan: Plan) -> _Window:
    """The window around the runs and the plan, or around the plan alone."""
    runs, first = evidence_of(plan).runs, plan.first
    sizes = {"n": [first.n_opt.value], "d": [first.d_opt.value]}
    for size, values in sizes.items():
        if runs is not None:
            values += getattr(runs, size).tolist()
    around = ALONE if runs is None else AROUND
    n, d = ((min(values) / around, max(values) * around) for values in sizes.values())
    return _Window(n, d)


def _draw_field(ax: Axes, frontier: Frontier, window: _Window) -> None:
    """Draw areas in blue up to the shares of a plan, and grey lines beyond."""
    x, y = np.geomspace(*window.n, GRID), np.geomspace(*window.d, GRID)
    n, d = (values.ravel() for values in np.meshgrid(x, y))
    with np.errstate(all="ignore"):  # far from the runs a law may be undefined
        share = wasted(per_compute(frontier, len(n)), n, d).reshape(GRID, GRID)
    share = np.ma.masked_invalid(np.where(np.isfinite(share), share, np.nan))
    if share.count() == 0:
        return
    ax.contourf(x, y, share, levels=(-1, *SHARES), colors=[_tint(t) for t in TINTS], zorder=1)
    lines = ax.contour(x, y, share, levels=LINES, colors=GREY, linewidths=0.7, zorder=1.5)
    places = [seg[int(ALONG * len(seg))] for part in lines.allsegs for seg in part if len(seg) > 9]
    ax.clabel(lines, fmt=lambda level: f"{100 * level:g}%", fontsize=7.5, inline_spacing=3,
              manual=places)  # fmt: skip


def _tint(strength: float) -> tuple[float, ...]:
    return tuple(1 - strength * (1 - np.array(to_rgb(BLUE))))


def _draw_best(ax: Axes, frontier: Frontier, window: _Window) -> None:
    """Draw the line of best runs through the window."""
    low, high = (float(frontier.cost.compute(np.array(n), np.array(d))) for n, d in
            ((window.n[0], window.d[0]), (window.n[1], window.d[1])))  # fmt: skip
    best = best_runs(frontier, np.geomspace(low, high, GRID))
    ax.plot(best.n, best.d, "-", color=BLUE, lw=1.6, zorder=2, label="best runs")


def _draw_budget(ax: Axes, plan: Plan, window: _Window) -> None:
    """Draw the line of the plan's compute, and on it the ends of the sizes that waste 5%."""
    evidence, first = evidence_of(plan), plan.first
    compute = np.asarray(first.compute.value)
    n = np.geomspace(*window.n, GRID)
    ax.plot(n, evidence.cost.tokens(n, compute), "--", color=INK, lw=1.0, zorder=2.5,
            label=f"runs of {shown(float(compute))} FLOP")  # fmt: skip
    ends = np.array(first.waste_band.get(0.05, ()))
    ends = ends[np.isfinite(ends)]
    if len(ends):
        ax.plot(ends, evidence.cost.tokens(ends, compute), "|", ms=11, mew=1.8, color=INK,
                zorder=5, label="5% wasted at that compute")  # fmt: skip


def _legend(ax: Axes) -> None:
    """Explain every mark and area below the panel."""
    handles, _ = ax.get_legend_handles_labels()
    areas = [Patch(fc=_tint(t), label=f"at most {100 * s:g}% wasted")
             for s, t in zip(SHARES, TINTS, strict=True)]  # fmt: skip
    shares = ", ".join(f"{100 * share:g}" for share in LINES)
    beyond = Line2D([], [], color=GREY, lw=0.7, label=f"{shares}% wasted")
    figure = ax.get_figure(root=True)
    assert figure is not None  # panels made it
    figure.legend(handles=[*handles, *areas, beyond], loc="outside lower left", ncols=4,
                  frameon=False, fontsize=8, handlelength=1.6, columnspacing=1.4)  # fmt: skip


def _waste_in_words(plan: Plan) -> str:
    first = plan.first
    low, high = first.waste_band.get(0.05, (np.nan, np.nan))
    if not drawn(low, high):
        return f"Wasted compute around the plan, if {first.law} is right"
    return (
        f"At {shown(first.compute.value)} FLOP sizes from {shown(low)} to {shown(high)} parameters "
        f"waste at most 5% of the compute, if {first.law} is right"
    )


def draw_disagreement(plan: Plan) -> Figure:
    """Draw what each law's plan wastes if another law is right, in percent of compute.

    Raises:
        UsageError: the plan has only one law.
    """
    names = list(plan.laws)
    if len(names) < 2:
        raise UsageError("this figure compares laws, but the plan has only one")
    share = np.zeros((len(names), len(names)))
    for pair in plan.disagreement:
        share[names.index(pair.plan), names.index(pair.truth)] = pair.waste
    width = min(183.0, 62.0 + 30.0 * len(names))
    figure, axes = panels(width=width, height=24.0 + 11.0 * len(names))
    with paper():
        _draw_matrix(axes[0, 0], names, share)
    headline(figure, _disagreement_in_words(plan))
    return figure


def _draw_matrix(ax: Axes, names: list[str], share: Array) -> None:
    """Draw one cell per pair of laws, with its number."""
    dress(ax, grid=False)
    colors = LinearSegmentedColormap.from_list("waste", ["white", ORANGE])
    top = max(float(np.nanmax(share)), 0.1)
    ax.imshow(np.ma.masked_invalid(share), cmap=colors, vmin=0, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(share):
        text = "own plan" if row == column else "unknown" if np.isnan(value) else _percent(value)
        ax.text(column, row, text, ha="center", va="center", fontsize=9 if row != column else 8,
                color=INK if row != column else readable(GREY))  # fmt: skip
    places = range(len(names))
    ax.set_xticks(places, [f"if {label_of(name)} is right" for name in names])
    ax.set_yticks(places, [f"plan of {label_of(name)}" for name in names])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    ax.grid(True, which="minor", color="white", lw=2)
    ax.tick_params(which="minor", length=0)


def _disagreement_in_words(plan: Plan) -> str:
    known = [pair for pair in plan.disagreement if np.isfinite(pair.waste)]
    if not known:
        return "The waste of the plan of one law if another is right is unknown"
    worst = max(known, key=lambda pair: pair.waste)
    return (
        f"If {worst.truth} is right, the plan of {worst.plan} wastes {_percent(worst.waste)} of "
        "its compute"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"
