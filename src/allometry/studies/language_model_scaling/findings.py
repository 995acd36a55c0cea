"""Findings: the forecasts against the measured losses, and tests of the planning methods."""

from collections.abc import Iterator
from datetime import datetime

from allometry.claims.claim import OURS
from allometry.findings import Analysis, Finding, Verdict, at_most
from allometry.studies.language_model_scaling.beside import Fall, Repeats
from allometry.studies.language_model_scaling.figures import figures_of
from allometry.studies.language_model_scaling.numbers import Counts, Landed, Numbers
from allometry.studies.language_model_scaling.passages import passages_of
from allometry.tables.table import Table

__all__ = ["analyse", "forecast_finding"]

HOFFMANN = "Hoffmann et al. 2022, 2203.15556"
PEARCE = "Pearce & Song 2024, 2406.12907, section 3"
CZECH = "Czech 2026, 2603.22339"
MUENNIGHOFF = "Muennighoff et al. 2023, 2305.16264, equation 5 and section 6"
SOURCES = {"shuffled": "shuffled bytes", "bigram": "a source with the same pairs of bytes"}
FORMS = {
    "chinchilla": HOFFMANN,
    "kaplan": "Kaplan et al. 2020, 2001.08361, equation 1.5",
    "skaling": "Skaling, 2608.07222",
    "power": f"{HOFFMANN}, approach 2",
}
APPROACHES = {
    "parametric": "a law of N and D",
    "isoflop": "the least losses of IsoFLOP parabolas",
}


def analyse(table: Table) -> Analysis:
    """Findings, numbers for the figures, and the fits behind the forecast."""
    numbers = Numbers.of(table)
    findings = [*(forecast_finding(landed) for landed in numbers.landed)]
    if numbers.plan is not None:
        findings += [_counting(*item) for item in numbers.counts.items()]
        findings += [*_bias(numbers)]
    findings += [_control(*item) for item in numbers.falls.items()]
    findings += [_repeat(slices) for slices in numbers.repeats if slices.epochs in (4, 16)]
    findings += [*_yardsticks(numbers)]
    return Analysis(
        findings, {"numbers": numbers}, numbers.fits, figures_of(numbers), passages_of(numbers)
    )


def forecast_finding(landed: Landed) -> Finding:
    """Whether the loss of every larger run lies in the interval predicted for it.

    The quantity is the measured loss minus the predicted loss. Its interval is the measured loss
    minus the ends of the predicted interval, so it contains 0 if the predicted interval contains
    the measurement.
    """
    prediction = landed.prediction
    low, high = landed.loss - prediction.high, landed.loss - prediction.low
    verdict: Verdict = "undecided"
    if landed.inside in (0, 1):
        verdict = "agrees" if landed.inside else "disagrees"
    when = f"The prediction was stored {_apart(landed)} before the first run finished."
    if not landed.in_time:
        verdict = "undecided"
        when = (
            f"The stored prediction was made {_apart(landed)} after the first run had finished, "
            "so it gives no verdict."
        )
    return Finding(
        claim="The loss of the larger run is as predicted by "
        f"{APPROACHES[prediction.approach]}, {prediction.law}",
        prediction=f"{prediction.predicted:.4f} [{prediction.low:.4f}, {prediction.high:.4f}] nats "
        f"per token at {landed.compute:.3g} FLOP, {landed.factor:.3g} times those of the largest "
        "run fitted",
        source=FORMS[prediction.law],
        measured=landed.loss - prediction.predicted,
        low=low,
        high=high,
        verdict=verdict,
        answer=f"The measured loss is {_losses(landed)} nats per token, "
        f"{landed.loss / prediction.predicted - 1:+.2%} from the prediction. {when}",
        unit="nats",
        figure="forecast",
    )


def _apart(landed: Landed) -> str:
    """The time between the prediction and the run in words."""
    made, trained = map(datetime.fromisoformat, (landed.made_at, landed.trained_at))
    seconds = abs((trained - made).total_seconds())
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _losses(landed: Landed) -> str:
    """The loss of one run, or the mean, number and range of several, as text."""
    if len(landed.losses) == 1:
        return f"{landed.loss:.4f}"
    ends = f"{min(landed.losses):.4f} to {max(landed.losses):.4f}"
    return f"{landed.loss:.4f} (mean of {len(landed.losses)} seeds, {ends})"


