"""Loss and accuracy of the networks of a pack, over all the examples of a set."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.datasets.resident import resident
from allometry.training.packing.layouts import Form

__all__ = ["LOSSES", "cross_entropy", "evaluate", "squared_error"]

EVALUATION_BATCH = 1000


def cross_entropy(logits: jax.Array, y: jax.Array) -> jax.Array:
    """Nats, ``(K, B)``, of logits ``(K, B, classes)`` and labels ``(B,)``."""
    chosen = (logits * jax.nn.one_hot(y, logits.shape[-1])).sum(axis=-1)
    return jax.nn.logsumexp(logits, axis=-1) - chosen


def squared_error(outputs: jax.Array, y: jax.Array) -> jax.Array:
    """Mean over outputs of the squared distance to the one-hot label, ``(K, B)``."""
    return jnp.square(outputs - jax.nn.one_hot(y, outputs.shape[-1])).mean(axis=-1)


# By the names of `TrainSpec.loss`.
LOSSES = {"cross_entropy": cross_entropy, "squared_error": squared_error}


def evaluate(
    form: Form, loss: str, params: Any, x: Any, y: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean loss and share right of each member over all examples, ``(K,)`` each."""
    if form.chunk:
        # The arrays of the device as they are: one compilation for all numbers of examples.
        examples, labels = resident(x), resident(y)
        ends = jnp.array([examples.first, labels.first, len(x)])
        sums = _sums_from(form, loss, params, examples.array, labels.array, ends)
        return np.asarray(sums[0], np.float64) / len(x), np.asarray(sums[1], np.float64) / len(x)
    total, right = np.zeros(()), np.zeros(())
    size = min(EVALUATION_BATCH, len(x))
    for first in range(0, len(x), size):
        rows = np.arange(first, first + size)
        inside = rows < len(x)
        rows = np.minimum(rows, len(x) - 1)
        one, two = _sums(form, loss, params, x[rows], y[rows], inside.astype(np.float32))
        total, right = total + np.asarray(one, np.float64), right + np.asarray(two, np.float64)
    return total / len(x), right / len(x)


@partial(jax.jit, static_argnames=("form", "loss"))
def _sums_from(
    form: Form, loss: str, params: Any, x: jax.Array, y: jax.Array, ends: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Loss and number right summed over some examples, ``(K,)`` each, chunk by chunk.

    Args:
        ends: first row of x, first row of y, number of examples.
    """
    first_x, first_y, n = ends
    places = jnp.arange(form.chunk)

    def add(i: jax.Array, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        rows = i * form.chunk + places
        weight = (rows < n).astype(jnp.float32)
        rows = jnp.minimum(rows, n - 1)
        one, two = _sums(form, loss, params, x[first_x + rows], y[first_y + rows], weight)
        return sums[0] + one, sums[1] + two

    zeros = jnp.zeros(1), jnp.zeros(1)
    return jax.lax.fori_loop(0, (n + form.chunk - 1) // form.chunk, add, zeros)


@partial(jax.jit, static_argnames=("form", "loss"))
def _sums(
    form: Form, loss: str, params: Any, x: jax.Array, y: jax.Array, weight: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Loss and number right summed over a batch, ``(K,)`` each."""
    outputs = form.apply(params, x)
    right = (outputs.argmax(axis=-1) == y) * weight
    return (LOSSES[loss](outputs, y) * weight).sum(axis=-1), right.sum(axis=-1)
