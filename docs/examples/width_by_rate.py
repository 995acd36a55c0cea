"""Does the best learning rate of SGD with momentum fall as a perceptron gets wider?"""

from math import inf

import allometry as al
from allometry.claims import Optimum

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


STUDY = al.Study(
    name="width_by_rate", title="Width by learning rate", question=__doc__, runs=runs,
    sizes=("quick",), seeds={"quick": (0, 1)}, measures={"losses": al.measures.losses},
    claims=[Optimum("learning_rate", "test_loss", moves_with="n_params", predicts=(-inf, 0))],
)  # fmt: skip
