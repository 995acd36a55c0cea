"""Figures of the sparse-parity study: tasks along training, when each is learnt, three scalings."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

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
from allometry.stats.lines import log_line
from allometry.stats.means import mean as mean_of
from allometry.studies.sparse_parity.author import (
    HALF_LEARNT,
    PRINTED,
    STEPS_AN_EPOCH,
    deviation,
    is_notebook,
    tolerance,
)
from allometry.studies.sparse_parity.laws import (
    KINDS,
    Scaling,
    finite_slope,
    fits,
    scalings,
    theory,
)
from allometry.studies.sparse_parity.trajectories import (
    BIT,
    HALF,
    Course,
    collapse,
    convergence,
    each_alpha,
    half_learnt,
    leading,
    learnt,
    off_the_curve,
    online,
)
from allometry.tables.table import Table

__all__ = [
    "as_in_the_notebook",
    "beside_the_author",
    "exponents",
    "learning_times",
    "quanta_against_loss",
    "three_scalings",
]

MOST_LINES = 12  # tasks drawn and labelled; of more, ranks even in their logarithm
SIZES = {"N": "parameters N", "D": "samples D", "S": "steps S"}


def _main(table: Table) -> list[Course]:
    """Runs on fresh samples at the alpha nearest to the notebook's."""
    found = online(table)
    return min(each_alpha(found), key=lambda pair: abs(pair[0] - 0.4))[1]


def _ranks(n_tasks: int) -> np.ndarray:
    if n_tasks <= MOST_LINES:
        return np.arange(n_tasks)
    return np.unique(np.geomspace(1, n_tasks, MOST_LINES).astype(int)) - 1


def _smooth(values: np.ndarray, points: int) -> np.ndarray:
    """Running means along the first axis, for the eye alone."""
    width = max(1, points // 250)
    if width == 1:
        return values
    total = np.cumsum(np.concatenate([np.zeros((1, *values.shape[1:])), values]), axis=0)
    return np.asarray((total[width:] - total[:-width]) / width)


def as_in_the_notebook(table: Table, analysis: Analysis) -> Figure:
    """Each task's loss (coloured by frequency rank, 0 the most frequent) and the loss of all
    (black), first seed: on the notebook's axes (a), and against steps times frequency^x (b), with x
    fitted to the steps at which tasks are half learnt: there the tasks fall on one another."""
    found = _main(table)
    course, x = found[0], mean_of([convergence(c) for c in found]).value
    ranks = _ranks(course.tasks.shape[1])
    figure, axes = panels(1, 2, height=78)
    _tasks(axes[0, 0], course, ranks)
    _collapsed(axes[0, 1], course, ranks, x)
    letters(axes)
    half = half_learnt(course)
    n = int(np.isfinite(half).sum())
    headline(
        figure,
        f"{n} of {len(half)} tasks are learnt, each at once, after p^-{x:.2f} steps"
        if np.isfinite(x)
        else f"{n} of {len(half)} tasks are learnt, each at once",
    )
    return figure


def _tasks(ax: Axes, course: Course, ranks: np.ndarray) -> None:
    lines, whole = (_smooth(v, len(course.step)) for v in (course.tasks, course.loss[:, None]))
    step = course.step[len(course.step) - len(lines) :]
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
    ax: Axes, x: float, ends: np.ndarray, ranks: np.ndarray, colors: np.ndarray, gap: float = 0.05
) -> None:
    """Ranks at the ends of their lines; lines that end together are named together."""
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


def _collapsed(ax: Axes, course: Course, ranks: np.ndarray, x: float) -> None:
    lines = _smooth(course.tasks, len(course.step))
    x = x if np.isfinite(x) else 1.0
    time = collapse(course, x)[len(course.step) - len(lines) :]
    reached = ranks[np.isfinite(half_learnt(course)[ranks])]
    with paper():
        dress(ax, xlog=True)
        for rank, color in zip(ranks, ramp(ranks + 1.0), strict=True):
            ax.plot(
                time[:, rank], lines[:, rank], color=color, lw=0.9,
                ls="-" if rank in reached else (0, (2, 1.5)),
            )  # fmt: skip
        ax.axhline(HALF, color=GREY, lw=0.7, ls=":")
        middle = np.nanmedian([half_learnt(course)[r] * course.frequencies[r] ** x for r in reached]
                              or [np.median(time)])  # fmt: skip
        ax.set_xlim(middle / 12, middle * 6)
        name_axes(ax, f"updates × p^{x:.2f}, p: frequency of the task", "loss of a task (nats)", "")


