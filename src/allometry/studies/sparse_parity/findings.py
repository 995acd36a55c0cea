"""The claims of the sparse-parity study beside what was measured."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.findings import Finding, Verdict, at_least, at_most, contains, inside
from allometry.stats.interval import Interval
from allometry.stats.means import mean, mean_logarithm, next_draw_reach
from allometry.studies.sparse_parity import author, laws, trajectories
from allometry.studies.sparse_parity.laws import Scaling
from allometry.studies.sparse_parity.numbers import Numbers
from allometry.studies.sparse_parity.trajectories import BIT, HALF, ParityTrajectory, span

__all__ = ["SOURCE", "findings_of"]

PAPER = "Michaud, Liu, Girit, Tegmark 2023, The Quantization Model of Neural Scaling, 2303.13506"
REPLICATION = "robertmkjeffrey/quantization-scaling, qualtization-scaling.ipynb, 2023-10-13"
SOURCE = f"{REPLICATION}, a replication of {PAPER}"
NEAR = 0.05  # within which a measured exponent of the loss is granted to be the theory's
NAMES = {"N": "parameters", "D": "samples", "S": "steps"}


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """What the notebook and the paper claim, each beside the measurement."""
    main, same = numbers.main, numbers.same
    findings: list[Finding] = []
    if same:
        half = np.array([trajectories.half_learnt(run) for run in same])
        findings += [_as_printed(same), _one_more(same)]
        findings += [_half_step(half[:, i], i, at) for i, at in enumerate(author.HALF_LEARNT)]
    findings += [
        _order(numbers), _convergence(numbers), _sharp(main), _unlearnt(main), _counted(numbers)
    ]  # fmt: skip
    findings += [_exponent(s) for s in numbers.scalings if s.alpha == numbers.alpha]
    if len({s.alpha for s in numbers.scalings}) > 1:
        findings.append(_over_alphas(numbers.scalings))
    return [*findings, *_joint(numbers)]


def _shown(interval: Interval, digits: int = 2) -> str:
    if np.isnan(interval.value):
        return "not measured"
    return interval.shown(f".{digits}f") + ("" if interval.has_ends else " (no interval)")


def _finding(interval: Interval, **words: Any) -> Finding:
    # A number without an interval stands in the answer alone.
    value = interval.value if np.isfinite(interval.low) else float("nan")
    return Finding(measured=value, low=interval.low, high=interval.high, **words)


def _near(interval: Interval, expected: float, granted: float) -> Verdict:
    """agrees: all of the interval is so near; disagrees: none of it is."""
    return inside(interval, expected - granted, expected + granted)


def _up_to(interval: Interval, bound: float) -> Verdict:
    """agrees: all of the interval is up to a bound; disagrees: none of it is."""
    return at_most(interval, bound)


def _as_printed(same: Sequence[ParityTrajectory]) -> Finding:
    """The mean loss over seeds against the author's one run, in units of the tolerance."""
    farthest, off = author.farthest(same), author.in_tolerances(same)
    each = [int((author.in_tolerances([run]) <= 1).sum()) for run in same]
    worst = int(np.argmax(off))
    start = float(np.mean([run.loss[author.STEPS_AN_EPOCH - 1] for run in same]))
    verdict: Verdict = "agrees" if farthest.value <= 1 else "disagrees"
    return _finding(
        farthest,
        claim="The loss falls along the curve the author printed",
        prediction="the mean over seeds stays within 2% of the 38 printed losses on the plateau, "
        "8% around the first drop, 4% from epoch 114 to 450 and 12% at the end (largest deviation "
        "1 tolerance)",
        source=REPLICATION,
        verdict=verdict if farthest.has_ends else "undecided",
        answer=f"{int((off <= 1).sum())} of {len(off)} printed losses are met within their "
        f"tolerance by the mean of {len(same)} seeds; farthest off is epoch "
        f"{author.PRINTED[worst, 0]:.0f}, by {author.deviation(same)[worst]:+.1%}. "
        f"Single seeds meet {min(each)} to {max(each)}. Epoch 0 ends at {start:.4f}.",
        control=author.what_seeds_allow(same),
        unit="tolerances",
    )


