"""Do the path entropies of a trained network follow laws of the number of examples?

The study repeats the D-scaling notebook of the Cognitive Investment Model, a companion of notebook
000: one network and 25 sizes of the training set. It adds seeds, intervals and a control: the same
network before training, whose entropies do not depend on D.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

import numpy as np

from allometry import measures
from allometry.claims import Slope, Straight
from allometry.claims.claim import OURS
from allometry.claims.slope import BEND
from allometry.claims.words import in_words
from allometry.datasets.splits import ImageSubset
from allometry.findings import Analysis, Finding, at_least, at_most, equivalent
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.stats.interval import Interval
from allometry.studies.path_entropies.data_figures import (
    added_by_training,
    exponents,
    laws_above_their_baselines,
)
from allometry.studies.path_entropies.data_laws import END, Move, fits, numbers, with_changes
from allometry.studies.path_entropies.laws import SOURCE
from allometry.studies.path_entropies.sizes import log_spaced
from allometry.studies.path_entropies.symbols import SYMBOLS
from allometry.studies.path_entropies.verdicts import alone, of_all, over_seeds
from allometry.study import Study
from allometry.tables.table import Table

Intervals = Mapping[str, Interval]


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """784-512-256-10 on 100 to 50,118 images.

    The size ``quick`` has fewer numbers of images, a smaller network and fewer passes.
    """
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
    """Findings on the author's claims, with untrained networks as the control."""
    measured = numbers(table)
    intervals, runs = measured["intervals"], with_changes(table)
    findings = [
        _directions(intervals, measured["moves"]),
        *(_more_than_the_seed(symbol, measured["moves"][n]) for n, symbol in ENTROPIES.items()),
        *(_grows(claim, runs) for claim in GROWS_WITH_D),
        _law(intervals, "htse", "H'_TSE rises as a power law of D",
             'README, Key Findings, 1: "H\'_tse (abstraction cost) rises following a power law"; '
             "D_Scaling_English_Version, Plot 2: H'_TSE - H_0 is a power of D"),
        _law(intervals, "hsie", "H'_SIE decays exponentially in D",
             'README, Key Findings, 1: "H\'_sie (robustness) decays following an exponential law"; '
             "D_Scaling_English_Version, Plot 3: ln(H'_SIE - H_inf) falls linearly in D"),
        _law(intervals, "loss", "L - L_inf falls as a power law of D",
             "D_Scaling_English_Version, Plot 1: L - L_inf is a power of D"),
        _law(intervals, "core", "The core law in D: reducible loss is a power of the ideal norm",
             "D_Scaling_English_Version, Plot 5: reducible loss is a power of L_ideal"),
    ]  # fmt: skip
    return Analysis(over_seeds(findings, runs), measured, fits(table))


ENTROPIES = {"htse": "H'_TSE", "hsie": "H'_SIE"}
GROWS_WITH_D = (
    Slope(
        "n_data",
        "htse_added",
        predicts=(0, inf),
        says="The increase of H'_TSE by training grows with D",
        words={"htse_added": "change of H'_TSE by training"},
    ),
    Slope(
        "n_data",
        "hsie_removed",
        predicts=(0, inf),
        says="The decrease of H'_SIE by training grows with D",
        words={"hsie_removed": "change of H'_SIE by training"},
    ),
)


def _directions(intervals: Intervals, moves: Mapping[str, Move]) -> Finding:
    """Whether both entropies change in the directions that the README states, in any form.

    The entropies are those of the notebook's sample of units.
    """
    htse, hsie = intervals["htse_change"], intervals["hsie_change"]
    ratios = " and ".join(in_words(moves[name].ratio, ".2g") for name in ENTROPIES)
    return Finding(
        claim="With more data H'_TSE rises and H'_SIE falls",
        prediction='"H\'_tse (abstraction cost) rises", "H\'_sie (robustness) decays": change '
        "above 0, change below 0",
        source=f"{SOURCE}, README, Key Findings, 1 (D-Scaling)",
        measured=htse.value,
        low=htse.low,
        high=htse.high,
        verdict=of_all(at_least(htse, 0), at_most(hsie, 0)),
        answer=f"Reproduced, as far as a notebook that prints no number can be: from the {END} "
        f"smallest to the {END} largest sizes H'_TSE changes by {htse.shown('+.2g')} and H'_SIE "
        f"by {hsie.shown('+.2g')} bits. In standard deviations between trained networks of "
        f"different seeds, the changes of the means over all units are {ratios}.",
        control="untrained networks: the same at every D",
        unit="change of H'_TSE",
        figure="added_by_training",
    )


