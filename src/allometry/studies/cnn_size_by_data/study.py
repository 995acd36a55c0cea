"""Does loss after one step follow compute, model size or data, and what does real training follow?

Notebook 001 trains eight convolutional networks on ten shares of MNIST, with one full-batch
update and one seed per cell. This study adds twenty seeds per width to test the notebook's claim
of overfitting, compute counted in FLOP, and the exercise that the notebook left out: one epoch of
ordinary training, the compute-efficient frontier, a law in N and D, and the same with dropout.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from allometry.datasets.splits import LeadingImages
from allometry.errors import DataError
from allometry.findings import Analysis
from allometry.measures import Network
from allometry.models import ConvNet
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam, AdamW
from allometry.studies.cnn_size_by_data import figures
from allometry.studies.cnn_size_by_data.analysis import NOTEBOOK_FRACTIONS
from allometry.studies.cnn_size_by_data.findings import SOURCE, findings_of
from allometry.studies.cnn_size_by_data.numbers import Numbers
from allometry.study import Notebook, Study
from allometry.tables.table import Table
from allometry.training.loop import Training

WIDTHS = (6, 8, 11, 16, 23, 33, 47, 67)  # 6 sqrt(2)^k rounded down, as float32 has the powers
REPEATED = 0.01  # share of the images in the runs that repeat a width: 600; not in the grid
# Of the repeated runs: enough for an error of 1 point, where seeds differ by 8 points.
TEST_IMAGES = 2_000
BATCH = 64  # of real training
RATE = 0.1  # over sqrt(fan-in); the best of .003, .01, .03, .1, .2, .4 on five cells of seed 0


# ---- runs ----------------------------------------------------------------------------------


def cell_seeds(master: int) -> dict[tuple[int, float], int]:
    """The seed of each cell; 42 gives the notebook's ``random.sample(range(800), 80)``."""
    cells = [(width, fraction) for width in WIDTHS for fraction in NOTEBOOK_FRACTIONS]
    drawn = random.Random(master).sample(range(10 * len(cells)), len(cells))  # noqa: S311
    return dict(zip(cells, drawn, strict=True))


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """The runs of a size.

    ``notebook`` has the grid alone, ``paper`` has repeated widths and real training, and ``quick``
    has a part of each.
    """
    if size == "paper":
        declared = [again(w, 1_000 + k) for w in WIDTHS for k in range(20)]
        for seed in seeds:
            declared += trained(WIDTHS, NOTEBOOK_FRACTIONS[:7], seed, (0.0, 0.2))
        return declared
    widths = WIDTHS[:3] if size == "quick" else WIDTHS
    fractions = NOTEBOOK_FRACTIONS[6:] if size == "quick" else NOTEBOOK_FRACTIONS
    declared = []
    for master in seeds:
        seed_of = cell_seeds(master)
        declared += [one_step(w, f, seed_of[w, f]) for w in widths for f in fractions]
        if size == "quick":
            declared += [again(w, 5 * master + k) for w in widths for k in range(5)]
            declared += trained(widths, NOTEBOOK_FRACTIONS[4:7], master, (0.0,))
    return declared


def again(width: int, seed: int) -> RunSpec:
    """One more run of a width, on 600 images."""
    return one_step(width, REPEATED, seed, n_test=TEST_IMAGES)


def one_step(width: int, fraction: float, seed: int, n_test: int = 10_000) -> RunSpec:
    """One AdamW update on all the data at once; the notebook calls it an epoch."""
    data = LeadingImages(fraction=fraction, n_test=n_test)
    train = TrainSpec(optimizer=AdamW(learning_rate=1e-3), epochs=1, batch_size=data.n_data)
    return RunSpec(model=ConvNet(channels=width), data=data, train=train, seed=seed)


