"""Figures of the data-scaling study: changes by training, laws above baselines, exponents."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from allometry.figures import (
    BLUE,
    GREY,
    IntervalRow,
    headline,
    interval_panel,
    letters,
    panels,
    residual_panel,
    runs_panel,
    stacked,
)
from allometry.figures.curves import exponential_curve, fit_curve, power_curve
from allometry.findings import Analysis
from allometry.stats.interval import Interval
from allometry.studies.path_entropies.data_laws import reduced, with_changes
from allometry.tables.run_texts import run_texts
from allometry.tables.table import Table

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.figure import Figure

__all__ = ["added_by_training", "exponents", "laws_above_their_baselines"]

D_LABEL = "training examples D"
WORDS = {"loss": "loss", "htse": "H'_TSE", "hsie": "H'_SIE", "core": "core law"}


def added_by_training(table: Table, analysis: Analysis) -> "Figure":
    """Increase of H'_TSE (a) and decrease of H'_SIE (b) by training on D examples, means over all
    units. Marks: runs, with thin lines joining those of a seed. Thick lines: powers of D by least
    squares on logarithms of single runs; bands: 95% from 1,000 resamples of sizes and seeds. Below:
    residuals."""
    done = with_changes(table)
    ends = float(done["n_data"].min()), float(done["n_data"].max())
    figure, tops, residuals = stacked(2)
    powers = []
    for law, name, label, top, below in zip(
        (
            "H'_TSE of single runs, added by training, power law",
            "H'_SIE of single runs, removed by training (bits), power law",
        ),
        ("htse_added", "hsie_removed"),
        ("H'_TSE added", "H'_SIE removed (bits)"),
        tops,
        residuals,
        strict=True,
    ):
        fit, y = analysis.fits[law], np.where(done[name] > 0, done[name], np.nan)
        alpha = fit.parameters["alpha"]
        powers.append(f"D^{-alpha.value:.2f}")
        runs_panel(
            done["n_data"], y, ax=top, seed=done["seed"], join=True,
            curves=[fit_curve(fit, ends)], color=BLUE, ylabel=label,
            note=f"exponent {-alpha.value:.2f} [{-alpha.high:.2f}, {-alpha.low:.2f}], single runs",
            tips=run_texts(done, ("n_data", name)),
        )  # fmt: skip
        residual_panel(
            done["n_data"], y, fit.predict({"x": done["n_data"]}), ax=below, color=BLUE,
            xlabel=D_LABEL,
        )  # fmt: skip
    letters(tops)
    headline(figure, "Training increases H'_TSE by {} and decreases H'_SIE by {}".format(*powers))
    return figure


def laws_above_their_baselines(table: Table, analysis: Analysis) -> "Figure":
    """The notebook's four laws on means over seeds: loss and H'_TSE above their baselines against
    D; H'_SIE above its baseline against D on a linear axis, where an exponential is a line; and the
    core law. Lines: least squares, as in the notebook."""
    part, laws = reduced(analysis.numbers["mean"]), analysis.numbers["laws"]
    figure, axes = panels(2, 2, height=118)
    for ax, name, label in (
        (axes[0, 0], "loss", "test loss above baseline (nats)"),
        (axes[0, 1], "htse", "H'_TSE above baseline"),
        (axes[1, 0], "hsie", "H'_SIE above baseline (bits)"),
        (axes[1, 1], "core", "test loss above baseline (nats)"),
    ):
        x = part["ideal"] if name == "core" else part.size
        y = part["loss"] if name == "core" else part[name]
        law, linear = laws[name], name == "hsie"
        positive = (x > 0) & (y > 0)
        if not positive.any():
            ax.text(0.5, 0.5, "nothing above the baseline", ha="center", color=GREY)
            continue
        ends = float(x[positive].min()), float(x[positive].max())
        line = exponential_curve(law, ends) if linear else power_curve(law, ends)
        runs_panel(
            x[positive], y[positive], ax=ax, curves=[line], xlog=not linear, ylabel=label,
            xlabel="ideal norm above baseline (bits)" if name == "core" else D_LABEL,
            note=f"slope {law.slope:.2g}, R² {law.r2:.2f}",
        )  # fmt: skip
    letters(axes)
    r2 = ", ".join(f"{word} {laws[name].r2:.2f}" for name, word in WORDS.items())
    headline(figure, f"R² of the notebook's four laws of D: {r2}")
    return figure


def exponents(table: Table, analysis: Analysis) -> "Figure":
    """Exponents of the notebook's power laws in D, for the means over seeds with 95% intervals from
    leaving out each seed and each size, and for each seed."""
    intervals: Mapping[str, Interval] = analysis.numbers["intervals"]
    figure, axes = panels(1, 2, height=60)
    for ax, name, label in zip(
        axes[0],
        ("loss", "htse"),
        ("exponent of L - L_inf", "exponent of H'_TSE - H_0"),
        strict=True,
    ):
        rows = [IntervalRow("means over seeds", *intervals[name])]
        for seed, statistics in analysis.numbers["seed_statistics"].items():
            value = statistics[name]
            rows.append(IntervalRow(f"seed {seed}", value, np.nan, np.nan, group="each seed"))
        interval_panel(rows, ax=ax, xlabel=label, zero=False)
    letters(axes)
    loss, htse = (intervals[name].shown(".2f") for name in ("loss", "htse"))
    headline(figure, f"Exponents in D: loss {loss}, H'_TSE {htse}")
    return figure
