"""Do the path entropies of a network follow laws of its size, and does training make them?

The N-scaling notebook of the Cognitive Investment Model (seed 000), with three things it
lacks: five seeds, intervals, and the same laws on the networks before training.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import isfinite, nan

from allometry import measures
from allometry.claims import Straight
from allometry.claims.claim import OURS
from allometry.claims.slope import BEND
from allometry.claims.words import in_words
from allometry.datasets.splits import ImageSubset
from allometry.findings import Analysis, Finding, Verdict, at_least, at_most, equivalent
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.stats.interval import Interval
from allometry.studies.path_entropies.laws import (
    SOURCE,
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
from allometry.studies.path_entropies.symbols import SYMBOLS
from allometry.studies.path_entropies.verdicts import of_all, over_seeds
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
FINDINGS_OF_README = f"{SOURCE}, README, Key Findings, 2 (N-Scaling)"
PANELS = f"{SOURCE}, N_Scaling_English_Version"
MOSTLY = 0.5  # share of a slope above which most of it is there before training (ours)

HTSE_IS_A_POWER = Straight(
    "n_params",
    "htse",
    says="H'_TSE falls as a power law of N",
    source=FINDINGS_OF_README,
    words={"n_params": "logarithm of N", "htse": "logarithm of H'_TSE"},
)
HSIE_IS_A_LOGARITHM = Straight(
    "n_params",
    "hsie",
    ylog=False,
    says="H'_SIE grows as the logarithm of N",
    source=FINDINGS_OF_README,
    words={"n_params": "logarithm of N", "hsie": "entropy H'_SIE"},
)


def analyse(table: Table) -> Analysis:
    """The author's claims beside the measurement and beside networks never trained.

    Networks that never left chance do not count as trained.
    """
    measured = numbers(table)
    runs, intervals = measured["runs"], measured["intervals"]
    forms = [
        _form(HTSE_IS_A_POWER, runs, intervals["htse_reducible"],
              '"H\'_tse (abstraction cost) decays following a power law"'),
        _form(HSIE_IS_A_LOGARITHM, runs, intervals["hsie_reducible"],
              '"H\'_sie (robustness) grows following a logarithmic law"'),
    ]  # fmt: skip
    measured["bends"] = [form.interval for form in forms]
    findings = [
        _directions(intervals, len(runs), measured["left_out"]),
        _made_by_training(intervals, "htse", "H'_TSE", "exponent"),
        _made_by_training(intervals, "hsie", "H'_SIE", "slope per decade"),
        *forms,
        _loss_law(intervals),
        _core_law(intervals),
        _core_gain(intervals),
        _cut(measured["seed_statistics"].values()),
    ]
    return Analysis(over_seeds(findings, runs), measured, fits(runs))


def _shown(interval: Interval, form: str = ".2f") -> str:
    return in_words(interval, form)


def _directions(intervals: Intervals, runs: int, left_out: int) -> Finding:
    """What the README says of both entropies, whatever the form; and the control beside it."""
    htse, hsie = intervals["htse"], intervals["hsie"]
    without = f", without {left_out} that never left chance" if left_out else ""
    return Finding(
        claim="With more parameters H'_TSE falls and H'_SIE grows",
        prediction='"H\'_tse (abstraction cost) decays", "H\'_sie (robustness) grows": exponent '
        "below 0, slope above 0",
        source=FINDINGS_OF_README,
        measured=htse.value,
        low=htse.low,
        high=htse.high,
        verdict=of_all(at_most(htse, 0), at_least(hsie, 0)),
        answer=f"Reproduced, as far as a notebook that prints no number can be: H'_TSE goes as N "
        f"to the power {_shown(htse)} and H'_SIE grows by {_shown(hsie)} bits a decade ({runs} "
        f"networks{without}). The same networks before training show "
        f"{_shown(intervals['htse_share'], '.0%')} and {_shown(intervals['hsie_share'], '.0%')} "
        "of these slopes.",
        control=f"untrained: {_shown(intervals['htse_untrained'])} and "
        f"{_shown(intervals['hsie_untrained'])} bits a decade",
        unit="exponent of H'_TSE",
        figure="entropies_before_training",
    )


def _made_by_training(intervals: Intervals, name: str, symbol: str, number: str) -> Finding:
    """How much of a law's slope the same networks show before their first update."""
    share = intervals[f"{name}_share"]
    verdict = at_most(share, MOSTLY)
    meaning: dict[Verdict, str] = {
        "agrees": "most of the slope is made by training",
        "disagrees": "most of the slope is there before any training",
        "undecided": "how much of the slope training makes is open",
    }
    return Finding(
        claim=f"The slope of {symbol} in N is made by training",
        prediction=f"before training there is at most half of it, a share of {MOSTLY} (ours; the "
        "source does not look at untrained networks)",
        source=OURS,
        measured=share.value,
        low=share.low,
        high=share.high,
        verdict=verdict,
        answer=f"Untrained networks show {_shown(share, '.0%')} of the trained {number} of "
        f"{symbol}, and {_shown(intervals[f'{name}_reducible_share'], '.0%')} on the notebook's "
        f"own axes (above the minimum, up to the lowest loss): {meaning[verdict]}.",
        control=f"untrained {_shown(intervals[name + '_untrained'])} against trained "
        f"{_shown(intervals[name])}",
        unit="of the trained slope",
        figure="slopes_beside_the_control",
    )


