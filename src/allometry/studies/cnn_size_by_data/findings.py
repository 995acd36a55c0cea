"""The claims of the study of widths and shares beside what was measured."""

import math
from collections.abc import Sequence

from allometry.claims.claim import OURS
from allometry.findings import Finding, Verdict, at_most, equivalent, inside
from allometry.stats.interval import NO_VALUE, Interval
from allometry.studies.cnn_size_by_data.analysis import flop_a_unit
from allometry.studies.cnn_size_by_data.frontier import Frontier
from allometry.studies.cnn_size_by_data.numbers import Numbers

__all__ = ["SOURCE", "findings_of"]

SOURCE = (
    "M. Baczyński, deep_learning_curriculum, solutions/2/mnist_cnn_scaling.ipynb "
    "(github.com/MatthewBaggins/deep_learning_curriculum)"
)
HOFFMANN = "Hoffmann et al. 2022, arXiv 2203.15556, table 2"
CELLS = 80  # of the notebook
HALF_AS_MUCH = 0.5  # of the effect of width: below it data count for less. Ours.
PROPORTIONAL = 1.1  # FLOP a unit, the largest over the smallest, that count as proportional. Ours.
# Best N = C^a to within a quarter for each factor ten in compute: 10^0.1 = 1.26. Ours.
ALIKE = 0.1
# An exponent that differs by so much puts the loss off by an eighth after a factor ten in
# compute, 10^0.05 = 1.12. Ours.
SMALL = 0.05


# ---- what was found ------------------------------------------------------------------------


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """The notebook's table, what it says of it, and what the exercise behind it asks."""
    part, findings = numbers.parts, []
    if numbers.printed.cells:
        findings.append(_as_printed(numbers))
    if len(part.grid) or len(part.repeats):
        findings.append(_overfitting(numbers))
    if len(part.grid):
        findings += [_data_or_width(numbers), _flop(numbers)]
    if numbers.trained:
        findings += [_allocation(numbers.trained), _frontier(numbers.trained)]
    if numbers.dropout:
        findings.append(_dropout(numbers, numbers.dropout.seeds))
    return findings


def _as_printed(numbers: Numbers) -> Finding:
    printed = numbers.printed
    run = 2 * printed.cells
    verdict: Verdict = "disagrees" if printed.losses < run else "agrees"
    if verdict == "agrees" and printed.cells < CELLS:
        verdict = "undecided"
    few = "" if printed.cells == CELLS else f" {CELLS - printed.cells} cells were not run."
    return Finding(
        claim=f"The losses of the notebook's {CELLS} cells come out again",
        prediction=f"the {2 * CELLS} losses of its table, training and test, to the three decimals "
        "printed",
        source=SOURCE,
        measured=float(printed.losses),
        low=math.nan,
        high=math.nan,
        verdict=verdict,
        answer=f"{printed.losses} of {run} losses of the {printed.cells} cells run equal the "
        f"notebook's to three decimals, and {printed.accuracies} of {run} accuracies are within "
        f"0.1 point.{few}",
        control=f"beside the next cell's numbers: {printed.others:.0%} of the losses equal",
        unit=f"of {run} losses",
        figure="four_heatmaps",
        reproduces=True,
    )


def _overfitting(numbers: Numbers) -> Finding:
    top = numbers.drop
    drop = top.drop
    answer = "Too few runs to say." if math.isnan(drop.value) else (
        f"From width {top.widths[0]} to {top.widths[1]} the mean test accuracy changes by "
        f"{_shown(drop, '+.1f')} points over {top.runs} networks each; from one network to the "
        f"next it varies by {top.spread:.1f} points (standard deviation), so a mean of ten is "
        f"uncertain by {top.spread / math.sqrt(10):.1f}."
    )  # fmt: skip
    control = "" if math.isnan(top.gap.value) else (
        f"training images: the biggest model is {_shown(top.gap, '+.1f')} points better on them "
        "than on test images"
    )  # fmt: skip
    return Finding(
        claim="The biggest model overfits: its test accuracy falls below that of the next smaller",
        prediction='"apparently starts overfitting at the biggest model" (cell 56): mean test '
        "accuracy falls from width 47 to 67, in its ten cells each from 27.1 to 20.5%: a change "
        "below 0",
        source=SOURCE,
        measured=drop.value,
        low=drop.low,
        high=drop.high,
        verdict=at_most(drop, 0.0),
        answer=answer,
        control=control,
        unit=_unit(drop, "points"),
        figure="accuracy_by_width",
    )


def _data_or_width(numbers: Numbers) -> Finding:
    slopes = numbers.slopes
    ratio = slopes["ratio"]
    answer = "Too few cells to say." if math.isnan(ratio.value) else (
        f"After one update test loss changes by {_shown(slopes['width'])} for each factor e in "
        f"width and by {_shown(slopes['data'])} for each factor e in data. Of its variance width "
        f"alone explains {_shown(slopes['r2_width'], '.2f')}, training FLOP "
        f"{_shown(slopes['r2_flop'], '.2f')}, width x share {_shown(slopes['r2_simple'], '.2f')}."
    )  # fmt: skip
    return Finding(
        claim='After one step "compute" means model size: data hardly matter',
        prediction='"So apparently "compute" means ~model size?" (cell 55): the effect of data is '
        f"less than {HALF_AS_MUCH:g} of that of width, on logarithms ({HALF_AS_MUCH:g} is ours: "
        "width then explains most)",
        source=SOURCE,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=equivalent(ratio, HALF_AS_MUCH),
        answer=answer,
        control="one update in every cell: more data only average its gradient, so nothing else "
        "was to be expected",
        unit=_unit(ratio, "of the effect of width"),
        figure="loss_and_compute",
    )


