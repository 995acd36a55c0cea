"""Findings of the study of convolutional networks: its claims and the measurements."""

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
# The following bounds are ours, not the notebook's.
HALF_AS_MUCH = 0.5  # of the effect of width; below this the effect of data counts as smaller
# Largest over smallest FLOP per unit of width up to which they count as proportional to the width.
PROPORTIONAL = 1.1
# Tolerance of the exponent of the best N in compute. It changes N by a quarter for each factor of
# ten in compute: 10^0.1 = 1.26.
ALIKE = 0.1
# Least difference in exponents that counts. It changes the loss by an eighth for each factor of ten
# in compute: 10^0.05 = 1.12.
SMALL = 0.05


# ---- what was found ------------------------------------------------------------------------


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """Findings on the notebook's table, on its claims, and on the exercise it belongs to."""
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
    n_losses = 2 * printed.cells
    verdict: Verdict = "disagrees" if printed.losses < n_losses else "agrees"
    if verdict == "agrees" and printed.cells < CELLS:
        verdict = "undecided"
    few = "" if printed.cells == CELLS else f" {CELLS - printed.cells} cells were not run."
    return Finding(
        claim=f"The losses of the notebook's {CELLS} cells are reproduced",
        prediction=f"the {2 * CELLS} losses of its table, training and test, to the three decimals "
        "printed",
        source=SOURCE,
        measured=float(printed.losses),
        low=math.nan,
        high=math.nan,
        verdict=verdict,
        answer=f"{printed.losses} of {n_losses} losses of the {printed.cells} cells run equal the "
        f"notebook's to three decimals, and {printed.accuracies} of {n_losses} accuracies are "
        f"within 0.1 point.{few}",
        control=f"compared with the next cell of the table, {printed.others:.0%} of the losses are "
        "equal",
        unit=f"of {n_losses} losses",
        figure="four_heatmaps",
        reproduces=True,
    )


