"""Dropout."""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["dropped"]


def dropped(x: jax.Array, share: float, key: jax.Array) -> jax.Array:
    """x with a share of its entries set to zero, the others divided by what is left."""
    # The same draws in every precision.
    kept = jax.random.bernoulli(key, np.float32(1 - share), x.shape)
    return jnp.where(kept, x / (1 - share), 0)
