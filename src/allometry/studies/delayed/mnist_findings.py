"""Findings of the study of grokking on MNIST: its claims and the measurements."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from allometry.claims.claim import OURS
from allometry.findings import Finding, at_least, inside
from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.means import mean, mean_logarithm, next_draw_reach
from allometry.studies.delayed.delay import (
    LAG,
    PHASES,
    DelayedRun,
    Times,
    after,
    at,
    each_seed,
    in_words,
    train_slope,
)
from allometry.studies.delayed.mnist_numbers import (
    FEWEST,
    GENERALISED,
    OWN_DECAY,
    Numbers,
    at_decay,
)

__all__ = ["SOURCE", "findings_of"]

SOURCE = (
    "Z. Liu, O. Kitouni, N. Nolte, E. Michaud, M. Tegmark, M. Williams 2022, Towards "
    "Understanding Grokking, arXiv 2205.10343, appendix J"
)
OMNIGROK = "Z. Liu, E. Michaud, M. Tegmark 2022, Omnigrok, arXiv 2210.01117"
# The bounds below are ours.
# Tolerance of the exponent -1. Within it, a factor of ten in the decay changes the time by a factor
# of ten to within a quarter.
INVERSE = 0.1
# Factor up to which norms, or times, count as equal; it is small compared with the threefold steps
# in the decay.
ONE = 1.2


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """Findings on the claims of the sources, with the controls."""
    return [
        _late(numbers),
        _needs_decay(numbers),
        _inverse(numbers),
        _own_decay(numbers),
        _one_norm(numbers),
    ]


def _late(numbers: Numbers) -> Finding:
    runs, decay, times = at_decay(numbers.large, numbers.decay), numbers.decay, numbers.reference
    lag, scale = times.lag, runs[0].row["init_scale"]
    phases = ", ".join(PHASES[run.phase] for run in runs)
    return Finding(
        claim=f"Initial weights {scale:g} times too large make a network grok images of digits",
        prediction=f"it generalises {LAG:,} updates or more after it has learnt its training set "
        "(grokking by Table 1 of 2205.10343)",
        source=SOURCE,
        measured=lag.value,
        low=lag.low,
        high=lag.high,
        verdict=at_least(lag, LAG),
        answer=f"At weight decay {decay:g} the training accuracy reaches 90% after "
        f"{in_words(times.train)} updates, and the test accuracy reaches {GENERALISED:.0%} "
        f"{after(times.test, runs)}. Phases by seed: {phases}.",
        control=_control(numbers.usual),
        unit="updates later" if np.isfinite(lag.value) else "",
        figure="accuracies_and_norm",
    )


def _control(usual: Sequence[DelayedRun]) -> str:
    if not usual:
        return "the standard initialisation was not run"
    times = Times.of(usual)
    return (
        f"standard initialisation: {GENERALISED:.0%} of the test set {after(times.test, usual)}, "
        f"90% of the training set after {in_words(times.train)} updates"
    )


def _needs_decay(numbers: Numbers) -> Finding:
    decay = numbers.decay
    with_it, without = (at_decay(numbers.large, d) for d in (decay, 0.0))
    end = {int(run.row["seed"]): float(run.along["test_accuracy"][-1]) for run in without}
    steps = max((run.step[-1] for run in without), default=0.0)
    # Test accuracies are compared after the same number of updates.
    gain = mean([
        at(run, "test_accuracy", min(steps, run.step[-1])) - end[int(run.row["seed"])]
        for run in with_it if int(run.row["seed"]) in end
    ])  # fmt: skip
    never = sum(np.isnan(run.t_test) for run in without)
    return Finding(
        claim="Without weight decay the network memorises and does not generalise",
        prediction="only weight decay reduces the weights from their large initial values "
        "(section 2), so it increases the final test accuracy: a gain above 0",
        source=OMNIGROK,
        measured=gain.value,
        low=gain.low,
        high=gain.high,
        # A gain of exactly 0 does not count, so the bound is the smallest number above 0.
        verdict=at_least(gain, np.nextafter(0, 1)),
        answer=f"Without decay {never} of {len(without)} runs do not reach a test accuracy of "
        f"{GENERALISED:.0%} within {steps:,.0f} updates; weight decay {decay:g} adds "
        f"{in_words(gain, 2)} to the final test accuracy."
        if without
        else "No run without weight decay was made.",
        control="final test accuracy without decay: " + in_words(mean(list(end.values())), 2)
        if without
        else "",
        unit="of the test set" if np.isfinite(gain.value) else "",
        figure="accuracies_and_norm",
    )


def _inverse(numbers: Numbers) -> Finding:
    laws, slope = numbers.laws, numbers.slope
    decays = sorted({run.row["weight_decay"] for run in numbers.fitted})
    train_slopes = each_seed(
        [run for run in numbers.fitted if int(run.row["seed"]) in laws],
        lambda runs: train_slope(runs, "weight_decay"),
    )
    return Finding(
        claim="The time to generalise is inversely proportional to the weight decay",
        prediction="t proportional to 1 / weight decay (section 2): exponent -1 to within "
        f"{INVERSE} (ours: the time to within a quarter for each factor of ten)",
        source=OMNIGROK,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        verdict=inside(slope, -1 - INVERSE, -1 + INVERSE),
        answer=f"Over weight decays {decays[0]:g} to {decays[-1]:g} the time until "
        f"{GENERALISED:.0%} of the test set is right is a power of the decay with exponent "
        f"{in_words(slope)}."
        if laws
        else f"No law is fitted: no seed generalises at {FEWEST} or more weight decays.",
        control="the exponent of the time to learn the training set: "
        + in_words(mean(list(train_slopes.values())))
        if laws
        else "",
        unit="exponent" if laws else "",
        figure="time_by_weight_decay",
    )


def _own_decay(numbers: Numbers) -> Finding:
    """Whether the law of larger decays predicts the time at the source's decay, held out."""
    laws = numbers.laws
    predicted = np.array([
        10 ** (law.intercept + law.slope * np.log10(OWN_DECAY)) for law in laws.values()
    ])  # fmt: skip
    runs = at_decay(numbers.large, OWN_DECAY)
    times = [run.t_test for run in runs if np.isfinite(run.t_test)]
    ratio = _of_next_draw(times[0], predicted) if times and laws else NO_VALUE
    return Finding(
        claim="The law of larger weight decays predicts the time at the source's own",
        prediction=f"the time measured at weight decay {OWN_DECAY} over the extrapolated time is 1 "
        f"to within a factor of {ONE} (small compared with the threefold step in the decay)",
        source=OURS,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=inside(ratio, 1 / ONE, ONE),
        answer=f"At weight decay {OWN_DECAY} one run has {GENERALISED:.0%} of the test set right "
        f"after {in_words(Interval(times[0], np.nan, np.nan))} updates; the law fitted to larger "
        f"decays predicts {in_words(mean_logarithm(predicted))}. The interval of the ratio is for "
        "one further seed."
        if times and laws
        else f"At this size no run at weight decay {OWN_DECAY} generalises, or there is no law.",
        unit="of the extrapolated time" if times and laws else "",
        figure="as_in_the_source",
    )


