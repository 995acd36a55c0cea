"""Does the best learning rate of SGD with momentum fall as a perceptron gets wider?"""

import numpy as np

import allometry as al
from allometry.findings import at_most
from allometry.stats.lines import slope_interval

WIDTHS = (16, 32, 64, 128, 256, 512)
RATES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def runs(size, seeds):
    """Two hidden layers of each width at each learning rate, at every seed."""
    data = al.datasets.ImageSubset(name="mnist", n_train=10_000)
    rules = [al.optimizers.SGD(learning_rate=rate, momentum=0.9) for rate in RATES]
    models = [al.models.MLP(widths=(784, width, width, 10)) for width in WIDTHS]
    trains = [al.TrainSpec(optimizer=rule, epochs=5, batch_size=128) for rule in rules]
    each = [(s, model, train) for s in seeds for model in models for train in trains]
    return [al.RunSpec(model=m, data=data, train=train, seed=s) for s, m, train in each]


def analyse(table):
    """Slope of the rate with the lowest test loss against the parameter count, log axes."""
    cells = [cell for _, cell in table.where(status="done").groups("n_params", "seed")]
    best = al.Table.from_rows([min(cell, key=lambda run: run["test_loss"]) for cell in cells])
    slope = slope_interval(np.log(best["n_params"]), np.log(best["learning_rate"]))
    return [al.Finding(
        claim="The best learning rate falls with the parameter count", prediction="slope below 0",
        source="a guess of mine", measured=slope.value, low=slope.low, high=slope.high,
        verdict=at_most(slope, 0), answer=f"The rate goes as N to the {slope.shown('.2f')}.",
    )]  # fmt: skip


STUDY = al.Study(
    name="width_by_rate", title="Width by learning rate", question=__doc__,
    prediction="It does.", source="a guess of mine", runs=runs, sizes=("quick",),
    seeds={"quick": (0, 1)}, measures={"losses": al.measures.losses}, analyse=analyse,
)  # fmt: skip
