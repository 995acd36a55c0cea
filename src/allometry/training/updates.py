"""Gradient descent as compiled programs: many updates a call.

`update_batches` serves packs: a whole batch at once, all members side by side.
`update_chunks` serves networks that train alone in chunks that fit the cache,
and adds their gradients up to the end of each batch.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from allometry.datasets.resident import Resident
from allometry.spec.optimizers import Optimizer
from allometry.training.losses import LOSSES
from allometry.training.packing.layouts import Form
from allometry.training.precision import low

__all__ = ["Chunks", "State", "in_chunks", "update_batches", "update_chunks"]

MOST_CHUNKS = 2048  # of one call, unless a single batch has more: one compilation for all lengths


class State(NamedTuple):
    """What an update changes."""

    params: Any
    optimizer: Any


class Chunks(NamedTuple):
    """The examples of some whole batches, cut into chunks.

    rows, weight: positions and shares in the mean of their batch, ``(chunks, size)``;
        what fills up a chunk has no weight.
    last: whether a chunk is the last of its batch, ``(chunks,)``.
    n: chunks in use. The arrays are longer, so that one program serves all lengths.
    """

    rows: NDArray[np.int32]
    weight: NDArray[np.floating[Any]]
    last: NDArray[np.bool_]
    n: int


@partial(
    jax.jit, static_argnames=("form", "optimizer", "loss", "precision"), donate_argnames=("state",)
)
def update_batches(
    form: Form,
    optimizer: Optimizer,
    loss: str,
    precision: str,
    state: State,
    rates: jax.Array,
    x: jax.Array,
    y: jax.Array,
    index: jax.Array,
    weight: jax.Array,
    n: jax.Array,
) -> tuple[State, jax.Array]:
    """The first n updates of a chunk, and which members are finite after them, ``(K,)``."""
    step = _step(form, optimizer, rates)

    def total_loss(params: Any, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
        # A sum over members: the gradient of each is its own.
        each = LOSSES[loss](_outputs(form.apply, form, precision, params, x), y)
        return (each * weight).sum() / weight.sum()

    def update(i: jax.Array, state: State) -> State:
        # Gathered once for all members, a batch at a time: it is in the cache when it is used.
        rows = index[i]
        return step(state, jax.grad(total_loss)(state.params, x[rows], y[rows], weight[i]))

    state = jax.lax.fori_loop(0, n, update, state)
    return state, form.finite(state.params)


@partial(
    jax.jit, static_argnames=("form", "optimizer", "loss", "precision"), donate_argnames=("state",)
)
def update_chunks(
    form: Form,
    optimizer: Optimizer,
    loss: str,
    precision: str,
    state: State,
    rates: jax.Array,
    x: Resident,
    y: Resident,
    chunks: Chunks,
    key: jax.Array,
) -> tuple[State, jax.Array]:
    """The updates of all the batches in `chunks`, and whether the network is finite, ``(1,)``.

    Args:
        key: of the draws of networks with dropout; each chunk has its own.
    """
    step = _step(form, optimizer, rates)

    def total_loss(params: Any, rows: jax.Array, weight: jax.Array, key: jax.Array) -> jax.Array:
        apply = partial(form.apply_training, key=key)
        outputs = _outputs(apply, form, precision, params, x.array[x.first + rows])
        each = LOSSES[loss](outputs, y.array[y.first + rows])
        return (each * weight).sum()

    def chunk(i: jax.Array, carried: tuple[State, Any]) -> tuple[State, Any]:
        state, before = carried
        own = jax.random.fold_in(key, i)
        here = jax.grad(total_loss)(state.params, chunks.rows[i], chunks.weight[i], own)
        gradient = jax.tree.map(jnp.add, before, here)

        def update() -> tuple[State, Any]:
            return step(state, gradient), jax.tree.map(jnp.zeros_like, gradient)

        return jax.lax.cond(chunks.last[i], update, lambda: (state, gradient))

    zeros = jax.tree.map(jnp.zeros_like, state.params)
    state, _ = jax.lax.fori_loop(0, chunks.n, chunk, (state, zeros))
    return state, form.finite(state.params)


def _outputs(
    apply: Callable[[Any, jax.Array], jax.Array],
    form: Form,
    precision: str,
    params: Any,
    x: jax.Array,
) -> jax.Array:
    """What the members answer, ``(K, B, n_out)``, worked out in this precision."""
    if precision != "bfloat16":
        return apply(params, x)
    return apply(low(params), x if form.symbols else low(x)).astype(jnp.float32)


def in_chunks(
    batches: Sequence[tuple[NDArray[np.int32], NDArray[np.float32]]],
    size: int,
    held: type[np.floating[Any]] = np.float32,
) -> Iterator[tuple[int, Chunks]]:
    """(updates, their chunks) for each call of `update_chunks`, from batches of one length.

    Args:
        batches: positions and weights (1, or 0 for what fills a batch up), ``(B,)`` each.
        size: examples a chunk.
        held: type of their shares in the mean.
    """
    width = -(-len(batches[0][0]) // size)
    at_once = max(1, MOST_CHUNKS // width)
    for first in range(0, len(batches), at_once):
        part = batches[first : first + at_once]
        yield len(part), _chunks(part, size, max(MOST_CHUNKS, width), held)


def _chunks(
    batches: Sequence[tuple[NDArray[np.int32], NDArray[np.float32]]],
    size: int,
    length: int,
    held: type[np.floating[Any]],
) -> Chunks:
    index = np.zeros((length, size), dtype=np.int32)
    weight = np.zeros((length, size), dtype=held)
    last = np.zeros(length, dtype=bool)
    n = 0
    for rows, ones in batches:
        count = int(ones.sum())
        end = n - (-count // size)
        index[n:end].reshape(-1)[:count] = rows[:count]
        weight[n:end].reshape(-1)[:count] = held(1 / count)
        last[end - 1] = True
        n = end
    return Chunks(index, weight, last, n)


def _step(form: Form, optimizer: Optimizer, rates: jax.Array) -> Callable[[State, Any], State]:
    """From state and gradient to the next state; each member at its own rate."""
    direction = optimizer.direction()
    scale = form.per_member(-rates)

    def step(state: State, gradient: Any) -> State:
        move, optimizer_state = direction.update(gradient, state.optimizer, state.params)
        move = jax.tree.map(lambda d, s: d * s, move, scale)
        return State(optax.apply_updates(state.params, move), optimizer_state)

    return step
