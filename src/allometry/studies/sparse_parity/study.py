"""Does a network learn many parities one by one, each at once, and is their sum a power law?

Seed 003, a replication of the quantization model of neural scaling, and beside its one
figure the three scalings of the original paper at a size that two cores serve.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from allometry.errors import DataError
from allometry.findings import Finding, Verdict, at_least, at_most, inside
from allometry.stats.interval import Interval
from allometry.stats.means import mean as mean_of
from allometry.studies.sparse_parity import author, laws
from allometry.studies.sparse_parity import figures as drawn
from allometry.studies.sparse_parity import trajectories as along
from allometry.studies.sparse_parity.laws import Scaling
from allometry.studies.sparse_parity.procedure import Course as Trained
from allometry.studies.sparse_parity.procedure import SparseParity
from allometry.studies.sparse_parity.spec import ParityRun
from allometry.studies.sparse_parity.trajectories import BIT, HALF, LEARNT, Course
from allometry.study import Notebook, Study
from allometry.tables.table import Table

PAPER = "Michaud, Liu, Girit, Tegmark 2023, The Quantization Model of Neural Scaling, 2303.13506"
REPLICATION = "robertmkjeffrey/quantization-scaling, qualtization-scaling.ipynb, 2023-10-13"
SOURCE = f"{REPLICATION}, a replication of {PAPER}"
NEAR = 0.05  # within which a measured exponent of the loss is granted to be the theory's

# Half-octave widths 8 to 256, cut to whole numbers as in the paper's scripts.
WIDTHS = tuple(int(w) for w in 2 ** np.linspace(3, 8, 11))


def runs(size: str, seeds: Sequence[int]) -> list[ParityRun]:
    """The notebook's one network at every seed; smaller tasks in three scalings otherwise."""
    if size == "notebook":
        return [ParityRun(seed=seed) for seed in seeds]
    return _quick(seeds) if size == "quick" else _paper(seeds)


def _quick(seeds: Sequence[int]) -> list[ParityRun]:
    """24 tasks of 2 of 16 bits."""
    small = ParityRun(
        seed=0, n_tasks=24, n_bits=16, k=2, distinct=True, batch_size=500, steps=4_000,
        learning_rate=5e-3, measure_every=20, task_samples=100, test_size=5_000, width=96,
    )  # fmt: skip
    widths = (3, 4, 6, 9, 14, 24, 48, 96)
    return _three_scalings(small, seeds, (0.4,), widths, _samples(1_000, 64_000))


def _paper(seeds: Sequence[int]) -> list[ParityRun]:
    """100 tasks of 3 of 32 bits: what the paper does with 500 tasks of 3 of 100."""
    reduced = ParityRun(
        seed=0, n_tasks=100, n_bits=32, k=3, distinct=True, batch_size=2_000, steps=30_000,
        learning_rate=3e-3, measure_every=100, task_samples=100, test_size=20_000, width=256,
    )  # fmt: skip
    return _three_scalings(reduced, seeds, (0.4, 0.2, 0.8), WIDTHS, _samples(8_000, 500_000))


def _samples(first: int, last: int) -> tuple[int, ...]:
    return tuple(int(d) for d in np.geomspace(first, last, 8).round())


