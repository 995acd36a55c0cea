"""Causal attention with heads of one width."""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["attended", "rotated"]

BASE = 10_000.0  # of the wavelengths (Su et al., 2104.09864, section 3.2.2)


def rotated(x: jax.Array) -> jax.Array:
    """Queries or keys ``(..., T, d_head)`` rotated by their positions (Su et al., 2104.09864).

    Entry i of the first half and entry i of the second are one plane, as in GPT-NeoX; it turns by
    ``position * BASE^(-2i / d_head)``, so that a product of a query and a key depends on their
    distance alone.
    """
    length, width = x.shape[-2:]
    turns = np.outer(np.arange(length), BASE ** (-2 * np.arange(width // 2) / width))
    cos, sin = (jnp.asarray(f(turns), x.dtype) for f in (np.cos, np.sin))
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def attended(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """The values of positions up to each position, by softmax of query times key.

    Args:
        query, key, value: ``(B, H, T, d_head)``; the scale of the scores is in the queries.
    """
    length = query.shape[-2]
    scores = jnp.einsum("bhqe,bhke->bhqk", query, key)
    # bfloat16 has 8 bits, too few for sums.
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    causal = np.tri(length, dtype=bool)
    weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhqk,bhke->bhqe", weights.astype(value.dtype), value)