def _more_than_the_seed(symbol: str, moved: Move) -> Finding:
    """Whether more data change an entropy by more than its spread between trained seeds."""
    between = "with one seed the spread between seeds is unknown"
    control = "untrained networks: the same at every D"
    if np.isfinite(moved.spread):
        between = (
            "the standard deviation between trained networks of different seeds is "
            f"{moved.spread:.2g}"
        )
        control += f"; between seeds {moved.spread_untrained:.2g}"
    if moved.ratio_untrained.has_ends:
        control += f", a ratio of {moved.ratio_untrained.shown('.2g')}"
    return Finding(
        claim=f"More data change {symbol} more than another seed would",
        prediction="a change above the standard deviation between seeds: ratio above 1 (ours)",
        source=OURS,
        measured=moved.ratio.value,
        low=moved.ratio.low,
        high=moved.ratio.high,
        verdict=at_least(moved.ratio, 1.0),
        answer=f"From the {END} smallest to the {END} largest sizes the mean of {symbol} over all "
        f"units changes by {moved.change.shown('+.2g')}; {between}.",
        control=control,
        unit="of the spread over seeds",
        figure="added_by_training",
    )


def _grows(claim: Slope, runs: Table) -> Finding:
    """The finding of a claim of ours about changes by training, which the notebook does not use.

    The answer also says whether the change is a power of D. This has no verdict, because no source
    claims it.
    """
    finding = claim.judge_or_say(runs).finding
    change = Straight(claim.x, claim.y).judge_or_say(runs).finding.interval
    return replace(
        finding,
        answer=f"{finding.answer} Over the range the slope changes by {in_words(change, '.0%')} of "
        f"itself; that of a power of D changes by at most {BEND:.0%} (margin ours).",
        control="untrained: no change",
        figure="added_by_training",
    )


def _law(intervals: Intervals, name: str, claim: str, prediction: str) -> Finding:
    """Whether one of the notebook's four laws is a straight line on its axes."""
    slope, r2, change = intervals[name], intervals[f"{name}_r2"], intervals[f"{name}_bend"]
    power = intervals.get(f"{name}_power_bend")
    exact = (
        f" The baseline is not a floor: above it the exponent of the exact power law "
        f"D^{alone(slope, '.2f')} changes by {alone(power, '.0%')}."
        if power
        else ""
    )
    return Finding(
        claim=claim,
        prediction=f"{prediction}; tested: the slope on these axes changes by at most {BEND:.0%} "
        "(margin ours)",
        source=SOURCE,
        measured=change.value,
        low=change.low,
        high=change.high,
        verdict=equivalent(change, BEND),
        answer=f"Above the notebook's baselines the slope, {in_words(slope, '.3g')} on average "
        f"with R² {alone(r2, '.2f')}, changes by {in_words(change, '.0%')} of itself.{exact}",
        control="untrained: no dependence on D"
        if name in ENTROPIES
        else "none: an untrained network predicts by chance",
        unit="of the slope",
        figure="exponents" if name == "loss" else "laws_above_their_baselines",
    )


STUDY = Study(
    name="mlp_data_scaling",
    title="D-scaling of a perceptron on FashionMNIST, with path entropies",
    question="Do the path entropies of a trained network follow laws of the number D of examples?",
    prediction="H'_TSE rises as a power law of D, H'_SIE decays exponentially, and the loss is a "
    "power of both: the core law",
    symbols=SYMBOLS,
    source=SOURCE,
    runs=runs,
    seeds={"quick": (42, 43, 44), "notebook": (42, 43, 44)},
    measures={"losses": measures.losses, "path_entropies": measures.path_entropies},
    analyse=analyse,
    figures=(added_by_training, laws_above_their_baselines, exponents),
    notes=(
        "The number of passes is fixed at 60, so a network with more data also makes more updates: "
        "D and training time grow together, as in the notebook.",
        "The training sets of a seed are prefixes of one permutation, so smaller sets are subsets "
        "of larger ones.",
        "The notebook's baselines are means of the first or last five sizes and not floors: even "
        "an exact power of D is curved on its axes.",
    ),
)
