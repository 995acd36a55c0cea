"""Figures of convolutional networks on a grid of widths by shares of the data."""

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.figures.intervals import IntervalRow, interval_panel
from allometry.figures.style import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    dress,
    headline,
    letters,
    panels,
    paper,
    ramp,
)
from allometry.findings import Analysis, FindingFigure
from allometry.studies.cnn_size_by_data.analysis import Means, flop_a_unit
from allometry.studies.cnn_size_by_data.findings import PROPORTIONAL
from allometry.studies.cnn_size_by_data.frontier import Frontier
from allometry.studies.cnn_size_by_data.numbers import Numbers
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "accuracy_by_width", "flop_by_width", "four_heatmaps", "loss_and_compute", "of_this_size",
    "training_frontier",
]  # fmt: skip

QUANTITIES = {
    "train_loss": "train loss (nats)",
    "test_loss": "test loss (nats)",
    "train_accuracy": "train accuracy (%)",
    "test_accuracy": "test accuracy (%)",
}
FLOP = "training compute (FLOP)"


def _numbers(analysis: Analysis) -> Numbers:
    numbers: Numbers = analysis.numbers["cnn_size_by_data"]
    return numbers


def of_this_size(table: Table, analysis: Analysis) -> dict[str, FindingFigure]:
    """The figures whose runs the table has, apart from `accuracy_by_width`."""
    numbers = _numbers(analysis)
    grid = [four_heatmaps, loss_and_compute, flop_by_width]
    drawn = grid if len(numbers.parts.grid) else []
    drawn += [training_frontier] if numbers.trained else []
    by_name = {}
    for figure in drawn:
        caption = " ".join((figure.__doc__ or "").split())
        if figure is training_frontier and not _exponent_rows(numbers):
            caption = caption.partition(" c: ")[0]
        by_name[figure.__name__] = FindingFigure(partial(figure, table, analysis), caption)
    return by_name


# ---- one update per cell --------------------------------------------------------------------


def four_heatmaps(table: Table, analysis: Analysis) -> "Figure":
    """The notebook's four heatmaps: loss and accuracy after one update, for every width and share
    of the data, with one seed per cell (the mean if more were run). Shares are in numerical order;
    the notebook sorts them as text."""
    numbers = _numbers(analysis)
    grid = numbers.parts.grid
    figure, axes = panels(2, 2, height=150.0, sharex=True, sharey=True)
    for ax, (name, label) in zip(axes.ravel(), QUANTITIES.items(), strict=True):
        _heatmap(ax, grid, name, label)
    for ax in axes[1]:
        ax.set_xlabel("share of the 60,000 images, $2^{k}$")
    for ax in axes.ravel():
        ax.set_ylabel("width (channels)")
    letters(axes)
    printed = numbers.printed
    headline(
        figure,
        f"{printed.losses} of {2 * printed.cells} losses equal the notebook's to three decimals"
        if printed.cells
        else "Loss and accuracy after one step; none of these cells is in the notebook",
    )
    return figure


def _heatmap(ax: "Axes", grid: Table, name: str, label: str) -> None:
    import matplotlib as mpl

    widths = sorted(set(grid["model_size"].tolist()))
    powers = sorted({round(math.log2(f)) for f in grid["dataset_fraction"].tolist()})
    values = np.full((len(widths), len(powers)), np.nan)
    for (width, fraction), cell in grid.groups("model_size", "dataset_fraction"):
        place = widths.index(width), powers.index(round(math.log2(fraction)))
        values[place] = cell[name].mean()
    with paper():
        low, high = np.nanmin(values), np.nanmax(values)
        scale = mpl.colors.Normalize(low, high if high > low else low + 1)
        ax.imshow(values, norm=scale, cmap="viridis", aspect="auto", origin="lower")
        decimals = 3 if name.endswith("loss") else 1
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                ink = _on(np.asarray(mpl.colormaps["viridis"](scale(value))))
                ax.text(
                    j, i, f"{value:.{decimals}f}", color=ink, fontsize=7, ha="center", va="center"
                )
        ax.set_xticks(range(len(powers)), [str(p).replace("-", "\N{MINUS SIGN}") for p in powers])
        ax.set_yticks(range(len(widths)), [str(w) for w in widths])
        ax.tick_params(labelsize=8, length=0)
        ax.set_title(label)
        for spine in ax.spines.values():
            spine.set_visible(False)


def _on(color: NDArray[np.float64]) -> str:
    """Black or white, whichever reads better on the colour ``(4,)``."""
    return "black" if np.dot(color[:3], (0.299, 0.587, 0.114)) > 0.5 else "white"


