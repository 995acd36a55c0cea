"""Figures of the sparse-parity study: losses of tasks along training, and learning times."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from allometry.figures.curves import Curve
from allometry.figures.labels import name_axes
from allometry.figures.panels import runs_panel
from allometry.figures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    VERMILLION,
    dress,
    headline,
    letters,
    panels,
    paper,
    ramp,
    readable,
)
from allometry.findings import Analysis
from allometry.laws.quanta import tail
from allometry.studies.sparse_parity.author import (
    HALF_LEARNT,
    PRINTED,
    STEPS_AN_EPOCH,
    Band,
    deviation,
    met,
    printed_losses,
    tolerance,
)
from allometry.studies.sparse_parity.findings import ONE_TASK
from allometry.studies.sparse_parity.numbers import Numbers
from allometry.studies.sparse_parity.trajectories import (
    BIT,
    HALF,
    Order,
    ParityTrajectory,
    collapse,
    each_alpha,
    learnt,
)
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "as_in_the_notebook",
    "beside_the_author",
    "learning_times",
    "quanta_against_loss",
]

MOST_LINES = 12  # most tasks drawn and labelled; of more tasks, ranks evenly spaced in logarithm


def _numbers(analysis: Analysis) -> Numbers:
    numbers: Numbers = analysis.numbers["sparse_parity"]
    return numbers


def _ranks(n_tasks: int) -> np.ndarray:
    if n_tasks <= MOST_LINES:
        return np.arange(n_tasks)
    return np.unique(np.geomspace(1, n_tasks, MOST_LINES).astype(int)) - 1


def _smooth(values: np.ndarray, points: int) -> np.ndarray:
    """Running means along the first axis, for display only."""
    width = max(1, points // 250)
    if width == 1:
        return values
    total = np.cumsum(np.concatenate([np.zeros((1, *values.shape[1:])), values]), axis=0)
    return np.asarray((total[width:] - total[:-width]) / width)


def as_in_the_notebook(table: Table, analysis: Analysis) -> "Figure":
    """Loss of each task (coloured by frequency rank, 0 the most frequent) and of all tasks (black),
    first seed. a: on the notebook's axes; b: against steps times frequency^x, with x fitted to the
    steps at which tasks are half learnt, so that the curves of the tasks coincide."""
    numbers = _numbers(analysis)
    run, half, x = numbers.main[0], numbers.half[0], numbers.times.exponent
    ranks = _ranks(run.tasks.shape[1])
    figure, axes = panels(1, 2, height=78)
    _tasks(axes[0, 0], run, ranks)
    _collapsed(axes[0, 1], run, half, ranks, x)
    letters(axes)
    order, n = Order.of(half, run.step[-1]), int(np.isfinite(half).sum())
    headline(
        figure,
        f"{n} of {len(half)} tasks are half learnt"
        + (" in order" if order.right == order.pairs > 0 else "")
        + ", each abruptly"
        + (f", after p^-{x:.2f} steps" if np.isfinite(x) else ""),
    )
    return figure


def _tasks(ax: "Axes", run: ParityTrajectory, ranks: np.ndarray) -> None:
    lines, whole = (_smooth(v, len(run.step)) for v in (run.tasks, run.loss[:, None]))
    step = run.step[len(run.step) - len(lines) :]
    colors = ramp(ranks + 1.0)
    with paper():
        dress(ax)
        for rank, color in zip(ranks, colors, strict=True):
            ax.plot(step, lines[:, rank], color=color, lw=0.9)
        ax.plot(step, whole[:, 0], color=INK, lw=1.7, zorder=4)
        ax.axhline(BIT, color=GREY, lw=0.7, ls=":")
        _name_lines(ax, step[-1], lines[-1, ranks], ranks, colors)
        ax.annotate(
            "all", (step[4 * len(step) // 5], float(whole[4 * len(step) // 5, 0])), xytext=(0, 4),
            textcoords="offset points", ha="center", va="bottom", fontweight="bold",
        )  # fmt: skip
        name_axes(ax, "updates", "loss (nats)", "")


def _name_lines(
    ax: "Axes", x: float, ends: np.ndarray, ranks: np.ndarray, colors: np.ndarray, gap: float = 0.05
) -> None:
    """Write ranks at the ends of their lines, with one label for lines that end close together."""
    order = np.argsort(ends)
    parts = np.split(order, np.flatnonzero(np.diff(ends[order]) > gap * BIT) + 1)
    for part in parts:
        names = sorted(int(ranks[i]) for i in part)
        unbroken = len(names) > 2 and names == list(
            ranks[(ranks >= names[0]) & (ranks <= names[-1])]
        )
        text = f"{names[0]}\N{EN DASH}{names[-1]}" if unbroken else ", ".join(map(str, names))
        ax.annotate(
            text, (x, float(np.mean(ends[part]))), xytext=(4, 0), textcoords="offset points",
            va="center", color=readable(colors[part[len(part) // 2]][:3]), fontsize=7.5,
            annotation_clip=False,
        )  # fmt: skip


def _collapsed(
    ax: "Axes", run: ParityTrajectory, half: np.ndarray, ranks: np.ndarray, x: float
) -> None:
    lines = _smooth(run.tasks, len(run.step))
    x = x if np.isfinite(x) else 1.0
    time = collapse(run, x)[len(run.step) - len(lines) :]
    reached = ranks[np.isfinite(half[ranks])]
    with paper():
        dress(ax, xlog=True)
        for rank, color in zip(ranks, ramp(ranks + 1.0), strict=True):
            ax.plot(
                time[:, rank], lines[:, rank], color=color, lw=0.9,
                ls="-" if rank in reached else (0, (2, 1.5)),
            )  # fmt: skip
        ax.axhline(HALF, color=GREY, lw=0.7, ls=":")
        scaled = half[reached] * run.frequencies[reached] ** x
        middle = np.median(scaled) if len(scaled) else np.median(time)
        ax.set_xlim(middle / 12, middle * 6)
        name_axes(ax, f"updates × p^{x:.2f}, p: frequency of the task", "loss of a task (nats)", "")


def learning_times(table: Table, analysis: Analysis) -> "Figure":
    """Step at which each task is half learnt against its frequency, every seed. The solid line is
    the mean of the seeds' fits to their leading tasks (filled marks); tasks rarer than one that is
    never learnt have hollow marks. Dashed: p^-1, the same number of samples of every task. Orange
    diamonds, if runs have the notebook's settings: the author's run."""
    numbers = _numbers(analysis)
    p, steps, used, _, middle = numbers.times
    x = numbers.times.exponent
    figure, axes = panels(1, 1, height=74, width=120)
    ax = axes[0, 0]
    finite = np.isfinite(steps)
    ends = np.array([p[finite].min(), p[finite].max()]) if finite.any() else np.array([0.1, 1.0])
    curves = []
    if middle is not None:
        curves = [
            Curve(ends, middle[1] * (ends / middle[0]) ** -x, label=f"p^-{x:.2f}"),
            Curve(ends, middle[1] * (ends / middle[0]) ** -1.0, color=GREY, style="--",
                  label="p^-1"),
        ]  # fmt: skip
    runs_panel(
        p[finite], steps[finite], ax=ax, used=used[finite] if used[finite].any() else None,
        curves=curves, xlabel="frequency p of the task", ylabel="half learnt after (updates)",
        means=False,
    )  # fmt: skip
    if numbers.same:
        _authors_times(ax, numbers.main[0].frequencies)
    headline(figure, f"A task of frequency p is half learnt after p^-{x:.2f} steps")
    return figure


def _authors_times(ax: "Axes", frequencies: np.ndarray) -> None:
    with paper():
        ax.plot(
            frequencies[: len(HALF_LEARNT)], HALF_LEARNT, "D", color=ORANGE, ms=5, mfc="none",
            zorder=5,
        )  # fmt: skip
        ax.annotate(
            "author's", (frequencies[3], HALF_LEARNT[3]), xytext=(0, 8),
            textcoords="offset points", ha="center", color=readable(ORANGE),
        )  # fmt: skip


def beside_the_author(table: Table, analysis: Analysis) -> "Figure":
    """Left: loss of the training batches, every seed (blue) and their mean (black). Right: each
    seed relative to the mean. If runs have the notebook's settings, the left panel also shows the
    author's printed losses with their tolerances (orange), and the right panel shows the seeds and
    their mean relative to these losses, the tolerances (orange), the band that contains one whole
    further run with probability 95% (grey), and the claim's bound (dashed)."""
    numbers = _numbers(analysis)
    runs, same = numbers.main, numbers.same
    figure, axes = panels(1, 2, height=70)
    left, right = axes[0]
    mean = np.mean([run.loss for run in runs], axis=0)
    step = runs[0].step
    shown = np.unique(np.geomspace(1, len(step), 300).astype(int)) - 1
    with paper():
        dress(left)
        dress(right)
        for run in runs:
            left.plot(run.step[shown], run.loss[shown], color=BLUE, lw=0.6, alpha=0.6)
        left.plot(step[shown], mean[shown], color=INK, lw=1.4)
        name_axes(left, "updates", "loss of the batch (nats)", "")
        ylabel = _beside(left, right, same) if same else "difference from the mean of seeds (%)"
        if not same:
            for run in runs:
                right.plot(run.step[shown], 100 * (run.loss / mean - 1)[shown], color=BLUE, lw=0.6)
        right.axhline(0, color=GREY, lw=0.8)
        name_axes(right, "updates", ylabel, "")
    letters(axes)
    headline(
        figure,
        f"The mean of {len(same)} seeds meets {met(same)} of {len(PRINTED)} printed losses within "
        "2 to 12%" if same else
        f"The mean loss of {len(runs)} seeds falls from {mean[0]:.2f} to {mean[-1]:.2f} nats",
    )  # fmt: skip
    return figure


