"""Figures of the study of path entropies along training."""

from typing import TYPE_CHECKING

import numpy as np

from allometry.figures.style import BLUE, INK, VERMILLION, dress, headline, letters, panels, paper
from allometry.figures.words import to_mathtext
from allometry.findings import Analysis
from allometry.stats.lines import line
from allometry.studies.path_entropies.trajectories import Trajectory, evenly
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "SYMBOL",
    "entropies_against_weights",
    "entropies_along_training",
    "information_along_training",
]

SYMBOL = {"htse": "H'_TSE", "hsie": "H'_SIE"}


def entropies_along_training(table: Table, analysis: Analysis) -> "Figure":
    """H'_TSE (a), H'_SIE (b), loss (c) and accuracy (d) of networks 2-10-7-2 on two moons, on true
    (blue) and shuffled (orange) labels. Thin lines: seeds; thick: their mean; dashed: the logarithm
    fitted to the mean on true labels."""
    figure, axes = panels(2, 2, height=110.0, sharex=True)
    columns = {
        "htse": "H'_TSE",
        "hsie": "H'_SIE (bits)",
        "train_loss": "cross-entropy (nats)",
        "train_accuracy": "training accuracy",
    }
    for ax, (name, ylabel) in zip(axes.ravel(), columns.items(), strict=True):
        _bundles(ax, analysis, name, ylabel, ylog=name == "train_loss", fitted=name in SYMBOL)
    letters(axes)
    changes = [analysis.numbers["intervals"][f"{name}_change"].value for name in SYMBOL]
    headline(figure, "In training H'_TSE changes by {:+.2%}, H'_SIE by {:+.1%}".format(*changes))
    return figure


def entropies_against_weights(table: Table, analysis: Analysis) -> "Figure":
    """H'_TSE (a) and H'_SIE (b) against the size of the weights, for each seed along its training,
    on true (blue dots) and shuffled (orange squares) labels."""
    kinds = (("shuffled", VERMILLION, "s"), ("true", BLUE, "."))
    figure, axes = panels(1, 2, height=70.0)
    for ax, name, unit in zip(axes[0], SYMBOL, ("", " (bits)"), strict=True):
        with paper():
            dress(ax)
            # The legend is in the empty corner: trajectories rise in one panel, fall in the other.
            left = 0.06 if name == "htse" else 0.7
            for place, (label, color, marker) in enumerate(kinds):
                y = 0.84 + 0.09 * place
                ax.plot(left, y, marker, color=color, transform=ax.transAxes)
                ax.text(left + 0.03, y, label, color=color, va="center", transform=ax.transAxes)
                for trajectory in analysis.numbers[label]:
                    points = evenly(trajectory["epoch"])
                    ax.plot(
                        trajectory["weight_norm2"][points], trajectory[name][points],
                        color=color, lw=0.8, marker=marker, ms=2.5,
                    )  # fmt: skip
            ax.set_xlabel("sum of squared weights after layer 1")
            ax.set_ylabel(to_mathtext(SYMBOL[name] + unit))
    letters(axes)
    htse, hsie = (analysis.numbers["one_line"][name].value for name in SYMBOL)
    headline(
        figure,
        f"One line in the squared weights for all seeds: R^2 {htse:.2f} (H'_TSE), "
        f"{hsie:.2f} (H'_SIE)",
    )
    return figure


def information_along_training(table: Table, analysis: Analysis) -> "Figure":
    """Mutual information of the first hidden unit with the first input (a) and with the label (b),
    30 cells, on true (blue) and shuffled (orange) labels. Thin lines: seeds; thick: their mean."""
    figure, axes = panels(1, 2, sharex=True)
    for ax, name, label in zip(
        axes[0], ("information_input", "information_label"), ("I(X; T)", "I(T; Y)"), strict=True
    ):
        _bundles(ax, analysis, name, f"{label} (bits)")
    letters(axes)
    change = analysis.numbers["intervals"]["information_input"].shown(".2g", "bits")
    headline(figure, f"I(X; T) changes by {change} from start to end of training")
    return figure


def _bundles(
    ax: "Axes",
    analysis: Analysis,
    name: str,
    ylabel: str,
    *,
    ylog: bool = False,
    fitted: bool = False,
) -> None:
    """Draw thin lines for the seeds and thick ones for their mean, on shuffled and true labels."""
    with paper():
        dress(ax, xlog=True, ylog=ylog)
        ax.set_xlabel("epoch + 1")
        ax.set_ylabel(to_mathtext(ylabel))
        for label, color in (("shuffled", VERMILLION), ("true", BLUE)):
            trajectories: list[Trajectory] = analysis.numbers[label]
            if not trajectories:
                continue
            epoch = trajectories[0]["epoch"]
            points = evenly(epoch)
            passes = epoch[points] + 1
            values = np.array([trajectory[name] for trajectory in trajectories])
            mean = values.mean(axis=0)
            ax.plot(passes, values[:, points].T, color=color, lw=0.6, alpha=0.5)
            ax.plot(passes, mean[points], color=color, lw=1.8)
            ax.annotate(
                label, (passes[-1], mean[points][-1]), xytext=(3, 0), textcoords="offset points",
                color=color, va="center", annotation_clip=False,
            )  # fmt: skip
            if fitted and label == "true":
                law = line(np.log1p(epoch), mean)
                logarithm = law.intercept + law.slope * np.log(passes)
                ax.plot(passes, logarithm, color=INK, lw=1, ls="--")
