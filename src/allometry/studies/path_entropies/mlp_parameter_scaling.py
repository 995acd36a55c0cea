"""Do the path entropies of a network follow laws of its size, and does training cause them?

The study repeats the N-scaling notebook of the Cognitive Investment Model (notebook 000). It adds
five seeds, intervals, and the same laws for the networks before training.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import isfinite, nan

from allometry import measures
from allometry.claims import PowerLaw
from allometry.claims.claim import OURS, Judgement
from allometry.claims.slope import BEND
from allometry.claims.words import in_words
from allometry.datasets.splits import ImageSubset
from allometry.findings import (
    Analysis,
    Finding,
    at_least,
    at_most,
    equivalent,
)
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.stats.interval import NO_VALUE, Interval
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
from allometry.studies.path_entropies.verdicts import alone, of_all, over_seeds
from allometry.study import Notebook, Study
from allometry.tables.table import Table

# Targets of N are between 800 and 35,000; 0.5 h^2 + 789 h is the notebook's estimate of N.
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
MOSTLY = 0.5  # share of a slope that counts as most of it; ours
ABOVE_A_FLOOR = "htse_above_a_fitted_floor"  # name of a figure

HTSE_ABOVE_A_FLOOR = PowerLaw(
    "n_params",
    "htse",
    floor="fitted",
    says="Above a fitted floor H'_TSE falls as a power law of N",
    words={"htse": "entropy H'_TSE", "htse_untrained": "entropy H'_TSE before training"},
)


def analyse(table: Table) -> Analysis:
    """Findings on the author's claims, with untrained networks as the control.

    Networks that never left chance are left out.
    """
    measured = numbers(table)
    runs, intervals = measured["runs"], measured["intervals"]
    above_a_floor = _above_a_floor(runs)
    findings = [
        _directions(intervals, len(runs), measured["left_out"]),
        _there_before(intervals, "htse", "H'_TSE", "exponent"),
        _there_before(intervals, "hsie", "H'_SIE", "slope per decade"),
        _htse_law(intervals),
        above_a_floor.finding,
        _hsie_law(intervals, float(measured["mean"].size[0])),
        _loss_law(intervals),
        _core_law(intervals),
        _core_gain(intervals),
        _cut(measured["seed_statistics"].values()),
    ]
    figure = above_a_floor.figure
    return Analysis(
        over_seeds(findings, runs),
        measured,
        {**fits(runs), **above_a_floor.fits},
        {ABOVE_A_FLOOR: figure} if figure else {},
    )


def _shown(interval: Interval, form: str = ".2f") -> str:
    return in_words(interval, form)


def _directions(intervals: Intervals, runs: int, left_out: int) -> Finding:
    """Whether both entropies change in the directions that the README states, in any form."""
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
        f"to the power {_shown(htse)}, and H'_SIE grows by {_shown(hsie)} bits per decade ({runs} "
        f"networks{without}). The same networks before training show "
        f"{_shown(intervals['htse_share'], '.0%')} and {_shown(intervals['hsie_share'], '.0%')} "
        "of these slopes.",
        control=f"untrained: {_shown(intervals['htse_untrained'])} and "
        f"{_shown(intervals['hsie_untrained'])} bits per decade",
        unit="exponent of H'_TSE",
        figure="entropies_before_training",
    )


def _there_before(intervals: Intervals, name: str, symbol: str, number: str) -> Finding:
    """Whether the networks show most of a law's slope before their first update."""
    share = intervals[f"{name}_share"]
    return Finding(
        claim=f"Before training the networks show most of the slope of {symbol} in N",
        prediction=f"more than half of it, a share above {MOSTLY} (ours; the source does not "
        "consider untrained networks)",
        source=OURS,
        measured=share.value,
        low=share.low,
        high=share.high,
        verdict=at_least(share, MOSTLY),
        answer=f"Untrained networks show {_shown(share, '.0%')} of the {number} of {symbol} of "
        f"trained ones, and {_shown(intervals[f'{name}_reducible_share'], '.0%')} on the "
        "notebook's axes (above the minimum, up to the lowest loss).",
        control=f"untrained {_shown(intervals[name + '_untrained'])} against trained "
        f"{_shown(intervals[name])}",
        unit="of the trained slope",
        figure="slopes_beside_the_control",
    )