def loss_and_compute(table: Table, analysis: Analysis) -> "Figure":
    """Test loss after one update. a: as in the notebook, cells joined in order of width x share;
    b: the same cells against FLOP, one colour per width. c, d: means over shares and over widths
    as in the notebook, with 95% intervals of Student's t added."""
    numbers = _numbers(analysis)
    grid = numbers.parts.grid
    figure, axes = panels(2, 2, height=120.0, sharey=True)
    joined = grid.sort("notebook_compute")
    with paper():
        dress(axes[0, 0], xlog=True)
        axes[0, 0].plot(joined["notebook_compute"], joined["test_loss"], "-o", ms=2, lw=0.8)
    _by_width(axes[0, 1], grid, "compute")
    for ax, (name, means) in zip(axes[1], numbers.test_loss.items(), strict=True):
        _marginal(ax, grid, name, "test_loss", means, BLUE)
    _ticks(axes[1, 0], numbers.test_loss["model_size"].at)
    labels = "width x share of the images", FLOP, "width (channels)", "share of the images"
    for ax, label in zip(axes.ravel(), labels, strict=True):
        ax.set_xlabel(label.replace(" x ", " \N{MULTIPLICATION SIGN} "))
    for ax in axes[:, 0]:
        ax.set_ylabel(QUANTITIES["test_loss"])
    letters(axes)
    width, flop, simple = (numbers.slopes[f"r2_{n}"].value for n in ("width", "flop", "simple"))
    headline(
        figure,
        f"R² of the loss after one step: {width:.2f} in width, {flop:.2f} in FLOP, {simple:.2f} in "
        "width \N{MULTIPLICATION SIGN} share"
        if math.isfinite(width)
        else "Too few cells for the dependence of the loss on width and compute",
    )
    return figure


def flop_by_width(table: Table, analysis: Analysis) -> "Figure":
    """Forward FLOP per image and unit of width, relative to the narrowest network. Dashed: FLOP
    proportional to the width, as width x share assumes; grey: a deviation of up to a tenth, which
    the claim allows."""
    grid = _numbers(analysis).parts.grid
    widths, forward = flop_a_unit(grid)
    figure, axes = panels(1, 1, height=70.0, width=120.0)
    ax = axes[0, 0]
    with paper():
        dress(ax, xlog=True)
        ax.axhspan(1, PROPORTIONAL, color=GREY, alpha=0.3, lw=0)
        ax.axhline(1, color=GREY, lw=0.8, ls="--")
        ax.plot(widths, forward / forward[0], "-o", color=BLUE, lw=1.2, ms=4)
        _ticks(ax, widths)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("width (channels)")
        ax.set_ylabel("forward FLOP per unit of width")
    headline(
        figure,
        f"Forward FLOP per unit of width differ by a factor of {forward.max() / forward.min():.1f}",
    )
    return figure


def _by_width(ax: "Axes", rows: Table, x: str, *, ylog: bool = False) -> None:
    """One line of cells per width, coloured by a ramp; the smallest and largest are labelled."""
    widths = sorted(set(rows["model_size"].tolist()))
    with paper():
        dress(ax, xlog=True, ylog=ylog)
        for width, color in zip(widths, ramp(widths), strict=True):
            cells = rows.where(model_size=width).sort(x)
            ax.plot(cells[x], cells["test_loss"], "-o", color=color, lw=0.8, ms=2.2)
            if width in (widths[0], widths[-1]):
                # The smallest width extends furthest to the left, the largest to the right.
                end, away = (0, (0, 5)) if width == widths[0] else (-1, (5, 0))
                ax.annotate(
                    f"{width:g}", (cells[x][end], cells["test_loss"][end]), xytext=away,
                    textcoords="offset points", va="bottom" if away[1] else "center",
                    ha="left" if away[0] else "center", color=color, annotation_clip=False,
                )  # fmt: skip


def _marginal(ax: "Axes", rows: Table, name: str, column: str, means: Means, color: str) -> None:
    """Every run, and the mean at each value with its interval."""
    with paper():
        dress(ax, xlog=True)
        ax.plot(rows[name], rows[column], ".", color=GREY, ms=3, alpha=0.6)
        value, low, high = np.array(means.means).T
        ax.plot(means.at, value, "-o", color=color, lw=1.2, ms=4, zorder=4)
        finite = np.isfinite(low)
        ax.vlines(means.at[finite], low[finite], high[finite], color=color, lw=1.2, zorder=3)


