"""Networks as measures see them, before any training."""

from typing import Any

import numpy as np

from allometry.datasets.split import Split
from allometry.datasets.splits import Moons
from allometry.measures import Network
from allometry.models import Model
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.losses import CrossEntropy, Loss
from allometry.spec.optimizers import SGD
from allometry.spec.torch_draws import TorchDraws

CE = CrossEntropy()


def untrained(
    model: Model, split: Split, loss: Loss = CE, *, seed: int = 0, precision: Any = "float32"
) -> Network:
    train = TrainSpec(optimizer=SGD(learning_rate=0.1), epochs=1, loss=loss, precision=precision)
    spec = RunSpec(model=model, data=Moons(), train=train, seed=seed)
    dtype = np.float64 if precision == "float64" else np.float32
    params = {name: a.astype(dtype) for name, a in model.init(TorchDraws(seed)).items()}
    return Network(spec, model, params, {}, split, 0, 0, params)


def drawn_split(n: int, n_in: int, classes: int = 0, n_out: int = 1, dtype: Any = "f4") -> Split:
    """Normal features; classes, or normal targets where there are none."""
    random = np.random.default_rng(n)
    parts: list[Any] = []
    for _ in range(2):
        x = random.normal(size=(n, n_in)).astype(dtype)
        y = random.normal(size=(n, n_out)).astype(dtype)
        labels = random.integers(0, max(classes, 1), n).astype(np.int32)
        parts += [x, labels if classes else y]
    return Split(*parts)
