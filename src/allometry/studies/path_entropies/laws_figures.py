"""Figures of the parameter-scaling studies: path entropies, loss and the core law against N."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from allometry.figures.curves import fit_curve, logarithm_curve, power_curve
from allometry.figures.intervals import IntervalRow, interval_panel
from allometry.figures.panels import residual_panel, runs_panel
from allometry.figures.style import BLUE, VERMILLION, headline, letters, panels, stacked
from allometry.findings import Analysis
from allometry.stats.grid import Grid
from allometry.studies.path_entropies.laws import COLUMNS, fits, notebook_laws, reduced, statistics
from allometry.tables.table import Table

__all__ = [
    "as_in_the_notebook",
    "core_law",
    "entropies_before_training",
    "loss_and_the_cut",
    "slopes_beside_the_control",
]

N_LABEL = "parameters N"
KINDS = (("trained", "", BLUE, "o"), ("untrained", "_untrained", VERMILLION, "s"))


def _name_kind(ax: Axes, kind: str, color: str, marker: str, *, high: bool) -> None:
    """The kind's name and mark in the corner the points leave free: their ends lie too close."""
    y = (0.9 if high else 0.2) - (0.1 if kind == "untrained" else 0)
    ax.plot(0.66, y, marker, color=color, transform=ax.transAxes)
    ax.text(0.69, y, kind, color=color, va="center", transform=ax.transAxes)


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def entropies_before_training(table: Table, analysis: Analysis) -> Figure:
    """H'_TSE and H'_SIE of every trained network (blue) and of the same network before its first
    update (red squares); lines: least squares on all runs, bands: 95% from 1,000 resamples of
    seeds and sizes; below, residuals of the runs."""
    done = table.where(status="done")
    fitted = fits(table)
    figure, tops, residuals = stacked(2)
    laws = (("htse", "H'_TSE", "H'_TSE", True), ("hsie", "H'_SIE (bits)", "H'_SIE", False))
    for (column, label, law, ylog), top, below in zip(laws, tops, residuals, strict=True):
        for kind, suffix, color, marker in KINDS:
            name = f"{law}, {kind}" + ("" if ylog else " (bits)")
            found = fitted[name]
            ends = float(done["n_params"].min()), float(done["n_params"].max())
            line = fit_curve(found, ends)
            y = done[column + suffix]
            runs_panel(
                done["n_params"], y, ax=top, curves=[line], color=color, marker=marker,
                ylabel=label, ylog=ylog,
            )  # fmt: skip
            _name_kind(top, kind, color, marker, high=ylog)
            residual_panel(
                done["n_params"], y, found.predict({"x": done["n_params"]}), ax=below,
                relative=ylog, color=color, marker=marker, xlabel=N_LABEL,
            )  # fmt: skip
    letters(tops)
    shares = (f"{100 * finding.measured:.0f}%" for finding in analysis.findings[:2])
    headline(figure, "Before training H'_TSE has {} of its slope, H'_SIE {}".format(*shares))
    return figure


def slopes_beside_the_control(table: Table, analysis: Analysis) -> Figure:
    """Slopes of the path entropies in N, trained networks (blue) beside untrained ones (red): over
    all sizes, and above the minimum within the valid regime as the notebook fits them. 95%
    intervals from 1,000 resamples of seeds and sizes, cut and baselines found anew in each."""
    by = Grid.of(table, "n_params", COLUMNS).intervals(statistics)
    figure, axes = panels(1, 2, height=58)
    for ax, (column, symbol, unit) in zip(
        axes[0],
        (("htse", "H'_TSE", "exponent of N"), ("hsie", "H'_SIE", "bits a decade of N")),
        strict=True,
    ):
        rows = [
            IntervalRow(kind, *by[f"{column}{part}{suffix}"], control=bool(suffix), group=group)
            for part, group in (("", "all sizes"), ("_reducible", "above the minimum"))
            for kind, suffix, _, _ in KINDS
        ]
        interval_panel(rows, ax=ax, xlabel=unit, title=symbol, zero=False)
    letters(axes)
    moved = by["htse"].value / by["htse_untrained"].value - 1
    cut = by["htse_reducible"].value / by["htse"].value
    headline(
        figure,
        f"Training changes the exponent of H'_TSE by {moved:+.0%}, "
        f"subtracting its minimum makes it {cut:.1f} times as steep",
    )
    return figure


