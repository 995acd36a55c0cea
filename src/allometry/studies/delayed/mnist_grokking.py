"""Does a large initialisation make a network grok images of digits, and what sets the time?

The MNIST networks are those of Liu et al. (2205.10343, appendix J; Omnigrok, 2210.01117). A
perceptron whose initial weights are nine times too large memorises 1,000 digits, and generalises
long afterwards, when weight decay has reduced the weights. This study adds seeds with intervals
and two controls: the standard initialisation, and no weight decay.
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
# Times the standard initial weights (2205.10343, appendix J; Omnigrok's notebook has 8).
LARGE = 9.0

# (weight decay, updates, scales of the initial weights); a smaller decay needs more updates.
PAPER = (
    (0.0, 20_000, (1.0, LARGE)),
    (0.03, 35_000, (LARGE,)),
    (0.1, 20_000, (1.0, 3.0, LARGE)),
    (0.3, 10_000, (LARGE,)),
    (1.0, 5_000, (LARGE,)),
)
# The source's weight decay and number of updates, for the first seed only.
OWN = (OWN_DECAY, 100_000, (LARGE,))
QUICK = ((0.0, 3_000, (LARGE,)), (0.2, 5_000, (1.0, LARGE)))
POINTS = {"quick": 25, "paper": 100}  # of each run's trajectory


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """784-200-200-10 on 1,000 digits, for each seed, weight decay and scale of initial weights."""
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
    """`init_scale` and `weight_decay` of the run."""
    model, optimizer = net.spec.model, net.spec.train.optimizer
    return {
        "init_scale": getattr(model, "init_scale", 1.0),
        "weight_decay": getattr(optimizer, "weight_decay", 0.0),
    }


# ---- the analysis ------------------------------------------------------------------------


def analyse(table: Table) -> Analysis:
    """Findings on the claims of the sources, with the controls."""
    numbers = Numbers.of(table)
    return Analysis(findings_of(numbers), {"mnist_grokking": numbers}, numbers.fits)


def times(table: Table) -> Table:
    """Updates until the training set is learnt and until generalisation, and the phase, by run."""
    return times_of(finished(table, GENERALISED), ("init_scale", "weight_decay"))


STUDY = Study(
    name="mnist_grokking",
    title="Grokking on MNIST from a large initialisation",
    question="Does a large initialisation make a network grok images of digits, and does weight "
    "decay set the time it takes?",
    prediction="With initial weights nine times too large a network memorises its training set, "
    "and generalises long afterwards, when weight decay has reduced the norm of its weights: after "
    "a time inversely proportional to the decay",
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
        "The source trains in float64, this study in float32. The source tests on 10,000 images "
        "and trains on the first 1,000; this study tests on the first 2,000 and trains on 1,000 "
        "drawn at random for each seed.",
        "The source's weight decay of 0.01 takes 100,000 updates and is run with one seed.",
        "The source's phase diagram over weight decay and the last layer's learning rate is not "
        "reproduced, because no optimiser here has a separate learning rate for one layer.",
    ),
)
