"""Does the best learning rate of Adam stay the same as a perceptron gets wider?

The study compares PyTorch's initialisation and one rate for all layers with muP (Yang et al.,
2203.03466).
"""

from collections.abc import Sequence

from allometry import measures
from allometry.datasets.splits import ImageSubset
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.studies.learning_rate_transfer.claims import FEW, FEW_RATE, RATES, SOURCE, claims
from allometry.study import Study

WIDTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
    """Two hidden layers of each width at each learning rate, and for a few updates at one rate."""
    n_train, epochs, many = {"quick": (2_000, 5, 7), "paper": (10_000, 10, len(WIDTHS))}[size]
    rules = [Adam(learning_rate=rate) for rate in RATES]
    trains = [TrainSpec(optimizer=rule, epochs=epochs, batch_size=64) for rule in rules]
    trains.append(TrainSpec(optimizer=Adam(learning_rate=FEW_RATE), steps=FEW, batch_size=64))
    models = [MLP(widths=(784, width, width, 10)) for width in WIDTHS[:many]]
    models += [m.model_copy(update={"parametrisation": "mup", "base_width": 32}) for m in models]
    data = ImageSubset(name="mnist", n_train=n_train)
    each = [(s, model, train) for s in seeds for model in models for train in trains]
    return [RunSpec(model=m, data=data, train=t, seed=s) for s, m, t in each]


STUDY = Study(
    name="learning_rate_transfer",
    title="Learning rates across widths: standard and muP", source=SOURCE,
    question="Does the best learning rate of Adam stay the same as a perceptron gets wider?",
    runs=runs, sizes=("quick", "paper"), seeds={"quick": (0, 1, 2), "paper": (0, 1, 2, 3, 4)},
    measures={
        "losses": measures.losses, "changes": measures.activation_changes,
        "model": lambda n: {"width": n.model.widths[1], "parametrisation": n.model.parametrisation},
    },
    claims=claims("PyTorch's initialisation"),
)  # fmt: skip