def _of_next_draw(time: float, expected: NDArray[np.float64]) -> Interval:
    """The time of one run over the geometric mean of the times predicted by each seed's law.

    The 95% interval is for one further seed. The run has one seed, and the scatter between seeds is
    known only from the laws.

    Args:
        expected: times predicted by each seed's law, ``(seeds,)``.
    """
    logs = np.log(expected)
    ratio = time / float(np.exp(logs.mean()))
    if len(logs) < 2:
        return Interval(ratio, np.nan, np.nan)
    reach = float(np.exp(next_draw_reach(len(logs)) * logs.std(ddof=1)))
    return Interval(ratio, ratio / reach, ratio * reach)


def _one_norm(numbers: Numbers) -> Finding:
    """Whether the weights have the same norm at generalisation for all weight decays."""
    learnt = [run for run in numbers.fitted if np.isfinite(run.t_test)]
    decays = sorted({run.row["weight_decay"] for run in learnt})

    def spread(runs: Sequence[DelayedRun]) -> float:
        norms = {run.row["weight_decay"]: at(run, "weight_norm", run.t_test) for run in runs}
        ends = [norms.get(decays[0], np.nan), norms.get(decays[-1], np.nan)]
        return float(ends[0] / ends[1]) if len(decays) > 1 else float("nan")

    ratio = mean_logarithm(list(each_seed(learnt, spread).values()))
    by_decay = {
        decay: mean([at(run, "weight_norm", run.t_test) for run in at_decay(learnt, decay)])
        for decay in decays
    }
    norms = "; ".join(f"{in_words(norm)} at {decay:g}" for decay, norm in by_decay.items())
    started = mean([float(run.along["weight_norm"][0]) for run in numbers.large])
    return Finding(
        claim="A network generalises when its weights have fallen to one norm, whatever the decay",
        prediction="it generalises when its weights reach a critical norm (sections 1 and 2): the "
        "ratio of the norms at the smallest and the largest decay is 1 to within a factor of "
        f"{ONE} (ours)",
        source=OMNIGROK,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=inside(ratio, 1 / ONE, ONE),
        answer=f"Norm of all weights at generalisation, by weight decay: {norms}."
        if decays
        else "No run generalises in the updates it made.",
        control=f"norm of the initial weights: {in_words(started)}",
        unit="ratio" if np.isfinite(ratio.value) else "",
        figure="time_by_weight_decay",
    )