def loss_and_the_cut(table: Table, analysis: Analysis) -> Figure:
    """Left: test loss of every run, thin lines join a seed, rings mark each seed's lowest loss,
    where the notebook cuts; line: the notebook's law on the means up to their lowest. Right: the
    exponent each seed gives by itself, and of the means with its 95% interval."""
    done, grid = table.where(status="done"), Grid.of(table, "n_params", COLUMNS)
    mean, by = grid.mean(), grid.intervals(statistics)
    law, floor = notebook_laws(mean)["loss"], float(mean["test_loss"].min())
    last = mean.up_to_lowest("test_loss").size[-1]
    best = [row["test_loss"] == done.where(seed=row["seed"])["test_loss"].min() for row in done]
    figure, axes = panels(1, 2, height=68)
    runs_panel(
        done["n_params"], done["test_loss"], ax=axes[0, 0], seed=done["seed"], join=True,
        used=done["n_params"] <= last, highlight=best,
        curves=[
            power_curve(
                law, (mean.size[0], last), floor=floor, beyond=(mean.size[0], mean.size[-1]),
                label=f"N^{law.slope:.2f}",
            )
        ],
        xlabel=N_LABEL, ylabel="test loss (nats)",
    )  # fmt: skip
    rows = [IntervalRow("means over seeds", *by["loss_reducible"])]
    for seed, curves in grid.each_seed():
        own = statistics(curves)
        label = f"seed {seed}, {own['valid_sizes']:.0f} sizes"
        rows.append(IntervalRow(label, own["loss_reducible"], np.nan, np.nan, group="each seed"))
    interval_panel(rows, ax=axes[0, 1], xlabel="exponent of L - L_inf in N", zero=False)
    letters(axes)
    cuts = [statistics(curves)["valid_sizes"] for _, curves in grid.each_seed()]
    headline(
        figure,
        f"The cut at the lowest loss keeps {min(cuts):.0f} to {max(cuts):.0f} of "
        f"{len(grid.size)} sizes, by seed",
    )
    return figure


def core_law(table: Table, analysis: Analysis) -> Figure:
    """Reducible loss against the reducible ideal norm, means over seeds up to the lowest loss: of
    the trained networks (left) and of the same networks before training (right). Lines: least
    squares on the logarithms, the notebook's core law."""
    mean = Grid.of(table, "n_params", COLUMNS).mean()
    figure, axes = panels(1, 2, height=66, sharex=True, sharey=True)
    for ax, (kind, suffix, color, marker) in zip(axes[0], KINDS, strict=True):
        part, law = reduced(mean, suffix), notebook_laws(mean, suffix)["core"]
        seen = (part["ideal"] > 0) & (part["loss"] > 0)
        ends = float(part["ideal"][seen].min()), float(part["ideal"][seen].max())
        runs_panel(
            part["ideal"][seen], part["loss"][seen], ax=ax, color=color, marker=marker,
            curves=[power_curve(law, ends)],
            xlabel="ideal norm above its minimum (bits)",
            ylabel="test loss above its minimum (nats)" if not suffix else "",
            title=kind, note=f"exponent {_signed(law.slope)}\nR² {law.r2:.2f}, p {law.p:.0e}",
            note_at="upper right",
        )  # fmt: skip
    letters(axes)
    r2 = (notebook_laws(mean, suffix)["core"].r2 for _, suffix, _, _ in KINDS)
    headline(figure, "The core law: R² {:.2f} after training, {:.2f} before".format(*r2))
    return figure


def as_in_the_notebook(table: Table, analysis: Analysis) -> Figure:
    """The notebook's own five panels at its seed 42, on its axes: hollow marks lie beyond the
    lowest loss and were not fitted; dashed in the original, its fits are the lines here."""
    first = int(table["seed"].min())
    all_sizes = Grid.of(table.where(seed=first), "n_params", COLUMNS).mean()
    valid = all_sizes.up_to_lowest("test_loss")
    part, laws = reduced(all_sizes), notebook_laws(all_sizes)
    floors = {n: float(valid[n].min()) for n in ("test_loss", "htse", "hsie")}
    ends = float(valid.size[0]), float(valid.size[-1])

    def note(law: str, slope: str) -> str:
        return f"{slope} {_signed(laws[law].slope)}\nR² {laws[law].r2:.2f}, p {laws[law].p:.0e}"

    figure, axes = panels(2, 3, height=112)
    (loss, htse, hsie), (ideal, core, spare) = axes
    spare.set_axis_off()
    runs_panel(
        all_sizes.size,
        all_sizes["test_loss"],
        ax=loss,
        used=all_sizes.size <= ends[1],
        curves=[power_curve(laws["loss"], ends, floor=floors["test_loss"])],
        title="1 Performance",
        xlabel=N_LABEL,
        ylabel="final test loss (nats)",
        note=note("loss", "exponent"),
        note_at="lower left",
    )
    runs_panel(
        valid.size,
        valid["htse"],
        ax=htse,
        curves=[power_curve(laws["htse"], ends, floor=floors["htse"])],
        title="2 Abstraction",
        xlabel=N_LABEL,
        ylabel="final H'_TSE",
        note=note("htse", "exponent"),
    )
    runs_panel(
        valid.size,
        valid["hsie"],
        ax=hsie,
        ylog=False,
        title="3 Compression",
        curves=[logarithm_curve(laws["hsie"], ends, floor=floors["hsie"])],
        xlabel=N_LABEL,
        ylabel="final H'_SIE (bits)",
        note=note("hsie", "slope"),
    )
    seen = part["ideal"] > 0
    runs_panel(
        part.size[seen],
        part["ideal"][seen],
        ax=ideal,
        title="4 Internal cost",
        xlabel=N_LABEL,
        ylabel="reducible ideal norm",
    )
    seen &= part["loss"] > 0
    span = float(part["ideal"][seen].min()), float(part["ideal"][seen].max())
    runs_panel(part["ideal"][seen], part["loss"][seen], ax=core, title="5 The core law",
               curves=[power_curve(laws["core"], span)],
               xlabel="reducible ideal norm", ylabel="reducible test loss (nats)",
               note=note("core", "exponent"))  # fmt: skip
    headline(figure, f"The notebook's five panels, one seed ({first})")
    return figure
