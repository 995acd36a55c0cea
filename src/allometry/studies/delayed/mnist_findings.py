"""The claims of the study of grokking on MNIST beside what was measured."""

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
# How far from -1 the exponent may be to be called inverse: the time then changes by ten, to within
# a quarter, for each factor ten in the decay. Ours.
INVERSE = 0.1
# Factor up to which norms, or times, count as one: little beside the threefold steps in the decay.
# Ours.
ONE = 1.2


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """What the sources claim beside the measurement, a usual start and no weight decay."""
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
        claim=f"A start {scale:g} times too large makes a network grok images of digits",
        prediction=f"it generalises {LAG:,} updates or more after it has learnt its training set "
        "(grokking, Table 1 of 2205.10343)",
        source=SOURCE,
        measured=lag.value,
        low=lag.low,
        high=lag.high,
        verdict=at_least(lag, LAG),
        answer=f"At weight decay {decay:g} it has 90% of its training set right after "
        f"{in_words(times.train)} updates and {GENERALISED:.0%} of the test set "
        f"{after(times.test, runs)}: {phases}, by seed.",
        control=_control(numbers.usual),
        unit="updates later" if np.isfinite(lag.value) else "",
        figure="accuracies_and_norm",
    )


def _control(usual: Sequence[DelayedRun]) -> str:
    if not usual:
        return "a start of the usual size was not run"
    times = Times.of(usual)
    return (
        f"a start of the usual size: the test set {after(times.test, usual)}, the training set "
        f"after {in_words(times.train)}"
    )


def _needs_decay(numbers: Numbers) -> Finding:
    decay = numbers.decay
    with_it, without = (at_decay(numbers.large, d) for d in (decay, 0.0))
    end = {int(c.row["seed"]): float(c.along["test_accuracy"][-1]) for c in without}
    steps = max((c.step[-1] for c in without), default=0.0)
    # The same number of updates, with decay and without.
    gain = mean([
        at(c, "test_accuracy", min(steps, c.step[-1])) - end[int(c.row["seed"])]
        for c in with_it if int(c.row["seed"]) in end
    ])  # fmt: skip
    never = sum(np.isnan(c.t_test) for c in without)
    return Finding(
        claim="Without weight decay the network stays with what it memorised",
        prediction="weight decay brings the weights down from their large start (section 2); "
        "without it none does, so decay adds to the share right in the end: a gain above 0",
        source=OMNIGROK,
        measured=gain.value,
        low=gain.low,
        high=gain.high,
        # No gain at all is none: the bound itself does not count.
        verdict=at_least(gain, np.nextafter(0, 1)),
        answer=f"Without decay {never} of {len(without)} runs do not have {GENERALISED:.0%} of the "
        f"test set right within {steps:,.0f} updates; weight decay {decay:g} adds "
        f"{in_words(gain, 2)} to the share they end with."
        if without
        else "No run without weight decay is there to compare with.",
        control="share right at the end without decay: " + in_words(mean(list(end.values())), 2)
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
        claim="The time to generalise is inverse to the weight decay",
        prediction="t proportional to 1 / weight decay (section 2): exponent -1, granted within "
        f"{INVERSE} (ours: a time right to a quarter for each factor ten)",
        source=OMNIGROK,
        measured=slope.value,
        low=slope.low,
        high=slope.high,
        verdict=inside(slope, -1 - INVERSE, -1 + INVERSE),
        answer=f"Over weight decays {decays[0]:g} to {decays[-1]:g} the time until "
        f"{GENERALISED:.0%} of the test set is right goes as their power {in_words(slope)}."
        if laws
        else f"{len(decays)} weight decay does not draw a law: {FEWEST} or more are needed.",
        control="the exponent of the time to learn the training set: "
        + in_words(mean(list(train_slopes.values())))
        if laws
        else "",
        unit="exponent" if laws else "",
        figure="time_by_weight_decay",
    )


def _own_decay(numbers: Numbers) -> Finding:
    """The law of larger decays beside the source's own decay, which no fit has seen."""
    laws = numbers.laws
    each = np.array([
        10 ** (law.intercept + law.slope * np.log10(OWN_DECAY)) for law in laws.values()
    ])  # fmt: skip
    runs = at_decay(numbers.large, OWN_DECAY)
    times = [run.t_test for run in runs if np.isfinite(run.t_test)]
    ratio = _of_next_draw(times[0], each) if times and laws else NO_VALUE
    return Finding(
        claim="The law of larger weight decays reaches the source's own",
        prediction=f"the time measured at weight decay {OWN_DECAY} over that extrapolated is 1, "
        f"granted up to a factor of {ONE} (little beside the threefold step in the decay)",
        source=OURS,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=inside(ratio, 1 / ONE, ONE),
        answer=f"At weight decay {OWN_DECAY} one run has {GENERALISED:.0%} of the test set right "
        f"after {in_words(Interval(times[0], np.nan, np.nan))} updates, where the law fitted above "
        f"it says {in_words(mean_logarithm(each))}; the interval of their ratio holds the scatter "
        "of one more seed."
        if times and laws
        else f"Weight decay {OWN_DECAY} was not run to its end at this size, or there is no law.",
        unit="of the extrapolated time" if times and laws else "",
        figure="as_in_the_source",
    )


def _of_next_draw(time: float, expected: NDArray[np.float64]) -> Interval:
    """One run's time over the geometric mean of what each seed's law expects, ``(seeds,)``.

    The 95% interval is that of one further seed of the law: the run is of one seed, and how others
    would differ is only known from the laws.
    """
    logs = np.log(expected)
    ratio = time / float(np.exp(logs.mean()))
    if len(logs) < 2:
        return Interval(ratio, np.nan, np.nan)
    reach = float(np.exp(next_draw_reach(len(logs)) * logs.std(ddof=1)))
    return Interval(ratio, ratio / reach, ratio * reach)


def _one_norm(numbers: Numbers) -> Finding:
    """The norm of the weights when it generalises, at the smallest and the largest decay."""
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
        claim="It generalises when its weights have come down to one norm, whatever the decay",
        prediction="it generalises where its weights reach a critical norm (sections 1 and 2): the "
        "ratio of the norms at the smallest and the largest decay is 1, granted up to a factor of "
        f"{ONE} (ours)",
        source=OMNIGROK,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=inside(ratio, 1 / ONE, ONE),
        answer=f"Norm of all weights when it generalises, by weight decay: {norms}."
        if decays
        else "No run generalises in the updates it made.",
        control=f"at the start: {in_words(started)}",
        unit="ratio" if np.isfinite(ratio.value) else "",
        figure="time_by_weight_decay",
    )