def _one_more(same: Sequence[ParityTrajectory]) -> Finding:
    farthest = author.as_one_more(same)
    return _finding(
        farthest,
        claim="The author's run could be one more of ours",
        prediction="each printed loss lies where another run is expected with 95% (1: the limit)",
        source=REPLICATION,
        verdict=_up_to(farthest, 1.0),
        answer=f"The farthest printed loss lies at {_shown(farthest)} of the way to the limit "
        "(range as each seed is left out): seeds differ by more than the tolerances allow."
        if np.isfinite(farthest.value)
        else "It takes three seeds to say where another is expected.",
        unit="of the limit",
    )


def _half_step(steps: NDArray[np.float64], task: int, printed: float) -> Finding:
    middle = mean(steps)
    spread = float(np.nanstd(steps, ddof=1)) if len(steps) > 1 else np.nan
    reach = next_draw_reach(len(steps)) * spread
    another = Interval(middle.value, middle.value - reach, middle.value + reach)
    return _finding(
        middle,
        claim=f"Task {task} is half learnt when the author's is",
        prediction=f"loss below {HALF} nats at step {printed:.0f}, read off the author's figure; "
        "granted where a sixth run could well be there",
        source=REPLICATION,
        verdict=contains(another, printed),
        answer=f"Half learnt at step {span(steps)} over "
        f"{int(np.isfinite(steps).sum())} of {len(steps)} seeds"
        + (
            f"; another run is expected between {another.low:.0f} and {another.high:.0f}."
            if another.has_ends
            else "."
        ),
        unit="steps",
    )


def _order(numbers: Numbers) -> Finding:
    """How many tasks come in the order of their frequency before the first that does not."""
    each = [trajectories.ordered(steps) for steps in numbers.half]
    counted = [int(np.isfinite(steps).sum()) for steps in numbers.half]
    agreement = mean([trajectories.rank_agreement(run) for run in numbers.main]).clipped(-1, 1)
    return _finding(
        agreement,
        claim="Tasks are learnt in the order of their frequency",
        prediction="the more frequent task first, always (rank correlation 1 of step and "
        "frequency rank; granted from 0.9)",
        source=PAPER,
        verdict=at_least(agreement, 0.9),
        answer=f"The first {span(each)} tasks come in order, by seed; of the "
        f"{span(counted)} half learnt, ranks and steps correlate by "
        f"{_shown(agreement)}. Neighbours of nearly equal frequency swap.",
        control="0 where the order has nothing to do with frequency",
        unit="rank correlation",
    )


def _convergence(numbers: Numbers) -> Finding:
    exponent = numbers.times.exponent
    tasks = [trajectories.leading(steps) for steps in numbers.half]
    return _finding(
        exponent,
        claim="The step at which a task is half learnt goes as its frequency to the -0.8",
        prediction="t proportional to p^-0.81 in the paper's figure (theory: p^-1, each task "
        "needs its number of samples); granted within 0.1",
        source=PAPER,
        verdict=_near(exponent, 0.81, 0.1),
        answer=f"Exponent {_shown(exponent)} over the first {span(tasks)} tasks of each of "
        f"{len(numbers.main)} seeds; the theory's is 1.",
        unit="exponent of 1/p",
    )


def _sharp(main: Sequence[ParityTrajectory]) -> Finding:
    pairs = np.array([trajectories.sharpness(run) for run in main])
    ratio = mean_logarithm(pairs[:, 0] / pairs[:, 1])
    task, whole = (float(np.nanmean(factors)) for factors in pairs.T)
    return _finding(
        ratio,
        claim="Each task is learnt at once, their sum is not (monogenic samples)",
        prediction="from three to one quarter of chance a task takes far less of a factor in time "
        "than the whole does (ratio below 1)",
        source=PAPER,
        verdict=_up_to(ratio, 1.0),
        answer=f"A task's loss goes from three quarters of chance to one within a factor "
        f"{task:.2f} of its time, the whole within {whole:.1f} or more: ratio {_shown(ratio)}.",
        control="1 for a loss that is the same for all tasks",
        unit="of the whole's factor",
    )


