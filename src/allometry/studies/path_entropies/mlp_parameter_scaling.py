"""Do the path entropies of a network follow laws of its size, and does training make them?

The N-scaling notebook of the Cognitive Investment Model (seed 000), with three things it
lacks: five seeds, intervals, and the same laws on the networks before training.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from allometry import measures
from allometry.datasets.splits import ImageSubset
from allometry.findings import Analysis, Finding, Verdict, at_least, at_most
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.stats.interval import Interval
from allometry.studies.path_entropies.laws import (
    SOURCE,
    STRAIGHT,
    fits,
    laws_by_seed,
    notebook_columns,
    numbers,
)
from allometry.studies.path_entropies.laws_figures import (
    as_in_the_notebook,
    core_law,
    entropies_before_training,
    loss_and_the_cut,
    slopes_beside_the_control,
)
from allometry.studies.path_entropies.sizes import halving_pairs
from allometry.study import Notebook, Study
from allometry.tables.table import Table

# Targets of N between 800 and 35,000; 0.5 h^2 + 789 h is the notebook's estimate of N.
PAIRS = halving_pairs(800, 35_000, 25, 0.5, 789)


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """Nineteen networks 784-h-h/2-10 at every seed; every third at the quick size."""
    pairs, n_train, epochs = {
        "quick": (PAIRS[::3], 2_000, 20),
        "notebook": (PAIRS, 10_000, 80),
    }[size]
    return [
        RunSpec(
            model=MLP(widths=(784, h1, h2, 10)),
            data=ImageSubset(name="fashion-mnist", n_train=n_train),
            train=TrainSpec(optimizer=Adam(learning_rate=1e-3), epochs=epochs, batch_size=128),
            seed=seed,
        )
        for seed in seeds
        for h1, h2 in pairs
    ]


Intervals = Mapping[str, Interval]


def analyse(table: Table) -> Analysis:
    """The author's claims beside the measurement and beside networks never trained."""
    measured = numbers(table)
    intervals = measured["intervals"]
    findings = [
        _made_by_training(intervals, "htse", "H'_TSE", "exponent"),
        _made_by_training(intervals, "hsie", "H'_SIE", "slope per decade"),
        _law(intervals, "htse", "H'_TSE falls as a power law of N", "exponent"),
        _law(intervals, "hsie", "H'_SIE grows as the logarithm of N", "slope", "bits a decade"),
        _law(intervals, "loss_reducible", "L - L_inf falls as a power law of N", "exponent"),
        _core_law(intervals),
        _cut(measured["seed_statistics"].values(), len(measured["mean"].size)),
    ]
    return Analysis(findings, measured, fits(table))


def _shown(interval: Interval) -> str:
    return interval.shown(".2f")


def _made_by_training(intervals: Intervals, name: str, symbol: str, number: str) -> Finding:
    """How much of a law's slope the same networks show before their first update."""
    share = intervals[f"{name}_share"]
    verdict = at_most(share, 0.5)
    meaning: dict[Verdict, str] = {
        "agrees": "the law is mostly made by training",
        "disagrees": "the law is mostly the architecture's, there before any training",
        "undecided": "how much of the law training makes is open",
    }
    return Finding(
        claim=f"The law of {symbol} in N is made by training",
        prediction="the path entropies follow laws of N because training abstracts and compresses; "
        "before training there is nothing to follow (share 0)",
        source=SOURCE,
        measured=share.value,
        low=share.low,
        high=share.high,
        verdict=verdict,
        answer=f"Untrained networks show {100 * share.value:.0f}% of the trained {number} of "
        f"{symbol} [{100 * share.low:.0f}%, {100 * share.high:.0f}%]: {meaning[verdict]}.",
        control=f"untrained {_shown(intervals[name + '_untrained'])} against trained "
        f"{_shown(intervals[name])}",
        unit="of the trained slope",
    )


