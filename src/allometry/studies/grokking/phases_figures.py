"""Figures of the phase diagrams: ours and the published ones, and the size of the training set."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allometry.figures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    SKY,
    VERMILLION,
    dress,
    headline,
    letters,
    panels,
    paper,
)
from allometry.findings import Analysis
from allometry.studies.grokking.phases import (
    Letters,
    Numbers,
    published_map,
    published_of,
    row_field,
    seeds_of,
)
from allometry.studies.grokking.phases_published import RATES, ROWS, TRAIN_SIZES
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["accuracy_as_predicted", "critical_fraction", "phase_maps"]

PHASES = {"C": "comprehension", "G": "grokking", "M": "memorisation", "X": "confusion"}
# Background colours, light enough for dark letters.
GROUNDS = {"C": "#9ad9c3", "G": "#f5cf86", "M": "#a9cfe8", "X": "#dddddd"}
TITLES = {"5a": "two learning rates", "5b": "squared error", "5c": "cross-entropy",
          "5d": "permutations"}  # fmt: skip


def _numbers(analysis: Analysis) -> Numbers:
    numbers: Numbers = analysis.numbers["grokking_phases"]
    return numbers


def phase_maps(table: Table, analysis: Analysis) -> "Figure":
    """Our phases at the published seed (left) and the published phases (right) after 10,000 steps:
    comprehension C, grokking G, memorisation M, confusion X. Framed: our cells in another phase
    than published; italic: cells in which our seeds differ."""
    numbers = _numbers(analysis)
    n = len(numbers.maps)
    lines = sum(_run(maps[0])[0].sum() for maps in numbers.maps.values())
    figure, axes = panels(max(n, 1), 2, height=22.0 + 16.0 * n + 4.8 * lines)
    for line, (part, maps) in enumerate(numbers.maps.items()):
        _pair(axes[line], part, maps, seeds_of(numbers.done, part)[0])
    with paper():
        for ax in axes[-1]:
            ax.set_xlabel("learning rate of decoder")
        names = "   ".join(f"{k} {name}" for k, name in PHASES.items())
        axes[-1, 0].annotate(
            names, (0, 0), xycoords="axes fraction", xytext=(0, -34), textcoords="offset points",
            va="top", annotation_clip=False,
        )  # fmt: skip
    same = [f"{a.same} of {a.cells} ({a.part})" for a in numbers.agreements]
    headline(figure, "Cells in the published phase: " + (", ".join(same) or "none run"))
    return figure


def _pair(axes: NDArray[Any], part: str, maps: Sequence[Letters], seed: int) -> None:
    """Our map and the published one, side by side."""
    rows, columns = _run(maps[0])
    was_run = np.ix_(rows, columns)
    unsure = np.any([(m != maps[0]) & (m != "") for m in maps], axis=0)
    published = np.where(maps[0] != "", published_map(part), "")
    values = np.array(ROWS[part])[rows], np.array(RATES)[columns]
    ours, theirs = axes
    with paper():
        _map(ours, maps[0][was_run], (maps[0] != published)[was_run], unsure[was_run])
        _map(theirs, published[was_run], None, None)
        for ax in (ours, theirs):
            _scales(ax, *values, decay=row_field(part) == "weight_decay")
        ours.set_title(f"{part}, {TITLES[part]}: ours, seed {seed}", loc="left")
        theirs.set_title("published", loc="left")


def _run(phases: NDArray[np.str_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of the rows and of the columns of a diagram with at least one run."""
    return (phases != "").any(axis=1), (phases != "").any(axis=0)


def _map(
    ax: "Axes",
    phases: NDArray[np.str_],
    differs: NDArray[np.bool_] | None,
    unsure: NDArray[np.bool_] | None,
) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Rectangle

    codes = np.full(phases.shape, np.nan)
    for k, letter in enumerate(PHASES):
        codes[phases == letter] = k
    ax.imshow(
        codes, cmap=ListedColormap(list(GROUNDS.values())), vmin=-0.5, vmax=3.5, aspect="auto"
    )
    for i, j in np.argwhere(phases != "").tolist():
        wrong = differs is not None and differs[i, j]
        ax.text(
            j, i, phases[i, j], ha="center", va="center", fontsize=8, color=INK,
            style="italic" if unsure is not None and unsure[i, j] else "normal",
            fontweight="bold" if wrong else "normal",
        )  # fmt: skip
        if wrong:
            ax.add_patch(
                Rectangle((j - 0.44, i - 0.42), 0.88, 0.84, fill=False, ec=VERMILLION, lw=1.3)
            )