def _flop(numbers: Numbers) -> Finding:
    """A count of operations: exact by its convention, so that it has no interval."""
    widths, forward = flop_a_unit(numbers.parts.grid)
    spread, training = (
        float(each.max() / each.min())
        for each in (forward, flop_a_unit(numbers.parts.grid, "compute")[1])
    )
    return Finding(
        claim="Width x share of the data stands for the compute of a forward pass",
        prediction='compute = dataset_fraction x model_size (cell 49), "to vary the amount of '
        'compute used per forward pass by powers of 2" (Training): its FLOP are proportional to '
        f"it, granted up to a factor {PROPORTIONAL:g} (ours: a tenth is not seen on a logarithmic "
        "axis)",
        source=SOURCE,
        measured=spread,
        low=math.nan,
        high=math.nan,
        verdict=_proportional(len(widths), spread),
        answer=f"A unit of width costs up to {spread:.1f} times as many FLOP of a forward pass in "
        f"one network as in another, as the second convolution grows as the square of the width; "
        f"{training:.1f} times in training FLOP. What counts as an operation moves these numbers "
        "and not the verdict.",
        unit="times",
        figure="flop_by_width",
        exact=True,
    )


def _proportional(widths: int, spread: float) -> Verdict:
    if widths < 2:
        return "undecided"
    return "agrees" if spread <= PROPORTIONAL else "disagrees"


def _allocation(trained: Frontier) -> Finding:
    exponent, answer = _best_size(trained)
    return Finding(
        claim="With more compute the best network grows as fast as its data",
        prediction="N ~ C^a with a about 0.5, as of large language models (a = 0.50, 0.49 and 0.46 "
        f"there), granted within {ALIKE:g} (ours: N to within a quarter for each factor ten in "
        "compute); that it holds for these networks is ours",
        source=HOFFMANN,
        measured=exponent.value,
        low=exponent.low,
        high=exponent.high,
        verdict=_over_seeds(inside(exponent, 0.5 - ALIKE, 0.5 + ALIKE), trained.seeds),
        answer=answer + _one_seed(trained.seeds),
        control=_other_compute(trained),
        unit=_unit(exponent, "exponent"),
        figure="training_frontier",
    )


def _best_size(trained: Frontier) -> tuple[Interval, str]:
    """The exponent a of the best N in compute, and what is said of it."""
    law = trained.law
    if law is None:
        return NO_VALUE, "Too few runs to fit L(N, D)."
    a, alpha, beta = law.derived["a"], law.parameters["alpha"], law.parameters["beta"]
    exponent = Interval(a.value, a.low, a.high)
    powers = [_shown(e.interval, ".2f") for e in (alpha, beta)]
    answer = (
        f"L = E + A N^-alpha + B D^-beta on {trained.runs} runs of one epoch: alpha "
        f"{powers[0]}, beta {powers[1]}; the best N grows as C^{_shown(exponent)}."
    )
    if {alpha.verdict, beta.verdict} != {"identified"}:
        return NO_VALUE, answer + " The exponents are not identified by these runs."
    if not a.low <= a.value <= a.high:
        why = " Its bootstrap interval leaves its own estimate out, so it gives no verdict."
        return Interval(a.value, math.nan, math.nan), answer + why
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
        prediction=f"the two exponents differ by more than {SMALL:g} (an eighth of the loss for "
        "each factor ten in compute), since FLOP grow faster than the width",
        source=OURS,
        measured=difference.value,
        low=difference.low,
        high=difference.high,
        verdict=_differs(difference, trained.seeds),
        answer=answer + _one_seed(trained.seeds),
        unit=_unit(difference, "difference of exponents"),
        figure="training_frontier",
    )


def _dropout(numbers: Numbers, seeds: int) -> Finding:
    change = numbers.dropout_effect["change"]
    answer = "Too few runs to compare." if math.isnan(change.value) else (
        f"Over the same cells test loss changes by a factor of "
        f"{_shown(numbers.dropout_effect['ratio'])}, and the exponent of the frontier by "
        f"{_shown(change)}."
    )  # fmt: skip
    return Finding(
        claim="20% dropout changes the exponent of the compute-efficient frontier",
        prediction="asked by the exercise (Hilton, Deep learning curriculum, chapter 2), which "
        f"predicts nothing: a change of more than {SMALL:g} (an eighth of the loss for each factor "
        "ten in compute)",
        source=OURS,
        measured=change.value,
        low=change.low,
        high=change.high,
        verdict=_differs(change, seeds),
        answer=answer + _one_seed(seeds),
        unit=_unit(change, "change of the exponent"),
        figure="training_frontier",
    )


OPPOSITE: dict[Verdict, Verdict] = {
    "agrees": "disagrees", "disagrees": "agrees", "undecided": "undecided",
}  # fmt: skip


def _differs(interval: Interval, seeds: int) -> Verdict:
    """From zero, by more than is worth telling from it."""
    return _over_seeds(OPPOSITE[equivalent(interval, SMALL)], seeds)


def _over_seeds(verdict: Verdict, seeds: int) -> Verdict:
    return verdict if seeds > 1 else "undecided"


def _one_seed(seeds: int) -> str:
    return "" if seeds > 1 else " One seed gives no verdict."


def _shown(interval: Interval, form: str = ".2g") -> str:
    return interval.shown(form) + ("" if interval.has_ends else " (no interval)")


def _unit(interval: Interval, unit: str) -> str:
    """No number, no unit."""
    return "" if math.isnan(interval.value) else unit
