"""What `gpu_speed.py` trains: the 19 x 80 workload and an IsoFLOP grid of byte models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.datasets import Data, Split
from allometry.models import MLP, LanguageModel
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.spec.torch_draws import TorchDraws

__all__ = ["TINY", "Group", "Scale", "Workload", "byte_models", "perceptrons"]

SIZES = (
    (1, 1), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3), (7, 4), (8, 4), (9, 4), (11, 6),
    (12, 6), (15, 8), (17, 8), (20, 10), (23, 12), (27, 14), (32, 16), (37, 18), (43, 22),
)  # fmt: skip
SHAPES = ((64, 2), (128, 3), (256, 4))  # width and layers of the byte models
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
VOCABULARY, CONTEXT, D_HEAD = 256, 128, 32

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scale:
    """How much is done: as asked for, or next to nothing to see that the script works."""

    epochs: int = 80
    examples: int = 10_000
    sizes: tuple[tuple[int, int], ...] = SIZES
    shapes: tuple[tuple[int, int], ...] = SHAPES
    steps: int = 200  # of the largest byte model; smaller ones make more
    batch: int = 16
    product: int = 8192
    seconds: float = 1.0  # a way and round at least
    less: float = 0.1  # share of the length of a training that is taken off one of all of it
    rounds: int = 3


TINY = Scale(
    epochs=1, examples=256, sizes=((2, 1), (4, 2)), shapes=((32, 1),), steps=2, batch=2,
    product=64, seconds=0.01, less=0, rounds=1,
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Equal networks that one vmap trains.

    Attributes:
        model: of the package. count: how many. updates: of each.
        x, y: batches, ``(n, batch, ...)``.
    """

    model: Any
    count: int
    updates: int
    x: Floats
    y: NDArray[np.int32]


@dataclass(frozen=True)
class Workload:
    """Runs of the package, and the same work as groups of equal networks.

    Attributes:
        steps: updates summed over networks. flop: useful, of all of them.
    """

    name: str
    specs: Callable[[str, float], Sequence[Any]]
    groups: Sequence[Group]
    steps: int
    flop: float


class Examples(Data):
    """Random images of ten classes, or windows of random bytes with the byte that follows each."""

    n: int
    tokens: bool = False

    @property
    def n_data(self) -> int:
        return self.n

    def load(self, draws: TorchDraws) -> Split:
        random = np.random.default_rng(0)
        if self.tokens:
            windows = random.integers(0, VOCABULARY, (self.n, CONTEXT + 1))
            x, y = windows[:, :-1].astype(np.float32), windows[:, 1:].astype(np.int32)
        else:
            x = random.random((self.n, 784), np.float32)
            y = random.integers(0, 10, self.n, np.int32)
        return Split(x, y, x[:8], y[:8])

    def prepare(self, draws: TorchDraws) -> Split:
        split = self.load(draws)
        for array in split[:4]:
            array.setflags(write=False)
        return split


def perceptrons(scale: Scale) -> Workload:
    """The 19 x 80 workload."""

    data, batch = Examples(n=scale.examples), 128
    x, y, *_ = data.load(TorchDraws(0))
    updates = scale.epochs * -(-scale.examples // batch)
    models = [MLP(widths=(784, a, b, 10)) for a, b in scale.sizes]

    def specs(precision: str, share: float) -> list[RunSpec]:
        train = TrainSpec(
            optimizer=Adam(learning_rate=1e-3), steps=max(1, round(share * updates)),
            batch_size=batch, precision=precision, measure_examples=0,
        )  # fmt: skip
        return [RunSpec(model=model, data=data, train=train, seed=0) for model in models]

    flop = updates * batch * sum(_flop(model) for model in models)
    whole = scale.examples // batch * batch
    batches = x[:whole].reshape(-1, batch, 784), y[:whole].reshape(-1, batch)
    widest = MLP(widths=(784, *np.max(scale.sizes, axis=0).tolist(), 10))
    group = Group(widest, len(models), updates, *batches)
    return Workload("19 x 80", specs, [group], updates * len(models), flop)


def byte_models(scale: Scale) -> Workload:
    """An IsoFLOP grid: what each size is trained for costs the same."""

    models = [
        LanguageModel(vocabulary=VOCABULARY, context=CONTEXT, d_model=d, n_layers=n,
                      d_head=D_HEAD, d_mlp=4 * d)
        for d, n in scale.shapes
    ]  # fmt: skip
    updates = [round(scale.steps * _flop(models[-1]) / _flop(model)) for model in models]
    data = Examples(n=scale.batch * min(64, scale.steps), tokens=True)
    x, y, *_ = data.load(TorchDraws(0))

    def specs(precision: str, share: float) -> list[RunSpec]:
        return [
            RunSpec(
                model=model, data=data, seed=0,
                train=TrainSpec(
                    optimizer=Adam(learning_rate=rate), steps=max(1, round(share * steps)),
                    batch_size=scale.batch, precision=precision, measure_examples=0,
                ),
            )
            for model, steps in zip(models, updates, strict=True)
            for rate in RATES
        ]  # fmt: skip

    batches = x.reshape(-1, scale.batch, CONTEXT), y.reshape(-1, scale.batch, CONTEXT)
    groups = [
        Group(model, len(RATES), k, *batches) for model, k in zip(models, updates, strict=True)
    ]
    flop = sum(
        k * len(RATES) * scale.batch * _flop(m) for m, k in zip(models, updates, strict=True)
    )
    return Workload("IsoFLOP grid", specs, groups, sum(updates) * len(RATES), flop)


def _flop(model: Any) -> float:
    counts = model.counts()
    return float(counts.forward_flop + counts.backward_flop)