def _form(claim: Straight, runs: Table, above_minimum: Interval, quote: str) -> Finding:
    """A straight line on the axes of a law, with the slope that the notebook's baseline gives."""
    found = claim.judge_or_say(runs).finding
    return replace(
        found,
        prediction=f"{quote}; {found.prediction}",
        answer=f"{found.answer} Above its minimum, up to the lowest loss, the slope is "
        f"{_shown(above_minimum)}.",
        figure="entropies_before_training",
    )


def _loss_law(intervals: Intervals) -> Finding:
    change = intervals["loss_reducible_bend"]
    return Finding(
        claim="L - L_inf falls as a power law of N up to the lowest loss",
        prediction='panel "Law 1: Performance vs. N", L - L_inf a power of N; an exponent that '
        f"changes by at most {BEND:.0%} of itself (margin ours)",
        source=PANELS,
        measured=change.value,
        low=change.low,
        high=change.high,
        verdict=equivalent(change, BEND),
        answer=f"Its exponent, {_shown(intervals['loss_reducible'])} on average with R² "
        f"{_shown(intervals['loss_reducible_r2'])}, changes by {_shown(change, '.0%')} of itself.",
        control="none: an untrained network predicts by chance",
        unit="of the exponent",
        figure="as_in_the_notebook",
    )


def _core_law(intervals: Intervals) -> Finding:
    change = intervals["core_reducible_bend"]
    return Finding(
        claim="The core law: reducible loss is a power of the reducible ideal norm",
        prediction='panel "The Core Law: Performance vs. Cost"; an exponent that changes by at '
        f"most {BEND:.0%} of itself (margin ours)",
        source=PANELS,
        measured=change.value,
        low=change.low,
        high=change.high,
        verdict=equivalent(change, BEND),
        answer=f"Its exponent, {_shown(intervals['core_reducible'])} on average with R² "
        f"{_shown(intervals['core_reducible_r2'])}, changes by {_shown(change, '.0%')} of itself.",
        control=f"untrained: exponent {_shown(intervals['core_reducible_untrained'])}",
        unit="of the exponent",
        figure="core_law",
    )


def _core_gain(intervals: Intervals) -> Finding:
    gain = intervals["core_r2_gain"]
    return Finding(
        claim="The trained networks' path entropies account for their loss better than the "
        "untrained ones'",
        prediction="R² of the core law is higher with the entropies after training: a gain above "
        "0 (ours; the source does not look at untrained networks)",
        source=OURS,
        measured=gain.value,
        low=gain.low,
        high=gain.high,
        verdict=at_least(gain, 0.0),
        answer=f"The core law has R² {_shown(intervals['core_reducible_r2'])} with the entropies "
        f"after training and {_shown(intervals['core_reducible_r2_untrained'])} with those before.",
        unit="gain in R²",
        figure="core_law",
    )


def _cut(seed_statistics: Collection[Mapping[str, float]]) -> Finding:
    """How far the size of the lowest loss, where the notebook cuts, moves between seeds."""
    cuts = [statistics["size_of_lowest_loss"] for statistics in seed_statistics]
    slopes = [s["loss_reducible"] for s in seed_statistics if isfinite(s["loss_reducible"])]
    exponents = (
        f", and the exponent of L - L_inf goes from {min(slopes):.2f} to {max(slopes):.2f}"
        if slopes
        else ""
    )
    return Finding(
        claim="The valid regime, cut at the lowest loss, does not depend on the seed",
        prediction="one cut for all seeds (ours; the notebook trains one seed and takes as valid "
        '"the data points up to the minimum test loss")',
        source=OURS,
        measured=nan,
        low=nan,
        high=nan,
        # That a few seeds share a cut does not say that others would.
        verdict="undecided" if max(cuts) == min(cuts) else "disagrees",
        answer=f"Over {len(cuts)} seeds the lowest loss lies at N from {min(cuts):,.0f} to "
        f"{max(cuts):,.0f}{exponents} (ranges, no intervals).",
        figure="loss_and_the_cut",
    )


STUDY = Study(
    name="mlp_parameter_scaling",
    title="N-scaling of perceptrons on FashionMNIST, with path entropies",
    question="Do the path entropies of a network follow laws of its parameter count N, and does "
    "training make them?",
    prediction="H'_TSE falls as a power law of N, H'_SIE grows as its logarithm, and the loss is a "
    "power of both: the core law",
    symbols=SYMBOLS,
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
        "Networks whose loss never left chance are no trained networks and are left out of "
        "findings and figures, but for the notebook's five panels.",
        "The notebook prints no numbers. Its seed-42 values stand in the tests as measured by an "
        "independent re-run.",
    ),
)
