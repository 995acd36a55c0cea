"""Do the path entropies of a trained network follow laws of the number of examples?

The D-scaling notebook of the Cognitive Investment Model, beside seed 000: one
network, 25 sizes of training set, with seeds, intervals and the control the
notebook lacks: the same network before training, whose entropies do not know D.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from allometry import measures
from allometry.datasets.splits import ImageSubset
from allometry.findings import Analysis, Finding, at_least
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.stats.grid import Grid
from allometry.stats.interval import Interval
from allometry.studies.path_entropies.data_figures import (
    added_by_training,
    exponents,
    laws_above_their_baselines,
)
from allometry.studies.path_entropies.data_laws import END, fits, numbers
from allometry.studies.path_entropies.laws import SOURCE, STRAIGHT
from allometry.studies.path_entropies.sizes import log_spaced
from allometry.study import Study
from allometry.tables.table import Table

Intervals = Mapping[str, Interval]


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


def analyse(table: Table) -> Analysis:
    """The author's claims beside the measurement; untrained networks do not depend on D."""
    measured = numbers(table)
    grid, intervals = measured["grid"], measured["intervals"]
    findings = [
        _more_than_the_seed(intervals["htse_change"], grid, "htse", "H'_TSE"),
        _more_than_the_seed(intervals["hsie_change"], grid, "hsie", "H'_SIE"),
        _law(
            intervals,
            "htse_moved",
            "What training adds to H'_TSE is a power of D",
            "H'_TSE less that of the network before training is a power of D",
        ),
        _law(
            intervals,
            "hsie_moved",
            "What training takes from H'_SIE is a power of D",
            "H'_SIE before training less that after it is a power of D",
        ),
        _law(intervals, "htse", "H'_TSE rises as a power law of D", "H'_TSE - H_0 is a power of D"),
        _law(intervals, "hsie", "H'_SIE decays exponentially in D",
             "ln(H'_SIE - H_inf) falls linearly in D", "an example"),
        _law(intervals, "loss", "L - L_inf falls as a power law of D", "L - L_inf is a power of D"),
        _law(intervals, "core", "The core law in D: reducible loss is a power of the ideal norm",
             "L - L_inf is a power of L_ideal"),
    ]  # fmt: skip
    return Analysis(findings, measured, fits(table))


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
        f"{change.shown('+.2g')}, {change.value / level:+.2%}; {between}.",
        control=f"untrained networks: {level:.3g} at every D; {between}",
        unit="of the spread over seeds",
    )


def _law(
    intervals: Intervals, name: str, claim: str, prediction: str, unit: str = "exponent"
) -> Finding:
    slope, r2 = intervals[name], intervals[f"{name}_r2"]
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
        answer=f"{slope.shown('.3g')}, R² {r2.shown('.2f')}, {above}.",
        control="untrained: no dependence on D"
        if name.startswith(("htse", "hsie"))
        else "none: an untrained network predicts by chance",
        unit=unit,
    )


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
    figures=(added_by_training, laws_above_their_baselines, exponents),
    notes=(
        "Passes are fixed at 60, so a network on more data also makes more updates: D and training "
        "time grow together here, as in the notebook.",
        "The sizes of a seed are prefixes of one permutation: smaller sets lie within larger ones.",
    ),
)
