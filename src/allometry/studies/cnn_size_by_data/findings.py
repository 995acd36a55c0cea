"""The claims of the study of widths and shares beside what was measured."""

import math
from collections.abc import Sequence

from allometry.findings import Finding, Verdict, at_most
from allometry.stats.interval import NO_VALUE, Interval
from allometry.studies.cnn_size_by_data.frontier import Frontier
from allometry.studies.cnn_size_by_data.numbers import Numbers

__all__ = ["SOURCE", "findings_of"]

SOURCE = (
    "M. Baczyński, deep_learning_curriculum, solutions/2/mnist_cnn_scaling.ipynb "
    "(github.com/MatthewBaggins/deep_learning_curriculum)"
)
EXERCISE = "J. Hilton, Deep learning curriculum, chapter 2 (2-Scaling-Laws.md)"
HOFFMANN = "Hoffmann et al. 2022, arXiv 2203.15556, table 2"
NOTEBOOK_DROP = 6.547  # 27.064 - 20.517, mean test accuracy (%) at widths 47 and 67


# ---- what was found ------------------------------------------------------------------------


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """What the notebook says of its grid, and what the exercise behind it asks."""
    part, findings = numbers.parts, []
    if len(part.grid) or len(part.repeats):
        findings.append(_overfitting(numbers))
    if len(part.grid):
        findings += [_data_or_width(numbers), _flop(numbers)]
    if numbers.trained:
        findings += [_allocation(numbers.trained), _frontier(numbers.trained)]
    if numbers.dropout:
        findings.append(_dropout(numbers))
    return findings


def _overfitting(numbers: Numbers) -> Finding:
    """Decided before looking: it holds if the accuracy surely falls, not if it surely falls by less
    than the notebook's figure shows."""
    top = numbers.drop
    drop = top.drop
    verdict: Verdict = "undecided"
    if drop.high < 0:
        verdict = "agrees"
    elif drop.low > -NOTEBOOK_DROP:
        verdict = "disagrees"
    answer = "Too few runs to say." if math.isnan(drop.value) else (
        f"From width {top.widths[0]} to {top.widths[1]} the mean test accuracy changes by "
        f"{_shown(drop, '+.1f')} points over {top.runs} networks each; from one to the next it "
        f"varies by {top.spread:.1f} points (standard deviation), so a mean of ten is uncertain "
        f"by {top.spread / math.sqrt(10):.1f}."
    )  # fmt: skip
    control = "" if math.isnan(top.gap.value) else (
        f"training images: the biggest model is {_shown(top.gap, '+.1f')} points better on them "
        "than on test images"
    )  # fmt: skip
    return Finding(
        claim="The biggest model overfits: its test accuracy falls below that of the next smaller",
        prediction=f"a fall of {NOTEBOOK_DROP:.1f} points, as between the notebook's last two "
        "means of ten cells",
        source=SOURCE,
        measured=drop.value,
        low=drop.low,
        high=drop.high,
        verdict=verdict,
        answer=answer,
        control=control,
        unit=_unit(drop, "points"),
    )


def _data_or_width(numbers: Numbers) -> Finding:
    slopes = numbers.slopes
    ratio = slopes["ratio"]
    answer = "Too few cells to say." if math.isnan(ratio.value) else (
        f"Test loss changes by {_shown(slopes['width'])} for each factor e in width and by "
        f"{_shown(slopes['data'])} for each factor e in data."
    )  # fmt: skip
    return Finding(
        claim='After one step "compute" means model size: data hardly matter',
        prediction="the effect of data is less than half that of width, on logarithms (below 0.5)",
        source=SOURCE,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=at_most(ratio, 0.5),
        answer=answer,
        control="one update in every cell: more data only average its gradient, so nothing else "
        "was to be expected",
        unit=_unit(ratio, "of the effect of width"),
    )


def _flop(numbers: Numbers) -> Finding:
    spread, gain = numbers.slopes["flop_spread"], numbers.slopes["r2_gain"]
    answer = "Too few cells to say." if math.isnan(spread.value) else (
        f"A unit of width x share costs up to {spread.value:.1f} times as many FLOP in one "
        f"cell as in another, since the second convolution grows as the square of the width; "
        f"in FLOP, compute explains {_shown(gain)} more of the variance of the test loss."
    )  # fmt: skip
    return Finding(
        claim="Width x share of the data stands for compute",
        prediction="training FLOP are proportional to it (a spread of 1)",
        source=SOURCE,
        measured=spread.value,
        low=spread.low,
        high=spread.high,
        verdict=at_most(spread, 1.1),
        answer=answer,
        unit=_unit(spread, "times"),
    )