def _overfitting(numbers: Numbers) -> Finding:
    top = numbers.drop
    drop = top.drop
    answer = "Too few runs for an estimate." if math.isnan(drop.value) else (
        f"From width {top.widths[0]} to {top.widths[1]} the mean test accuracy changes by "
        f"{_shown(drop, '+.1f')} points, with {top.runs} networks of each width. The standard "
        f"deviation between networks is {top.spread:.1f} points, so a mean of ten has a standard "
        f"error of {top.spread / math.sqrt(10):.1f}."
    )  # fmt: skip
    control = "" if math.isnan(top.gap.value) else (
        f"accuracy of the biggest model on training images minus that on test images: "
        f"{_shown(top.gap, '+.1f')} points"
    )  # fmt: skip
    return Finding(
        claim="The biggest model overfits: its test accuracy is below that of the next smaller one",
        prediction='"apparently starts overfitting at the biggest model" (cell 56): a change of '
        "mean test accuracy below 0 from width 47 to 67; over the notebook's ten cells of each "
        "width it falls from 27.1 to 20.5%",
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
    answer = "Too few cells for an estimate." if math.isnan(ratio.value) else (
        f"After one update the test loss changes by {_shown(slopes['width'])} for each factor e in "
        f"width and by {_shown(slopes['data'])} for each factor e in data. Of its variance, width "
        f"alone explains {_shown(slopes['r2_width'], '.2f')}, training FLOP "
        f"{_shown(slopes['r2_flop'], '.2f')}, width x share {_shown(slopes['r2_simple'], '.2f')}."
    )  # fmt: skip
    return Finding(
        claim='After one step "compute" means model size: data hardly matter',
        prediction='"So apparently "compute" means ~model size?" (cell 55): for equal factors, the '
        f"effect of data on the loss is less than {HALF_AS_MUCH:g} of that of width (this bound is "
        "ours)",
        source=SOURCE,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=equivalent(ratio, HALF_AS_MUCH),
        answer=answer,
        control="this is expected: with one update per cell, more data only average its gradient",
        unit=_unit(ratio, "of the effect of width"),
        figure="loss_and_compute",
    )


def _flop(numbers: Numbers) -> Finding:
    """Whether forward FLOP are proportional to width x share; a count, so without an interval."""
    widths, forward = flop_a_unit(numbers.parts.grid)
    spread, training = (
        float(flop.max() / flop.min())
        for flop in (forward, flop_a_unit(numbers.parts.grid, "compute")[1])
    )
    return Finding(
        claim="Width x share of the data stands for the compute of a forward pass",
        prediction='compute = dataset_fraction x model_size (cell 49), "to vary the amount of '
        'compute used per forward pass by powers of 2" (Training): the FLOP of a forward pass are '
        f"proportional to it, to within a factor of {PROPORTIONAL:g} (this bound is ours: a tenth "
        "is invisible on a logarithmic axis)",
        source=SOURCE,
        measured=spread,
        low=math.nan,
        high=math.nan,
        verdict=_proportional(len(widths), spread),
        answer=f"The forward FLOP per unit of width differ by a factor of up to {spread:.1f} "
        "between networks, because the second convolution grows with the square of the width; the "
        f"factor is {training:.1f} for training FLOP. The convention for counting operations "
        "changes these numbers but not the verdict.",
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
        prediction=f"N ~ C^a with a within {ALIKE:g} of 0.5. Large language models have 0.50, 0.49 "
        "and 0.46; that this holds for these networks, and the bound (N to within a quarter for "
        "each factor of ten in compute), are ours",
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
    """The exponent a of the best N in compute, and the finding's answer."""
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
        why = " The bootstrap interval leaves its own estimate out, so it gives no verdict."
        return Interval(a.value, math.nan, math.nan), answer + why
    return exponent, answer


def _other_compute(trained: Frontier) -> str:
    exponents = trained.exponents
    if math.isnan(exponents["notebook_compute"].value):
        return ""
    return (
        f"exponent of the test loss along the frontier: {_shown(exponents['compute'])} in FLOP, "
        f"{_shown(exponents['notebook_compute'])} in width x share"
    )


def _frontier(trained: Frontier) -> Finding:
    exponents = trained.exponents
    flop, difference = exponents["compute"], exponents["difference"]
    answer = "Too few runs for a frontier." if math.isnan(flop.value) else (
        f"Along the frontier the test loss falls as C^{_shown(flop)} with C in FLOP; with C in "
        f"width x share the exponent is {_shown(exponents['notebook_compute'])}."
    )  # fmt: skip
    return Finding(
        claim="Counting compute as width x share gives the frontier another exponent",
        prediction=f"the two exponents differ by more than {SMALL:g} (an eighth of the loss for "
        "each factor of ten in compute), since FLOP grow faster than the width",
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
        f"On the same cells dropout changes the test loss by a factor of "
        f"{_shown(numbers.dropout_effect['ratio'])} and the exponent of the frontier by "
        f"{_shown(change)}."
    )  # fmt: skip
    return Finding(
        claim="20% dropout changes the exponent of the compute-efficient frontier",
        prediction=f"a change of more than {SMALL:g} (an eighth of the loss for each factor of ten "
        "in compute); the exercise (Hilton, Deep learning curriculum, chapter 2) asks for the "
        "change and predicts none",
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
    """Whether an interval differs from 0 by more than `SMALL`; undecided for one seed."""
    return _over_seeds(OPPOSITE[equivalent(interval, SMALL)], seeds)


def _over_seeds(verdict: Verdict, seeds: int) -> Verdict:
    return verdict if seeds > 1 else "undecided"


def _one_seed(seeds: int) -> str:
    return "" if seeds > 1 else " One seed gives no verdict."


def _shown(interval: Interval, form: str = ".2g") -> str:
    return interval.shown(form) + ("" if interval.has_ends else " (no interval)")


def _unit(interval: Interval, unit: str) -> str:
    """The unit, or no text if there is no number."""
    return "" if math.isnan(interval.value) else unit
