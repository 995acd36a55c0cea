"""The noise of the gradient of a batch, and the gradient of all examples."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from allometry.errors import UsageError
from allometry.measures.examples import BATCH, EXAMPLES, Batch, batches, drawn_rows
from allometry.measures.network import Network
from allometry.models.model import Model
from allometry.models.precision import scope
from allometry.spec.losses import Loss

__all__ = ["gradient_noise_scale", "noise_and_signal"]

NUMBERS = 2**22  # of gradients held at once; 16 MB take half the time of 64


def gradient_noise_scale(net: Network, *, examples: int = EXAMPLES) -> dict[str, float]:
    """The simple noise scale B = tr(S) / (G . G), and the norm of G.

    McCandlish et al., 1812.06162, eq. 2.9: G is the gradient of the training loss, the mean over
    the n training examples, and S the covariance of the gradients of single examples. From the
    gradients g of N examples, with mean m and ``s = sum |g - m|^2 / (N - 1)``,
    ``tr(S) = (1 - 1/n) s`` and ``|G|^2 = |m|^2 - (1 - N/n) s / N``. With N = n that is exact. With
    fewer both are unbiased for examples drawn without replacement; without the terms in n they are
    the estimates of appendix A.1 from batches of 1 and N. Dropout is off.

    Args:
        examples: the largest N; the examples are drawn by the run's seed.

    Returns:
        `gradient_noise_scale`, in examples, NaN where the estimate of ``|G|^2`` is not positive;
        `gradient_norm`, the root of that estimate, NaN where it is negative.

    Raises:
        UsageError: one example is to be drawn from several.
    """
    n = len(net.split.train_x)
    rows = drawn_rows(n, examples, net.spec.seed)
    count = len(rows)
    if count == 1 < n:
        raise UsageError(f"gradient_noise_scale: 2 examples or more expected, got {examples}")
    total, squares = _sums(net, rows)
    noise, signal = noise_and_signal(float(np.square(total / count).sum()), squares, count, n)
    return {
        "gradient_noise_scale": noise / signal if signal > 0 else math.nan,
        "gradient_norm": math.sqrt(signal) if signal >= 0 else math.nan,
    }


def noise_and_signal(mean_square: float, squares: float, count: int, n: int) -> tuple[float, float]:
    """tr(S) and |G|^2 of all examples, from the gradients of some of them.

    Args:
        mean_square: squared norm of their mean.
        squares: their squared norms, summed.
        count: how many they are. n: all examples.
    """
    # Negative only by rounding, where gradients are equal.
    spread = max(squares - count * mean_square, 0.0) / max(count - 1, 1)
    return (1 - 1 / n) * spread, mean_square - (1 - count / n) * spread / count


def _sums(net: Network, rows: Any) -> tuple[Any, float]:
    """The sum of the gradients of single examples, ``(n_params,)``, and of their squared norms."""
    size = sum(array.size for array in net.params.values())
    at_once = min(BATCH, max(1, NUMBERS // size))
    total, squares = np.zeros(size), 0.0
    loss: Loss = net.spec.train.loss
    with scope(net.spec.train.precision):
        for batch in batches(net.split.train_x, net.split.train_y, rows, at_once):
            vector, square = _batch_sums(net.model, loss, dict(net.params), batch)
            total += np.asarray(vector)
            squares += float(square)
    return total, squares


@partial(jax.jit, static_argnames=("model", "loss"))
def _batch_sums(model: Model, loss: Loss, params: Any, batch: Batch) -> tuple[jax.Array, jax.Array]:
    def of_one(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return loss.each(model.apply(params, x[None]), y[None])[0]

    gradients = jax.vmap(jax.grad(of_one), (None, 0, 0))(params, batch.x, batch.y)
    by_example = [g.reshape(len(g), -1) for g in gradients.values()]
    total = jnp.concatenate([batch.inside @ g for g in by_example])
    squares = sum(batch.inside @ jnp.square(g).sum(axis=1) for g in by_example)
    return total, jnp.asarray(squares)
