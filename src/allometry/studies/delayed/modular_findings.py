"""Findings of the study of modular addition: its claims and the measurements."""

from collections.abc import Sequence

import numpy as np

from allometry.claims.claim import OURS
from allometry.findings import Finding, at_least, at_most, equivalent, inside
from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.means import mean
from allometry.studies.delayed.delay import (
    LAG,
    PHASES,
    DelayedRun,
    after,
    at,
    each_seed,
    edges_of,
    in_words,
    train_slope,
)
from allometry.studies.delayed.fourier import LARGEST
from allometry.studies.delayed.modular_numbers import (
    GENERALISED,
    Numbers,
    at_fraction,
    column_mean,
    fractions_of,
)

__all__ = ["LIU", "findings_of"]

LIU = (
    "Z. Liu, O. Kitouni, N. Nolte, E. Michaud, M. Tegmark, M. Williams 2022, Towards "
    "Understanding Grokking, arXiv 2205.10343, section 4.2 and appendix F"
)
POWER = "A. Power, Y. Burda, H. Edwards, I. Babuschkin, V. Misra 2022, Grokking, arXiv 2201.02177"
NANDA = (
    "N. Nanda, L. Chan, T. Lieberum, J. Smith, J. Steinhardt 2023, Progress measures for "
    "grokking via mechanistic interpretability, arXiv 2301.05217"
)
# The bounds below are ours.
# Range about 0.4, the toy model's (2205.10343, Figure 4); the fractions run are 0.1 apart.
CRITICAL = (0.3, 0.5)
SPARSE = 0.8  # share of the variance in `LARGEST` frequencies that counts as nearly all
ROUND = 0.8  # share of two components' variance at one frequency that counts as a ring
FEW_PAIRS = 0.1  # largest difference in accuracy that counts as none


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """Findings on the claims of the sources, with the controls."""
    return [
        _late(numbers),
        _critical(numbers.decayed),
        _more_data(numbers),
        _sparse(numbers),
        _fewer_components(numbers),
        _ring(numbers),
        _nothing_but_its_pairs(numbers.reference),
    ]


def _late(numbers: Numbers) -> Finding:
    times, without, lag = numbers.times, numbers.without, numbers.times.lag
    phases = {
        fraction: "".join(run.phase for run in at_fraction(numbers.decayed, fraction))
        for fraction in fractions_of(numbers.decayed)
    }
    never = sum(np.isnan(run.t_test) for run in without)
    return Finding(
        claim="The transformer groks addition: it generalises long after it memorises",
        prediction=f"it generalises {LAG:,} updates or more after it memorises (grokking by Table "
        "1 of 2205.10343)",
        source=LIU,
        measured=lag.value,
        low=lag.low,
        high=lag.high,
        verdict=at_least(lag, LAG),
        answer=f"Trained on {numbers.fraction:.0%} of the table, it has 90% of these pairs right "
        f"after {in_words(times.train)} updates and {GENERALISED:.0%} of the other pairs "
        f"{after(times.test, numbers.reference)}. Phases by seed: "
        + ", ".join(PHASES[run.phase] for run in numbers.reference)
        + ". Phases by training fraction: "
        + ", ".join(f"{part:.0%} {letters}" for part, letters in phases.items())
        + ".",
        control=f"without weight decay {never} of {len(without)} runs do not generalise within "
        f"the {without[0].step[-1]:,.0f} updates they made; their final test accuracy is "
        f"{in_words(numbers.without_end, 2)}"
        if without
        else "not run",
        unit="updates later" if np.isfinite(lag.value) else "",
        figure="sums_along_training",
    )


