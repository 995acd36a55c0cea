"""Figures of the parameter-scaling studies: path entropies, loss and the core law against N."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from allometry.figures.curves import fit_curve, logarithm_curve, power_curve
from allometry.figures.intervals import IntervalRow, interval_panel
from allometry.figures.panels import residual_panel, runs_panel
from allometry.figures.style import BLUE, VERMILLION, headline, letters, panels, stacked
from allometry.findings import Analysis
from allometry.laws import Array
from allometry.stats.grid import Curves
from allometry.stats.interval import Interval
from allometry.stats.lines import Line
from allometry.studies.path_entropies.laws import notebook_laws, reduced
from allometry.tables.run_texts import run_texts
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "as_in_the_notebook",
    "core_law",
    "entropies_before_training",
    "loss_and_the_cut",
    "slopes_beside_the_control",
]

N_LABEL = "parameters N"
KINDS = (("trained", "", BLUE, "o"), ("untrained", "_untrained", VERMILLION, "s"))


def _name_kind(ax: "Axes", kind: str, color: str, marker: str, *, high: bool) -> None:
    """Write the name and mark of a kind in the empty corner; line ends are too close for labels."""
    y = (0.9 if high else 0.2) - (0.1 if kind == "untrained" else 0)
    ax.plot(0.66, y, marker, color=color, transform=ax.transAxes)
    ax.text(0.69, y, kind, color=color, va="center", transform=ax.transAxes)


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _note(line: Line, number: str) -> str:
    return f"{number} {_signed(line.slope)}\nR² {line.r2:.2f}, p {line.p:.0e}"


def entropies_before_training(table: Table, analysis: Analysis) -> "Figure":
    """H'_TSE and H'_SIE of every trained network (blue) and of the same network before its first
    update (orange squares). Lines: laws without a floor by least squares on single runs; bands: 95%
    from 1,000 resamples of seeds and sizes. Below: residuals; the dashed parabola shows the
    curvature for trained networks."""
    runs: Table = analysis.numbers["runs"]
    n_params = runs["n_params"]
    ends = float(n_params.min()), float(n_params.max())
    figure, tops, residuals = stacked(2)
    laws = (("htse", "H'_TSE", "H'_TSE", True), ("hsie", "H'_SIE (bits)", "H'_SIE", False))
    for (column, label, symbol, ylog), top, below in zip(laws, tops, residuals, strict=True):
        largest_residual = 0.0
        for kind, suffix, color, marker in KINDS:
            fit = analysis.fits[f"{symbol} of single runs, {kind}" + ("" if ylog else " (bits)")]
            y, predicted = runs[column + suffix], fit.predict({"x": n_params})
            runs_panel(
                n_params, y, ax=top, curves=[fit_curve(fit, ends)], color=color, marker=marker,
                ylabel=label, ylog=ylog, tips=run_texts(runs, ("n_params", column + suffix)),
            )  # fmt: skip
            _name_kind(top, kind, color, marker, high=ylog)
            residual_panel(
                n_params, y, predicted, ax=below,
                relative=ylog, color=color, marker=marker, xlabel=N_LABEL,
            )  # fmt: skip
            residual = 100 * (y / predicted - 1) if ylog else y - predicted
            largest_residual = max(largest_residual, float(np.abs(residual).max()))
            if kind == "trained":
                _bend(below, n_params, residual)
        below.set_ylim(-1.25 * largest_residual, 1.25 * largest_residual)
    letters(tops)
    intervals: Mapping[str, Interval] = analysis.numbers["intervals"]
    shares = [intervals[f"{n}_untrained"].value / intervals[n].value for n in ("htse", "hsie")]
    headline(
        figure,
        "Before training the same networks show {:.0%} of the slope of H'_TSE and {:.0%} of that "
        "of H'_SIE".format(*shares),
    )
    return figure


def _bend(ax: "Axes", size: Array, residual: Array) -> None:
    """Draw a parabola in log N fitted to the residuals."""
    at = np.unique(size)
    parabola = np.polynomial.Polynomial.fit(np.log10(size), residual, 2)
    ax.plot(at, parabola(np.log10(at)), color=BLUE, lw=1.0, ls="--")


def slopes_beside_the_control(table: Table, analysis: Analysis) -> "Figure":
    """Slopes of the path entropies in N for trained and untrained networks: over all sizes, and
    above the minimum up to the lowest loss, as the notebook fits them. 95% intervals from leaving
    out each seed and each size, with cut and baselines computed again."""
    intervals: Mapping[str, Interval] = analysis.numbers["intervals"]
    figure, axes = panels(1, 2, height=58)
    for ax, (column, symbol, unit) in zip(
        axes[0],
        (("htse", "H'_TSE", "exponent of N"), ("hsie", "H'_SIE", "bits per decade of N")),
        strict=True,
    ):
        rows = [
            IntervalRow(
                kind, *intervals[f"{column}{part}{suffix}"], control=bool(suffix), group=group
            )
            for part, group in (("", "all sizes"), ("_reducible", "above the minimum"))
            for kind, suffix, _, _ in KINDS
        ]
        interval_panel(rows, ax=ax, xlabel=unit, title=symbol, zero=False)
    letters(axes)
    trained = intervals["htse"].value
    change = trained / intervals["htse_untrained"].value - 1
    steeper = intervals["htse_reducible"].value / trained
    headline(
        figure,
        f"Training changes the exponent of H'_TSE by {change:+.0%}; "
        f"subtracting the minimum multiplies it by {steeper:.1f}",
    )
    return figure


def loss_and_the_cut(table: Table, analysis: Analysis) -> "Figure":
    """a: test loss of every run that learnt; thin lines join the runs of a seed, and rings mark
    each seed's lowest loss, where the notebook cuts. Thick line: the notebook's law for the means
    up to their lowest. b: the exponent for each seed, and that of the means with its 95%
    interval."""
    mean, seed_statistics = analysis.numbers["mean"], analysis.numbers["seed_statistics"]
    figure, axes = panels(1, 2, height=68)
    _losses(axes[0, 0], analysis.numbers["runs"], mean, analysis.numbers["laws"]["loss"])
    rows = [IntervalRow("means over seeds", *analysis.numbers["intervals"]["loss_reducible"])]
    for seed, statistics in seed_statistics.items():
        label = f"seed {seed}, to N {statistics['size_of_lowest_loss']:,.0f}"
        exponent = statistics["loss_reducible"]
        rows.append(IntervalRow(label, exponent, np.nan, np.nan, group="each seed"))
    interval_panel(rows, ax=axes[0, 1], xlabel="exponent of L - L_inf in N", zero=False)
    letters(axes)
    cuts = [statistics["size_of_lowest_loss"] for statistics in seed_statistics.values()]
    headline(
        figure, f"Over seeds the lowest loss is at N from {min(cuts):,.0f} to {max(cuts):,.0f}"
    )
    return figure


def _losses(ax: "Axes", done: Table, mean: Curves, law: Line) -> None:
    lowest = {seed: done.where(seed=seed)["test_loss"].min() for seed in set(done["seed"].tolist())}
    first, last = mean.size[0], mean.up_to_lowest("test_loss").size[-1]
    floor = float(mean["test_loss"].min())
    runs_panel(
        done["n_params"], done["test_loss"], ax=ax, seed=done["seed"], join=True,
        used=done["n_params"] <= last,
        highlight=[row["test_loss"] == lowest[row["seed"]] for row in done],
        curves=[
            power_curve(
                law, (first, last), floor=floor, beyond=(first, mean.size[-1]),
                label=f"N^{law.slope:.2f}",
            )
        ],
        xlabel=N_LABEL, ylabel="test loss (nats)",
        tips=run_texts(done, ("n_params", "test_loss")),
    )  # fmt: skip


def core_law(table: Table, analysis: Analysis) -> "Figure":
    """Reducible loss against the reducible ideal norm, means over seeds up to the lowest loss, with
    the entropies of trained networks (left) and of the same networks before training (right).
    Lines: the notebook's core law, by least squares on the logarithms."""
    figure, axes = panels(1, 2, height=66, sharex=True, sharey=True)
    core_laws = [analysis.numbers[f"laws{suffix}"]["core"] for _, suffix, _, _ in KINDS]
    for ax, law, (kind, suffix, color, marker) in zip(axes[0], core_laws, KINDS, strict=True):
        part = reduced(analysis.numbers["mean"], suffix)
        drawn = (part["ideal"] > 0) & (part["loss"] > 0)
        ends = float(part["ideal"][drawn].min()), float(part["ideal"][drawn].max())
        runs_panel(
            part["ideal"][drawn], part["loss"][drawn], ax=ax, color=color, marker=marker,
            curves=[power_curve(law, ends)],
            xlabel="ideal norm above its minimum (bits)",
            ylabel="test loss above its minimum (nats)" if not suffix else "",
            title=kind, note=_note(law, "exponent"), note_at="upper right",
        )  # fmt: skip
    letters(axes)
    r2 = (law.r2 for law in core_laws)
    headline(figure, "The core law: R² {:.2f} after training, {:.2f} before".format(*r2))
    return figure