def _scales(
    ax: "Axes", rows: NDArray[np.float64], columns: NDArray[np.float64], *, decay: bool
) -> None:
    """Put ticks at integer powers of ten, and at every second weight decay."""
    whole = [k for k, rate in enumerate(columns) if abs(np.log10(rate) % 1) < 1e-3]
    ax.set_xticks(whole, [_power(columns[k]) for k in whole])
    if decay:
        ax.set_yticks(range(0, len(rows), 2), [f"{v:g}" for v in rows[::2]])
    else:
        whole = [k for k, rate in enumerate(rows) if abs(np.log10(rate) % 1) < 1e-3]
        ax.set_yticks(whole, [_power(rows[k]) for k in whole])
    ax.set_ylabel("weight decay of decoder" if decay else "rate of representation")
    ax.label_outer(remove_inner_ticks=False)
    ax.tick_params(length=0, labelbottom=True)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _power(value: float) -> str:
    return rf"$10^{{{round(np.log10(value))}}}$"


def critical_fraction(table: Table, analysis: Analysis) -> "Figure":
    """Left: share of networks whose representation becomes linear (RQI above 0.95 within 10,000
    steps) against the share of training questions, and share of 2,000 random training sets of each
    size that allow only the line. Shaded, for three or more seeds: 95% interval of the size at
    which half of the networks become linear. Right: the step at which RQI passes 0.95; triangles:
    not within 10,000 steps; crosses: published."""
    numbers = _numbers(analysis)
    _, n, linear = numbers.reached
    sizes, critical = np.unique(n), numbers.critical
    figure, axes = panels(1, 2, height=70)
    with paper():
        ax = dress(axes[0, 0])
        ax.plot(numbers.sizes / 55, numbers.unique, color=ORANGE)
        ax.annotate("random sets", (23 / 55, 0.55), xytext=(-6, 0), textcoords="offset points",
                    ha="right", color=INK)  # fmt: skip
        if len(sizes):
            means = [linear[n == size].mean() for size in sizes]
            ax.plot(sizes / 55, means, "o-", color=BLUE, lw=1)
            ax.annotate("networks", (sizes[-1] / 55, means[-1]), xytext=(-4, -12), color=BLUE,
                        textcoords="offset points", ha="right")  # fmt: skip
        if critical.has_ends:
            ax.axvspan(critical.low / 55, critical.high / 55, color=SKY, alpha=0.25, lw=0)
        ax.set_xlabel("share of training questions")
        ax.set_ylabel("share that is linear")
        _times(axes[0, 1], numbers.done)
    letters(axes)
    value = (
        "at no size do half of the networks find the line"
        if np.isnan(critical.value)
        else f"half of the networks find the line at {critical.value / 55:.2f} of the questions"
    )
    headline(figure, value[0].upper() + value[1:])
    return figure


def _times(ax: "Axes", table: Table) -> None:
    runs, theirs = table.where(part="4", status="done"), published_of(table, "4")
    dress(ax, ylog=True)
    place = runs["n_train"] / 55 + 0.006 * (runs["seed"] % 3 - 1)
    linear = runs["t_rqi"] < runs["epochs"] - 1
    ax.plot(place[linear], runs["t_rqi"][linear], "o", color=BLUE, ms=3.5, alpha=0.8)
    ax.plot(place[~linear], runs["t_rqi"][~linear], "^", color=BLUE, ms=4, mfc="none")
    ax.plot(place, theirs, "x", color=INK, ms=4.5, mew=0.8)
    ax.set_xlabel("share of training questions")
    ax.set_ylabel("steps until linear")


def accuracy_as_predicted(table: Table, analysis: Analysis) -> "Figure":
    """Left: accuracy on all 55 questions against the accuracy predicted from the closed
    parallelograms. Circles: our runs of figure 3 after 5,000 steps, or those of figure 4 if figure
    3 was not run; line: equal. Right: the same accuracies against the share of training questions;
    crosses: published."""
    part = "3" if (table["part"] == "3").any() else "4"
    runs = table.where(part=part, status="done")
    figure, axes = panels(1, 2, height=70)
    with paper():
        ax = dress(axes[0, 0])
        ax.plot([0, 1], [0, 1], color=GREY, lw=0.8)
        ax.plot(runs["predicted_accuracy"], runs["accuracy"], "o", color=BLUE, ms=3.5, alpha=0.7)
        ax.set_xlabel("predicted from parallelograms")
        ax.set_ylabel("accuracy")
        ax = dress(axes[0, 1])
        place = runs["n_train"] / 55 + 0.006 * (runs["seed"] % 3 - 1)
        ax.plot(place, runs["accuracy"], "o", color=BLUE, ms=3.5, alpha=0.8)
        if part == "3":
            ax.plot(place, published_of(table, "3"), "x", color=INK, ms=4.5, mew=0.8)
        shown = np.array(TRAIN_SIZES) / 55
        ax.plot(shown, shown, color=GREY, lw=0.8)
        ax.annotate("training questions only", (0.62, 0.6), xytext=(4, -6), color=GREY,
                    textcoords="offset points", va="top")  # fmt: skip
        ax.set_xlabel("share of training questions")
        ax.set_ylabel("accuracy")
    letters(axes)
    miss = np.abs(runs["predicted_accuracy"] - runs["accuracy"])
    headline(
        figure,
        f"Closed parallelograms predict accuracy to within {miss.mean():.3f} on average, "
        f"{miss.max():.2f} at most"
        if len(miss)
        else "No finished run of figures 3 and 4",
    )
    return figure