def _law(
    intervals: Intervals, law: str, *, claim: str, form: str, number: str, control: str,
    figure: str, source: str = PANELS, more: str = "",
) -> Finding:  # fmt: skip
    """Whether one of the notebook's laws is a straight line on its axes up to the lowest loss.

    Args:
        form: what the source says and draws.
        number: "exponent" or "slope".
        more: sentences after the answer.
    """
    change = intervals[f"{law}_reducible_bend"]
    return Finding(
        claim=claim,
        prediction=f"{form}; tested: the {number} changes by at most {BEND:.0%} (margin ours)",
        source=source,
        measured=change.value,
        low=change.low,
        high=change.high,
        verdict=equivalent(change, BEND),
        answer=f"On the notebook's axes the {number} is {_shown(intervals[f'{law}_reducible'])} on "
        f"average, R² {alone(intervals[f'{law}_reducible_r2'], '.2f')}, and changes by "
        f"{_shown(change, '.0%')} over the sizes.{more}",
        control=control,
        unit=f"of the {number}",
        figure=figure,
    )


def _htse_law(intervals: Intervals) -> Finding:
    before = intervals["htse_reducible_bend_untrained"]
    power = intervals["power_reducible_bend"]
    return _law(
        intervals,
        "htse",
        claim="H'_TSE above its lowest value falls as a power law of N",
        form='"H\'_tse (abstraction cost) decays following a power law"; panel "Component 1: '
        "Abstraction\": H'_TSE - H_0 is a power of N, with H_0 its lowest value up to the lowest "
        "loss",
        number="exponent",
        source=f"{FINDINGS_OF_README}; {PANELS}",
        more=" The lowest value is not a floor. If it is subtracted from the exact power law "
        f"N^{alone(intervals['htse'], '.2f')}, the exponent changes by {alone(power, '.0%')} too.",
        control=f"untrained: exponent {_shown(intervals['htse_reducible_untrained'])}, changes by "
        f"{_shown(before, '.0%')}",
        figure="as_in_the_notebook",
    )


def _above_a_floor(runs: Table) -> Judgement:
    """The power law of H'_TSE above a fitted floor, instead of the lowest value."""
    judgement = _where_a_floor_is_known(HTSE_ABOVE_A_FLOOR, runs)
    untrained = _where_a_floor_is_known(replace(HTSE_ABOVE_A_FLOOR, y="htse_untrained"), runs)
    finding = replace(
        judgement.finding,
        prediction=f"{judgement.finding.prediction}; the notebook fixes the floor at the lowest "
        "value",
        control=f"untrained: {untrained.finding.answer}",
        figure=ABOVE_A_FLOOR if judgement.figure else "",
    )
    title = "H'_TSE of single runs, trained, with a floor (intervals of seeds alone)"
    fits = dict(zip([title], judgement.fits.values(), strict=False))
    return replace(judgement, finding=finding, fits=fits)


def _where_a_floor_is_known(claim: PowerLaw, runs: Table) -> Judgement:
    """The judgement of the claim, or undecided if the runs do not determine its floor.

    A floor that is not determined can fit any curvature. A claim that agrees stays as it is.
    """
    judgement = claim.judge_or_say(runs)
    known = all(law.parameters["E"].verdict == "identified" for law in judgement.fits.values())
    if known or judgement.finding.verdict == "agrees":
        return judgement
    answer = "These runs do not determine a floor, so a floor and curvature are indistinguishable."
    return replace(judgement, finding=claim.finding(NO_VALUE, "undecided", answer=answer))


