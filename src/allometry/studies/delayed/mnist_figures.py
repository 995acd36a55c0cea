"""Figures of the study of grokking on MNIST."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from allometry.figures.curves import Curve
from allometry.figures.panels import residual_panel, runs_panel
from allometry.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    VERMILLION,
    headline,
    letters,
    panels,
    paper,
)
from allometry.findings import Analysis
from allometry.studies.delayed.delay import DelayedRun, at, in_words
from allometry.studies.delayed.delay_figures import bundle, lag_arrow, updates_panel
from allometry.studies.delayed.mnist_numbers import OWN_DECAY, Group, Numbers
from allometry.tables.run_texts import run_texts
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["accuracies_and_norm", "as_in_the_source", "time_by_weight_decay"]

LINES = (
    ("train_accuracy", "training", VERMILLION, "-"),
    ("test_accuracy", "test", BLUE, "-"),
)


def _numbers(analysis: Analysis) -> Numbers:
    numbers: Numbers = analysis.numbers["mnist_grokking"]
    return numbers


def accuracies_and_norm(table: Table, analysis: Analysis) -> "Figure":
    """Accuracy (above) and norm of all weights (below) along training: large initialisation with
    and without weight decay, and standard initialisation, as far as these were run. Thin lines:
    seeds; thick: means. The arrow is from 90% training accuracy to 60% test accuracy."""
    groups = _numbers(analysis).groups
    highest = max(float(np.max(run.along["weight_norm"])) for g in groups for run in g.runs)
    figure, axes = panels(2, len(groups), height=105.0, sharex=True)
    for column, group in enumerate(groups):
        top, low = axes[0, column], axes[1, column]
        updates_panel(top, ylabel="" if column else "accuracy", title=group.title)
        top.set_ylim(0, 1.2)
        top.set_yticks([0, 0.25, 0.5, 0.75, 1])
        bundle(top, group.runs, LINES)
        lag_arrow(top, group.times.train.value, group.times.test.value, 1.05)
        updates_panel(low, xlabel="updates", ylabel="" if column else "norm of all weights")
        bundle(low, group.runs, [("weight_norm", "", GREEN, "-")])
        low.set_ylim(0, 1.1 * highest)
    letters(axes)
    headline(figure, _title(groups[0]))
    return figure


def _title(group: Group) -> str:
    lag = group.times.lag
    if not np.isfinite(lag.value):
        return "The large initialisation memorises the digits and does not generalise here"
    return f"A large initialisation generalises {in_words(lag, 2)} updates after memorising"


def time_by_weight_decay(table: Table, analysis: Analysis) -> "Figure":
    """Large initialisation, against weight decay. Left: updates until 60% of the test set and 90%
    of the training set are right. Right: norm of all weights at generalisation. Middle, if a law
    was fitted: residuals of the times from the law. Small marks: runs; large: means; line:
    geometric mean of the seeds' power laws with its 95% interval; hollow: decays to which the law
    was not fitted."""
    numbers = _numbers(analysis)
    runs = [run for run in numbers.large if run.row["weight_decay"] > 0]
    decay = np.array([run.row["weight_decay"] for run in runs], float)
    fitted, law = decay > OWN_DECAY, numbers.curve
    figure, axes = panels(1, 3 if law else 2, height=70.0)
    # The law is solid over the decays to which it was fitted, and dashed beyond them.
    _times(axes[0, 0], runs, decay, fitted, [Curve(*law)] if law else [])
    if law:
        expected = np.exp(np.interp(np.log(decay), np.log(law.decay), np.log(law.value)))
        late = np.array([run.t_test for run in runs])
        residual_panel(decay, late, expected, ax=axes[0, 1], used=fitted, xlabel="weight decay")
    runs_panel(
        decay, np.array([at(run, "weight_norm", run.t_test) for run in runs]), ax=axes[0, -1],
        used=fitted, color=GREEN, ylog=False, xlabel="weight decay",
        ylabel="norm at generalisation", tips=_tips(runs),
    )  # fmt: skip
    axes[0, -1].set_ylim(bottom=0)
    letters(axes)
    words = f"exponent {in_words(numbers.slope)}" if law else "too few decays for a law"
    headline(figure, f"Time to generalise against weight decay: {words}")
    return figure


def _tips(runs: Sequence[DelayedRun]) -> list[str]:
    return run_texts(Table.from_rows([run.row for run in runs]), ("weight_decay", "init_scale"))


def _times(
    ax: "Axes",
    runs: Sequence[DelayedRun],
    decay: np.ndarray,
    fitted: np.ndarray,
    law: Sequence[Curve],
) -> None:
    for name, color, marker, label, place, curves in (
        ("t_train", VERMILLION, "s", "squares: training set", "lower left", ()),
        ("t_test", BLUE, "o", "dots: test set", "upper right", law),
    ):
        runs_panel(
            decay, np.array([getattr(run, name) for run in runs]), ax=ax, used=fitted, color=color,
            marker=marker, curves=curves, note=label, note_at=place, xlabel="weight decay",
            ylabel="updates until learnt", tips=_tips(runs),
        )  # fmt: skip
    ax.set_ylim(bottom=0.4 * min(run.t_train for run in runs))  # room for the label of the squares


def as_in_the_source(table: Table, analysis: Analysis) -> "Figure":
    """The source's panel for the smallest weight decay that was run, one seed, with the axes of
    Omnigrok's notebook. Left axis: accuracies; right axis: norm of all weights (purple there, grey
    here)."""
    large = _numbers(analysis).large
    decayed = [run for run in large if run.row["weight_decay"] > 0] or large
    run = min(decayed, key=lambda run: (run.row["weight_decay"], run.row["seed"]))
    figure, axes = panels(1, 1, width=120.0, height=72.0)
    ax = axes[0, 0]
    updates_panel(ax, xlabel="updates", ylabel="accuracy")
    bundle(ax, [run], LINES)
    lag_arrow(ax, run.t_train, run.t_test, 1.03)
    ax.set_ylim(0, 1.1)
    with paper():
        right = ax.twinx()
        right.plot(run.step[1:], run.along["weight_norm"][1:], color=GREY, lw=1.3, ls="--")
        right.set_ylabel("norm of all weights", color=GREY)
        right.set_ylim(bottom=0)
        right.tick_params(labelsize=8, labelcolor=INK)
        right.spines["right"].set_position(("outward", 46))  # room for the labels of the lines
        for side in ("top", "left", "bottom"):
            right.spines[side].set_visible(False)
    row = run.row
    headline(
        figure,
        f"Initialisation x {row['init_scale']:g}, weight decay {row['weight_decay']:g}, seed "
        f"{row['seed']}: " + ("grokking" if run.phase == "G" else f"phase {run.phase}"),
    )
    return figure
