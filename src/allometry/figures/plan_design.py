"""The design figure: finished runs in N and D with rays of D/N, and the runs to make next."""

import math
import textwrap
from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from allometry.figures.marks import VECTOR_MARKS
from allometry.figures.plan_lines import drawn
from allometry.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    VERMILLION,
    dress,
    headline,
    panels,
    paper,
)
from allometry.laws import Array
from allometry.plan.design.next_result import NextRun, NextRuns
from allometry.plan.runs import Runs
from allometry.stats.digits import shown

__all__ = ["draw_design"]

MARKS = (("s", VERMILLION), ("^", GREEN), ("D", BLUE), ("v", ORANGE), ("P", PINK))
AROUND = 2.5  # factor beyond the smallest and the largest N and D
MOST_RAYS = 7
WORDS = 88  # characters of a line in the legend


def draw_design(runs: Runs, chosen: NextRuns) -> Figure:
    """Draw the finished runs and the runs to make next, by the reason for their choice.

    Args:
        runs: the finished runs. chosen: the runs to make next.
    """
    figure, axes = panels(height=112.0)
    ax = axes[0, 0]
    n, d = (np.concatenate([getattr(runs, size), [getattr(run, size) for run in chosen.runs]])
            for size in "nd")  # fmt: skip
    with paper():
        dress(ax, xlog=True, ylog=True)
        ax.set_xlim(n.min() / AROUND, n.max() * AROUND)
        ax.set_ylim(d.min() / AROUND, d.max() * AROUND)
        _draw_rays(ax, d / n)
        ax.plot(runs.n, runs.d, "o", ms=3, mfc=GREY, mec="none", alpha=0.6, zorder=2,
                label=f"{len(runs)} finished runs",
                rasterized=len(runs) > VECTOR_MARKS)  # fmt: skip
        _draw_chosen(ax, chosen.runs)
        ax.set_xlabel("parameters, N")
        ax.set_ylabel("tokens, D")
        figure.legend(loc="outside lower left", ncols=1, frameon=False, fontsize=8)
    headline(figure, _in_words(chosen))
    return figure


def _draw_rays(ax: Axes, ratios: Array) -> None:
    """Draw lines of equal D/N at powers of ten, labelled where they leave the panel."""
    first, last = math.floor(np.log10(ratios.min())), math.ceil(np.log10(ratios.max()))
    step = max(1, math.ceil((last - first) / MOST_RAYS))
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    for power in range(first, last + 1, step):
        ratio = 10.0**power
        start, end = max(left, low / ratio), min(right, high / ratio)
        if start >= end:
            continue
        ax.plot([start, end], [ratio * start, ratio * end], ":", color=GREY, lw=0.8, zorder=1)
        top = end < right
        ax.annotate(
            f"D/N = {ratio:,g}", (end, ratio * end),
            xytext=(0, 3) if top else (4, 0), textcoords="offset points", color=GREY,
            ha="center" if top else "left", va="bottom" if top else "center", fontsize=7.5,
            annotation_clip=False,
        )  # fmt: skip


def _draw_chosen(ax: Axes, runs: Sequence[NextRun]) -> None:
    """Draw the next runs, with a mark and colour for each reason and the number of repeats."""
    reasons = Counter(run.reason for run in runs)
    for k, (reason, count) in enumerate(reasons.items()):
        marker, color = MARKS[k % len(MARKS)]
        times = Counter((run.n, run.d) for run in runs if run.reason == reason)
        n, d = (np.array(values) for values in zip(*times, strict=True))
        ax.plot(n, d, marker, ms=6.5, mfc=color, mec="white", mew=0.7, zorder=4,
                label=textwrap.fill(f"{_counted(count)}: {reason}", WORDS))  # fmt: skip
        for (x, y), repeated in times.items():
            if repeated > 1:
                ax.annotate(
                    f"\N{MULTIPLICATION SIGN}{repeated}", (x, y), xytext=(6, 0), va="center",
                    textcoords="offset points", fontsize=7.5,
                )  # fmt: skip


def _counted(count: int) -> str:
    return f"{count} next run{'' if count == 1 else 's'}"


def _in_words(chosen: NextRuns) -> str:
    """Headline: the cost of the runs and their expected effect."""
    before, after = chosen.before.sd, chosen.after.sd
    cost = f"{_counted(len(chosen.runs))} for {shown(chosen.spent)} FLOP"
    if not chosen.runs:
        return f"No next run within {shown(chosen.budget)} FLOP"
    if not drawn(before, after):
        return f"{cost}, for {chosen.target}"
    return (
        f"{cost}: the standard deviation of {chosen.target} is expected to fall from "
        f"{shown(before, 2)} to {shown(after, 2)}"
    )
