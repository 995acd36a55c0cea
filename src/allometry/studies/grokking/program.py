"""The compiled training program: full-batch updates, with all measurements at every update.

A chunk of epochs is one call. The forward pass is over all questions, so that training and test
outputs are from one product; the loss has weight 0 for test questions. RQI is from one product of
the parallelograms' coefficients with the representation.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from allometry.studies.grokking.algebra import coefficients
from allometry.studies.grokking.spec import ToyModel
from allometry.studies.grokking.start import Start
from allometry.studies.grokking.task import Task, addition_task, permutation_task

__all__ = [
    "CHUNK",
    "Fixed",
    "Record",
    "Shape",
    "State",
    "begin",
    "latent_of",
    "right_now",
    "train_chunk",
]

CHUNK = 500  # epochs per call; few, so that records stay small and a stop takes effect soon
B1, B2, EPS = 0.9, 0.999, 1e-8  # PyTorch's defaults of Adam
LOG_B1, LOG_B2 = math.log(B1), math.log(B2)
CLOSE = {"addition": 0.01, "permutations": 0.5}  # mean squared residual of a parallelogram

Params = Any


@dataclass(frozen=True)
class Shape:
    """The constants of a compiled program; runs with equal constants share a program."""

    operation: str
    p: int
    modulo: bool
    latent_dim: int
    outputs: int
    width: int
    encoder: str
    loss: str
    centred: bool

    @classmethod
    def of(cls, spec: ToyModel) -> "Shape":
        """The constants of the program for a run."""
        return cls(
            spec.operation, spec.p, spec.modulo, spec.latent_dim, spec.outputs, spec.width,
            spec.encoder, spec.loss, spec.protocol == "published",
        )  # fmt: skip

    @property
    def task(self) -> Task:
        """The questions and answers of the runs."""
        adds = self.operation == "addition"
        return addition_task(self.p, self.modulo) if adds else permutation_task()


class Fixed(NamedTuple):
    """The arrays that do not change during a run.

    Attributes:
        order: positions of the questions, the training questions first and in the order drawn,
            ``(questions,)``.
        weight: weight of each of these in the loss, 0 for test questions, ``(questions,)``.
        templates: of the answers, ``(n_answers, outputs)``.
        inputs: of the encoder, or None.
        rates: learning rate and weight decay of representation and decoder, ``(2, 2)``.
        sparsity: weight of the mean absolute representation, a scalar.
    """

    order: jax.Array
    weight: jax.Array
    templates: jax.Array
    inputs: jax.Array | None
    rates: jax.Array
    sparsity: jax.Array


class State(NamedTuple):
    """The state of a run: (representation, decoder), Adam's two moments, number of updates."""

    params: Params
    first: Params
    second: Params
    step: jax.Array


class Record(NamedTuple):
    """The values recorded at each epoch of a chunk, ``(CHUNK, ...)``.

    `loss`, `train_right` and `test_right` are of the outputs before the epoch's update;
    `parallelograms` (the number of closed ones) and `latent` are of the representation after it.
    """

    loss: jax.Array
    train_right: jax.Array
    test_right: jax.Array
    parallelograms: jax.Array
    latent: jax.Array


def begin(spec: ToyModel, start: Start, *, swapped: bool = False) -> tuple[Fixed, State]:
    """The arrays and the state of a run before its first update.

    Args:
        swapped: whether the two learning rates are swapped.
    """
    shape = Shape.of(spec)
    rates = [[spec.eta_repr, spec.weight_decay_repr], [spec.eta_dec, spec.weight_decay]]
    if swapped:
        rates[0][0], rates[1][0] = rates[1][0], rates[0][0]
    # In this order sums over questions are rounded as PyTorch's are.
    mask = shape.task.train_mask(start.train)
    order = np.concatenate([start.train, np.flatnonzero(~mask)])
    fixed = Fixed(
        order=jnp.asarray(order, jnp.int32),
        weight=jnp.asarray(mask[order], jnp.float32),
        templates=jnp.asarray(start.templates),
        inputs=None if start.inputs is None else jnp.asarray(start.inputs),
        rates=jnp.asarray(rates, jnp.float32),
        sparsity=jnp.float32(spec.sparsity),
    )
    decoder = jax.tree.map(jnp.asarray, start.decoder)
    encoder: Params = start.latent
    if start.encoder is not None:
        encoder = jax.tree.map(jnp.asarray, start.encoder)
        encoder = encoder if shape.encoder == "network" else _perceptron(encoder, fixed.inputs)
    params = (jax.tree.map(jnp.asarray, encoder), decoder)
    zero = jax.tree.map(jnp.zeros_like, params)
    # Donated buffers must be distinct.
    return fixed, State(params, zero, jax.tree.map(jnp.copy, zero), jnp.int32(0))


def _perceptron(layers: Params, x: Any) -> jax.Array:
    (w1, b1), (w2, b2), (w3, b3) = layers
    outputs: jax.Array = jnp.tanh(jnp.tanh(x @ w1 + b1) @ w2 + b2) @ w3 + b3
    return outputs


def latent_of(shape: Shape, fixed: Fixed, params: Params) -> jax.Array:
    """The representation, ``(n_symbols, latent_dim)``."""
    return _perceptron(params[0], fixed.inputs) if shape.encoder == "network" else params[0]


def _combined(shape: Shape, latent: jax.Array) -> jax.Array:
    """The decoder's input for each question, ``(questions, latent_dim)``."""
    first, second = np.ascontiguousarray(shape.task.pairs.T)
    if shape.operation == "addition":
        # The precision is set so that sums are exact on GPUs too, which otherwise truncate factors.
        both = np.zeros((len(first), shape.task.n_symbols), np.float32)
        np.add.at(both, (np.arange(len(first)), first), 1)
        np.add.at(both, (np.arange(len(first)), second), 1)
        return jnp.matmul(both, latent, precision="highest")
    side = round(shape.latent_dim**0.5)
    matrices = latent.reshape(-1, side, side)
    return (matrices[first] @ matrices[second]).reshape(len(first), -1)


