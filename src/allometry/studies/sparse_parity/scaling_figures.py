"""Figures of the three scalings: loss against parameters, samples and steps, and exponents."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from allometry.figures.curves import Curve
from allometry.figures.labels import name_axes
from allometry.figures.panels import runs_panel
from allometry.figures.style import (
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    dress,
    headline,
    letters,
    panels,
    paper,
)
from allometry.findings import Analysis
from allometry.fitting.document import Fit
from allometry.studies.sparse_parity.laws import ENDLESS, KINDS, Scaling, fit_name, theory
from allometry.studies.sparse_parity.numbers import Numbers
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["exponents", "three_scalings"]

SIZES = {"N": "parameters N", "D": "samples D", "S": "steps S"}


def _numbers(analysis: Analysis) -> Numbers:
    numbers: Numbers = analysis.numbers["sparse_parity"]
    return numbers


def three_scalings(table: Table, analysis: Analysis) -> "Figure":
    """Test loss in bits against parameters, samples (the lowest loss along training) and steps, as
    far as these were run, at the alpha nearest to 0.4. Hollow: less than one task learnt. Blue: a
    power law fitted to the filled marks; grey dashed: the theory's power law for infinitely many
    tasks. Orange, if all three were run: the discrete curve L_n, one fit to all panels with K the
    number of tasks."""
    numbers = _numbers(analysis)
    scalings = numbers.main_scalings
    fit = numbers.fits.get(fit_name(scalings[0].alpha))
    figure, axes = panels(1, len(scalings), height=72, sharey=True)
    for ax, scaling in zip(axes[0], scalings, strict=True):
        _scaling(ax, scaling, fit, table)
    axes[0, 0].set_ylabel("test loss (bits)")
    if len(scalings) > 1:
        letters(axes)
    measured = ", ".join(f"{s.kind}^-{s.exponent.value:.2f}" for s in scalings)
    expected = ", ".join(f"{s.theory:.2f}" for s in scalings)
    headline(figure, f"The loss falls as {measured}; theory of infinitely many tasks: {expected}")
    return figure


def _scaling(ax: "Axes", s: Scaling, fit: Fit | None, table: Table) -> None:
    # The flat start of training, up to a tenth of the first step fitted, is not drawn.
    first = s.size[s.used][0] / 10 if s.used.any() and s.kind == "S" else 0.0
    shown = s.size >= first
    sizes, seeds = np.tile(s.size[shown], len(s.spread)), s.spread[:, shown].ravel()
    used = np.tile(s.used[shown], len(s.spread))
    between = s.size[s.used] if s.used.any() else s.size
    middle = between[len(between) // 2]
    level = 10**s.line.intercept * middle**s.line.slope
    curves = [
        Curve(between, 10**s.line.intercept * between**s.line.slope),
        Curve(between, level * (between / middle) ** -s.theory, color=GREY, style="--"),
    ]
    if fit is not None:
        curves.append(
            _joint_curve(s, fit, table, np.geomspace(s.size[shown].min(), s.size.max(), 200))
        )
    runs_panel(
        sizes, seeds, ax=ax, used=used if used.any() else None, curves=curves, xlabel=SIZES[s.kind],
        note=f"exponent {s.exponent.value:.2f}, theory {s.theory:.2f}",
        note_at="upper right",
    )  # fmt: skip


def _joint_curve(s: Scaling, fit: Fit, table: Table, size: np.ndarray) -> Curve:
    """L_n along one size, with the other two as in the runs of this scaling."""
    fixed = {"N": float(table["n_params"].max()), "D": ENDLESS, "step": float(table["steps"].max())}
    if s.kind == "D":
        fixed["step"] = float(table.where(n_samples=int(s.size[0]))["steps"].max())
    points = {name: np.full(len(size), value) for name, value in fixed.items()}
    points[{"N": "N", "D": "D", "S": "step"}[s.kind]] = size
    return Curve(size, fit.predict(points), color=ORANGE)


def exponents(table: Table, analysis: Analysis) -> "Figure":
    """Exponents of the loss in parameters, samples and steps, as far as these were run, against
    alpha, with 95% intervals (seeds and sizes resampled; over seeds alone for steps). Grey dashed:
    the theory of infinitely many quanta. Hollow squares: the theory with as many quanta as tasks,
    over the same losses."""
    scalings = _numbers(analysis).scalings
    shown = [k for k in KINDS if any(s.kind == k for s in scalings)]
    figure, axes = panels(1, len(shown), height=70, sharey=True)
    for ax, kind in zip(axes[0], shown, strict=True):
        _against_alpha(ax, kind, [s for s in scalings if s.kind == kind])
    axes[0, 0].set_ylabel("exponent of the loss")
    if len(shown) > 1:
        letters(axes)
    endless = np.array([abs(s.exponent.value - s.theory) for s in scalings])
    finite = np.array([abs(s.exponent.value - s.finite_slope) for s in scalings])
    headline(
        figure,
        f"Exponents differ by {np.nanmean(endless):.2f} from the theory of infinitely many quanta, "
        f"by {np.nanmean(finite):.2f} from that of as many quanta as tasks",
    )
    return figure


def _against_alpha(ax: "Axes", kind: str, scalings: Sequence[Scaling]) -> None:
    alpha = np.array([s.alpha for s in scalings])
    value, low, high = np.array([s.exponent for s in scalings]).T
    fine = np.linspace(min(0.1, alpha.min()), max(0.9, alpha.max()), 50)
    with paper():
        dress(ax)
        ax.plot(fine, [theory(kind, a) for a in fine], color=GREY, lw=1.1, ls="--")
        ax.annotate(
            "theory", (fine[8], theory(kind, fine[8])), xytext=(4, -3), ha="left", va="top",
            textcoords="offset points", color=GREY,
        )  # fmt: skip
        ax.plot(alpha, [s.finite_slope for s in scalings], "s", mfc="none", mec=VERMILLION, ms=5.5)
        ax.vlines(alpha, low, high, color=BLUE, lw=1.3)
        ax.plot(alpha, value, "o", color=BLUE, ms=4.5)
        name_axes(ax, "alpha of the frequencies", "", f"in {SIZES[kind]}")
