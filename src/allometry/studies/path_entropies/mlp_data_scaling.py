"""Do the path entropies of a trained network follow laws of the number of examples?

The D-scaling notebook of the Cognitive Investment Model, beside seed 000: one
network, 25 sizes of training set, with seeds, intervals and the control the
notebook lacks: the same network before training, whose entropies do not know D.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from allometry import measures
from allometry.datasets.splits import ImageSubset
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
from allometry.findings import Analysis, Finding, at_least
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.stats import lines
from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import Interval
from allometry.stats.lines import Line
from allometry.studies.path_entropies.laws import COLUMNS, SOURCE, STRAIGHT
from allometry.studies.path_entropies.sizes import log_spaced
from allometry.study import Study
from allometry.tables.table import Table

D_LABEL = "training examples D"
WORDS = {"loss": "loss", "htse": "H'_TSE", "hsie": "H'_SIE", "core": "core law"}
END = 5  # sizes at either end whose mean is the notebook's baseline


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """784-512-256-10 on 100 to 50,118 images; fewer sizes, a smaller network and fewer passes at
    the quick size."""
    sizes, widths, epochs = {
        "quick": (log_spaced(2, 3.5, 12), (784, 64, 32, 10), 20),
        "notebook": (log_spaced(2, 4.7, 25), (784, 512, 256, 10), 60),
    }[size]
    return [
        RunSpec(
            model=MLP(widths=widths),
            data=ImageSubset(name="fashion-mnist", n_train=n_train),
            train=TrainSpec(optimizer=Adam(learning_rate=1e-3), epochs=epochs, batch_size=128),
            seed=seed,
        )
        for seed in seeds
        for n_train in sizes
    ]


# ---- the notebook's analysis -------------------------------------------------------------


def reduced(curves: Curves) -> Curves:
    """Distances from the notebook's baselines: the last five losses and H'_SIE, the first five
    H'_TSE; `ideal` is L_ideal of the reduced entropies."""
    loss = curves["test_loss"] - curves["test_loss"][-END:].mean()
    hsie = curves["hsie"] - curves["hsie"][-END:].mean()
    htse = curves["htse"] - curves["htse"][:END].mean()
    ideal = np.sqrt(0.5 * np.maximum(htse, 0) ** 2 + 0.5 * np.maximum(hsie, 0) ** 2)
    return Curves(curves.size, {"loss": loss, "htse": htse, "hsie": hsie, "ideal": ideal})


def notebook_laws(curves: Curves) -> dict[str, Line]:
    """Power laws of loss and H'_TSE, exponential decay of H'_SIE, the core law; with R^2 and p."""
    part = reduced(curves)
    positive = part["hsie"] > 0
    return {
        "loss": lines.log_line(part.size, part["loss"]),
        "htse": lines.log_line(part.size, part["htse"]),
        "hsie": lines.line(part.size[positive], np.log(part["hsie"][positive])),
        "core": lines.log_line(part["ideal"], part["loss"]),
    }


def statistics(curves: Curves) -> dict[str, float]:
    """Every number the findings use, of one set of curves; resampled as a whole."""
    out: dict[str, float] = {}
    for law, fitted in notebook_laws(curves).items():
        out |= {law: fitted.slope, f"{law}_r2": fitted.r2}
    for name, sign in (("htse", 1), ("hsie", -1)):
        moved = lines.log_line(curves.size, sign * (curves[name] - curves[f"{name}_untrained"]))
        out |= {f"{name}_moved": moved.slope, f"{name}_moved_r2": moved.r2}
        out[f"{name}_change"] = float(curves[name][-END:].mean() - curves[name][:END].mean())
    return out


# ---- what was found ----------------------------------------------------------------------


def analyse(table: Table) -> list[Finding]:
    """The author's claims beside the measurement; untrained networks do not depend on D."""
    grid = Grid.of(table, "n_data", COLUMNS)
    by = grid.intervals(statistics)
    return [
        _more_than_the_seed(by["htse_change"], grid, "htse", "H'_TSE"),
        _more_than_the_seed(by["hsie_change"], grid, "hsie", "H'_SIE"),
        _law(
            by,
            "htse_moved",
            "What training adds to H'_TSE is a power of D",
            "H'_TSE less that of the network before training is a power of D",
        ),
        _law(
            by,
            "hsie_moved",
            "What training takes from H'_SIE is a power of D",
            "H'_SIE before training less that after it is a power of D",
        ),
        _law(by, "htse", "H'_TSE rises as a power law of D", "H'_TSE - H_0 is a power of D"),
        _law(by, "hsie", "H'_SIE decays exponentially in D",
             "ln(H'_SIE - H_inf) falls linearly in D", "an example"),
        _law(by, "loss", "L - L_inf falls as a power law of D", "L - L_inf is a power of D"),
        _law(by, "core", "The core law in D: reducible loss is a power of the ideal norm",
             "L - L_inf is a power of L_ideal"),
    ]  # fmt: skip