def _law(intervals: Intervals, name: str, claim: str, number: str, unit: str = "") -> Finding:
    slope, fit_name = intervals[name], name.replace("_reducible", "")
    r2 = intervals[f"{name}_r2"]
    trained_only = name.startswith("loss")
    control = (
        "none: an untrained network predicts by chance"
        if trained_only
        else f"untrained {_shown(intervals[name + '_untrained'])}, "
        f"R² {intervals[name + '_r2_untrained'].value:.2f}"
    )
    reducible_slope = intervals[f"{fit_name}_reducible"]
    return Finding(
        claim=claim,
        prediction=f"a straight line on the notebook's axes (R² of {STRAIGHT} or more)",
        source=SOURCE,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        verdict=at_least(r2, STRAIGHT),
        answer=f"{number.capitalize()} {_shown(slope)}, R² {_shown(r2)}"
        + ("." if trained_only else f"; above its minimum {_shown(reducible_slope)}."),
        control=control,
        unit=unit,
    )


def _core_law(intervals: Intervals) -> Finding:
    gain = intervals["core_r2_gain"]
    slope, slope_untrained, r2, r2_untrained = (
        _shown(intervals[f"core_reducible{number}"])
        for number in ("", "_untrained", "_r2", "_r2_untrained")
    )
    return Finding(
        claim="The core law: the trained networks' path entropies account for their loss",
        prediction="reducible loss is a power of L_ideal of the trained network, better than of "
        "the network before training (gain in R² above 0)",
        source=SOURCE,
        measured=gain.value,
        low=gain.low,
        high=gain.high,
        verdict=at_least(gain, 0.0),
        answer=f"Exponent {slope} with R² {r2}; entropies of the untrained networks give "
        f"{slope_untrained} with R² {r2_untrained}.",
        control=f"untrained R² {r2_untrained}",
        unit="gain in R²",
    )


def _cut(seed_statistics: Collection[Mapping[str, float]], sizes: int) -> Finding:
    """How far the size of the lowest loss, where the notebook cuts, moves between seeds."""
    cuts = [statistics["valid_sizes"] for statistics in seed_statistics]
    slopes = [statistics["loss_reducible"] for statistics in seed_statistics]
    spread = max(cuts) - min(cuts)
    return Finding(
        claim="The valid regime, cut at the lowest loss, does not depend on the seed",
        prediction="one regime: the notebook trains one seed and cuts there",
        source=SOURCE,
        measured=float(np.mean(cuts)),
        low=min(cuts),
        high=max(cuts),
        verdict="undecided" if len(cuts) < 2 else ("disagrees" if spread else "agrees"),
        answer=f"The cut keeps {min(cuts):.0f} to {max(cuts):.0f} of {sizes} sizes over "
        f"{len(cuts)} seeds, and the exponent of the reducible loss moves from "
        f"{min(slopes):.2f} to {max(slopes):.2f} (the interval here is the range over seeds).",
        unit="sizes kept",
    )


STUDY = Study(
    name="mlp_parameter_scaling",
    title="N-scaling of perceptrons on FashionMNIST, with path entropies",
    question="Do the path entropies of a network follow laws of its parameter count N, and does "
    "training make them?",
    prediction="H'_TSE falls as a power law of N, H'_SIE grows as its logarithm, and the loss is a "
    "power of both: the core law",
    source=SOURCE,
    runs=runs,
    seeds={"quick": (42, 43), "notebook": (42, 43, 44, 45, 46)},
    measures={"losses": measures.losses, "path_entropies": measures.path_entropies},
    analyse=analyse,
    figures=(
        entropies_before_training,
        slopes_beside_the_control,
        loss_and_the_cut,
        core_law,
        as_in_the_notebook,
    ),
    views={"notebook": notebook_columns, "laws": laws_by_seed},
    notebook=Notebook(
        number=0,
        name="N-scaling of the Cognitive Investment Model",
        printed="no number that is kept: five straight lines through one seed, with their R², on "
        "which the core law rests.",
    ),
    notes=(
        "Batch order is shared by all sizes of a seed; the notebook draws another for each size. "
        "Starts, subset and sampled units are the notebook's own.",
        "The notebook prints no numbers. Its seed-42 values stand in the tests as measured by an "
        "independent re-run.",
    ),
)
