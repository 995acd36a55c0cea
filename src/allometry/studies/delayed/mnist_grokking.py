"""Does a large start make a network grok images of digits, and what sets how long it takes?

The MNIST networks of Liu et al. (2205.10343, appendix J; Omnigrok, 2210.01117): a
perceptron on 1,000 digits whose weights start nine times too large memorises them
and generalises long after, as weight decay brings the weights down. Added
here: seeds with intervals, the same start at its usual size, and no weight decay.
"""

from collections.abc import Sequence

from allometry import measures
from allometry.datasets.splits import ImageSubset
from allometry.findings import Analysis
from allometry.measures import Network
from allometry.measures.norms import weight_norm
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.losses import SquaredError
from allometry.spec.optimizers import AdamW
from allometry.studies.delayed.delay import finished, times_of
from allometry.studies.delayed.mnist_figures import (
    accuracies_and_norm,
    as_in_the_source,
    time_by_weight_decay,
)
from allometry.studies.delayed.mnist_findings import SOURCE, findings_of
from allometry.studies.delayed.mnist_numbers import GENERALISED, OWN_DECAY, Numbers
from allometry.study import Study
from allometry.tables.table import Table

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
# The source's own weight decay and length: the first seed alone.
OWN = (OWN_DECAY, 100_000, (LARGE,))
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
            loss=SquaredError(),
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


# ---- the analysis ------------------------------------------------------------------------


def analyse(table: Table) -> Analysis:
    """What the sources claim beside the measurement, a usual start and no weight decay."""
    numbers = Numbers.of(table)
    return Analysis(findings_of(numbers), {"mnist_grokking": numbers}, numbers.fits)


def times(table: Table) -> Table:
    """Updates to learn the training set, to generalise, and the phase of every finished run."""
    return times_of(finished(table, GENERALISED), ("init_scale", "weight_decay"))


STUDY = Study(
    name="mnist_grokking",
    title="Grokking on MNIST from a start too large",
    question="Does a large start make a network grok images of digits, and does weight decay set "
    "how long it takes?",
    prediction="A start nine times too large memorises its training set and generalises "
    "long after, when weight decay has brought its norm down: a time inverse to the decay",
    source=SOURCE,
    runs=runs,
    sizes=("quick", "paper"),
    seeds={"quick": (0, 1), "paper": (0, 1, 2)},
    measures={"losses": measures.losses, "settings": settings, "weights": weight_norm},
    trajectory={"losses": measures.losses, "weights": weight_norm},
    analyse=analyse,
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