def trained(
    widths: Sequence[int], fractions: Sequence[float], seed: int, dropouts: Sequence[float]
) -> list[RunSpec]:
    """One epoch in minibatches, with each layer's learning rate proportional to 1/sqrt(fan-in)."""
    train = TrainSpec(
        optimizer=Adam(learning_rate=RATE), epochs=1, batch_size=BATCH, layer_rates="fan_in"
    )
    return [
        RunSpec(
            model=ConvNet(channels=width, dropout=dropout),
            data=LeadingImages(fraction=fraction),
            train=train,
            seed=seed,
        )
        for dropout in dropouts
        for width in widths
        for fraction in fractions
    ]


def cell(net: Network) -> dict[str, float]:
    """The notebook's columns; accuracies in percent, its compute is width x share of the images.

    Raises:
        DataError: the run is not of a `ConvNet` on `LeadingImages`.
    """
    model, data, losses = net.model, net.spec.data, net.losses
    if not (isinstance(model, ConvNet) and isinstance(data, LeadingImages)):
        raise DataError(
            "expected a ConvNet on LeadingImages, got "
            f"{type(model).__name__} on {type(data).__name__}"
        )
    return {
        "model_size": model.channels,
        "dataset_fraction": data.fraction,
        "dropout": model.dropout,
        "one_step": int(net.spec.train.batch_size == data.n_data),
        "notebook_compute": model.channels * data.fraction,
        "train_loss": losses["train_loss"],
        "test_loss": losses["test_loss"],
        "train_accuracy": 100 * losses["train_accuracy"],
        "test_accuracy": 100 * losses["test_accuracy"],
    }


# ---- the analysis --------------------------------------------------------------------------


def analyse(table: Table) -> Analysis:
    """Findings on the notebook's table, on its claims, and on the exercise it belongs to."""
    numbers = Numbers.of(table)
    fits = numbers.trained.fits() if numbers.trained else {}
    fits |= numbers.dropout.fits(", 20% dropout") if numbers.dropout else {}
    analysis = Analysis(findings_of(numbers), {"cnn_size_by_data": numbers}, fits)
    return replace(analysis, figures=figures.of_this_size(table, analysis))


STUDY = Study(
    name="cnn_size_by_data",
    title="Convolutional networks on MNIST, width by share of the data",
    question="Does loss depend on compute, width or data, and does the biggest network overfit?",
    prediction='"So apparently "compute" means ~model size?"; "apparently starts overfitting at '
    'the biggest model"',
    source=SOURCE,
    symbols={
        "N": "number of parameters",
        "D": "number of training images",
        "C": "training compute in FLOP",
        "L": "test loss",
        "E": "loss of infinitely many parameters and images",
        "alpha": "exponent of N",
        "beta": "exponent of D",
    },
    runs=runs,
    sizes=("quick", "notebook", "paper"),
    seeds={"quick": (42,), "notebook": (42,), "paper": (0, 1)},
    procedure=Training(untrained=False),
    measures={"cell": cell},
    analyse=analyse,
    figures=(figures.accuracy_by_width,),  # the others are added if a size has their runs
    notebook=Notebook(
        number=1,
        name="Scaling laws of a CNN on MNIST",
        printed="a table of 80 cells and four heatmaps of it, no fit, and two conclusions: "
        '"apparently "compute" means ~model size?" and the network "apparently starts '
        'overfitting at the biggest model".',
    ),
    notes=(
        "At the quick and notebook sizes a seed is the master seed from which the cells' own seeds "
        "are drawn; 42 gives the notebook's. The column seed holds the cell's own seed.",
        "At the quick and paper sizes the widths are repeated with other seeds on 600 images, a "
        "share of 0.01 that is not in the grid, and tested on the first 2,000 test images.",
        "The learning rate of real training, 0.1 over the square root of the fan-in, is the best "
        "of six on five cells; it is not tuned for each size.",
        "The notebook's initial accuracies are not reproduced, because its initial network has no "
        "seed.",
    ),
)