def _beside(left: "Axes", right: "Axes", same: Sequence[ParityTrajectory]) -> str:
    """Draw the printed losses with their tolerances, and the differences of our runs from them.

    Returns:
        The label of the right panel's y axis.
    """
    end, band = STEPS_AN_EPOCH * (PRINTED[:, 0] + 1), tolerance(PRINTED[:, 0])
    left.errorbar(
        end, PRINTED[:, 1], yerr=band * PRINTED[:, 1], fmt="D", ms=2.6, color=ORANGE, mfc="white",
        lw=0.7, zorder=5,
    )  # fmt: skip
    right.fill_between(end, -100 * band, 100 * band, color=ORANGE, alpha=0.3, lw=0)
    over = 100 * np.array(Band.of(printed_losses(same)).over(PRINTED[:, 1]))
    right.fill_between(end, over[:, 1], over[:, 2], color=GREY, alpha=0.18, lw=0)
    for margin in (100 * ONE_TASK, 100 * (1 / (1 + ONE_TASK) - 1)):
        right.axhline(margin, color=GREY, lw=0.8, ls="--")
    for run in same:
        right.plot(end, 100 * deviation([run]), color=BLUE, lw=0.6, alpha=0.6)
    right.plot(end, 100 * deviation(same), color=INK, lw=1.4)
    return "difference from the author's loss (%)"