def _hsie_law(intervals: Intervals, smallest: float) -> Finding:
    return _law(
        intervals,
        "hsie",
        claim="H'_SIE grows as the logarithm of N up to the lowest loss",
        form='"H\'_sie (robustness) grows following a logarithmic law"; panel "Component 2: '
        "Compression (LOGARITHMIC FIT)\": H'_SIE - H_0 is a straight line in the logarithm of N",
        number="slope",
        source=f"{FINDINGS_OF_README}; {PANELS}",
        more=f" Over all sizes, beyond the lowest loss too, it changes by "
        f"{_shown(intervals['hsie_bend'], '.0%')} (R² {alone(intervals['hsie_r2'], '.2f')}), and "
        f"without the smallest size, N = {smallest:,.0f}, by "
        f"{_shown(intervals['hsie_bend_without_smallest'], '.0%')}.",
        control="untrained: changes by "
        f"{_shown(intervals['hsie_reducible_bend_untrained'], '.0%')}, over all sizes by "
        f"{_shown(intervals['hsie_bend_untrained'], '.0%')}",
        figure="as_in_the_notebook",
    )


def _loss_law(intervals: Intervals) -> Finding:
    return _law(
        intervals,
        "loss",
        claim="L - L_inf falls as a power law of N up to the lowest loss",
        form='panel "Law 1: Performance vs. N": L - L_inf is a power of N',
        number="exponent",
        control="none: an untrained network predicts by chance",
        figure="as_in_the_notebook",
    )


def _core_law(intervals: Intervals) -> Finding:
    return _law(
        intervals,
        "core",
        claim="The core law: reducible loss is a power of the reducible ideal norm",
        form='panel "The Core Law: Performance vs. Cost"',
        number="exponent",
        control=f"untrained: exponent {_shown(intervals['core_reducible_untrained'])}",
        figure="core_law",
    )


def _core_gain(intervals: Intervals) -> Finding:
    gain = intervals["core_r2_gain"]
    return Finding(
        claim="The core law describes the loss better with the path entropies after training than "
        "with those before",
        prediction="R² of the core law is higher with the entropies after training: a gain above "
        "0 (ours; the source does not consider untrained networks)",
        source=OURS,
        measured=gain.value,
        low=gain.low,
        high=gain.high,
        verdict=at_least(gain, 0.0),
        answer=f"The core law has R² {alone(intervals['core_reducible_r2'], '.2f')} with the "
        f"entropies after training and {alone(intervals['core_reducible_r2_untrained'], '.2f')} "
        "with those before.",
        unit="gain in R²",
        figure="core_law",
    )


def _cut(seed_statistics: Collection[Mapping[str, float]]) -> Finding:
    """Whether the size of the lowest loss, where the notebook cuts, differs between seeds."""
    cuts = [statistics["size_of_lowest_loss"] for statistics in seed_statistics]
    slopes = [s["loss_reducible"] for s in seed_statistics if isfinite(s["loss_reducible"])]
    exponents = (
        f", and the exponent of L - L_inf goes from {min(slopes):.2f} to {max(slopes):.2f}"
        if slopes
        else ""
    )
    return Finding(
        claim="The valid regime, cut at the lowest loss, differs between seeds",
        prediction="more than one cut (ours; the notebook trains one seed and takes as valid "
        '"the data points up to the minimum test loss")',
        source=OURS,
        measured=nan,
        low=nan,
        high=nan,
        # Other seeds may have another cut, even if these few share one.
        verdict="undecided" if max(cuts) == min(cuts) else "agrees",
        answer=f"Over {len(cuts)} seeds the lowest loss is at N from {min(cuts):,.0f} to "
        f"{max(cuts):,.0f}{exponents} (ranges, not confidence intervals).",
        figure="loss_and_the_cut",
    )


STUDY = Study(
    name="mlp_parameter_scaling",
    title="N-scaling of perceptrons on FashionMNIST, with path entropies",
    question="Do the path entropies of a network follow laws of its parameter count N, and does "
    "training cause them?",
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
        printed="five straight lines for one seed, from which the core law is concluded; the "
        "notebook stores no output, so their R² are not known.",
    ),
    notes=(
        "The order of batches is shared by all sizes of a seed; the notebook has another order for "
        "each size. Initial values, subset and sampled units are the notebook's.",
        "Networks whose loss never left chance are left out of findings and figures, except for "
        "the notebook's five panels.",
        "The notebook subtracts lowest values. The lowest value of a falling curve is not a floor: "
        "even an exact power law, with or without a floor, is curved on these axes.",
        "The notebook prints no numbers. The tests compare with its values for seed 42 from an "
        "independent re-run.",
    ),
)
