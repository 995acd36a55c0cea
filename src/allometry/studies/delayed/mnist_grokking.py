"""Does a large start make a network grok images of digits, and what sets how long it takes?

The MNIST networks of Liu et al. (2205.10343, appendix J; Omnigrok, 2210.01117): a
perceptron on 1,000 digits whose weights start nine times too large learns them by
heart and generalises long after, as weight decay brings the weights down. Added
here: seeds with intervals, the same start at its usual size, and no weight decay.
"""

from collections.abc import Sequence

import numpy as np

from allometry import measures
from allometry.datasets.splits import ImageSubset
from allometry.findings import Finding, at_least, contains, inside
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.measures import Network
from allometry.measures.norms import weight_norm
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import AdamW
from allometry.stats import lines
from allometry.stats.interval import Interval
from allometry.stats.means import mean, mean_logarithm, mean_share
from allometry.studies.delayed.delay import (
    LAG,
    PHASES,
    Course,
    at,
    courses,
    each_seed,
    in_words,
    law_by_seed,
    times_of,
)
from allometry.studies.delayed.mnist_figures import (
    GENERALISED,
    accuracies_and_norm,
    as_in_the_source,
    time_by_weight_decay,
)
from allometry.study import Study
from allometry.tables.table import Table

SOURCE = (
    "Z. Liu, O. Kitouni, N. Nolte, E. Michaud, M. Tegmark, M. Williams 2022, Towards "
    "Understanding Grokking, arXiv 2205.10343, appendix J"
)
OMNIGROK = "Z. Liu, E. Michaud, M. Tegmark 2022, Omnigrok, arXiv 2210.01117"
BATCH, IMAGES = 200, 1000
LARGE = 9.0  # times the usual start (2205.10343, appendix J; Omnigrok's notebook has 8)

# (weight decay, updates, sizes of the start): the smaller the decay, the longer it takes.
PAPER = (
    (0.0, 20_000, (1.0, LARGE)),
    (0.03, 35_000, (LARGE,)),
    (0.1, 20_000, (1.0, 3.0, LARGE)),
    (0.3, 10_000, (LARGE,)),
    (1.0, 5_000, (LARGE,)),
)
OWN = (0.01, 100_000, (LARGE,))  # the source's own weight decay and length: the first seed alone
QUICK = ((0.0, 3_000, (LARGE,)), (0.2, 5_000, (1.0, LARGE)))
POINTS = {"quick": 25, "paper": 100}  # along each run


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """784-200-200-10 on 1,000 digits from starts of several sizes, by weight decay and seed."""
    plan = [(seed, row) for seed in seeds for row in {"quick": QUICK, "paper": PAPER}[size]]
    if size == "paper":
        plan.append((seeds[0], OWN))
    return [
        _run(seed, weight_decay, updates, scale, POINTS[size])
        for seed, (weight_decay, updates, scales) in plan
        for scale in scales
    ]


def _run(seed: int, weight_decay: float, updates: int, scale: float, points: int) -> RunSpec:
    epochs = updates * BATCH // IMAGES
    return RunSpec(
        model=MLP(widths=(784, 200, 200, 10), init_scale=scale),
        data=ImageSubset(name="mnist", n_train=IMAGES, n_test=2000),
        train=TrainSpec(
            optimizer=AdamW(learning_rate=1e-3, weight_decay=weight_decay),
            epochs=epochs,
            batch_size=BATCH,
            measure_every=epochs // points,
            loss="squared_error",
        ),
        seed=seed,
    )


def settings(net: Network) -> dict[str, float]:
    """`init_scale`, `weight_decay` of the run."""
    model, optimizer = net.spec.model, net.spec.train.optimizer
    return {
        "init_scale": getattr(model, "init_scale", 1.0),
        "weight_decay": getattr(optimizer, "weight_decay", 0.0),
    }


# ---- what was found ----------------------------------------------------------------------

INVERSE = 0.1  # how far from -1 the exponent of the time may be to be called inverse
ONE_NORM = 1.2  # factor up to which norms at the time of generalising are called one norm
FEWEST = 3  # weight decays a law is drawn through


def analyse(table: Table) -> list[Finding]:
    """What the sources claim beside the measurement, a usual start and no weight decay."""
    found = courses(table, GENERALISED)
    large = [c for c in found if c.row["init_scale"] == max(c.row["init_scale"] for c in found)]
    decay = _reference(found, large)
    return [
        _late(found, large, decay),
        _needs_decay(large, decay),
        _inverse(large),
        _own_decay(large),
        _one_norm(large),
    ]


