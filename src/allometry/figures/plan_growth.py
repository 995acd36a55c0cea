"""Figures against compute: best N and D by every approach, and least loss under every law."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from allometry.figures.curves import Curve
from allometry.figures.intervals import IntervalRow, interval_panel
from allometry.figures.labels import corner_note
from allometry.figures.marks import VECTOR_MARKS
from allometry.figures.plan_lines import (
    APPROACH_NAMES,
    best_runs,
    computes,
    draw_lines,
    drawn,
    evidence_of,
    label_of,
    law_colors,
    line_curve,
    mark_planned,
    runs_of,
)
from allometry.figures.style import GREY, INK, dress, headline, letters, panels, paper
from allometry.laws import Array
from allometry.plan.approaches.approach import Approach
from allometry.plan.document import Plan
from allometry.plan.law_plan import LawPlan
from allometry.plan.runs import Runs
from allometry.stats.digits import shown
from allometry.stats.interval import Interval

__all__ = ["draw_loss", "draw_sizes"]

APPROACH_OF = {"chinchilla": "3", "kaplan": "kaplan"}  # law -> the approach based on it
MOST_POINTS = 60  # points drawn per approach, evenly spaced: an envelope has up to 300
NOWHERE = (0.0, 0.0)  # range of the runs if there are none: lines are dashed throughout
BELOW = 0.05  # of the range of ln L: space below the lowest line for its label
BAND_DRAWS = 400  # more draws do not change the band visibly


def draw_sizes(plan: Plan) -> Figure:
    """Draw N* and D* against compute by every approach and law, and the planned runs.

    Raises:
        UsageError: the plan was made without runs, or read from a document.
    """
    runs = runs_of(plan)
    estimates = _estimates(plan)
    figure, axes = panels(2, 2, height=84.0 + 5.5 * len(estimates))
    axes[0, 0].get_gridspec().set_height_ratios((66.0, 5.5 * len(estimates) + 4.0))
    with paper():
        for ax, size, name in zip(axes[0], "nd", ("parameters, N", "tokens, D"), strict=True):
            dress(ax, xlog=True, ylog=True)
            _draw_runs(ax, runs, getattr(runs, size))
            draw_lines(ax, _curves(plan, size))
            _draw_points(ax, plan, size)
            colors = law_colors(plan.laws)
            for law, planned in reversed(list(plan.laws.items())):
                mark_planned(ax, planned.compute.value, getattr(planned, f"{size}_opt"),
                             color=INK if planned is plan.first else colors[law])  # fmt: skip
            ax.set_xlabel("training compute, C (FLOP)")
            ax.set_ylabel(name)
        for ax, size, name in zip(axes[1], "nd", ("N*", "D*"), strict=True):
            _draw_estimates(ax, estimates, size)
            ax.set_xlabel(f"{name} at {shown(plan.first.compute.value)} FLOP")
        axes[1, 1].tick_params(labelleft=False)
    letters(axes)
    headline(figure, _sizes_in_words(plan))
    return figure


def _estimates(plan: Plan) -> list[tuple[str, str, Approach | LawPlan]]:
    """Name, colour and result of every approach, and of each law without an approach."""
    of_approaches = [(*APPROACH_NAMES[name], a) for name, a in _used(plan).items()]
    of_laws = [(label, color, plan.laws[law]) for law, label, color in _other_laws(plan)]
    return [*of_approaches, *of_laws]


def _draw_estimates(
    ax: Axes, estimates: Sequence[tuple[str, str, Approach | LawPlan]], size: str
) -> None:
    """Draw the best sizes at the compute of the plan, one row each, with intervals."""
    best: list[tuple[str, str, Interval]] = [
        (name, color, getattr(estimate, f"{size}_opt")) for name, color, estimate in estimates
    ]
    rows = [IntervalRow(name, i.value, i.low, i.high, color=color) for name, color, i in best]
    interval_panel(rows, ax=ax, zero=False, digits=False)
    if any(drawn(row.value) for row in rows):
        dress(ax, xlog=True, grid=False)
        low, high = ax.get_xlim()
        if high < 10 * low:  # within a decade, a logarithmic axis has too many ticks
            ax.xaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
        ax.set_yticks(range(len(rows)), [row.label for row in rows])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)


def _draw_runs(ax: Axes, runs: Runs, values: Array) -> None:
    ax.plot(runs.compute, values, "o", ms=2.6, mfc=GREY, mec="none", alpha=0.45, zorder=1.5,
            rasterized=len(runs) > VECTOR_MARKS)  # fmt: skip


def _curves(plan: Plan, size: str) -> list[Curve]:
    """Lines of the approaches, and of the laws without an approach."""
    compute, between = computes(plan), _between(plan)
    curves = [
        line_curve(line, compute, plan.level, between, *APPROACH_NAMES[name])
        for name, approach in _used(plan).items()
        if (line := getattr(approach, f"line_{size}")) is not None
    ]
    for law, label, color in _other_laws(plan):
        best = getattr(best_runs(evidence_of(plan).frontiers[law], compute), size)
        curves.append(Curve(compute, best, between=between, label=label, color=color))
    return curves


def _used(plan: Plan) -> dict[str, Approach]:
    return {name: a for name, a in plan.approaches.items() if isinstance(a, Approach)}


def _other_laws(plan: Plan) -> list[tuple[str, str, str]]:
    """Name, label and colour of the laws whose line no approach shows.

    Approaches do not model repeated data, so a law with repeated data has its own line.
    """
    evidence, colors = evidence_of(plan), law_colors(plan.laws)
    others = []
    for law, frontier in evidence.frontiers.items():
        repeated = frontier.law is not evidence.believed[law].law
        if repeated:
            others.append((law, f"{label_of(law)}, repeats", INK))
        elif APPROACH_OF.get(law) not in _used(plan):
            others.append((law, label_of(law), colors[law]))
    return others


def _draw_points(ax: Axes, plan: Plan, size: str) -> None:
    """Draw the points to which the lines of approaches were fitted."""
    for name, approach in _used(plan).items():
        at, values = approach.points.get("compute"), approach.points.get(size)
        if at is None or values is None or not len(at):
            continue
        taken = np.unique(np.linspace(0, len(at) - 1, min(len(at), MOST_POINTS)).astype(int))
        ax.plot(at[taken], values[taken], "D", ms=3.6, mfc=APPROACH_NAMES[name][1], mec="white",
                mew=0.5, zorder=4)  # fmt: skip


def _between(plan: Plan) -> tuple[float, float]:
    """Range of the runs' compute; lines are dashed outside."""
    runs = evidence_of(plan).runs
    return NOWHERE if runs is None else (float(runs.compute.min()), float(runs.compute.max()))