def quanta_against_loss(table: Table, analysis: Analysis) -> "Figure":
    """Test loss in bits against the number of tasks learnt (loss below half of chance) along
    training, every seed, by alpha. Lines: L_n, the summed frequencies of all tasks except the n
    most frequent."""
    from matplotlib.ticker import MaxNLocator

    numbers = _numbers(analysis)
    groups = list(each_alpha(numbers.online))
    figure, axes = panels(1, 1, height=74, width=120)
    ax = axes[0, 0]
    colors = (BLUE, VERMILLION, INK, ORANGE)
    with paper():
        dress(ax, ylog=True)
        for (alpha, runs), color, marker in zip(groups, colors, "osD^", strict=False):
            counts = [learnt(run) for run in runs]
            n_tasks, reached = runs[0].tasks.shape[1], max(int(n.max()) for n in counts)
            n = np.linspace(0, min(1.3 * reached + 1, 0.98 * n_tasks), 200)
            curve = tail(n, np.array(alpha), np.array(float(n_tasks)))
            ax.plot(n, curve, color=color, lw=1.2)
            for run, count in zip(runs, counts, strict=True):
                points = np.unique(np.geomspace(1, len(run.step), 60).astype(int)) - 1
                ax.plot(
                    count[points], run.test_loss[points] / BIT, marker, ms=2.6, color=color,
                    alpha=0.55, mew=0,
                )  # fmt: skip
            ax.annotate(
                f"alpha = {alpha:g}".replace("alpha", "α"), (n[-1], curve[-1]), xytext=(4, 0),
                textcoords="offset points", color=readable(color), va="center",
            )  # fmt: skip
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        name_axes(ax, "tasks learnt n", "test loss (bits)", "")
    gap = np.nanmean(np.abs(numbers.gaps))
    headline(figure, f"The number of tasks learnt determines the loss to {gap:.2f} bits")
    return figure