def _counting(vocabulary: int, counts: Counts) -> Finding:
    """Whether counting only the body's parameters gives a larger exponent of N(C)."""
    total, body = counts.total, counts.body
    verdict: Verdict = "undecided"
    if body.low > total.high:
        verdict = "agrees"
    elif body.high < total.low:
        verdict = "disagrees"
    return Finding(
        claim="Counting only the parameters of the body gives a steeper N(C) than counting all, "
        f"vocabulary {vocabulary}",
        prediction=f"a = {counts.by_formula:.3f} for the body against {total.value:.3f} for all "
        "parameters, by the law of all parameters and the relation between both counts in these "
        "models",
        source=PEARCE,
        measured=body.value,
        low=body.low,
        high=body.high,
        verdict=verdict,
        answer=f"The exponent a of N ~ C^a, with C = 6 N D, is {body.shown('.3f')} if N counts the "
        f"body's parameters and {total.shown('.3f')} if it counts all. Each interval is from its "
        "own fit; the verdict requires that they do not overlap.",
        control=f"all parameters: {total.shown('.3f')}",
        figure="counting",
    )


def _control(source: str, fall: Fall) -> Finding:
    """Whether the loss falls less than half as much with compute on a source without language."""
    low, high = fall.budgets
    return Finding(
        claim=f"On {SOURCES[source]} compute lowers the loss less than half as much as on text",
        prediction=f"the loss falls less than half as much from {low:.0e} to {high:.0e} FLOP",
        source=OURS,
        measured=fall.share.value,
        low=fall.share.low,
        high=fall.share.high,
        verdict=at_most(fall.share, 0.5),
        answer=f"The loss goes from {fall.losses[0]:.3f} to {fall.losses[1]:.3f} nats; the entropy "
        f"of the source is {fall.entropy:.3f}. The fall is {fall.share.shown('.2f')} of the fall "
        "on text, mean over seeds.",
        figure="controls",
    )


def _repeat(repeats: Repeats) -> Finding:
    """Whether a repeated slice is worth as much new text as the source says."""
    worth = repeats.worth
    verdict: Verdict = "undecided"
    if worth.has_ends:
        verdict = "agrees" if worth.low <= repeats.predicted <= worth.high else "disagrees"
    return Finding(
        claim=f"{repeats.epochs} epochs of a slice are worth as much new text as in large models",
        prediction=f"{repeats.predicted:.2f} slices of new text",
        source=MUENNIGHOFF,
        measured=worth.value,
        low=worth.low,
        high=worth.high,
        verdict=verdict,
        answer=f"The loss is {repeats.loss:.3f} nats, against {repeats.once:.3f} with all text "
        f"new. By the law of the grid the epochs are worth {worth.shown('.2f')} slices, mean over "
        "seeds.",
        unit="slices",
        figure="repeats",
    )


def _bias(numbers: Numbers) -> Iterator[Finding]:
    """Whether the parabolas of approach 2 differ from the parametric fit as predicted."""
    bias = numbers.bias
    if bias is None:
        return
    verdict: Verdict = "agrees" if bias.low <= bias.predicted <= bias.high else "disagrees"
    yield Finding(
        claim="Parabolas miss the best size of the parametric fit by their predicted bias",
        prediction=f"{bias.predicted:+.1%} at {numbers.compute:.3g} FLOP, from the exponents of "
        "the parametric fit and the sizes of the runs",
        source=CZECH,
        measured=bias.value,
        low=bias.low,
        high=bias.high,
        verdict=verdict,
        answer=f"N* of the uncorrected parabolas differs from that of the parametric fit by "
        f"{bias.value:+.1%} [{bias.low:+.1%}, {bias.high:+.1%}]. The interval accounts for the "
        "uncertainty of the parabolas only.",
        figure="isoflop",
    )


def _yardsticks(numbers: Numbers) -> Iterator[Finding]:
    """Whether the larger model beats compression programs and a 5-byte context model."""
    if not numbers.yardsticks:
        return
    others = ", ".join(f"{name} {value:.3f}" for name, value in numbers.yardsticks.items())
    better = [name for name, value in numbers.yardsticks.items() if numbers.bits.value < value]
    least = min(numbers.yardsticks.values())
    yield Finding(
        claim="The larger model needs fewer bits per byte than gzip, xz and a model of five bytes",
        prediction=f"below {least:.3f} bits per byte ({others})",
        source=OURS,
        measured=numbers.bits.value,
        low=numbers.bits.low,
        high=numbers.bits.high,
        verdict=at_most(numbers.bits, least),
        answer=f"{numbers.bits.shown('.3f')} bits per byte on {numbers.tested_bytes:,} bytes of "
        f"the test part: fewer than {', '.join(better) or 'none of them'}. The programs read the "
        "whole test part and nothing else.",
        unit="bits per byte",
        figure="bits",
    )