def _unlearnt(main: Sequence[ParityTrajectory]) -> Finding:
    """Tasks not begun: above chance, as the shared net is sure of what it does not know."""
    above = mean([trajectories.above_chance(run) for run in main])
    start = float(np.mean([run.tasks[0].mean() - BIT for run in main]))
    return _finding(
        above,
        claim="A task that is not learnt costs no more than chance",
        prediction="b = ln 2 nats until it is learnt: nothing above chance (granted up to 0.005)",
        source=PAPER,
        verdict=_up_to(above, 0.005),
        answer=f"From the first task on, those not begun stand {_shown(above, 4)} nats above ln 2: "
        "what was learnt for others makes the network sure where it knows nothing."
        if np.isfinite(above.value)
        else "No task stays near chance behind the first.",
        control=f"at the first point {start:+.4f} nats",
        unit="nats above ln 2",
    )


def _counted(numbers: Numbers) -> Finding:
    """The loss beside L_n with n the number of tasks learnt."""
    runs = zip(numbers.online, numbers.gaps, strict=True)
    gap = mean([gap for run, gap in runs if run.row["alpha"] == numbers.alpha])
    return _finding(
        gap,
        claim="The number of tasks learnt says what the loss is",
        prediction="L_n, the summed frequencies of the tasks not learnt, in bits (difference 0; "
        "granted within 0.05)",
        source=PAPER,
        verdict=_near(gap, 0.0, 0.05),
        answer=f"The loss along training is {_shown(gap, 3)} bits from L_n on average, a task "
        "counted from where its loss is half of chance.",
        unit="bits",
    )


def _exponent(s: Scaling) -> Finding:
    law = {"N": "alpha", "D": "alpha/(1 + alpha)", "S": "alpha/(1 + alpha)"}[s.kind]
    return _finding(
        s.exponent,
        claim=f"The loss falls with {NAMES[s.kind]} as {s.kind}^-{law}",
        prediction=f"exponent {s.theory:.3f} at alpha = {s.alpha:g}, granted within {NEAR}",
        source=PAPER,
        verdict=_near(s.exponent, s.theory, NEAR),
        answer=f"alpha_{s.kind} is {_shown(s.exponent)} over {int(s.used.sum())} points from "
        f"{s.loss[s.used].max(initial=0):.2f} to {s.loss.min():.2f} bits. Of "
        f"{s.n_tasks} tasks and no more, the theory itself has {s.finite_slope:.2f} there: near "
        "the end of a finite list the law is steeper. Read off that curve, the number of quanta "
        f"learnt grows with exponent {_shown(s.growth)}, theory "
        f"{laws.growth_theory(s.kind, s.alpha):.2f}.",
        control=f"the theory's own curve with K = {s.n_tasks} over the same losses: "
        f"{s.finite_slope:.2f}",
        unit="exponent",
    )


def _over_alphas(scalings: Sequence[Scaling]) -> Finding:
    slope = laws.follows(scalings)
    each = ", ".join(
        f"alpha_{s.kind}({s.alpha:g}) {s.exponent.value:.2f} for {s.theory:.2f}"
        for s in sorted(scalings, key=lambda s: (laws.KINDS.index(s.kind), s.alpha))
    )
    return _finding(
        slope,
        claim="Measured exponents rise with alpha as the theory's do",
        prediction="slope 1 of measured on predicted exponents, granted within 0.25",
        source=PAPER,
        verdict=_near(slope, 1.0, 0.25),
        answer=f"Slope {_shown(slope)}: {each}. Below 1 they are too steep at small alpha, too "
        "flat at large, or both, as in the paper's own figure.",
        unit="slope",
    )


def _joint(numbers: Numbers) -> list[Finding]:
    """Alpha as the loss alone gives it, by the discrete curve fitted to all scalings at once."""
    fit = numbers.fits.get(laws.fit_name(numbers.alpha))
    if fit is None:
        return []
    estimate = fit.parameters["alpha"]
    alpha = Interval(estimate.value, estimate.low, estimate.high)
    return [
        _finding(
            alpha,
            claim="The discrete curve L_n, fitted to all scalings at once, finds the alpha of the "
            "frequencies",
            prediction=f"alpha = {numbers.alpha:g}, which the samples were drawn with; granted "
            "within 0.1",
            source=PAPER,
            verdict=_near(alpha, numbers.alpha, 0.1),
            answer=f"The losses alone, {fit.rows} of them, give alpha {_shown(alpha)}.",
            unit="alpha",
        )
    ]