def _three_scalings(
    one: ParityRun,
    seeds: Sequence[int],
    alphas: Sequence[float],
    widths: Sequence[int],
    samples: Sequence[int],
) -> list[ParityRun]:
    """All widths on fresh samples, then the widest on finite sets of half as many updates.

    Seed by seed: a study stopped half way has whole scalings of the first seeds.
    """
    out = []
    for seed in seeds:
        for alpha in alphas:
            here = one.model_copy(update={"alpha": alpha, "seed": seed})
            out += [here.model_copy(update={"width": width}) for width in widths]
            out += [
                here.model_copy(update={"n_samples": n, "steps": one.steps // 2}) for n in samples
            ]
    return out


def losses(course: Trained) -> dict[str, float]:
    """Last losses in nats, the lowest test loss on the way, and how many tasks are learnt.

    The lowest counts from before the first update, when nothing is known: ln 2.
    """
    return {
        "train_loss": float(course.loss[-1]),
        "test_loss": float(course.test_loss[-1]),
        "best_test_loss": min(float(course.test_loss.min()), float(np.log(2))),
        "tasks_learnt": int((course.task_loss[-1] < LEARNT).sum()),
    }


# ---- what was found ----------------------------------------------------------------------


def analyse(table: Table) -> list[Finding]:
    """What the notebook and the paper claim, each beside the measurement."""
    found = along.online(table)
    if not found:
        raise DataError("no finished run on fresh samples; `allometry run` trains them")
    # The notebook's exponent, or the one nearest to it where there are several.
    alpha = min({float(c.row["alpha"]) for c in found}, key=lambda a: abs(a - 0.4))
    main = [c for c in found if c.row["alpha"] == alpha]
    findings = [_order(main), _convergence(main), _sharp(main), _unlearnt(main), _counted(main)]
    same = [c for c in main if author.is_notebook(c)]
    if same:
        half = np.array([along.half_learnt(c) for c in same])
        half_steps = [_half_step(half[:, i], i, at) for i, at in enumerate(author.HALF_LEARNT)]
        findings = [_as_printed(same), _one_more(same), *half_steps, *findings]
    all_laws = laws.scalings(table)
    findings += [_exponent(s) for s in all_laws if s.alpha == alpha]
    if len({s.alpha for s in all_laws}) > 1:
        findings.append(_over_alphas(all_laws))
    return [*findings, *_joint(table, alpha)]


def _shown(interval: Interval, digits: int = 2) -> str:
    value, low, high = interval
    if np.isnan(value):
        return "not measured"
    if np.isnan(low):
        return f"{value:.{digits}f} (no interval)"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _finding(by: Interval, **words: Any) -> Finding:
    # A number without an interval stands in the answer alone.
    value = by.value if np.isfinite(by.low) else float("nan")
    return Finding(measured=value, low=by.low, high=by.high, **words)


def _near(interval: Interval, expected: float, granted: float) -> Verdict:
    """agrees: all of the interval is so near; disagrees: none of it is."""
    return inside(interval, expected - granted, expected + granted)


def _as_printed(same: Sequence[Course]) -> Finding:
    """The mean loss over seeds against the author's one run, in units of the tolerance."""
    by, off = author.farthest(same), author.in_tolerances(same)
    each = [int((author.in_tolerances([c]) <= 1).sum()) for c in same]
    worst = int(np.argmax(off))
    start = float(np.mean([c.loss[author.STEPS_AN_EPOCH - 1] for c in same]))
    verdict: Verdict = "agrees" if by.value <= 1 else "disagrees"
    return _finding(
        by,
        claim="The loss falls along the curve the author printed",
        prediction="the mean over seeds stays within 2% of the 38 printed losses on the plateau, "
        "8% around the first drop, 4% from epoch 114 to 450 and 12% at the end (largest deviation "
        "1 tolerance)",
        source=REPLICATION,
        verdict="undecided" if np.isnan(by.low) else verdict,
        answer=f"{int((off <= 1).sum())} of {len(off)} printed losses are met within their "
        f"tolerance by the mean of {len(same)} seeds; farthest off is epoch "
        f"{author.PRINTED[worst, 0]:.0f}, by {author.deviation(same)[worst]:+.1%}. "
        f"Single seeds meet {min(each)} to {max(each)}. Epoch 0 ends at {start:.4f}.",
        control=author.what_seeds_allow(same),
        unit="tolerances",
    )


def _one_more(same: Sequence[Course]) -> Finding:
    by = author.as_one_more(same)
    return _finding(
        by,
        claim="The author's run could be one more of ours",
        prediction="each printed loss lies where another run is expected with 95% (1: the limit)",
        source=REPLICATION,
        verdict=at_most(by, 1.0),
        answer=f"The farthest printed loss lies at {_shown(by)} of the way to the limit (range as "
        "each seed is left out): seeds differ by more than the tolerances allow."
        if np.isfinite(by.value)
        else "It takes three seeds to say where another is expected.",
        unit="of the limit",
    )


def _half_step(steps: np.ndarray, task: int, printed: float) -> Finding:
    by, spread = mean_of(steps), float(np.nanstd(steps, ddof=1)) if len(steps) > 1 else np.nan
    reach = along.draw_reach(len(steps)) * spread
    inside = abs(printed - by.value) <= reach
    verdict: Verdict = "undecided" if np.isnan(reach) else ("agrees" if inside else "disagrees")
    return _finding(
        by,
        claim=f"Task {task} is half learnt when the author's is",
        prediction=f"loss below {HALF} nats at step {printed:.0f}, read off the author's figure; "
        "granted where a sixth run could well be there",
        source=REPLICATION,
        verdict=verdict,
        answer=f"Half learnt at step {along.span(steps)} over "
        f"{int(np.isfinite(steps).sum())} of {len(steps)} seeds"
        + (
            f"; another run is expected between {by.value - reach:.0f} and {by.value + reach:.0f}."
            if np.isfinite(reach)
            else "."
        ),
        unit="steps",
    )


def _order(main: Sequence[Course]) -> Finding:
    """How many tasks come in the order of their frequency before the first that does not."""
    each = np.array([along.ordered(along.half_learnt(c)) for c in main])
    counted = [int(np.isfinite(along.half_learnt(c)).sum()) for c in main]
    by = mean_of([along.rank_agreement(c) for c in main])
    by = Interval(by.value, *np.clip(by[1:], -1, 1).tolist())
    return _finding(
        by,
        claim="Tasks are learnt in the order of their frequency",
        prediction="the more frequent task first, always (rank correlation 1 of step and "
        "frequency rank; granted from 0.9)",
        source=PAPER,
        verdict=at_least(by, 0.9),
        answer=f"The first {along.span(each)} tasks come in order, by seed; of the "
        f"{along.span(counted)} half learnt, ranks and steps correlate by "
        f"{_shown(by)}. Neighbours of nearly equal frequency swap.",
        control="0 where the order has nothing to do with frequency",
        unit="rank correlation",
    )


def _convergence(main: Sequence[Course]) -> Finding:
    by = mean_of([along.convergence(c) for c in main])
    some = [along.leading(along.half_learnt(c)) for c in main]
    return _finding(
        by,
        claim="The step at which a task is half learnt goes as its frequency to the -0.8",
        prediction="t proportional to p^-0.81 in the paper's figure (theory: p^-1, each task "
        "needs its number of samples); granted within 0.1",
        source=PAPER,
        verdict=_near(by, 0.81, 0.1),
        answer=f"Exponent {_shown(by)} over the first {along.span(some)} tasks of each of "
        f"{len(main)} seeds; the theory's is 1.",
        unit="exponent of 1/p",
    )


def _sharp(main: Sequence[Course]) -> Finding:
    pairs = [along.sharpness(c) for c in main]
    by = mean_of([np.log(task / whole) for task, whole in pairs])
    ratio = Interval(*np.exp(by).tolist())
    task, whole = (float(np.nanmean([p[i] for p in pairs])) for i in (0, 1))
    return _finding(
        ratio,
        claim="Each task is learnt at once, their sum is not (monogenic samples)",
        prediction="from three to one quarter of chance a task takes far less of a factor in time "
        "than the whole does (ratio below 1)",
        source=PAPER,
        verdict=at_most(ratio, 1.0),
        answer=f"A task's loss goes from three quarters of chance to one within a factor "
        f"{task:.2f} of its time, the whole within {whole:.1f} or more: ratio {_shown(ratio)}.",
        control="1 for a loss that is the same for all tasks",
        unit="of the whole's factor",
    )


def _unlearnt(main: Sequence[Course]) -> Finding:
    """Tasks not begun: above chance, as the shared net is sure of what it knows not."""
    by = mean_of([along.above_chance(c) for c in main])
    start = float(np.mean([c.tasks[0].mean() - BIT for c in main]))
    return _finding(
        by,
        claim="A task that is not learnt costs no more than chance",
        prediction="b = ln 2 nats until it is learnt: nothing above chance (granted up to 0.005)",
        source=PAPER,
        verdict=at_most(by, 0.005),
        answer=f"From the first task on, those not begun stand {_shown(by, 4)} nats above ln 2: "
        "what was learnt for others makes the network sure where it knows nothing."
        if np.isfinite(by.value)
        else "No task stays near chance behind the first.",
        control=f"at the first point {start:+.4f} nats",
        unit="nats above ln 2",
    )


def _counted(main: Sequence[Course]) -> Finding:
    """The loss beside L_n with n the number of tasks learnt."""
    by = mean_of([along.off_the_curve(c) for c in main])
    return _finding(
        by,
        claim="The number of tasks learnt says what the loss is",
        prediction="L_n, the summed frequencies of the tasks not learnt, in bits (difference 0; "
        "granted within 0.05)",
        source=PAPER,
        verdict=_near(by, 0.0, 0.05),
        answer=f"The loss along training is {_shown(by, 3)} bits from L_n on average, a task "
        "counted from where its loss is half of chance.",
        unit="bits",
    )


NAMES = {"N": "parameters", "D": "samples", "S": "steps"}


def _exponent(s: Scaling) -> Finding:
    expected, finite = laws.theory(s.kind, s.alpha), laws.finite_slope(s)
    law = {"N": "alpha", "D": "alpha/(1 + alpha)", "S": "alpha/(1 + alpha)"}[s.kind]
    return _finding(
        s.exponent,
        claim=f"The loss falls with {NAMES[s.kind]} as {s.kind}^-{law}",
        prediction=f"exponent {expected:.3f} at alpha = {s.alpha:g}, granted within {NEAR}",
        source=PAPER,
        verdict=_near(s.exponent, expected, NEAR),
        answer=f"alpha_{s.kind} is {_shown(s.exponent)} over {int(s.used.sum())} points from "
        f"{s.loss[s.used].max(initial=0):.2f} to {s.loss.min():.2f} bits. Of "
        f"{s.n_tasks} tasks and no more, the theory itself has {finite:.2f} there: near the end of "
        f"a finite list the law is steeper. Read off that curve, the number of quanta learnt grows "
        f"with exponent {_shown(s.growth)}, theory "
        f"{laws.growth_theory(s.kind, s.alpha):.2f}.",
        control=f"the theory's own curve with K = {s.n_tasks} over the same losses: {finite:.2f}",
        unit="exponent",
    )  # fmt: skip


def _over_alphas(found: Sequence[Scaling]) -> Finding:
    by = laws.follows(found)
    told = ", ".join(
        f"alpha_{s.kind}({s.alpha:g}) {s.exponent.value:.2f} for {laws.theory(s.kind, s.alpha):.2f}"
        for s in sorted(found, key=lambda s: (laws.KINDS.index(s.kind), s.alpha))
    )
    return _finding(
        by,
        claim="Measured exponents rise with alpha as the theory's do",
        prediction="slope 1 of measured on predicted exponents, granted within 0.25",
        source=PAPER,
        verdict=_near(by, 1.0, 0.25),
        answer=f"Slope {_shown(by)}: {told}. Below 1 they are too steep at small alpha, too flat "
        "at large, or both, as in the paper's own figure.",
        unit="slope",
    )


def _joint(table: Table, alpha: float) -> list[Finding]:
    """Alpha as the loss alone gives it, by the discrete curve fitted to all scalings at once."""
    fitted = laws.fits(table.where(alpha=alpha))
    if not fitted:
        return []
    (found,) = fitted.values()
    told = found.parameters["alpha"]
    by = Interval(told.value, *(np.nan if e is None else e for e in (told.low, told.high)))
    return [
        _finding(
            by,
            claim="The discrete curve L_n, fitted to all scalings at once, finds the alpha of the "
            "frequencies",
            prediction=f"alpha = {alpha:g}, which the samples were drawn with; granted within 0.1",
            source=PAPER,
            verdict=_near(by, alpha, 0.1),
            answer=f"The losses alone, {found.rows} of them, give alpha {_shown(by)}.",
            unit="alpha",
        )
    ]


STUDY = Study(
    name="sparse_parity",
    title="Multitask sparse parity: quanta learnt one by one",
    question="Does a network learn many parities one by one, each at once, and does their order "
    "make its loss a power law of parameters, samples and steps?",
    prediction="tasks are learnt in the order of their frequency; the loss falls as N^-alpha, "
    "D^-alpha/(1+alpha) and S^-alpha/(1+alpha)",
    source=SOURCE,
    runs=runs,
    sizes=("quick", "notebook", "paper"),
    seeds={"quick": (0, 1, 2), "notebook": (0, 1, 2, 3, 4), "paper": (0, 1, 2)},
    procedure=SparseParity(),
    measures={"losses": losses},
    analyse=analyse,
    fits=laws.fits,
    figures=(
        drawn.as_in_the_notebook,
        drawn.learning_times,
        drawn.beside_the_author,
        drawn.three_scalings,
        drawn.exponents,
        drawn.quanta_against_loss,
    ),
    views={"trajectories": along.trajectories},
    notebook=Notebook(
        number=3,
        name="A replication of the quantization model",
        printed="the training loss of one unseeded run of ten tasks, 0.696 falling to 0.124, and "
        "one figure of ten task losses, too crowded to read times from.",
    ),
    notes=(
        "The notebook sets no seed: its one run is compared with five of ours as a sixth draw.",
        "Size paper is a reduced problem: 100 tasks of 3 of 32 bits, batches of 2,000, learning "
        "rate 0.003, 8 to 256 units, 30,000 updates. The paper has 500 tasks of 3 of 100 bits, "
        "batches of 20,000, 0.001, 9 to 500 units, 200,000 updates; the spec's fields take those.",
        "One sigmoid unit reads the hidden layer; the paper has two units and a softmax, which is "
        "the same function with more parameters.",
    ),
)