def _reference(found: Sequence[Course], large: Sequence[Course]) -> float:
    """The smallest weight decay of the large start at which a usual start was trained too."""
    decays = {float(c.row["weight_decay"]) for c in large}
    positive = {decay for decay in decays if decay > 0} or decays
    usual = {float(c.row["weight_decay"]) for c in found if c.row["init_scale"] == 1}
    return min(positive & usual or positive)


def _at_decay(found: Sequence[Course], decay: float) -> list[Course]:
    return [c for c in found if c.row["weight_decay"] == decay]


def _late(found: Sequence[Course], large: Sequence[Course], decay: float) -> Finding:
    own = _at_decay(large, decay)
    usual = [c for c in _at_decay(found, decay) if c.row["init_scale"] == 1]
    lag, scale = mean([c.lag for c in own]), own[0].row["init_scale"]
    phases = ", ".join(PHASES[c.phase] for c in own)
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
        f"{in_words(mean([c.t_train for c in own]))} updates and {GENERALISED:.0%} of the test "
        f"set after {in_words(mean([c.t_test for c in own]))}: {phases}, by seed.",
        control=_control(usual),
        unit="updates later" if np.isfinite(lag.value) else "",
    )


def _control(usual: Sequence[Course]) -> str:
    if not usual:
        return "a start of the usual size was not run"
    return (
        f"a start of the usual size: the test set after "
        f"{in_words(mean([c.t_test for c in usual]))} updates, the training set after "
        f"{in_words(mean([c.t_train for c in usual]))}"
    )


def _needs_decay(large: Sequence[Course], decay: float) -> Finding:
    with_it, without = (_at_decay(large, d) for d in (decay, 0.0))
    end = {int(c.row["seed"]): float(c.along["test_accuracy"][-1]) for c in without}
    steps = max((c.step[-1] for c in without), default=0.0)
    # The same number of updates, with decay and without.
    gain = mean([
        at(c, "test_accuracy", min(steps, c.step[-1])) - end[int(c.row["seed"])]
        for c in with_it if int(c.row["seed"]) in end
    ])  # fmt: skip
    never = sum(np.isnan(c.t_test) for c in without)
    return Finding(
        claim="Without weight decay the network stays with what it learnt by heart",
        prediction="no decay, no generalising: weights keep their size (gain from decay above 0)",
        source=OMNIGROK,
        measured=gain.value,
        low=gain.low,
        high=gain.high,
        # No gain at all is none: the bound itself does not count.
        verdict=at_least(gain, np.nextafter(0, 1)),
        answer=f"Without decay {never} of {len(without)} runs never have {GENERALISED:.0%} of the "
        f"test set right within {steps:,.0f} updates; weight decay {decay:g} adds "
        f"{in_words(gain, 2)} to the share they end with."
        if without
        else "No run without weight decay is there to compare with.",
        control="share right at the end without decay: "
        + in_words(mean_share(list(end.values())), 2)
        if without
        else "",
        unit="of the test set" if np.isfinite(gain.value) else "",
    )


def _fitted(large: Sequence[Course]) -> dict[int, lines.Line]:
    """Each seed's power law of the time in the decay; the source's own decay is left for a test."""
    return law_by_seed([c for c in large if c.row["weight_decay"] > OWN[0]], "weight_decay")


def _inverse(large: Sequence[Course]) -> Finding:
    laws = _fitted(large)
    slope = mean([law.slope for law in laws.values()])
    decays = sorted({c.row["weight_decay"] for c in large if c.row["weight_decay"] > OWN[0]})
    return Finding(
        claim="The time to generalise is inverse to the weight decay",
        prediction="t proportional to 1 / weight decay: exponent -1, granted within "
        f"{INVERSE} (section 2)",
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
        + in_words(mean([_train_slope(large, seed) for seed in laws]))
        if laws
        else "",
        unit="exponent" if laws else "",
    )


def _train_slope(large: Sequence[Course], seed: int) -> float:
    own = [c for c in large if c.row["seed"] == seed and c.row["weight_decay"] > OWN[0]]
    return lines.log_line(
        np.array([c.row["weight_decay"] for c in own]), np.array([c.t_train for c in own])
    ).slope


