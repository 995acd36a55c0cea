"""Figures of the NTK study: the plotted correction and the matched correction."""

from typing import TYPE_CHECKING

import numpy as np

from allometry.figures.curves import Curve
from allometry.figures.intervals import IntervalRow, interval_panel
from allometry.figures.panels import runs_panel
from allometry.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILLION,
    headline,
    letters,
    panels,
    ramp,
)
from allometry.figures.trajectories import trajectory_panel
from allometry.findings import Analysis
from allometry.studies.ntk_depth.findings import MATCHED, PRINTED_PLANE
from allometry.studies.ntk_depth.moments import NARROW
from allometry.studies.ntk_depth.numbers import Numbers
from allometry.studies.ntk_depth.within import Exponents, by_width, of_fit
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "exponents_beside_theory",
    "heavy_tails",
    "radius_by_depth",
    "slopes_beside_the_printed",
    "the_limit_alone",
]

EXPONENTS = (("depth L", "L"), ("input dimension D", "D"), ("points N", "N"), ("width M", "M"))


def _numbers(analysis: Analysis) -> Numbers:
    numbers: Numbers = analysis.numbers["ntk_depth"]
    return numbers


def _identity(values: np.ndarray) -> Curve:
    ends = np.array([values.min(), values.max()])
    return Curve(ends, ends, label="equal", color=GREY)


def the_limit_alone(table: Table, analysis: Analysis) -> "Figure":
    """Left: mean spectral radius of the plotted quantity M(K - K_inf) in each cell (blue) against
    that of M K_inf for the same inputs, without weights; grey: equal. Right: the matched correction
    relative to its limit, |K - (2/D) K_inf^(L+1)| / |(2/D) K_inf^(L+1)|, against L/M; line: the
    square root predicted for the fluctuations of one draw."""
    numbers = _numbers(analysis)
    cells = numbers.cells
    radius, alone = cells.mean("spectral_radius"), cells.mean("limit_spectral_radius")
    relative = cells.relative
    ratio = cells.size("depth") / cells.size("width")
    figure, axes = panels(1, 2, height=72)
    runs_panel(
        alone, radius, ax=axes[0, 0], means=False, curves=[_identity(alone)],
        xlabel="radius of M K_inf, no network", ylabel="radius of M(K - K_inf), mean of draws",
        title="as plotted: the limit kernel",
    )  # fmt: skip
    x = np.geomspace(ratio.min(), ratio.max(), 50)
    few = ratio <= 0.1
    level = np.exp(np.mean(np.log(relative[few] / np.sqrt(ratio[few])))) if few.any() else 1.0
    runs_panel(
        ratio, relative, ax=axes[0, 1], means=False, color=GREEN,
        curves=[Curve(x, level * np.sqrt(x), between=(x[0], 0.1), label="square root")],
        xlabel="depth / width, L/M", ylabel="matched correction / limit",
        title="matched: falls with width",
    )  # fmt: skip
    letters(axes)
    headline(
        figure,
        f"The plotted radius is {100 * numbers.share:.0f}% of that of the limit kernel alone; "
        "the matched correction depends on the width",
    )
    return figure


def slopes_beside_the_printed(table: Table, analysis: Analysis) -> "Figure":
    """Our slopes of ln(radius) over ln L and over ln N against the printed ones. Blue circles:
    means over our tables of ten draws; orange squares: K_inf alone, no network; grey: equal."""
    numbers = _numbers(analysis)
    figure, axes = panels(1, 2, height=74)
    for ax, which, name in zip(axes[0], "LN", ("depth L", "points N"), strict=True):
        part = numbers.slopes.over(which)
        if not part.printed:
            ax.set_axis_off()
            continue
        runs_panel(
            part.target, part.limit, ax=ax, means=False, xlog=False, ylog=False,
            color=VERMILLION, marker="s",
        )  # fmt: skip
        runs_panel(
            part.target, part.slope, ax=ax, means=False, xlog=False, ylog=False,
            curves=[_identity(part.target)],
            xlabel=f"slope over {name}, as printed", ylabel="slope, ours",
            title=f"{len(part.printed)} slopes over {name}",
            note=f"ours minus printed {part.off.value:+.3f} (circles)\n"
            f"K_inf alone {part.limit_off.value:+.3f} (squares)",
        )  # fmt: skip
    letters(axes)
    headline(
        figure,
        f"{numbers.slopes.met} of {len(numbers.slopes.printed)} printed slopes are met within "
        f"their tolerance; K_inf alone meets {numbers.slopes.limit_met}",
    )
    return figure