def _more_than_the_seed(change: Interval, grid: Grid, name: str, symbol: str) -> Finding:
    """What more data do to an entropy, in units of its spread between seeds before training."""
    untrained = grid.columns[f"{name}_untrained"]
    spread = float(np.std(np.nanmean(untrained, axis=1), ddof=1)) if len(grid.seeds) > 1 else np.nan
    level = float(np.nanmean(untrained))
    between = (
        "one seed does not tell what another would change"
        if np.isnan(spread)
        else f"between untrained networks of different seeds its standard deviation is {spread:.2g}"
    )
    low, high = sorted(np.abs([change.low, change.high]))
    if change.low < 0 < change.high:
        low = 0.0
    ratio = Interval(abs(change.value) / spread, low / spread, high / spread)
    return Finding(
        claim=f"The amount of data sets {symbol}: more data move it more than another seed would",
        prediction="the path entropies of the trained network are laws of D (ratio above 1)",
        source=SOURCE,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=at_least(ratio, 1.0),
        answer=f"From the {END} smallest to the {END} largest sizes {symbol} moves by "
        f"{change.value:+.2g} [{change.low:+.2g}, {change.high:+.2g}], "
        f"{change.value / level:+.2%}; {between}.",
        control=f"untrained networks: {level:.3g} at every D; {between}",
        unit="of the spread over seeds",
    )


def _law(
    by: Mapping[str, Interval], name: str, claim: str, prediction: str, unit: str = "exponent"
) -> Finding:
    slope, r2 = by[name], by[f"{name}_r2"]
    above = (
        "from the same networks before training"
        if name.endswith("_moved")
        else "above the notebook's baselines"
    )
    return Finding(
        claim=claim,
        prediction=f"{prediction} (R² of {STRAIGHT} or more)",
        source=SOURCE,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        verdict=at_least(r2, STRAIGHT),
        answer=f"{slope.value:.3g} [{slope.low:.3g}, {slope.high:.3g}], R² {r2.value:.2f} "
        f"[{r2.low:.2f}, {r2.high:.2f}], {above}.",
        control="untrained: no dependence on D"
        if name.startswith(("htse", "hsie"))
        else "none: an untrained network predicts by chance",
        unit=unit,
    )


def fits(table: Table) -> dict[str, Fit]:
    """The loss, and what training adds to the entropies, through the fitter: all runs, no baseline,
    sizes and seeds resampled. Runs where training moved an entropy the other way are left out."""
    every = partial(fit, _with_changes(table), cluster=("n_data", "seed"), objective="squared_log")
    return {
        "Test loss, power law with a floor": every(
            "power_floor", {"x": "n_data", "y": "test_loss"}
        ),
        "H'_TSE added by training, power law": every("power", {"x": "n_data", "y": "htse_added"}),
        "H'_SIE removed by training (bits), power law": every(
            "power", {"x": "n_data", "y": "hsie_removed"}
        ),
    }


def _with_changes(table: Table) -> Table:
    """The finished runs, with what training changed in the network it began with."""
    done = table.where(status="done")
    added = done["htse"] - done["htse_untrained"]
    return done.with_columns(htse_added=added, hsie_removed=done["hsie_untrained"] - done["hsie"])


# ---- figures -----------------------------------------------------------------------------