def learning_times(table: Table, analysis: Analysis) -> Figure:
    """Step at which each task is half learnt against its frequency, every seed; the solid line is
    the mean of the seeds' fits over their leading tasks (filled), hollow ones follow a task that
    was not learnt; dashed: p^-1, a fixed number of samples of each task. Orange: the author's."""
    found = _main(table)
    figure, axes = panels(1, 1, height=74, width=120)
    ax = axes[0, 0]
    half = [half_learnt(c) for c in found]
    p = np.concatenate([c.frequencies for c in found])
    used = np.concatenate([np.arange(len(h)) < leading(h) for h in half])
    steps = np.concatenate(half)
    here = np.isfinite(steps)
    x = mean_of([convergence(c) for c in found])
    law = log_line(p[used], steps[used])
    ends = np.array([p[here].min(), p[here].max()]) if here.any() else np.array([0.1, 1.0])
    curves = []
    if np.isfinite(law.slope):
        middle = 10 ** np.log10(p[used]).mean(), 10 ** np.log10(steps[used]).mean()
        curves = [
            Curve(ends, middle[1] * (ends / middle[0]) ** -x.value, label=f"p^-{x.value:.2f}"),
            Curve(ends, middle[1] * (ends / middle[0]) ** -1.0, color=GREY, style="--",
                  label="p^-1"),
        ]  # fmt: skip
    runs_panel(
        p[here], steps[here], ax=ax, used=used[here] if used[here].any() else None,
        curves=curves, xlabel="frequency p of the task", ylabel="half learnt after (updates)",
        means=False,
    )  # fmt: skip
    if any(is_notebook(c) for c in found):
        with paper():
            ax.plot(
                found[0].frequencies[: len(HALF_LEARNT)], HALF_LEARNT, "D", color=ORANGE, ms=5,
                mfc="none", zorder=5,
            )  # fmt: skip
            ax.annotate(
                "author's", (found[0].frequencies[3], HALF_LEARNT[3]), xytext=(0, 8),
                textcoords="offset points", ha="center", color=readable(ORANGE),
            )  # fmt: skip
    shown = f" [{x.low:.2f}, {x.high:.2f}]" if np.isfinite(x.low) else ""
    headline(figure, f"A task of frequency p is learnt after p^-{x.value:.2f} steps{shown}")
    return figure


def beside_the_author(table: Table, analysis: Analysis) -> Figure:
    """Loss of the training batches, every seed (blue) and their mean (black). Where runs have the
    notebook's sizes: the author's printed losses with what is granted around each (orange), and
    below how far the seeds are off."""
    found = _main(table)
    same = [c for c in found if is_notebook(c)]
    figure, axes = panels(1, 2, height=70)
    left, right = axes[0]
    mean = np.mean([c.loss for c in found], axis=0)
    step = found[0].step
    some = np.unique(np.geomspace(1, len(step), 300).astype(int)) - 1
    with paper():
        dress(left)
        dress(right)
        for c in found:
            left.plot(c.step[some], c.loss[some], color=BLUE, lw=0.6, alpha=0.6)
        left.plot(step[some], mean[some], color=INK, lw=1.4)
        name_axes(left, "updates", "loss of the batch (nats)", "")
        ylabel = _beside(left, right, same) if same else "seed over the mean of seeds (%)"
        if not same:
            for c in found:
                right.plot(c.step[some], 100 * (c.loss / mean - 1)[some], color=BLUE, lw=0.6)
        right.axhline(0, color=GREY, lw=0.8)
        name_axes(right, "updates", ylabel, "")
    letters(axes)
    headline(
        figure,
        analysis.findings[0].answer.split(";")[0] if same else
        f"The loss of {len(found)} seeds from {mean[0]:.2f} to {mean[-1]:.2f} nats",
    )  # fmt: skip
    return figure