def radius_by_depth(table: Table, analysis: Analysis) -> "Figure":
    """Mean spectral radius divided by M against depth, for the smallest number of points and input
    dimension, one line per width. Left: the plotted correction, where the lines coincide because it
    is dominated by the limit kernel. Right: the matched correction, which depends on the width."""
    cells = _numbers(analysis).cells
    first = (cells.size("n_points") == cells.size("n_points").min()) & (
        cells.size("d_in") == cells.size("d_in").min()
    )
    cells = cells.only(first)
    depth, width = cells.size("depth"), cells.size("width")
    shared = np.unique(depth)
    figure, axes = panels(1, 2, height=70, sharey=True)
    columns = ("spectral_radius", "matched_spectral_radius")
    apart: list[float] = []
    for ax, column, title in zip(axes[0], columns, ("as plotted", "matched"), strict=True):
        widths = np.unique(width)
        lines = np.full((len(widths), len(shared)), np.nan)
        lines[np.searchsorted(widths, width), np.searchsorted(shared, depth)] = (
            cells.mean(column) / width
        )
        trajectory_panel(
            shared, lines, ax=ax, sizes=widths, xlog=True, ylog=True, xlabel="depth L",
            ylabel="mean radius / M" if ax is axes[0, 0] else "", title=title,
        )  # fmt: skip
        apart.append(float(np.nanmax(lines[:, 0]) / np.nanmin(lines[:, 0])))
        colors = ramp(widths)
        for i in dict.fromkeys((0, len(widths) - 1)):
            end = np.flatnonzero(np.isfinite(lines[i]))[-1]
            ax.annotate(
                f"M {widths[i]:.0f}", (shared[end], lines[i, end]), xytext=(4, 0),
                textcoords="offset points", color=colors[i] * [0.8, 0.8, 0.8, 1], va="center",
                annotation_clip=False, fontsize=8,
            )  # fmt: skip
    letters(axes)
    headline(
        figure,
        f"Between widths the radius over M differs by a factor of {apart[0]:.2f} as plotted, "
        f"{apart[1]:.0f} matched (L = {shared[0]:.0f})",
    )
    return figure


def _rows(
    exponents: Exponents, group: str, predicted: dict[str, float], *, control: bool = False
) -> list[IntervalRow]:
    return [
        IntervalRow(label, *exponents[size], control=control,
            predicted=predicted.get(size), group=group)
        for label, size in EXPONENTS
    ]  # fmt: skip


def exponents_beside_theory(table: Table, analysis: Analysis) -> "Figure":
    """Exponents of the radius in L, D, N and M with 95% intervals. The exponent of M for the
    plotted M(K - K_inf) is larger by 1. From the top: K - K_inf by the author's regression on all
    cells, with his printed exponents (diamonds); K - K_inf among cells that are equal in the other
    three sizes; K_inf alone among such cells; the matched correction over its limit, for M of 10 L
    or more, with the prediction for one draw, the square root of L/M (diamonds)."""
    numbers = _numbers(analysis)
    kernel, matched = by_width(numbers.plotted_within), numbers.relative
    figure, axes = panels(height=130)
    interval_panel(
        _rows(by_width(of_fit(numbers.plotted)), "K - K_inf, regression on all cells",
            PRINTED_PLANE)
        + _rows(kernel, "K - K_inf, cells equal in the other sizes", {})
        + _rows(by_width(numbers.limit_within), "K_inf alone, such cells", {}, control=True)
        + _rows(matched, "matched correction / limit, such cells", MATCHED),
        ax=axes[0, 0], xlabel="exponent",
    )  # fmt: skip
    headline(
        figure,
        f"K - K_inf goes as M^{kernel['M'].value:.2f}, where M^-1.01 is printed; "
        f"the matched correction over its limit goes as M^{matched['M'].value:.2f}",
    )
    return figure


def heavy_tails(table: Table, analysis: Analysis) -> "Figure":
    """Left: second moment of K(x, x) over draws divided by its squared mean, one mark for each
    depth and width up to 5L/M = 10; line: least squares through 0 for 5L/M up to 1, dashed beyond;
    orange: path counting for each depth and width; grey: exp(5L/M). Right: mean over draws of K
    over its limit, minus 1, off the diagonal, at depths 8 to 18, where it is positive; line: the
    power law from widths of 100 to 250 to larger ones."""
    numbers = _numbers(analysis)
    moment, slope = numbers.second_moment, numbers.tail["slope"].value
    figure, axes = panels(1, 2, height=78)
    in_range = moment.beta <= 10
    beta = moment.beta[in_range]
    x = np.geomspace(beta.min(), beta.max(), 60)
    runs_panel(
        beta, np.exp(moment.leading)[in_range], ax=axes[0, 0], means=False, color=ORANGE,
        marker="s",
    )  # fmt: skip
    runs_panel(
        beta, np.exp(moment.measured)[in_range], ax=axes[0, 0], means=False, color=BLUE,
        curves=[
            Curve(x, np.exp(slope * x), between=(x[0], 1.0), label=f"exp({slope:.2f} · 5L/M)"),
            Curve(x[x <= 4], np.exp(x[x <= 4]), label="exp(5L/M)", color=GREY),
        ],
        xlabel="5 L/M", ylabel="E[K²] / E[K]² on the diagonal",
        title="orange squares: path counting",
    )  # fmt: skip
    _shift_by_width(axes[0, 1], numbers)
    letters(axes)
    headline(
        figure,
        f"The log second moment has slope {slope:.2f} on 5L/M up to 1; path counting gives "
        f"{moment.slope(moment.leading):.2f}",
    )
    return figure


def _shift_by_width(ax: "Axes", numbers: Numbers) -> None:
    width, shift, exponent = numbers.shift
    positive = shift > 0
    curves = []
    if np.isfinite(exponent) and positive.any():
        wide = width[positive & (width >= NARROW)]
        level = np.exp(np.mean(np.log(shift[positive & (width >= NARROW)] * wide**-exponent)))
        curves = [Curve(wide, level * wide**exponent, label=f"M^{exponent:.2f}")]
    runs_panel(
        width[positive], shift[positive], ax=ax, means=False, color=GREEN, curves=curves,
        xlabel="width M", ylabel="mean of K over its limit, minus 1",
        title="mean off the diagonal",
    )  # fmt: skip