def _allocation(trained: Frontier) -> Finding:
    exponent, answer = _best_size(trained)
    return Finding(
        claim="With more compute the best network grows as fast as its data",
        prediction="N ~ C^a with a = 0.5, as of large language models",
        source=HOFFMANN,
        measured=exponent.value,
        low=exponent.low,
        high=exponent.high,
        verdict=_equals(exponent, 0.5),
        answer=answer,
        control=_other_compute(trained),
        unit=_unit(exponent, "exponent"),
    )


def _best_size(trained: Frontier) -> tuple[Interval, str]:
    """The exponent a of the best N in compute, and what is said of it."""
    law = trained.law
    if law is None:
        return NO_VALUE, "Too few runs to fit L(N, D)."
    a, alpha, beta = law.derived["a"], law.parameters["alpha"], law.parameters["beta"]
    exponent = Interval(a.value, a.low, a.high)
    powers = [_shown(Interval(e.value, e.low, e.high), ".2f") for e in (alpha, beta)]
    answer = (
        f"L = E + A N^-alpha + B D^-beta on {trained.runs} runs of one epoch: alpha "
        f"{powers[0]}, beta {powers[1]}; the best N grows as C^{_shown(exponent)}."
    )
    if {alpha.verdict, beta.verdict} != {"identified"}:
        return NO_VALUE, answer + " The exponents are not identified by these runs."
    if not a.low <= a.value <= a.high:
        return Interval(a.value, math.nan, math.nan), answer
    return exponent, answer


def _other_compute(trained: Frontier) -> str:
    exponents = trained.exponents
    if math.isnan(exponents["notebook_compute"].value):
        return ""
    return (
        f"the frontier of test loss falls as a power of FLOP with exponent "
        f"{_shown(exponents['compute'])}, of width x share with "
        f"{_shown(exponents['notebook_compute'])}"
    )


def _frontier(trained: Frontier) -> Finding:
    exponents = trained.exponents
    flop, difference = exponents["compute"], exponents["difference"]
    answer = "Too few runs for a frontier." if math.isnan(flop.value) else (
        f"Along the frontier test loss falls as C^{_shown(flop)}; counted in width x share "
        f"the exponent is {_shown(exponents['notebook_compute'])}."
    )  # fmt: skip
    return Finding(
        claim="Counting compute as width x share gives the frontier another exponent",
        prediction="the two exponents differ (not 0), since FLOP grow faster than the width",
        source=EXERCISE,
        measured=difference.value,
        low=difference.low,
        high=difference.high,
        verdict=_differs(difference),
        answer=answer,
        unit=_unit(difference, "difference of exponents"),
    )


def _dropout(numbers: Numbers) -> Finding:
    change = numbers.dropout_effect["change"]
    answer = "Too few runs to compare." if math.isnan(change.value) else (
        f"Over the same cells test loss changes by a factor of "
        f"{_shown(numbers.dropout_effect['ratio'])}, and the exponent of the frontier by "
        f"{_shown(change)}."
    )  # fmt: skip
    return Finding(
        claim="20% dropout changes the exponent of the compute-efficient frontier",
        prediction="asked, not predicted: a change (not 0)",
        source=EXERCISE,
        measured=change.value,
        low=change.low,
        high=change.high,
        verdict=_differs(change),
        answer=answer,
        unit=_unit(change, "change of the exponent"),
    )


def _equals(interval: Interval, value: float) -> Verdict:
    """Outside the interval: disagrees; inside, where it is within 0.1: agrees."""
    if not interval.low <= value <= interval.high:
        return "undecided" if math.isnan(interval.low) else "disagrees"
    return "agrees" if interval.high - interval.low <= 0.2 else "undecided"


def _differs(interval: Interval) -> Verdict:
    """From zero; a difference that is surely small, 0.05 at most, is none."""
    if interval.low > 0 or interval.high < 0:
        return "agrees"
    return "disagrees" if max(-interval.low, interval.high) <= 0.05 else "undecided"


def _shown(interval: Interval, form: str = ".2g") -> str:
    return interval.shown(form) + ("" if interval.has_ends else " (no interval)")


def _unit(interval: Interval, unit: str) -> str:
    """No number, no unit."""
    return "" if math.isnan(interval.value) else unit
