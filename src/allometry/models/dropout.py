"""Dropout."""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["dropped"]


def dropped(x: jax.Array, share: float, key: jax.Array) -> jax.Array:
    """x with a share of its entries set to zero and the others divided by 1 - share."""
    # float32, so that the draws are the same in every precision.
    kept = jax.random.bernoulli(key, np.float32(1 - share), x.shape)
    return jnp.where(kept, x / (1 - share), 0)