def added_by_training(table: Table, analysis: Analysis) -> Figure:
    """What training on D examples adds to H'_TSE, and takes from H'_SIE, of the network it began
    with; every run, thin lines join a seed. Lines: powers of D by least squares on logarithms,
    bands: 95% from 1,000 resamples of sizes and seeds. Below: residuals."""
    done, fitted = _with_changes(table), fits(table)
    ends = float(done["n_data"].min()), float(done["n_data"].max())
    figure, tops, residuals = stacked(2)
    exponents = []
    for name, law, label, top, below in zip(
        ("htse_added", "hsie_removed"),
        list(fitted)[1:],
        ("H'_TSE added", "H'_SIE removed (bits)"),
        tops,
        residuals,
        strict=True,
    ):
        found, y = fitted[law], np.where(done[name] > 0, done[name], np.nan)
        exponent = found.parameters["alpha"]
        exponents.append(f"D^{-exponent.value:.2f}")
        runs_panel(
            done["n_data"], y, ax=top, seed=done["seed"], join=True,
            curves=[fit_curve(found, ends)], color=BLUE, ylabel=label,
            note=f"exponent {-exponent.value:.2f} [{-exponent.high:.2f}, {-exponent.low:.2f}]",
        )  # fmt: skip
        residual_panel(
            done["n_data"], y, found.predict({"x": done["n_data"]}), ax=below, color=BLUE,
            xlabel=D_LABEL,
        )  # fmt: skip
    letters(tops)
    headline(figure, "Training adds to H'_TSE as {} and takes from H'_SIE as {}".format(*exponents))
    return figure


def laws_above_their_baselines(table: Table, analysis: Analysis) -> Figure:
    """The notebook's four laws on means over seeds: loss and H'_TSE above their baselines against
    D, H'_SIE above its baseline against D (linear D, as an exponential is a line), and the core
    law. Lines: least squares, as in the notebook."""
    mean = Grid.of(table, "n_data", COLUMNS).mean()
    part, laws = reduced(mean), notebook_laws(mean)
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
        seen = (x > 0) & (y > 0)
        if not seen.any():
            ax.text(0.5, 0.5, "nothing above the baseline", ha="center", color=GREY)
            continue
        ends = float(x[seen].min()), float(x[seen].max())
        drawn = exponential_curve(law, ends) if linear else power_curve(law, ends)
        runs_panel(
            x[seen], y[seen], ax=ax, curves=[drawn], xlog=not linear, ylabel=label,
            xlabel="ideal norm above baseline (bits)" if name == "core" else D_LABEL,
            note=f"slope {law.slope:.2g}, R² {law.r2:.2f}",
        )  # fmt: skip
    letters(axes)
    r2 = ", ".join(f"{word} {laws[name].r2:.2f}" for name, word in WORDS.items())
    headline(figure, f"R² of the notebook's four laws of D: {r2}")
    return figure


def exponents(table: Table, analysis: Analysis) -> Figure:
    """Exponents of the notebook's power laws in D with 95% intervals from 1,000 resamples of seeds
    and sizes, and each seed by itself."""
    grid = Grid.of(table, "n_data", COLUMNS)
    by = grid.intervals(statistics)
    figure, axes = panels(1, 2, height=60)
    for ax, name, label in zip(
        axes[0],
        ("loss", "htse"),
        ("exponent of L - L_inf", "exponent of H'_TSE - H_0"),
        strict=True,
    ):
        rows = [IntervalRow("means over seeds", *by[name])]
        for seed, curves in grid.each_seed():
            value = statistics(curves)[name]
            rows.append(IntervalRow(f"seed {seed}", value, np.nan, np.nan, group="each seed"))
        interval_panel(rows, ax=ax, xlabel=label, zero=False)
    letters(axes)
    shown = (f"{by[n].value:.2f} [{by[n].low:.2f}, {by[n].high:.2f}]" for n in ("loss", "htse"))
    headline(figure, "Exponents in D: loss {}, H'_TSE {}".format(*shown))
    return figure


STUDY = Study(
    name="mlp_data_scaling",
    title="D-scaling of a perceptron on FashionMNIST, with path entropies",
    question="Do the path entropies of a trained network follow laws of the number D of examples?",
    prediction="H'_TSE rises as a power law of D, H'_SIE decays exponentially, and the loss is a "
    "power of both: the core law",
    source=SOURCE,
    runs=runs,
    seeds={"quick": (42, 43, 44), "notebook": (42, 43, 44)},
    measures={"losses": measures.losses, "path_entropies": measures.path_entropies},
    analyse=analyse,
    fits=fits,
    figures=(added_by_training, laws_above_their_baselines, exponents),
    notes=(
        "Passes are fixed at 60, so a network on more data also makes more updates: D and training "
        "time grow together here, as in the notebook.",
        "The sizes of a seed are prefixes of one permutation: smaller sets lie within larger ones.",
    ),
)