def as_in_the_notebook(table: Table, analysis: Analysis) -> "Figure":
    """The notebook's five panels on its axes, for one seed and all of its networks. Hollow marks
    lie beyond the lowest loss and were not fitted. Lines: the notebook's fits, which it draws
    dashed."""
    seed, curves = analysis.numbers["as_in_the_notebook"]
    figure, axes = panels(2, 3, height=112)
    axes[1, 2].set_axis_off()
    _measured_against_size(axes[0], curves)
    _ideal_norm(axes[1], curves)
    headline(figure, f"The notebook's five panels, one seed ({seed})")
    return figure


def _measured_against_size(axes: "Iterable[Axes]", curves: Curves) -> None:
    """Draw loss, H'_TSE and H'_SIE with the laws fitted up to the lowest loss."""
    valid, laws = curves.up_to_lowest("test_loss"), notebook_laws(curves)
    ends = float(valid.size[0]), float(valid.size[-1])
    for ax, (law, column, title, label, number, corner) in zip(
        axes,
        (
            ("loss", "test_loss", "1 Performance", "final test loss (nats)", "exponent",
             "lower left"),
            ("htse", "htse", "2 Abstraction", "final H'_TSE", "exponent", ""),
            ("hsie", "hsie", "3 Compression", "final H'_SIE (bits)", "slope", ""),
        ),
        strict=True,
    ):  # fmt: skip
        drawn = curves if law == "loss" else valid
        line = logarithm_curve if law == "hsie" else power_curve
        runs_panel(
            drawn.size, drawn[column], ax=ax, used=drawn.size <= ends[1],
            curves=[line(laws[law], ends, floor=float(valid[column].min()))],
            ylog=law != "hsie", title=title, xlabel=N_LABEL, ylabel=label,
            note=_note(laws[law], number), note_at=corner,
        )  # fmt: skip


def _ideal_norm(axes: "Iterable[Axes]", curves: Curves) -> None:
    """Draw the reducible ideal norm against N, and the reducible loss against that norm."""
    internal_cost, core, _ = axes
    part, law = reduced(curves), notebook_laws(curves)["core"]
    size, ideal, loss = part.size, part["ideal"], part["loss"]
    positive = ideal > 0
    runs_panel(
        size[positive], ideal[positive], ax=internal_cost, title="4 Internal cost",
        xlabel=N_LABEL, ylabel="reducible ideal norm",
    )  # fmt: skip
    positive &= loss > 0
    ends = float(ideal[positive].min()), float(ideal[positive].max())
    runs_panel(
        ideal[positive], loss[positive], ax=core, title="5 The core law",
        curves=[power_curve(law, ends)], xlabel="reducible ideal norm",
        ylabel="reducible test loss (nats)", note=_note(law, "exponent"),
    )  # fmt: skip
