"""Figures of the study of grokking on MNIST."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from allometry.stats.means import mean, mean_logarithm
from allometry.studies.delayed.delay import (
    Course,
    at,
    courses,
    in_words,
    law_by_seed,
)
from allometry.studies.delayed.delay_figures import bundle, course_panel, lag_arrow
from allometry.tables.table import Table

__all__ = ["GENERALISED", "accuracies_and_norm", "as_in_the_source", "time_by_weight_decay"]

GENERALISED = 0.6  # share of the test set, as the source's phase diagram of MNIST has it
OWN_DECAY = 0.01  # the source's own, left out of the law it is held to
LINES = (
    ("train_accuracy", "training", VERMILLION, "-"),
    ("test_accuracy", "test", BLUE, "-"),
)


def accuracies_and_norm(table: Table, analysis: Analysis) -> Figure:
    """Share of digits right (above) and norm of all weights (below) along training: a large start
    with weight decay, without it, and a start of the usual size. Seeds thin, means thick; arrow:
    from 90% of the training set to 60% of the test set."""
    found = courses(table, GENERALISED)
    groups = _groups(found)
    highest = max(float(np.max(c.along["weight_norm"])) for _, own in groups for c in own)
    figure, axes = panels(2, len(groups), height=105.0, sharex=True)
    for column, (title, own) in enumerate(groups):
        top, low = axes[0, column], axes[1, column]
        course_panel(top, ylabel="" if column else "share right", title=title)
        top.set_ylim(0, 1.2)
        top.set_yticks([0, 0.25, 0.5, 0.75, 1])
        bundle(top, own, LINES)
        lag_arrow(top, mean([c.t_train for c in own]).value, mean([c.t_test for c in own]).value,
                  1.05)  # fmt: skip
        course_panel(low, xlabel="updates", ylabel="" if column else "norm of all weights")
        bundle(low, own, [("weight_norm", "", GREEN, "-")])
        low.set_ylim(0, 1.1 * highest)
    letters(axes)
    headline(figure, _title(groups[0][1]))
    return figure


def _groups(found: Sequence[Course]) -> list[tuple[str, list[Course]]]:
    """A large start with decay, without, and a usual start: what there is of them."""
    large = max(c.row["init_scale"] for c in found)
    usual = [c for c in found if c.row["init_scale"] == 1 and c.row["weight_decay"] > 0]
    decays = sorted({c.row["weight_decay"] for c in usual or found if c.row["weight_decay"] > 0})
    decay = decays[0] if decays else 0.0
    wanted = (
        (f"start x {large:g}, decay {decay:g}", large, decay),
        (f"start x {large:g}, no decay", large, 0.0),
        (f"usual start, decay {decay:g}", 1.0, decay),
    )
    groups = [
        (title, [c for c in found if (c.row["init_scale"], c.row["weight_decay"]) == (scale, d)])
        for title, scale, d in wanted
    ]
    return [(title, own) for title, own in groups if own]


def _title(own: Sequence[Course]) -> str:
    lag = mean([c.lag for c in own])
    if not np.isfinite(lag.value):
        return "The large start learns its digits by heart; generalising is not reached here"
    return f"A large start generalises {in_words(lag, 2)} updates after it has learnt by heart"


def time_by_weight_decay(table: Table, analysis: Analysis) -> Figure:
    """Updates until 60% of the test set and 90% of the training set are right (a), what is left of
    the former beside its law (b), and norm of all weights then (c), against weight decay, large
    start. Every run a mark, means large; line: geometric mean of the seeds' power laws, its band
    their 95% interval; hollow: the source's own decay, which the law has not seen."""
    found = courses(table, GENERALISED)
    large = max(c.row["init_scale"] for c in found)
    own = [c for c in found if c.row["init_scale"] == large and c.row["weight_decay"] > 0]
    decay = np.array([c.row["weight_decay"] for c in own], float)
    seen = decay > OWN_DECAY
    laws = law_by_seed([c for c in own if c.row["weight_decay"] > OWN_DECAY], "weight_decay")
    law = _line(decay, [(line.slope, line.intercept) for line in laws.values()])
    figure, axes = panels(1, 3 if law else 2, height=70.0)
    _times(axes[0, 0], own, decay, seen, law)
    if law:
        expected = np.exp(np.interp(np.log(decay), np.log(law[0].x), np.log(law[0].y)))
        late = np.array([c.t_test for c in own])
        residual_panel(decay, late, expected, ax=axes[0, 1], used=seen, xlabel="weight decay")
    runs_panel(
        decay, np.array([at(c, "weight_norm", c.t_test) for c in own]), ax=axes[0, -1], used=seen,
        color=GREEN, ylog=False, xlabel="weight decay", ylabel="norm when it generalises",
    )  # fmt: skip
    axes[0, -1].set_ylim(bottom=0)
    letters(axes)
    slope = mean([line.slope for line in laws.values()])
    words = f"as its power {in_words(slope)}" if laws else "one decay draws no law"
    headline(figure, f"Time to generalise against weight decay: {words}")
    return figure