def _critical(runs: Sequence[DelayedRun]) -> Finding:
    """Whether the edge of generalisation is at the toy model's critical fraction."""
    fractions, budget = fractions_of(runs), max(run.step[-1] for run in runs)
    edges, seeds = edges_of(runs, "fraction"), len({run.row["seed"] for run in runs})
    edge = NO_VALUE
    if edges:
        # A seed's edge is only known to lie between two fractions. The interval covers both.
        below, above = (mean([ends[side] for ends in edges]) for side in (0, 1))
        edge = Interval((below.value + above.value) / 2, below.low, above.high)
    without = seeds - len(edges)
    if without:
        edge = edge._replace(low=np.nan, high=np.nan)
    rest = f"; {without} of {seeds} seeds have no edge here" if without else ""
    return Finding(
        claim="Below a critical part of the table the network does not generalise in "
        f"{budget:,.0f} updates",
        prediction="a critical fraction of about 0.4, as in the toy model (Figure 4), tested as "
        f"{CRITICAL[0]} to {CRITICAL[1]} (ours: the spacing of the fractions run); that it holds "
        "for a transformer is our assumption",
        source=LIU,
        measured=edge.value,
        low=edge.low,
        high=edge.high,
        verdict=inside(edge, *CRITICAL),
        answer=f"Within {budget:,.0f} updates, all that were made, the edge of each seed lies "
        "between "
        + ", ".join(f"{low:.0%} and {high:.0%}" for low, high in edges)
        + f" of the table{rest}. With more updates it may lie lower."
        if edges
        else f"No seed has an edge between {fractions[0]:.0%} and {fractions[-1]:.0%} of the "
        "table: the edge is not among the fractions run.",
        control="final training accuracy of all runs: "
        + in_words(mean([float(run.along["train_accuracy"][-1]) for run in runs]), 3),
        unit="of the table" if edges else "",
        figure="time_by_fraction",
    )


def _more_data(numbers: Numbers) -> Finding:
    laws = numbers.laws
    slope = mean([law.slope for law in laws.values()])
    learnt = [run for run in numbers.learnt if int(run.row["seed"]) in laws]
    train_slopes = each_seed(learnt, lambda runs: train_slope(runs, "fraction"))
    flat = mean(list(train_slopes.values()))
    return Finding(
        claim="The more of the table is in the training set, the sooner the network generalises",
        prediction="the time falls steeply with the training fraction (Figure 1, section 3.1.1): "
        "an exponent below 0",
        source=POWER,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        verdict=at_most(slope, 0.0),
        answer="Among the runs that generalise, the time is a power of the fraction with exponent "
        f"{in_words(slope)}. Runs that do not generalise in the updates made are left out, so the "
        "time falls at least as steeply as this."
        if laws
        else "No law is fitted: no seed generalises at three or more fractions.",
        control=f"exponent of the time to learn the training pairs: {in_words(flat)}"
        if laws
        else "",
        unit="exponent" if laws else "",
        figure="time_by_fraction",
    )


def _controls(numbers: Numbers, name: str) -> str:
    untrained, without = column_mean(numbers.decayed, name, 0), numbers.without
    return (
        f"untrained embeddings {in_words(untrained)}; trained without weight decay "
        f"{in_words(column_mean(without, name)) if without else 'not run'}"
    )


def _sparse(numbers: Numbers) -> Finding:
    learnt = numbers.learnt
    share = column_mean(learnt, "fourier_share")
    return Finding(
        claim="The embeddings of a network that generalises have few frequencies",
        prediction=f"the embedding is sparse in Fourier space: {LARGEST} frequencies hold nearly "
        f"all of its variance (section 4.1), tested as {SPARSE:.0%} or more (ours)",
        source=NANDA,
        measured=share.value,
        low=share.low,
        high=share.high,
        verdict=at_least(share, SPARSE),
        answer=f"At the end of the {len(learnt)} runs that generalise, the {LARGEST} largest of "
        f"{int(numbers.decayed[0].row['p']) // 2} frequencies hold {in_words(share)} of the "
        "variance of the embeddings.",
        control=_controls(numbers, "fourier_share"),
        unit="of the variance" if np.isfinite(share.value) else "",
        figure="frequencies_before_and_after",
    )