def _sizes_in_words(plan: Plan) -> str:
    """Headline: the ranges of N* and D* over approaches and laws."""
    planned = [*_used(plan).values(), *plan.laws.values()]
    of_n, of_d = (
        [v for v in (getattr(p, f"{size}_opt").value for p in planned) if drawn(v)] for size in "nd"
    )
    at = f"At {shown(plan.first.compute.value)} FLOP"
    if not of_n or not of_d:
        return f"{at} no approach has a best size"
    if len(_used(plan)) + len(plan.laws) == 1:
        return f"{at} the best run has {shown(of_n[0])} parameters and {shown(of_d[0])} tokens"
    return (
        f"{at} the approaches and laws give from {shown(min(of_n))} to {shown(max(of_n))} "
        f"parameters and from {shown(min(of_d))} to {shown(max(of_d))} tokens"
    )


def draw_loss(plan: Plan) -> Figure:
    """Draw loss against compute: runs, the least loss under every law, the planned run."""
    evidence, first = evidence_of(plan), plan.first
    compute, colors = computes(plan), law_colors(plan.laws)
    curves = []
    for law, frontier in evidence.frontiers.items():
        low, high = _band(plan, compute) if law == first.law else (None, None)
        best = best_runs(frontier, compute).loss
        curves.append(Curve(compute, best, low, high, _between(plan), label_of(law), colors[law]))
    figure, axes = panels(height=80.0)
    ax, runs = axes[0, 0], evidence.runs
    with paper():
        dress(ax, xlog=True, ylog=True)
        if runs is not None:
            _draw_runs(ax, runs, runs.loss)
        draw_lines(ax, curves)
        low, high = ax.get_ylim()
        ax.set_ylim(low * (low / high) ** BELOW, high)
        mark_planned(ax, first.compute.value, first.loss_new_run)
        if drawn(first.loss.value):
            corner_note(ax, f"star: the planned run{_whisker(plan)}", "upper right")
        ax.set_xlabel("training compute, C (FLOP)")
        ax.set_ylabel("loss, L")
    headline(figure, _loss_in_words(plan))
    return figure


def _whisker(plan: Plan) -> str:
    if not plan.first.loss_new_run.has_ends:
        return ""
    return f"\nwhisker: {100 * plan.level:g}% interval of its measured loss"


def _band(plan: Plan, compute: Array) -> tuple[Array | None, Array | None]:
    """The interval of the least loss under the first law; None without closed forms or draws."""
    evidence, tail = evidence_of(plan), (1 - plan.level) / 2
    law = plan.first.law
    whole = evidence.believed[law].drawn(evidence.cost)
    if whole is None or whole.split is None or evidence.frontiers[law].split is None:
        return None, None
    places = np.linspace(0, whole.draws - 1, min(whole.draws, BAND_DRAWS)).astype(int)
    count = len(places)
    tiled = type(whole)(
        whole.law, {n: np.tile(v[places], len(compute)) for n, v in whole.values.items()},
        whole.cost, whole.others,
    )  # fmt: skip
    with np.errstate(all="ignore"):  # draws can have extreme exponents
        losses = tiled.at(np.repeat(compute, count)).loss.reshape(len(compute), count)
    losses = np.where(np.isfinite(losses), losses, np.nan)
    if np.isnan(losses).all(axis=1).any():
        return None, None
    low, high = np.nanquantile(losses, [tail, 1 - tail], axis=1)
    return low, high


def _loss_in_words(plan: Plan) -> str:
    loss, new = plan.first.loss, plan.first.loss_new_run
    compute = shown(plan.first.compute.value)
    if not drawn(loss.value):
        return f"At {compute} FLOP, {plan.first.law} gives no loss"
    measured = (
        f"; a new run measures from {shown(new.low, 4)} to {shown(new.high, 4)}"
        if new.has_ends else ""
    )  # fmt: skip
    return f"At {compute} FLOP expect a loss of {shown(loss.value, 4)}{measured}"