def _times(
    ax: Axes, own: Sequence[Course], decay: np.ndarray, seen: np.ndarray, law: Sequence[Curve]
) -> None:
    for name, color, marker, label, place, curves in (
        ("t_train", VERMILLION, "s", "squares: training set", "lower left", ()),
        ("t_test", BLUE, "o", "dots: test set", "upper right", law),
    ):
        runs_panel(
            decay, np.array([getattr(c, name) for c in own]), ax=ax, used=seen, color=color,
            marker=marker, curves=curves, note=label, note_at=place, xlabel="weight decay",
            ylabel="updates until learnt",
        )  # fmt: skip
    ax.set_ylim(bottom=0.4 * min(c.t_train for c in own))  # room for the name of the squares


def _line(decay: np.ndarray, laws: Sequence[tuple[float, float]]) -> list[Curve]:
    """The mean law with the seeds' interval, solid where it was fitted and dashed beyond."""
    if not laws:
        return []
    x = np.geomspace(decay.min(), decay.max(), 60)
    ends = np.array([
        mean_logarithm([10 ** (b + a * np.log10(at_x)) for a, b in laws]) for at_x in x
    ])  # fmt: skip
    fitted = decay[decay > OWN_DECAY]
    between = (float(fitted.min()), float(fitted.max()))
    return [Curve(x, ends[:, 0], ends[:, 1], ends[:, 2], between)]


def as_in_the_source(table: Table, analysis: Analysis) -> Figure:
    """The source's own panel at its smallest weight decay here, one seed, axes as in Omnigrok's
    notebook: shares right at the left, norm of all weights (purple there, grey here) at right."""
    found = courses(table, GENERALISED)
    large = [c for c in found if c.row["init_scale"] == max(c.row["init_scale"] for c in found)]
    decayed = [c for c in large if c.row["weight_decay"] > 0] or large
    own = min(decayed, key=lambda c: (c.row["weight_decay"], c.row["seed"]))
    figure, axes = panels(1, 1, width=120.0, height=72.0)
    ax = axes[0, 0]
    course_panel(ax, xlabel="updates", ylabel="share right")
    bundle(ax, [own], LINES)
    lag_arrow(ax, own.t_train, own.t_test, 1.03)
    ax.set_ylim(0, 1.1)
    with paper():
        right = ax.twinx()
        right.plot(own.step[1:], own.along["weight_norm"][1:], color=GREY, lw=1.3, ls="--")
        right.set_ylabel("norm of all weights", color=GREY)
        right.set_ylim(bottom=0)
        right.tick_params(labelsize=8, labelcolor=INK)
        right.spines["right"].set_position(("outward", 46))  # room for the names of the lines
        for side in ("top", "left", "bottom"):
            right.spines[side].set_visible(False)
    row = own.row
    headline(
        figure,
        f"Start x {row['init_scale']:g}, weight decay {row['weight_decay']:g}, seed {row['seed']}: "
        + ("grokking" if own.phase == "G" else f"phase {own.phase}"),
    )
    return figure