def _ticks(ax: "Axes", widths: NDArray[np.float64]) -> None:
    """Put ticks at these widths only."""
    ax.set_xticks(widths, [f"{width:g}" for width in widths])
    ax.set_xticks([], minor=True)


def accuracy_by_width(table: Table, analysis: Analysis) -> "Figure":
    """Test accuracy by width. The panel titles name the runs, as far as they were made: one update
    in the notebook's cells (one seed per cell, all shares), or on 600 images with many seeds; if
    neither was made, one epoch in minibatches. Dots: runs; line and whiskers: means with 95%
    intervals of Student's t."""
    numbers = _numbers(analysis)
    once = (
        (numbers.parts.grid, "grid", "the notebook's cells"),
        (numbers.parts.repeats, "repeats", "many seeds, 600 images"),
    )
    trained = (numbers.parts.trained, "trained", "an epoch in minibatches")
    shown = [panel for panel in once if len(panel[0])] or [trained]
    figure, axes = panels(1, len(shown), height=70.0, sharey=True)
    for ax, (rows, which, title) in zip(axes[0], shown, strict=True):
        means = numbers.test_accuracy[which]
        _marginal(ax, rows, "model_size", "test_accuracy", means, VERMILLION)
        _ticks(ax, means.at)
        with paper():
            ax.set_title(title)
            ax.set_xlabel("width (channels)")
    axes[0, 0].set_ylabel(QUANTITIES["test_accuracy"])
    if len(shown) > 1:
        letters(axes)
    drop = numbers.drop.drop
    headline(
        figure,
        "Too few seeds for the change of accuracy at the largest width"
        if not math.isfinite(drop.low)
        else f"At the largest width accuracy changes by {drop.value:+.1f} points "
        f"[{drop.low:+.1f}, {drop.high:+.1f}]",
    )
    return figure


# ---- real training --------------------------------------------------------------------------


def training_frontier(table: Table, analysis: Analysis) -> "Figure":
    """One epoch in minibatches, means over seeds, one colour per width. a: test loss against FLOP;
    cells on the compute-efficient frontier are ringed, and the dashed line is a power law through
    them; b: the same cells against width x share. c: exponents of the frontier with 95% intervals
    of the jackknife over widths and seeds; squares: with 20% dropout."""
    numbers = _numbers(analysis)
    trained = numbers.trained
    if trained is None:
        raise DataError(
            "the table has no runs of one epoch to draw; "
            "`allometry run cnn_size_by_data --size paper` trains them"
        )
    rows = _exponent_rows(numbers)
    figure, axes = panels(1, 3 if rows else 2, height=75.0)
    for ax, name, label in (
        (axes[0, 0], "compute", FLOP),
        (axes[0, 1], "notebook_compute", "width \N{MULTIPLICATION SIGN} share"),
    ):
        _by_width(ax, trained.cells, name, ylog=True)
        _edge(ax, trained, name)
        ax.set_xlabel(label)
        ax.set_ylabel(QUANTITIES["test_loss"])
    if rows:
        interval_panel(
            rows, ax=axes[0, 2], xlabel="exponent of the frontier", digits=False, zero=False
        )
    letters(axes)
    exponent = trained.exponents["compute"]
    headline(
        figure,
        f"One epoch: the frontier of test loss falls as C^{exponent.value:.2f} in FLOP"
        if math.isfinite(exponent.value)
        else "One epoch: too few cells for a frontier",
    )
    return figure


def _edge(ax: "Axes", frontier: Frontier, name: str) -> None:
    edge = frontier.edges[name]
    x = edge[name]
    with paper():
        ax.plot(x, edge["test_loss"], "o", ms=6, mfc="none", mec=INK, mew=0.8, zorder=5)
        if name in frontier.lines:
            slope, intercept = frontier.lines[name]
            ax.plot(x, np.exp(intercept + slope * np.log(x)), "--", color=INK, lw=1)


def _exponent_rows(numbers: Numbers) -> list[IntervalRow]:
    """Exponents of the frontier in both measures of compute, without and with dropout."""
    rows = []
    for frontier, control, label in (
        (numbers.trained, False, ""),
        (numbers.dropout, True, ", dropout"),
    ):
        exponents = frontier.exponents if frontier else {}
        for name, unit in (("compute", "FLOP"), ("notebook_compute", "w\N{MULTIPLICATION SIGN}s")):
            if name in exponents and math.isfinite(exponents[name].value):
                rows.append(IntervalRow(unit + label, *exponents[name], control=control))
    return rows