def _beside(left: Axes, right: Axes, same: Sequence[Course]) -> str:
    """The printed losses with their bands, and how far each seed and the mean are off."""
    end, band = STEPS_AN_EPOCH * (PRINTED[:, 0] + 1), tolerance(PRINTED[:, 0])
    left.errorbar(
        end, PRINTED[:, 1], yerr=band * PRINTED[:, 1], fmt="D", ms=2.6, color=ORANGE, mfc="white",
        lw=0.7, zorder=5,
    )  # fmt: skip
    right.fill_between(end, -100 * band, 100 * band, color=ORANGE, alpha=0.18, lw=0)
    for c in same:
        right.plot(end, 100 * deviation([c]), color=BLUE, lw=0.6, alpha=0.6)
    right.plot(end, 100 * deviation(same), color=INK, lw=1.4)
    return "ours over the author's (%)"


def three_scalings(table: Table, analysis: Analysis) -> Figure:
    """Test loss in bits against parameters, samples (the lowest along training) and steps, at the
    alpha nearest 0.4; hollow: less than one task learnt. Blue line: power law of the filled ones;
    orange: the discrete curve L_n of the theory, one fit to all panels, K the number of tasks;
    grey dashed: the theory's power law without a last task."""
    laws = scalings(table)
    alpha = min({s.alpha for s in laws}, key=lambda a: abs(a - 0.4))
    laws = [s for s in laws if s.alpha == alpha]
    fitted = fits(table.where(alpha=alpha), resamples=0)
    figure, axes = panels(1, len(laws), height=72, sharey=True)
    for ax, scaling in zip(axes[0], laws, strict=True):
        _scaling(ax, scaling, fitted, table)
    axes[0, 0].set_ylabel("test loss (bits)")
    if len(laws) > 1:
        letters(axes)
    told = ", ".join(f"{s.kind}^-{s.exponent.value:.2f}" for s in laws)
    wanted = ", ".join(f"{theory(s.kind, s.alpha):.2f}" for s in laws)
    headline(figure, f"The loss falls as {told}; without a last task: {wanted}")
    return figure


