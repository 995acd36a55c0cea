"""Figures of the grokking study: training, the representation and the effective theory."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    VERMILLION,
    dress,
    headline,
    letters,
    panels,
    paper,
    ramp,
    stacked,
)
from allometry.findings import Analysis
from allometry.studies.grokking.analysis import PRINTED, Numbers, Traced
from allometry.studies.grokking.measures import unit_deviation
from allometry.studies.grokking.reruns import torch_reruns
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "along_training",
    "as_in_the_notebook",
    "representation_moving",
    "theory_beside_the_network",
]

PHASE = {"C": "comprehension", "G": "grokking", "M": "memorisation", "X": "confusion"}
KINDS = (("", "rates as in the notebook"), ("swapped_", "rates exchanged (control)"))
SHARES = (
    ("train_accuracy", "training", BLUE, "-"),
    ("test_accuracy", "test", VERMILLION, "-"),
    ("rqi", "RQI", GREEN, (0, (4, 1.5))),
)
POINTS = 400  # points drawn per run; more would only make the page larger


def _numbers(analysis: Analysis) -> Numbers:
    numbers: Numbers = analysis.numbers["grokking"]
    return numbers


def along_training(table: Table, analysis: Analysis) -> "Figure":
    """Loss (above), accuracies and RQI, the share of closed parallelograms (below), for the same
    initial values at the notebook's learning rates (left) and with the two exchanged (right). Thick
    lines: the first seed; thin: the others; dotted: the level of 0.9 that counts as learnt."""
    runs = _numbers(analysis).runs
    figure, axes = panels(2, 2, height=105, sharex=True)
    for column, (prefix, kind) in enumerate(KINDS):
        top, low = axes[:, column]
        with paper():
            dress(top, xlog=True, ylog=True)
            dress(low, xlog=True)
            for place, (_, along) in reversed(list(enumerate(runs))):
                _run(top, low, along, prefix, first=place == 0)
            low.axhline(0.9, color=GREY, lw=0.8, ls=":")
            _name_ends(low, runs[0][1], prefix)
            low.set_ylim(-0.04, 1.3)
            low.set_xlabel("epoch + 1")
            top.set_title(f"{kind}: {_phase_of(runs[0][0], prefix)}", loc="left")
            if not column:
                top.set_ylabel("training loss (mean square)")
                low.set_ylabel("share")
    for pair in axes:
        ends = [ax.get_ylim() for ax in pair]
        for ax in pair:
            ax.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
        pair[1].tick_params(labelleft=False)
    letters(axes)
    headline(figure, _what_decides(runs[0][0]))
    return figure


def _run(top: "Axes", low: "Axes", along: Mapping[str, Any], prefix: str, *, first: bool) -> None:
    epoch = along[f"{prefix}epoch"]
    shown = _evenly(len(epoch))
    style: dict[str, Any] = {"lw": 1.6 if first else 0.5, "alpha": 1.0 if first else 0.5}
    top.plot(epoch[shown] + 1, along[f"{prefix}train_loss"][shown], color=INK, **style)
    for name, _, color, dash in SHARES:
        values = along[f"{prefix}{name}"]
        low.plot(epoch[shown] + 1, values[shown], color=color, ls=dash, **style)


def _name_ends(ax: "Axes", along: Mapping[str, Any], prefix: str) -> None:
    """Write the names of the shares at their right ends, without overlap."""
    ends = [float(along[f"{prefix}{name}"][-1]) for name, *_ in SHARES]
    order = sorted(range(len(ends)), key=lambda k: (ends[k], -k))
    height = -1.0
    for k in order:
        height = max(ends[k], height + 0.11)
        ax.annotate(
            SHARES[k][1], (along[f"{prefix}epoch"][-1] + 1, height), xytext=(3, 0), va="center",
            textcoords="offset points", color=SHARES[k][2], annotation_clip=False,
        )  # fmt: skip


def _phase_of(row: Mapping[str, Any], prefix: str) -> str:
    return PHASE[row["phase_swapped" if prefix else "phase"]]


def _what_decides(row: Mapping[str, Any]) -> str:
    return (
        f"From the same initial values: {_phase_of(row, '')} at the rates given, "
        f"{_phase_of(row, 'swapped_')} with the rates exchanged"
    )


def _evenly(n: int) -> NDArray[np.int64]:
    """Indices about evenly spaced in log time, including both ends."""
    return np.unique(np.geomspace(1, n, POINTS).round().astype(np.int64)) - 1


def representation_moving(table: Table, analysis: Analysis) -> "Figure":
    """The ten trained coordinates at six points of training (above: the notebook's rates, below:
    exchanged), scaled to mean zero and unit deviation. If they are evenly spaced on a line, all
    parallelograms are closed. Each panel gives the updates made and RQI."""
    row, along = _numbers(analysis).runs[0]
    columns = 6
    figure, axes = panels(2, columns, height=92, sharex=True, sharey=True)
    for line, (prefix, _) in enumerate(KINDS):
        latent, update = along[f"{prefix}latent"], along[f"{prefix}latent_update"]
        for k, place in enumerate(_moments(update, columns)):
            ax = axes[line, k]
            with paper():
                dress(ax)
                values = unit_deviation(latent[place, :, 0])
                # The sign of the coordinates is arbitrary.
                values = values * (1 if values[-1] >= values[0] else -1)
                number = np.arange(len(values))
                ax.plot(number, values, color=GREY, lw=0.7, zorder=1)
                ax.scatter(number, values, c=ramp(number + 1, log=False), s=16, zorder=2)
                updates = int(update[place])
                rqi = along[f"{prefix}rqi"][updates - 1] if updates else row["rqi_untrained"]
                ax.set_title(f"{updates:,}" + (" updates" if not k else ""), loc="left", fontsize=8)
                ax.text(0.97, 0.05, f"RQI {rqi:.2f}", transform=ax.transAxes, ha="right")
                ax.set_ylim(-2.7, 2.1)
                ax.set_xticks([0, len(values) - 1])
                if line:
                    ax.set_xlabel("number")
                if not k:
                    ax.set_ylabel(("as given" if not prefix else "exchanged") + "\ncoordinate")
    ends = " and ".join(
        f"{row['rqi' + s]:.2f} {w}" for s, w in (("", "as given"), ("_swapped", "exchanged"))
    )
    headline(figure, f"RQI at the end of training: {ends}")
    return figure


def _moments(update: NDArray[Any], n: int) -> list[int]:
    """Indices of the start, the end, and points evenly spaced in log time between them."""
    wanted = [0, *np.geomspace(update[-1] / 30, update[-1], n - 1)]
    return [int(np.abs(update - w).argmin()) for w in wanted]


def theory_beside_the_network(table: Table, analysis: Analysis) -> "Figure":
    """Left: the ten coordinates of the network with exchanged rates (solid) and of the effective
    theory integrated from the same initial values at the same rate (dashed), scaled to mean zero
    and unit deviation. Right: the theory's energy along both, the sum of the squared gaps of all
    parallelograms over Z_0."""
    numbers = _numbers(analysis)
    row, courses = numbers.runs[0][0], numbers.theory
    if courses is None:
        raise DataError(
            "this figure needs runs with a control, with exchanged learning rates: run with "
            "`--set control=swapped`"
        )
    figure, axes = panels(1, 2, height=75)
    with paper():
        _coordinates(axes[0, 0], courses.update, courses.network, courses.theory)
        ax = dress(axes[0, 1], ylog=True)
        for energy, color, dash, label in (
            (courses.network_energy, BLUE, "-", "network"),
            (courses.theory_energy, INK, "--", "theory"),
        ):
            ax.plot(courses.update, energy, color=color, ls=dash)
            # The label is at the end of the line, or where it leaves the panel.
            last = np.flatnonzero(energy > 1e-7)[-1]
            ax.annotate(
                label, (courses.update[last], energy[last]), xytext=(3, 0), color=color,
                textcoords="offset points", annotation_clip=False,
                va="center" if last == len(energy) - 1 else "bottom",
            )  # fmt: skip
        ax.set_ylim(bottom=1e-7)
        ax.set_xlabel("updates")
        ax.set_ylabel("energy of the theory")
    letters(axes)
    at, predicted = row["t_rqi_swapped"], row["t_rqi_theory_swapped"]
    when = f"at epoch {at:,}" if at < row["epochs"] - 1 else f"not in {row['epochs']:,} epochs"
    headline(figure, f"The network is linear {when}; the theory predicts epoch {predicted:,}")
    return figure


def _coordinates(
    ax: "Axes",
    update: NDArray[Any],
    network: NDArray[np.float64],
    theory: NDArray[np.float64],
) -> None:
    dress(ax)
    colors = ramp(np.arange(1, network.shape[1] + 1), log=False)
    for k, color in enumerate(colors):
        ax.plot(update, network[:, k], color=color, lw=1.2)
        ax.plot(update, theory[:, k], color=color, lw=0.9, ls="--")
        ax.annotate(
            str(k), (update[-1], network[-1, k]), xytext=(3, 0), textcoords="offset points",
            color=color, va="center", annotation_clip=False,
        )  # fmt: skip
    ax.set_xlabel("updates")
    ax.set_ylabel("coordinate (unit deviation)")


def as_in_the_notebook(table: Table, analysis: Analysis) -> "Figure":
    """Training loss of seed 4 (line; the first seed if seed 4 was not run) and the values that the
    notebook printed (rings). Below: relative differences from these values of the run (blue) and of
    re-runs of the notebook in PyTorch with changed rounding (grey). The notebook has no figure;
    this shows its printed output."""
    numbers = _numbers(analysis)
    row, along = numbers.printed or numbers.runs[0]
    loss, traced = along["train_loss"], numbers.traced or Traced.of(along["train_loss"])
    epochs, printed = traced.epoch, PRINTED[: len(traced.epoch)]
    figure, tops, lower = stacked(1, height=88)
    with paper():
        top, low = dress(tops[0], ylog=True), dress(lower[0])
        top.plot(np.arange(epochs[-1] + 1), loss[: epochs[-1] + 1], color=BLUE, lw=1.0)
        top.plot(epochs, printed, "o", ms=4.5, mfc="none", mec=INK, mew=0.8)
        place = min(8, len(epochs) - 1)
        top.annotate("printed", (epochs[place], printed[place]), xytext=(8, 8),
                     textcoords="offset points")  # fmt: skip
        top.set_ylabel("training loss")
        low.axhline(0, color=INK, lw=0.8)
        for rerun in torch_reruns().loss[:, : len(epochs)]:
            low.plot(epochs, 100 * (rerun / printed - 1), color=GREY, lw=0.5, alpha=0.7)
        low.plot(epochs, 100 * traced.off, "o-", color=BLUE, ms=3, lw=0.8)
        low.set_ylabel("difference (%)")
        low.set_xlabel("epoch")
    headline(
        figure,
        f"{traced.equal} of {len(epochs)} printed losses equal to all digits, the others at most "
        f"{traced.beside.far:.1f} standard deviations from re-runs"
        if numbers.printed
        else f"Seed {row['seed']} at these settings is not the notebook's run",
    )
    return figure
