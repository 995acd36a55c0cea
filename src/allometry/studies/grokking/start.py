"""Training set, templates and initial weights, drawn exactly as by NumPy and PyTorch."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.spec.torch_draws import TorchDraws
from allometry.studies.grokking.spec import ToyModel

__all__ = ["Layer", "Start", "draw_start", "perceptron"]

Float = NDArray[np.float32]
Layer = tuple[Float, Float]


class Start(NamedTuple):
    """The state of a run before its first update.

    Attributes:
        train: positions of the training questions in the order drawn, ``(n_train,)``.
        templates: of the answers, ``(n_answers, output_dim)``.
        inputs: the encoder's inputs for the symbols, ``(n_symbols, output_dim)``, or None.
        encoder: three layers, each weights ``(in, out)`` and bias, or None without an encoder.
        latent: the drawn representation ``(n_symbols, latent_dim)``, or None if the untrained
            encoder gives it.
        decoder: three layers, like those of the encoder.
    """

    train: NDArray[np.int64]
    templates: Float
    inputs: Float | None
    encoder: tuple[Layer, ...] | None
    latent: Float | None
    decoder: tuple[Layer, ...]


def perceptron(draws: TorchDraws, widths: tuple[int, ...]) -> tuple[Layer, ...]:
    """Layers as drawn by ``nn.Linear`` one after another, with weights ``(in, out)``."""
    layers = []
    for fan_in, fan_out in pairwise(widths):
        weight, bias = draws.linear(fan_in, fan_out)
        layers.append((np.ascontiguousarray(weight.T), bias))
    return tuple(layers)


def draw_start(spec: ToyModel) -> Start:
    """All random draws of a run, from its seed alone.

    The order of the draws depends on the protocol. ``notebook``: NumPy draws the training set, the
    inputs and the templates; PyTorch draws the encoder and the decoder. ``published``: NumPy draws
    the templates and the training set; PyTorch draws the representation and the decoder.
    ``permutations``: NumPy draws as for ``published``; PyTorch draws an encoder, which is not
    used, the decoder and the representation.
    """
    task, numbers, draws = spec.task, np.random.RandomState(spec.seed), TorchDraws(spec.seed)
    hidden = (spec.width, spec.width)
    decoder_widths = (spec.latent_dim, *hidden, spec.outputs)

    def normal(rows: int) -> Float:
        return numbers.normal(0, 1, size=(rows, spec.outputs)).astype(np.float32)

    def train_set() -> NDArray[np.int64]:
        return numbers.choice(len(task.pairs), spec.n_train, replace=False)

    def table() -> Float:
        unit = draws.uniform((task.n_symbols, spec.latent_dim), 0.0, 1.0)
        return (unit - np.float32(0.5)) * np.float32(spec.init_scale)

    if spec.protocol == "notebook":
        train, inputs, templates = train_set(), normal(task.n_symbols), normal(task.n_answers)
        encoder = perceptron(draws, (spec.outputs, *hidden, spec.latent_dim))
        decoder = perceptron(draws, decoder_widths)
        return Start(train, templates, inputs, encoder, None, decoder)
    templates, train = normal(task.n_answers), train_set()
    if spec.protocol == "published":
        latent = table()
        return Start(train, templates, None, None, latent, perceptron(draws, decoder_widths))
    perceptron(draws, (1, *hidden, spec.latent_dim))
    decoder = perceptron(draws, decoder_widths)
    return Start(train, templates, None, None, table(), decoder)
