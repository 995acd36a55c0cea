"""Figures of the study of addition modulo p."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allometry.figures.labels import label_offsets
from allometry.figures.panels import runs_panel
from allometry.figures.style import (
    BLUE,
    GREEN,
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
from allometry.stats.interval import Interval
from allometry.studies.delayed.delay import DelayedRun, in_words
from allometry.studies.delayed.delay_figures import bundle, lag_arrow, updates_panel
from allometry.studies.delayed.modular_numbers import (
    GENERALISED,
    Numbers,
    at_fraction,
    fractions_of,
)
from allometry.tables.run_texts import run_texts
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "embeddings_on_a_ring", "frequencies_before_and_after", "sums_along_training",
    "time_by_fraction",
]  # fmt: skip


def _numbers(analysis: Analysis) -> Numbers:
    numbers: Numbers = analysis.numbers["modular_addition"]
    return numbers


def sums_along_training(table: Table, analysis: Analysis) -> "Figure":
    """Accuracy along training. a: on test pairs, by the training fraction of the table; means over
    seeds. b: one fraction, training and test pairs; dashed: test pairs without weight decay.
    c: the same networks on test pairs (a, b) with (b, a) in the training set, and on the others."""
    numbers = _numbers(analysis)
    runs, times = numbers.reference, numbers.times
    figure, axes = panels(1, 3, height=70.0, sharey=True)
    by_part, both, mirror = axes[0]
    updates_panel(by_part, xlabel="updates", ylabel="accuracy", title="test pairs")
    _by_fraction(by_part, numbers.decayed)
    updates_panel(both, xlabel="updates", title=f"{numbers.fraction:.0%} for training")
    bundle(both, runs, [("train_accuracy", "training", VERMILLION, "-"),
                       ("test_accuracy", "test", BLUE, "-")])  # fmt: skip
    bundle(both, numbers.without, [("test_accuracy", "no decay", GREY, "--")])
    lag_arrow(both, times.train.value, times.test.value, 1.05)
    updates_panel(mirror, xlabel="updates", title="mirrored test pairs")
    bundle(mirror, runs, [("accuracy_mirrored", "mirrored", ORANGE, "-"),
                         ("accuracy_unmirrored", "others", GREEN, "-")])  # fmt: skip
    by_part.set_ylim(0, 1.2)
    by_part.set_yticks([0, 0.25, 0.5, 0.75, 1])
    letters(axes)
    headline(figure, _title(times.lag))
    return figure


def _title(lag: Interval) -> str:
    if not np.isfinite(lag.value):
        return "The transformer memorises its training pairs and does not generalise here"
    return f"The transformer generalises {in_words(lag, 2)} updates after memorising"


def _by_fraction(ax: "Axes", runs: Sequence[DelayedRun]) -> None:
    fractions = fractions_of(runs)
    ends, step = [], runs[0].step
    with paper():
        for fraction, color in zip(fractions, ramp(fractions), strict=True):
            group = at_fraction(runs, fraction)
            line = np.mean([np.interp(step, r.step, r.along["test_accuracy"]) for r in group], 0)
            ax.plot(step[1:], line[1:], color=color, lw=1.4)
            ends.append((fraction, color, line))
        _labels_inside(ax, step, ends)


def _labels_inside(ax: "Axes", step: NDArray[Any], ends: Sequence[tuple[float, Any, Any]]) -> None:
    """Label each line with its fraction.

    Lines below the threshold of generalising are labelled at their end, the others on their rise,
    each at a different height.
    """
    low = [(f, c, y) for f, c, y in ends if y.max() < GENERALISED]
    lifts = label_offsets(ax, [float(y[-1]) for _, _, y in low])
    for (fraction, color, y), lift in zip(low, lifts, strict=True):
        ax.annotate(
            f"{fraction:.0%}", (step[-1], y[-1]), xytext=(4, lift), textcoords="offset points",
            color=readable(color), va="center", annotation_clip=False,
        )  # fmt: skip
    high = [(f, c, y) for f, c, y in ends if y.max() >= GENERALISED]
    for rank, (fraction, color, y) in enumerate(high):
        height = 0.35 + 0.5 * (rank + 0.5) / len(high)
        i = int(np.argmax(y >= height))
        ax.annotate(
            f"{fraction:.0%}", (step[i], y[i]), xytext=(-3, 3), textcoords="offset points",
            color=readable(color), ha="right", va="bottom", fontsize=7.5,
        )  # fmt: skip


def time_by_fraction(table: Table, analysis: Analysis) -> "Figure":
    """Updates until 90% of the training pairs (red squares) and of the test pairs (blue dots) are
    right, against the training fraction of the table. Small marks: runs; large: means. Hollow
    triangles, if any: runs that do not generalise in the updates they made."""
    numbers = _numbers(analysis)
    runs = numbers.decayed
    fraction = np.array([run.row["fraction"] for run in runs], float)
    late = np.array([run.t_test for run in runs])
    never = np.isnan(late)
    longest = np.array([run.step[-1] for run in runs])
    tips = np.array(run_texts(Table.from_rows([run.row for run in runs]), ("fraction",)))
    figure, axes = panels(1, 1, width=120.0, height=74.0)
    ax = axes[0, 0]
    runs_panel(
        fraction, np.array([run.t_train for run in runs]), ax=ax, color=VERMILLION, marker="s",
        label="training", xlog=False, xlabel="training fraction of the table",
        ylabel="updates until 90% are right", tips=tips.tolist(),
    )  # fmt: skip
    runs_panel(
        fraction[~never], late[~never], ax=ax, color=BLUE, label="test", xlog=False,
        tips=tips[~never].tolist(),
    )  # fmt: skip
    with paper():
        ax.plot(fraction[never], longest[never], "^", ms=6, mfc="white", mec=BLUE, zorder=4)
        if never.any():
            ax.annotate(
                f"{never.sum()} of {len(never)} not yet", (fraction[never].max(), longest.max()),
                xytext=(9, 2), textcoords="offset points", color=BLUE, va="center", fontsize=7.5,
            )  # fmt: skip
    learnt = list(numbers.time_by_fraction)
    ends = [in_words(Interval(t, np.nan, np.nan)) for t in numbers.time_by_fraction.values()]
    words = (
        f"{ends[0]} updates to generalise from {learnt[0]:.0%} of the table, {ends[-1]} from "
        f"{learnt[-1]:.0%}"
        if len(learnt) > 1
        else "Time to generalise against the training fraction of the table"
    )
    headline(figure, words)
    return figure


def embeddings_on_a_ring(table: Table, analysis: Analysis) -> "Figure":
    """The embeddings of all numbers on their first two principal components, for the network whose
    embeddings come nearest to a circle after it generalises: untrained, after memorising, when they
    are roundest, and at the end. Colours and lines follow the order of the numbers on a circle of
    frequency k, that of the roundest point: a, a + 1/k, ... modulo p."""
    run, round_at = _roundest(_numbers(analysis).runs)
    p, k = int(run.row["p"]), int(run.along["ring_frequency"][round_at])
    memorised = int(np.abs(run.step - run.t_train).argmin()) if np.isfinite(run.t_train) else 0
    moments = {
        "untrained": 0,
        "memorised": memorised,
        "roundest": round_at,
        "end": len(run.step) - 1,
    }
    figure, axes = panels(1, len(moments), height=58.0)
    for ax, (name, point) in zip(axes[0], moments.items(), strict=True):
        _plane(ax, np.asarray(run.along["plane"][point], float), k, numbers=name == "roundest")
        with paper():
            ax.set_title(f"{name}: {run.step[point]:,.0f}", loc="left")
            ax.set_xlabel("component 1")
            if not point:
                ax.set_ylabel("component 2")
    letters(axes)
    share, end = (float(run.along["ring_share"][i]) for i in (round_at, -1))
    headline(
        figure,
        f"Modulo {p}, {run.row['fraction']:.0%} for training, seed {run.row['seed']}: a circle at "
        f"k = {k} has {share:.0%} of the variance, {end:.0%} at the end",
    )
    return figure


def _roundest(runs: Sequence[DelayedRun]) -> tuple[DelayedRun, int]:
    """The run and the point of its trajectory with the largest `ring_share` after generalising."""
    learnt = [run for run in runs if np.isfinite(run.t_test)]

    def best(run: DelayedRun) -> tuple[float, int]:
        first = run.t_test if learnt else 0.0
        shares = np.where(run.step >= first, run.along["ring_share"], -1.0)
        return float(shares.max()), int(shares.argmax())

    roundest = max(learnt or runs, key=lambda run: (best(run)[0], -int(run.row["seed"])))
    return roundest, best(roundest)[1]


def _plane(ax: "Axes", points: NDArray[Any], k: int, *, numbers: bool) -> None:
    import matplotlib as mpl

    p = len(points)
    # On the circle of frequency k, the number after b is the a with k a = k b + 1 (mod p).
    turn = (k * np.arange(p)) % p
    order = np.argsort(turn, kind="stable")
    colors = mpl.colormaps["twilight"](0.1 + 0.8 * turn / p)
    reach = 1.28 * float(np.abs(points).max())
    with paper():
        dress(ax, grid=False)
        closed = np.append(order, order[0])
        ax.plot(points[closed, 0], points[closed, 1], color=GREY, lw=0.4, alpha=0.5, zorder=1)
        size = 3.0 if numbers else 9.0
        ax.scatter(points[:, 0], points[:, 1], s=size, c=colors, lw=0, zorder=2)
        if numbers:
            apart = max(1, p // 13)
            for a in order[: p - apart + 1 : apart]:
                ax.annotate(
                    str(a), points[a], xytext=8 * points[a] / (np.linalg.norm(points[a]) + 1e-9),
                    textcoords="offset points", ha="center", va="center", fontsize=7, color=INK,
                )  # fmt: skip
        ax.set_xlim(-reach, reach)
        ax.set_ylim(-reach, reach)
        ax.set_aspect("equal")


def frequencies_before_and_after(table: Table, analysis: Analysis) -> "Figure":
    """a: share of the variance of the embeddings at each frequency, in descending order, means over
    the runs of each kind: untrained, trained without weight decay, generalised. b: entropy of the
    spectrum of principal components along training, at one training fraction. Thin lines: seeds."""
    numbers = _numbers(analysis)
    without, learnt = numbers.without, numbers.learnt
    figure, axes = panels(1, 2, height=70.0)
    left, right = axes[0]
    with paper():
        dress(left, ylog=True)
        left.set_xlabel("rank of the frequency")
        left.set_ylabel("share of the variance")
        for label, group, point, color, style in (
            ("untrained", numbers.decayed, 0, GREY, ":"),
            ("no decay", without, -1, VERMILLION, "--"),
            ("generalised", learnt, -1, BLUE, "-"),
        ):
            _ranked(left, group, point, label, color, style)
    updates_panel(right, xlabel="updates", ylabel="entropy of PCA (nats)",
                 title=f"{numbers.fraction:.0%} for training")  # fmt: skip
    bundle(right, numbers.reference, [("pca_entropy", "decay 1", BLUE, "-")])
    bundle(right, without, [("pca_entropy", "no decay", VERMILLION, "--")])
    t_test = numbers.times.test.value
    with paper():
        if np.isfinite(t_test):
            right.axvline(t_test, color=GREY, lw=0.8)
            right.annotate("generalises", (t_test, 0.04), xycoords=("data", "axes fraction"),
                           xytext=(-3, 0), textcoords="offset points", ha="right", color=GREY,
                           fontsize=7.5)  # fmt: skip
    letters(axes)
    shares = numbers.shares
    words = (
        f"Five frequencies hold {shares['end']:.0%} of the embeddings' variance after "
        f"generalising, {shares['untrained']:.0%} before training"
        if learnt
        else "No network generalises here"
    )
    headline(figure, words)
    return figure


def _ranked(
    ax: "Axes", group: Sequence[DelayedRun], point: int, label: str, color: str, style: str
) -> None:
    if not group:
        return
    shares = np.array([np.sort(np.asarray(r.along["fourier"][point], float))[::-1] for r in group])
    rank, middle = np.arange(1, shares.shape[1] + 1), np.maximum(shares.mean(axis=0), 1e-6)
    ax.plot(rank, middle, color=color, ls=style, lw=1.6, marker="o", ms=2.5)
    ax.annotate(
        label, (rank[-1], middle[-1]), xytext=(4, 0), textcoords="offset points",
        color=readable(color), va="center", annotation_clip=False,
    )  # fmt: skip
