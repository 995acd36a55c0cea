"""Regression on the outputs of a random network, the teacher."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from allometry.datasets.data import Data
from allometry.datasets.options import stream
from allometry.datasets.split import Split, read_only
from allometry.spec.torch_draws import TorchDraws

__all__ = ["Teacher"]

Floats = NDArray[np.float64]
Layers = list[tuple[Floats, Floats]]  # weight (fan_in, fan_out) and bias (fan_out,)

BLOCK = 1024  # inputs per product: one size, so that rounding does not depend on `n_train`
REFERENCE = 10 * BLOCK  # inputs over which mean and variance of the outputs are taken
DRAWN = 64  # sets cached: a study uses all its sizes again at every seed
# Second half of the key of a stream, as in `options`.
WEIGHTS, REFERENCES, TRAIN, TEST = (2**63 + 16 + i for i in range(4))
ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
}
GAIN = {"relu": 2.0, "tanh": 1.0}  # variance of the weights is this over the fan-in


class Teacher(Data):
    """Outputs of a random network on standard normal inputs.

    As in Sharma & Kaplan (2004.10802), who ask how the scaling exponents of a student depend on the
    dimension of its inputs. Inputs are independent standard normal. Weights are normal with
    variance 2 / fan-in (relu) or 1 / fan-in (tanh) in hidden layers and 1 / fan-in in the last
    layer; biases have standard deviation 0.1. Each output is centred and scaled to variance 1 over
    10,240 other inputs, so the mean squared error is about the unexplained share of the variance.
    The option `target_noise` adds noise.

    The training inputs are the first `n_train` of one stream, so that a larger training set
    contains a smaller one. The test set is the same for every size and seed.

    Attributes:
        n_in: dimension of the inputs.
        n_train, n_test: examples.
        n_out: outputs; targets are ``(n, n_out)``.
        hidden: widths of the teacher's hidden layers.
        activation: after each of them.
        teacher_seed: of the weights and of all inputs.
        fresh: whether the training inputs are drawn by the run's seed instead.
    """

    n_in: int = Field(ge=1)
    n_train: int = Field(ge=1)
    n_test: int = Field(default=10_000, ge=1)
    n_out: int = Field(default=1, ge=1)
    hidden: tuple[PositiveInt, ...] = (96, 96)
    activation: Literal["relu", "tanh"] = "relu"
    teacher_seed: int = Field(default=0, ge=0, lt=2**32)
    fresh: bool = False

    @property
    def n_data(self) -> int:
        return self.n_train

    def load(self, draws: TorchDraws) -> Split:
        widths = (self.n_in, *self.hidden, self.n_out)
        teacher = widths, self.activation, self.teacher_seed
        train = _examples(
            *teacher, draws.seed if self.fresh else self.teacher_seed, TRAIN, self.n_train
        )
        return Split(*train, *_examples(*teacher, self.teacher_seed, TEST, self.n_test))


@lru_cache(maxsize=DRAWN)
def _examples(
    widths: tuple[int, ...], activation: str, teacher_seed: int, seed: int, place: int, n: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The first n inputs of a stream and the answers to them."""
    layers, mean, spread = _network(widths, activation, teacher_seed)
    blocks = list(_blocks(seed, place, n, widths[0]))
    answers = [(_answer(layers, activation, x) - mean) / spread for x in blocks]
    x, y = (np.concatenate(part)[:n].astype(np.float32) for part in (blocks, answers))
    return read_only(x), read_only(y)


@lru_cache(maxsize=8)
def _network(widths: tuple[int, ...], activation: str, seed: int) -> tuple[Layers, Floats, Floats]:
    """Layers, and mean and standard deviation of each output over the reference inputs."""
    draws = stream(seed, WEIGHTS)
    gains = [GAIN[activation]] * (len(widths) - 2) + [1.0]
    layers = [
        (
            np.sqrt(gain / fan_in) * draws.standard_normal((fan_in, fan_out)),
            0.1 * draws.standard_normal(fan_out),
        )
        for gain, fan_in, fan_out in zip(gains, widths[:-1], widths[1:], strict=True)
    ]
    blocks = _blocks(seed, REFERENCES, REFERENCE, widths[0])
    answers = np.concatenate([_answer(layers, activation, x) for x in blocks])
    return layers, answers.mean(axis=0), answers.std(axis=0)


def _blocks(seed: int, place: int, n: int, n_in: int) -> Iterator[Floats]:
    """Inputs of a stream in whole blocks, n or more."""
    draws = stream(seed, place)
    for _ in range(0, n, BLOCK):
        # As float32, which is what a student sees.
        yield draws.standard_normal((BLOCK, n_in)).astype(np.float32).astype(np.float64)


def _answer(layers: Layers, activation: str, x: Floats) -> Floats:
    *hidden, (weight, bias) = layers
    for w, b in hidden:
        x = ACTIVATIONS[activation](x @ w + b)
    return x @ weight + bias