def _fewer_components(numbers: Numbers) -> Finding:
    """Whether the entropy of the principal components falls from memorising to generalising."""
    learnt = numbers.learnt

    def fall(runs: Sequence[DelayedRun]) -> float:
        return float(np.mean([
            at(run, "pca_entropy", run.t_test) - at(run, "pca_entropy", run.t_train)
            for run in runs
        ]))  # fmt: skip

    change = mean(list(each_seed(learnt, fall).values()))
    ends = column_mean(learnt, "pca_entropy")
    return Finding(
        claim="The embeddings have fewer principal components once the network generalises",
        prediction="the entropy of their spectrum falls during generalisation (appendix F): a "
        "change below 0 from memorising to generalising",
        source=LIU,
        measured=change.value,
        low=change.low,
        high=change.high,
        verdict=at_most(change, 0.0),
        answer=f"From memorising to generalising the entropy changes by {in_words(change, 2)} "
        f"nats. At the end it is {in_words(ends)}, the entropy of {np.exp(ends.value):.1f} equal "
        "components."
        if np.isfinite(change.value)
        else "No run generalises.",
        control=_controls(numbers, "pca_entropy"),
        unit="nats" if np.isfinite(change.value) else "",
        figure="frequencies_before_and_after",
    )


def _ring(numbers: Numbers) -> Finding:
    learnt = numbers.learnt
    share = column_mean(learnt, "ring_share")
    best = mean([
        float(run.along["ring_share"][run.step >= run.t_test].max()) for run in learnt
    ])  # fmt: skip
    rings = sum(float(run.along["ring_share"][-1]) >= ROUND for run in learnt)
    return Finding(
        claim="The first two principal components of the embeddings are a circle",
        prediction="numbers lie on a ring in the plane of the first two components (section 4.2): "
        f"{ROUND:.0%} or more of the components' variance is at one frequency (ours)",
        source=LIU,
        measured=share.value,
        low=share.low,
        high=share.high,
        verdict=at_least(share, ROUND),
        answer=f"At the end one frequency holds {in_words(share)} of the variance of the first two "
        f"components; this is a ring in {rings} of {len(learnt)} runs that generalise. The maximum "
        f"after generalising is {in_words(best)}. Components mix frequencies of equal strength.",
        control=_controls(numbers, "ring_share"),
        unit="of their variance" if np.isfinite(share.value) else "",
        figure="embeddings_on_a_ring",
    )


def _nothing_but_its_pairs(runs: Sequence[DelayedRun]) -> Finding:
    """Whether accuracies on mirrored and on other pairs are equal before the network generalises.

    They are compared halfway, in the logarithm of updates, between memorising and generalising.
    """

    def half(name: str) -> list[float]:
        ends = [run.t_test if np.isfinite(run.t_test) else run.step[-1] for run in runs]
        middles = [float(np.sqrt(run.t_train * end)) for run, end in zip(runs, ends, strict=True)]
        return [at(run, name, step) for run, step in zip(runs, middles, strict=True)]

    known, other = half("accuracy_mirrored"), half("accuracy_unmirrored")
    gap = mean((np.array(known) - np.array(other)).tolist())
    return Finding(
        claim="Before it generalises the network knows only its training pairs",
        prediction="among the test pairs, its accuracy is the same for pairs (a, b) with (b, a) in "
        f"the training set as for the others: a difference of 0 to within {FEW_PAIRS:g}",
        source=OURS,
        measured=gap.value,
        low=gap.low,
        high=gap.high,
        verdict=equivalent(gap, FEW_PAIRS),
        answer="Halfway (in log updates) between memorising and generalising, the accuracy is "
        f"{in_words(mean(known), 2)} on the mirrored pairs and {in_words(mean(other), 2)} on the "
        "others.",
        control=f"chance: {1 / float(runs[0].row['p']):.2g}",
        unit="difference in accuracy",
        figure="sums_along_training",
    )
