"""Matrix products and activations whose gradients XLA computes without reordering activations.

Each computes what the plain expression does. Their derivatives are written so that the gradients
that follow from them contract activations in the order in which they lie in memory; on a CPU the
plain expressions spent most of the time of a training step on reordering.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["gelu", "kept", "linear", "turned"]

kept: Callable[[Any], Any] = jax.lax.optimization_barrier
"""Computes arrays once; otherwise XLA recomputes them in every operation that reads them."""


def turned(x: jax.Array) -> jax.Array:
    """x with its last two axes exchanged, in memory too."""
    return jnp.swapaxes(kept(x), -1, -2)


@jax.custom_jvp
def linear(x: jax.Array, weight: jax.Array) -> jax.Array:
    """``x @ weight.T`` for x ``(B, T, n_in)`` and a weight ``(n_out, n_in)``."""
    return x @ weight.T


@linear.defjvp
def _linear_tangent(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x, weight), (of_x, of_weight) = primals, tangents
    # With this form, the gradient of the weight is computed per example and then summed.
    of_examples = jnp.broadcast_to(of_weight, (len(x), *of_weight.shape))
    return linear(x, weight), of_x @ weight.T + jnp.einsum("bti,boi->bto", x, of_examples)


@jax.custom_jvp
def gelu(x: jax.Array) -> jax.Array:
    """``x Phi(x)`` with the normal distribution function Phi (Hendrycks & Gimpel, 1606.08415)."""
    return jax.nn.gelu(x, approximate=False)


@gelu.defjvp
def _gelu_tangent(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (of_x,) = primals, tangents
    below = (1 + jax.lax.erf(x * np.sqrt(0.5).astype(x.dtype))) / 2
    density = jnp.exp(-jnp.square(x) / 2) * np.sqrt(0.5 / np.pi).astype(x.dtype)
    units, slope = kept((x * below, below + x * density))
    return units, slope * of_x