def _scaling(ax: Axes, s: Scaling, fitted: dict, table: Table) -> None:
    # The flat start of a course, before a tenth of the first step fitted, says nothing.
    first = s.size[s.used][0] / 10 if s.used.any() and s.kind == "S" else 0.0
    seen = s.size >= first
    sizes, seeds = np.tile(s.size[seen], len(s.spread)), s.spread[:, seen].ravel()
    used = np.tile(s.used[seen], len(s.spread))
    between = s.size[s.used] if s.used.any() else s.size
    law = log_line(between, s.loss[s.used])
    curves = [Curve(between, 10**law.intercept * between**law.slope)]
    middle = between[len(between) // 2]
    level = 10**law.intercept * middle**law.slope
    curves.append(
        Curve(between, level * (between / middle) ** -theory(s.kind, s.alpha), color=GREY,
              style="--")
    )  # fmt: skip
    for found in fitted.values():
        at = {"N": 1e30, "D": 1e30, "step": float(table["steps"].max())}
        at["N"] = float(table["n_params"].max())
        if s.kind == "D":
            at["step"] = float(table.where(n_samples=int(s.size[0]))["steps"].max())
        fine = np.geomspace(s.size[seen].min(), s.size.max(), 200)
        points = {n: np.full(200, v) for n, v in at.items()}
        points[{"N": "N", "D": "D", "S": "step"}[s.kind]] = fine
        curves.append(Curve(fine, found.predict(points), color=ORANGE))
    runs_panel(
        sizes, seeds, ax=ax, used=used if used.any() else None, curves=curves, xlabel=SIZES[s.kind],
        note=f"exponent {s.exponent.value:.2f}, theory {theory(s.kind, s.alpha):.2f}",
        note_at="upper right",
    )  # fmt: skip


def exponents(table: Table, analysis: Analysis) -> Figure:
    """Exponents of the loss in parameters, samples and steps against alpha, with 95% intervals
    (seeds and sizes drawn anew; seeds alone for steps). Grey: the theory of an endless list of
    quanta. Hollow squares: the same theory with as many quanta as tasks, over the same losses."""
    laws = scalings(table)
    shown = [k for k in KINDS if any(s.kind == k for s in laws)]
    figure, axes = panels(1, len(shown), height=70, sharey=True)
    for ax, kind in zip(axes[0], shown, strict=True):
        _against_alpha(ax, kind, [s for s in laws if s.kind == kind])
    axes[0, 0].set_ylabel("exponent of the loss")
    if len(shown) > 1:
        letters(axes)
    above = np.array([abs(s.exponent.value - theory(s.kind, s.alpha)) for s in laws])
    gap = np.array([abs(s.exponent.value - finite_slope(s)) for s in laws])
    headline(
        figure,
        f"Exponents are {np.nanmean(above):.2f} off the endless theory, {np.nanmean(gap):.2f} off "
        "the theory of as many quanta as tasks",
    )
    return figure


def _against_alpha(ax: Axes, kind: str, found: Sequence[Scaling]) -> None:
    alpha = np.array([s.alpha for s in found])
    value, low, high = np.array([s.exponent for s in found]).T
    fine = np.linspace(min(0.1, alpha.min()), max(0.9, alpha.max()), 50)
    with paper():
        dress(ax)
        ax.plot(fine, [theory(kind, a) for a in fine], color=GREY, lw=1.1, ls="--")
        ax.annotate(
            "theory", (fine[8], theory(kind, fine[8])), xytext=(4, -3), ha="left", va="top",
            textcoords="offset points", color=GREY,
        )  # fmt: skip
        ax.plot(alpha, [finite_slope(s) for s in found], "s", mfc="none", mec=VERMILLION, ms=5.5)
        ax.vlines(alpha, low, high, color=BLUE, lw=1.3)
        ax.plot(alpha, value, "o", color=BLUE, ms=4.5)
        name_axes(ax, "alpha of the frequencies", "", f"in {SIZES[kind]}")


def quanta_against_loss(table: Table, analysis: Analysis) -> Figure:
    """Test loss in bits against the number of tasks learnt (loss below half of chance) along
    training, every seed, by alpha; lines: L_n, the summed frequencies of all tasks but the n most
    frequent."""
    found = online(table)
    groups = list(each_alpha(found))
    figure, axes = panels(1, 1, height=74, width=120)
    ax = axes[0, 0]
    colors = (BLUE, VERMILLION, INK, ORANGE)
    gaps = []
    with paper():
        dress(ax, ylog=True)
        for (alpha, some), color, marker in zip(groups, colors, "osD^", strict=False):
            n_tasks, reached = some[0].tasks.shape[1], max(int(learnt(c).max()) for c in some)
            n = np.linspace(0, min(1.3 * reached + 1, 0.98 * n_tasks), 200)
            curve = tail(n, np.array(alpha), np.array(float(n_tasks)))
            ax.plot(n, curve, color=color, lw=1.2)
            for c in some:
                points = np.unique(np.geomspace(1, len(c.step), 60).astype(int)) - 1
                ax.plot(
                    learnt(c)[points], c.test_loss[points] / BIT, marker, ms=2.6, color=color,
                    alpha=0.55, mew=0,
                )  # fmt: skip
                gaps.append(abs(off_the_curve(c)))
            ax.annotate(
                f"alpha = {alpha:g}".replace("alpha", "α"), (n[-1], curve[-1]), xytext=(4, 0),
                textcoords="offset points", color=readable(color), va="center",
            )  # fmt: skip
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        name_axes(ax, "tasks learnt n", "test loss (bits)", "")
    headline(figure, f"The number of tasks learnt tells the loss to {np.nanmean(gaps):.2f} bits")
    return figure
