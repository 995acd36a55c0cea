"""Findings of the sparse-parity study: its claims and the measurements."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.claims.claim import OURS
from allometry.findings import Finding, at_least, at_most, equivalent, inside
from allometry.stats.interval import Interval
from allometry.stats.lines import log_line
from allometry.stats.means import mean, mean_logarithm, next_draw_reach
from allometry.studies.sparse_parity import author, laws, trajectories
from allometry.studies.sparse_parity.laws import Scaling
from allometry.studies.sparse_parity.numbers import Numbers
from allometry.studies.sparse_parity.trajectories import (
    BIT,
    HALF,
    LEARNT,
    Order,
    ParityTrajectory,
    span,
)

__all__ = ["ONE_TASK", "SOURCE", "findings_of"]

PAPER = "Michaud, Liu, Girit, Tegmark 2023, The Quantization Model of Neural Scaling, 2303.13506"
REPLICATION = "robertmkjeffrey/quantization-scaling, qualtization-scaling.ipynb, 2023-10-13"
SOURCE = f"{REPLICATION}, a replication of {PAPER}"
NAMES = {"N": "parameters", "D": "samples", "S": "steps"}
LAWS = {"N": "N^-alpha", "D": "D^{-alpha/(1 + alpha)}", "S": "S^{-alpha/(1 + alpha)}"}

# Bounds of the findings; all are ours.
# Relative difference in the loss. One task more or fewer learnt changes the loss by the task's
# frequency over that of itself and all rarer tasks: by 0.27 or more for the first five of ten
# tasks at alpha 0.4.
ONE_TASK = 0.25
# Relative difference in the step at which a task is half learnt: less than half the way to the
# next task, for which the author's run takes 1.5 to 2 times as many steps.
HALF_A_TASK = 0.2
HALF_WAY = 0.1  # half the difference between the exponents of the paper's figure, 0.81, and theory
# Other thresholds than half of chance below which a task could count as learnt, and their names.
THRESHOLDS = ((LEARNT, "0.1 bit"), (0.5, "0.50 nats"), (0.6, "0.60 nats"), (0.66, "0.66 nats"))
FAINT = 0.005  # nats; less than a hundredth of chance
RAREST = 0.05  # bits; the frequency of the rarest task learnt in the notebook's runs
NEAR = 0.05  # of an exponent; less than half the difference of alpha and alpha/(1 + alpha) at 0.4
FLATTER = 0.25  # of the slope of measured on predicted exponents; 0 is no dependence
BETWEEN = 0.1  # of alpha; half the smallest difference between the alphas of the runs


def findings_of(numbers: Numbers) -> Sequence[Finding]:
    """Findings on the claims of the notebook and of the paper."""
    main, same = numbers.main, numbers.same
    findings = [_order(numbers)]
    if same:
        half = np.array([trajectories.half_learnt(run) for run in same])
        findings.append(_as_printed(same))
        findings += [_half_step(half[:, i], i, at) for i, at in enumerate(author.HALF_LEARNT)]
    findings += [_convergence(numbers), _sharp(main), _unlearnt(main), _counted(numbers)]
    findings += [_exponent(s) for s in numbers.scalings if s.alpha == numbers.alpha]
    if len({s.alpha for s in numbers.scalings}) > 1:
        findings.append(_over_alphas(numbers.scalings))
    return [*findings, *_joint(numbers)]


def _shown(interval: Interval, digits: int = 2) -> str:
    if np.isnan(interval.value):
        return "not measured"
    return interval.shown(f".{digits}f") + ("" if interval.has_ends else " (no interval)")


def _finding(interval: Interval, **words: Any) -> Finding:
    # A value without an interval is given in the answer only.
    value = interval.value if np.isfinite(interval.low) else float("nan")
    return Finding(measured=value, low=interval.low, high=interval.high, **words)


# ---- the notebook's one figure and its printed losses --------------------------------------------


def _order(numbers: Numbers) -> Finding:
    orders = _orders(numbers.main, HALF)
    nearest = mean_logarithm([order.nearest for order in orders])
    right, pairs = (sum(counts) for counts in list(zip(*orders, strict=True))[:2])
    return _finding(
        nearest,
        claim="Tasks are learnt one by one, in the order of their frequency",
        prediction="no task is half learnt before a more frequent one: the step of the rarer task "
        "over that of the more frequent one is above 1, for the smallest ratio of a run among the "
        "pairs of tasks of which at least one is half learnt (the measure is ours; a task never "
        "learnt counts with the last step, the earliest at which it could be learnt)",
        source=f"{PAPER}, section 2 (quanta are learnt in the order of their use); the figure of "
        f"{REPLICATION}",
        verdict=at_least(nearest, 1.0),
        answer=f"{right} of {pairs} pairs of tasks are learnt in the order of their frequency; in "
        f"{_whole(orders)} seeds all pairs are. The smallest ratio of steps in a run is "
        f"{_shown(nearest)}, geometric mean over seeds.",
        control=f"with the steps assigned to the tasks at random {_at_random(numbers):.2f}; with "
        f"other thresholds than half of chance: {_at_thresholds(numbers.main)}",
        unit="times as many steps",
        figure="as_in_the_notebook",
    )


def _orders(main: Sequence[ParityTrajectory], below: float) -> list[Order]:
    return [Order.of(trajectories.half_learnt(run, below), run.step[-1]) for run in main]


def _at_random(numbers: Numbers, draws: int = 200) -> float:
    """The smallest ratio of a run if the order of learning is independent of frequency."""
    rng = np.random.default_rng(0)
    runs = list(zip(numbers.main, numbers.half, strict=True)) * draws
    nearest = [Order.of(rng.permutation(half), run.step[-1]).nearest for run, half in runs]
    return mean_logarithm(nearest).value


def _whole(orders: Sequence[Order]) -> str:
    return f"{sum(o.right == o.pairs > 0 for o in orders)} of {len(orders)}"


def _at_thresholds(main: Sequence[ParityTrajectory]) -> str:
    """The smallest ratio and the number of seeds in order for each of `THRESHOLDS`, as text."""
    shown = []
    for below, name in THRESHOLDS:
        orders = _orders(main, below)
        nearest = mean_logarithm([order.nearest for order in orders])
        shown.append(
            f"{_shown(nearest)} at {name} ({at_least(nearest, 1.0)}; {_whole(orders)} seeds)"
        )
    return ", ".join(shown)


def _as_printed(same: Sequence[ParityTrajectory]) -> Finding:
    band, printed = author.Band.of(author.printed_losses(same)), author.PRINTED[:, 1]
    over = band.over(printed)
    worst = int(np.argmax([abs(at.value) for at in over]))
    met_by_seed = [author.met([run]) for run in same]
    return _finding(
        over[worst],
        claim="The loss follows the curve that the author printed",
        prediction=f"the {len(printed)} losses printed for one unseeded run, each to within "
        f"{ONE_TASK:.0%} (ours: less than the change in loss from one task more or fewer learnt)",
        source=f"{REPLICATION}, the losses printed",
        verdict=band.verdict(printed, ONE_TASK),
        answer=f"The mean of {len(same)} seeds differs most at epoch "
        f"{author.PRINTED[worst, 0]:.0f}, by {_percent(over[worst])}; the band contains one whole "
        f"further run. The mean meets {author.met(same)} of {len(printed)} losses within their "
        f"tolerances of 2 to 12%, single seeds meet {min(met_by_seed)} to {max(met_by_seed)}.",
        unit="of the printed loss",
        figure="beside_the_author",
    )


def _percent(interval: Interval) -> str:
    return interval.shown("+.0%") if interval.has_ends else f"{interval.value:+.0%} (no interval)"


def _half_step(steps: NDArray[np.float64], task: int, printed: float) -> Finding:
    # If a seed never learns the task, its step is unknown, and there is no value and no verdict.
    logs, learnt = np.log(steps / printed), np.isfinite(steps)
    reach = next_draw_reach(len(logs)) * float(logs.std(ddof=1)) if len(logs) > 1 else np.nan
    ratio = Interval(*np.exp(logs.mean() + np.array([0.0, -reach, reach])).tolist())
    return _finding(
        ratio,
        claim=f"Task {task} is half learnt at the author's step",
        prediction=f"loss below {HALF} nats at step {printed:.0f}, read by eye from the author's "
        f"figure, to within a factor of {1 + HALF_A_TASK} (ours: less than half the way to the "
        "next task)",
        source=f"{REPLICATION}, its figure",
        verdict=inside(ratio, 1 / (1 + HALF_A_TASK), 1 + HALF_A_TASK),
        answer=f"{learnt.sum()} of {len(steps)} seeds half learn it, at step "
        f"{span(steps[learnt])}. The ratio to the author's step is {_shown(ratio)}; the interval "
        "is for one further run, since the author made one."
        if learnt.any()
        else f"None of {len(steps)} seeds learns it.",
        unit="of the author's step",
        figure="learning_times",
    )


# ---- how tasks are learnt ------------------------------------------------------------------------


def _convergence(numbers: Numbers) -> Finding:
    exponent = mean(numbers.times.each)
    paper = mean([trajectories.convergence(run, LEARNT) for run in numbers.main])
    allowed = 0.81 - HALF_WAY, 0.81 + HALF_WAY
    tasks = [trajectories.leading(steps) for steps in numbers.half]
    return _finding(
        exponent,
        claim="The step at which a task is half learnt goes as its frequency to the -0.81",
        prediction=f"t proportional to p^-0.81, exponent to within {HALF_WAY} (ours: half the "
        "difference to the theory's p^-1, by which every task needs the same number of samples). "
        "The paper has 500 tasks and a threshold of 0.1 bit, here it is half of chance; that the "
        "exponent is the same is our assumption",
        source=f"{PAPER}, appendix, figure of convergence time against frequency",
        verdict=inside(exponent, *allowed),
        answer=f"Exponent {_shown(exponent)} over the first {span(tasks)} tasks of each of "
        f"{len(numbers.main)} seeds; at the paper's threshold of 0.1 bit {_shown(paper)} "
        f"({inside(paper, *allowed)}).{_authors_exponent(numbers)}",
        control="the theory's exponent: 1",
        unit="exponent of 1/p",
        figure="learning_times",
    )


def _authors_exponent(numbers: Numbers) -> str:
    if not numbers.same:
        return ""
    p = numbers.same[0].frequencies[: len(author.HALF_LEARNT)]
    exponent = -log_line(p, np.array(author.HALF_LEARNT)).slope
    return f" The author's own four half-learnt steps give {exponent:.3f}."


def _sharp(main: Sequence[ParityTrajectory]) -> Finding:
    pairs = np.array([trajectories.sharpness(run) for run in main])
    ratio = mean_logarithm(pairs[:, 0] / pairs[:, 1])
    task, whole = (float(np.nanmean(factors)) for factors in pairs.T)
    return _finding(
        ratio,
        claim="Each task is learnt abruptly while the mean loss falls smoothly (monogenic samples)",
        prediction="the factor in time over which a task's loss falls from three quarters to one "
        "quarter of chance, over that of the mean loss, is below 1 (the measure is ours)",
        source=f"{PAPER}, sections 2 and 3, and the figure of subtask losses along training",
        verdict=at_most(ratio, 1.0),
        answer="From three quarters to one quarter of chance, a task's loss takes a factor of "
        f"{task:.2f} in time, the mean loss {whole:.1f} or more: ratio {_shown(ratio)}.",
        control="1 if the loss is the same for all tasks",
        unit="of the mean loss's factor",
        figure="as_in_the_notebook",
    )


def _unlearnt(main: Sequence[ParityTrajectory]) -> Finding:
    """Whether the loss of tasks not yet begun stays at chance."""
    above = mean([trajectories.above_chance(run) for run in main])
    start = float(np.mean([run.tasks[0].mean() - BIT for run in main]))
    return _finding(
        above,
        claim="The loss of a task that is not learnt is no higher than chance",
        prediction="the loss of a quantum is b until it is learnt, here ln 2: at most "
        f"{FAINT} nats above it (ours: less than a hundredth of chance); in the author's figure "
        "these losses are above it, by eye at 0.705",
        source=f"{PAPER}, section 2",
        verdict=at_most(above, FAINT),
        answer="Once the first task is half learnt, the mean loss of those not yet begun is "
        f"{_shown(above, 4)} nats above ln 2. A loss above ln 2 means that the network makes "
        "confident predictions on tasks it has not learnt."
        if np.isfinite(above.value)
        else "Once the first task is half learnt, no task stays near chance.",
        control=f"at the first point {start:+.4f} nats",
        unit="nats above ln 2",
        figure="as_in_the_notebook",
    )


def _counted(numbers: Numbers) -> Finding:
    """Whether the loss is L_n with n the number of tasks half learnt."""
    runs = zip(numbers.online, numbers.gaps, strict=True)
    gap = mean([g for run, g in runs if run.row["alpha"] == numbers.alpha])
    return _finding(
        gap,
        claim="The number of tasks learnt determines the loss",
        prediction="the loss is L_n, the summed frequencies of the tasks not learnt, in bits: mean "
        f"difference within {RAREST} (ours: the frequency of the rarest task learnt)",
        source=f"{PAPER}, section 2, the loss of n learnt quanta",
        verdict=equivalent(gap, RAREST),
        answer=f"The loss minus L_n is {_shown(gap, 3)} bits on average along training; a task "
        "counts as learnt once its loss is below half of chance.",
        unit="bits",
        figure="quanta_against_loss",
    )


# ---- the three scalings --------------------------------------------------------------------------


def _exponent(s: Scaling) -> Finding:
    return _finding(
        s.exponent,
        claim=f"The loss falls with {NAMES[s.kind]} as {LAWS[s.kind]}",
        prediction=f"exponent {s.theory:.3f} at alpha = {s.alpha:g}, to within {NEAR} (ours: less "
        "than half the difference between alpha and alpha/(1 + alpha) at alpha = 0.4)",
        source=f"{PAPER}, section 2",
        verdict=inside(s.exponent, s.theory - NEAR, s.theory + NEAR),
        answer=f"alpha_{s.kind} is {_shown(s.exponent)} over {int(s.used.sum())} points from "
        f"{s.loss[s.used].max(initial=0):.2f} to {s.loss.min():.2f} bits; there the theory of "
        f"exactly {s.n_tasks} tasks has {s.finite_slope:.2f}. The number of quanta, computed from "
        f"the loss by this theory, grows with exponent {_shown(s.growth)}; the theory has "
        f"{laws.growth_theory(s.kind, s.alpha):.2f}.",
        control=f"the theory's curve with K = {s.n_tasks} over the same losses: "
        f"{s.finite_slope:.2f}",
        unit="exponent",
        figure="three_scalings",
    )


def _over_alphas(scalings: Sequence[Scaling]) -> Finding:
    slope = laws.follows(scalings)
    exponents = ", ".join(
        f"alpha_{s.kind}({s.alpha:g}) {s.exponent.value:.2f} for {s.theory:.2f}"
        for s in sorted(scalings, key=lambda s: (laws.KINDS.index(s.kind), s.alpha))
    )
    return _finding(
        slope,
        claim="Measured exponents rise with alpha as the theory's do",
        prediction=f"slope 1 of measured on predicted exponents, to within {FLATTER} (slope and "
        "bound are ours; in the paper's figure the exponents are too large at small alpha)",
        source=f"{PAPER}, section 2, and its figure of exponents against alpha",
        verdict=inside(slope, 1 - FLATTER, 1 + FLATTER),
        answer=f"Slope {_shown(slope)}: {exponents}.",
        unit="slope",
        figure="exponents",
    )


def _joint(numbers: Numbers) -> list[Finding]:
    """Whether the discrete curve, fitted to all scalings jointly, recovers alpha."""
    fit = numbers.fits.get(laws.fit_name(numbers.alpha))
    if fit is None:
        return []
    alpha = fit.parameters["alpha"].interval
    return [
        _finding(
            alpha,
            claim="The discrete curve L_n, fitted to all scalings jointly, recovers the alpha of "
            "the frequencies",
            prediction=f"alpha = {numbers.alpha:g}, with which the samples were drawn, to within "
            f"{BETWEEN}",
            source=OURS,
            verdict=inside(alpha, numbers.alpha - BETWEEN, numbers.alpha + BETWEEN),
            answer=f"The fit to {fit.rows} losses gives alpha {_shown(alpha)}.",
            unit="alpha",
            figure="three_scalings",
        )
    ]