def _loss(shape: Shape, fixed: Fixed, params: Params) -> tuple[jax.Array, jax.Array]:
    """The training loss, and the outputs for all questions ``(questions, outputs)``."""
    latent = latent_of(shape, fixed, params)
    outputs = _perceptron(params[1], _combined(shape, latent)[fixed.order])
    answer = jnp.asarray(shape.task.answer)[fixed.order]
    if shape.loss == "mse":
        losses = jnp.square(outputs - fixed.templates[answer]).mean(axis=1)
    else:
        one_hot = jax.nn.one_hot(answer, shape.outputs)
        losses = jax.nn.logsumexp(outputs, axis=1) - (outputs * one_hot).sum(axis=1)
    loss = (losses * fixed.weight).sum() / fixed.weight.sum()
    return loss + fixed.sparsity * jnp.abs(latent).mean(), outputs


def _right(shape: Shape, fixed: Fixed, outputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Numbers of training and of test questions answered correctly.

    The answer given is the nearest template, or the largest output for cross-entropy.
    """
    if shape.loss == "mse":
        t = fixed.templates
        # The negative squared distance without the outputs' norm, which is equal for all templates.
        score = 2 * outputs @ t.T - jnp.square(t).sum(axis=1)
    else:
        score = outputs
    correct = (score.argmax(axis=1) == jnp.asarray(shape.task.answer)[fixed.order]).astype(
        jnp.float32
    )
    return (correct * fixed.weight).sum(), (correct * (1 - fixed.weight)).sum()


def _realised(shape: Shape, latent: jax.Array) -> jax.Array:
    """Number of parallelograms of P0 that the representation closes."""
    if shape.operation == "addition":
        if shape.centred:
            latent = latent - latent.mean(axis=0)
        scaled = latent / latent.std(axis=0, ddof=1)
        gap = jnp.matmul(coefficients(shape.task).astype(np.float32), scaled, precision="highest")
    else:
        scaled = latent / jnp.sqrt(jnp.square(latent).mean())
        products = _combined(shape, scaled)
        one, other = shape.task.parallelograms.T
        gap = products[one] - products[other]
    return (jnp.square(gap).mean(axis=1) < CLOSE[shape.operation]).sum()


def _adam(state: State, gradient: Params, rates: jax.Array) -> State:
    """One update as by torch.optim.AdamW: decay first, then the bias-corrected step."""
    step = state.step + 1
    t = step.astype(jnp.float32)
    # 1 - b^t would lose its digits in float32 while b^t is nearly 1.
    correct1, correct2 = -jnp.expm1(t * LOG_B1), jnp.sqrt(-jnp.expm1(t * LOG_B2))
    first = jax.tree.map(lambda m, g: m + (1 - B1) * (g - m), state.first, gradient)
    second = jax.tree.map(lambda v, g: B2 * v + (1 - B2) * g * g, state.second, gradient)

    def moved(p: jax.Array, m: jax.Array, v: jax.Array, rate: jax.Array) -> jax.Array:
        decayed = p * (1 - rate[0] * rate[1])
        return decayed - (rate[0] / correct1) * m / (jnp.sqrt(v) / correct2 + EPS)

    params = tuple(
        jax.tree.map(partial(moved, rate=rates[k]), state.params[k], first[k], second[k])
        for k in range(2)
    )
    return State(params, first, second, step)


def _epoch(shape: Shape, fixed: Fixed, state: State) -> tuple[State, Record]:
    loss = partial(_loss, shape, fixed)
    (value, outputs), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    state = _adam(state, gradient, fixed.rates)
    train_right, test_right = _right(shape, fixed, outputs)
    latent = latent_of(shape, fixed, state.params)
    count = jnp.uint16
    return state, Record(
        value, train_right.astype(count), test_right.astype(count),
        _realised(shape, latent).astype(count), latent,
    )  # fmt: skip


@partial(jax.jit, static_argnames=("shape",), donate_argnames=("state",))
def train_chunk(shape: Shape, fixed: Fixed, state: State, n: jax.Array) -> tuple[State, Record]:
    """Train `n` epochs, at most `CHUNK`, of runs stacked along the first axis of every array.

    Returns:
        The state, and the record of each run ``(runs, CHUNK, ...)``, zero beyond `n`.
    """

    def train_run(fixed: Fixed, state: State) -> tuple[State, Record]:
        arrays = jax.eval_shape(partial(_epoch, shape, fixed), state)[1]
        record = jax.tree.map(lambda a: jnp.zeros((CHUNK, *a.shape), a.dtype), arrays)

        def body(i: jax.Array, carry: tuple[State, Record]) -> tuple[State, Record]:
            state, record = carry
            state, values = _epoch(shape, fixed, state)
            return state, jax.tree.map(lambda array, value: array.at[i].set(value), record, values)

        end: tuple[State, Record] = jax.lax.fori_loop(0, n, body, (state, record))
        return end

    trained: tuple[State, Record] = jax.vmap(train_run)(fixed, state)
    return trained


@partial(jax.jit, static_argnames=("shape",))
def right_now(shape: Shape, fixed: Fixed, state: State) -> tuple[jax.Array, jax.Array]:
    """Numbers of training and test questions that each stacked run answers correctly now."""

    def count_run(fixed: Fixed, state: State) -> tuple[jax.Array, jax.Array]:
        return _right(shape, fixed, _loss(shape, fixed, state.params)[1])

    return jax.vmap(count_run)(fixed, state)