def _own_decay(large: Sequence[Course]) -> Finding:
    """The law of larger decays held to the source's own, which no fit has seen."""
    laws, held = _fitted(large), _at_decay(large, OWN[0])
    expected = mean_logarithm([
        10 ** (law.intercept + law.slope * np.log10(OWN[0])) for law in laws.values()
    ])  # fmt: skip
    times = [c.t_test for c in held if np.isfinite(c.t_test)]
    ratio = Interval(np.nan, np.nan, np.nan)
    if times and laws:
        ratio = Interval(*(times[0] / np.array([expected.value, expected.high, expected.low])))
    return Finding(
        claim="The law of larger weight decays reaches the source's own",
        prediction=f"measured over extrapolated time at weight decay {OWN[0]} is 1",
        source=SOURCE,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=contains(ratio, 1.0),
        answer=f"At weight decay {OWN[0]}, one seed, {GENERALISED:.0%} of the test set is right "
        f"after {in_words(Interval(times[0], np.nan, np.nan))} updates; the law fitted above it "
        f"says {in_words(expected)}."
        if times and laws
        else f"Weight decay {OWN[0]} was not run to its end at this size, or there is no law.",
        unit="of the extrapolated time" if times and laws else "",
    )


def _one_norm(large: Sequence[Course]) -> Finding:
    """The norm of the weights when it generalises, at the smallest and the largest decay."""
    learnt = [c for c in large if np.isfinite(c.t_test) and c.row["weight_decay"] > OWN[0]]
    decays = sorted({c.row["weight_decay"] for c in learnt})

    def spread(own: Sequence[Course]) -> float:
        norms = {c.row["weight_decay"]: at(c, "weight_norm", c.t_test) for c in own}
        ends = [norms.get(decays[0], np.nan), norms.get(decays[-1], np.nan)]
        return float(ends[0] / ends[1]) if len(decays) > 1 else float("nan")

    ratio = mean_logarithm(list(each_seed(learnt, spread).values()))
    norms = "; ".join(
        f"{in_words(mean([at(c, 'weight_norm', c.t_test) for c in _at_decay(learnt, d)]))} at {d:g}"
        for d in decays
    )
    there = np.isfinite(ratio.value)
    started = mean([float(c.along["weight_norm"][0]) for c in large])
    return Finding(
        claim="It generalises when its weights have come down to one norm, whatever the decay",
        prediction="a critical norm: the ratio between the smallest and the largest decay is 1, "
        f"granted up to a factor of {ONE_NORM}",
        source=OMNIGROK,
        measured=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=inside(ratio, 1 / ONE_NORM, ONE_NORM),
        answer=f"Norm of all weights when it generalises, by weight decay: {norms}."
        if decays
        else "No run generalises.",
        control=f"at the start: {in_words(started)}",
        unit="ratio" if there else "",
    )


def fits(table: Table) -> dict[str, Fit]:
    """The time to generalise as a power of the weight decay, through the fitter; the source's own
    decay is left out. None where too few decays were run."""
    found = courses(table, GENERALISED)
    largest = max(c.row["init_scale"] for c in found)
    times = times_of(found, ("init_scale", "weight_decay")).where(init_scale=largest)
    times = times.take((times["weight_decay"] > OWN[0]) & np.isfinite(times["t_test"]))
    if len(set(times["weight_decay"])) < FEWEST or len(set(times["seed"])) < 2:
        return {}
    return {
        "Updates to generalise against weight decay": fit(
            times, "power", {"x": "weight_decay", "y": "t_test"},
            objective="squared_log", cluster="seed", resamples=200,
        )
    }  # fmt: skip


def times(table: Table) -> Table:
    """Updates to learn the training set, to generalise, and the phase of every finished run."""
    return times_of(courses(table, GENERALISED), ("init_scale", "weight_decay"))


STUDY = Study(
    name="mnist_grokking",
    title="Grokking on MNIST from a start too large",
    question="Does a large start make a network grok images of digits, and does weight decay set "
    "how long it takes?",
    prediction="A start nine times too large learns its training set by heart and generalises "
    "long after, when weight decay has brought its norm down: a time inverse to the decay",
    source=SOURCE,
    runs=runs,
    sizes=("quick", "paper"),
    seeds={"quick": (0, 1), "paper": (0, 1, 2)},
    measures={"losses": measures.losses, "settings": settings, "weights": weight_norm},
    trajectory={"losses": measures.losses, "weights": weight_norm},
    analyse=analyse,
    fits=fits,
    figures=(accuracies_and_norm, time_by_weight_decay, as_in_the_source),
    views={"times": times},
    notes=(
        "The source trains in float64, here float32; it tests on 10,000 images, here on the first "
        "2,000; it trains on the first 1,000 images, here on 1,000 drawn at random for each seed.",
        "The source's own weight decay of 0.01 takes 100,000 updates and is run from one seed.",
        "The source's phase diagram over weight decay and the last layer's learning rate is not "
        "drawn: a learning rate of its own for one layer is not among the optimisers.",
    ),
)
