"""Causal attention with heads of one width."""

import jax
import jax.numpy as jnp
import numpy as np

from allometry.models.language_model.products import turned

__all__ = ["attended", "rotated"]

BASE = 10_000.0  # of the wavelengths (Su et al., 2104.09864, section 3.2.2)
BLOCK = 64  # queries at once; keys after the last of them are left out


def rotated(x: jax.Array) -> jax.Array:
    """Queries or keys ``(..., T, d_head)`` rotated by their positions (Su et al., 2104.09864).

    Entry i of the first half and entry i of the second half span a plane, as in GPT-NeoX. It is
    rotated by ``position * BASE^(-2i / d_head)``, so that the product of a query and a key depends
    on their distance alone.
    """
    length, width = x.shape[-2:]
    turns = np.outer(np.arange(length), BASE ** (-2 * np.arange(width // 2) / width))
    cos, sin = (jnp.asarray(f(turns), x.dtype) for f in (np.cos, np.sin))
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def attended(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Causal attention: at each position, the mean of the values up to it, weighted by softmax.

    Args:
        query, key, value: ``(B, H, T, d_head)``; the queries include the scale of the scores.
    """
    length = query.shape[-2]
    ends = [min(first + BLOCK, length) for first in range(0, length, BLOCK)]
    blocks = [
        _block(query[..., first:end, :], key[..., :end, :], value[..., :end, :])
        for first, end in zip([0, *ends], ends, strict=False)
    ]
    return jnp.concatenate(blocks, axis=-2)


@jax.custom_jvp
def _block(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """`attended` for the queries ``(B, H, n, d_head)`` of the last n positions."""
    return _gathered(query, key, value)[0]


def _gathered(query: jax.Array, key: jax.Array, value: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The output of `_block`, and the weights ``(B, H, n, T)`` of the values."""
    n, length = query.shape[-2], key.shape[-2]
    scores = jnp.einsum("bhqe,bhke->bhqk", query, key)
    # bfloat16 has 8 bits, too few for sums.
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    causal = np.tri(n, length, length - n, dtype=bool)
    weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf), axis=-1).astype(value.dtype)
    return jnp.einsum("bhqk,bhke->bhqe", weights, value), weights


@_block.defjvp
def _block_tangent(
    primals: tuple[jax.Array, jax.Array, jax.Array],
    tangents: tuple[jax.Array, jax.Array, jax.Array],
) -> tuple[jax.Array, jax.Array]:
    """The derivative, written so that the gradient reads the weights in their order in memory."""
    (query, key, value), (of_query, of_key, of_value) = primals, tangents
    gathered, weights = _gathered(query, key, value)
    of_scores = jnp.einsum("bhqe,bhke->bhqk", of_query, key)
    of_scores += jnp.einsum("bhqe,bhek->bhqk", query, turned(of_key))
    moved = weights * of_scores
    of_gathered = jnp.einsum("bhqk,bhke->bhqe", moved, value)
    of_gathered -= moved.sum(axis=-1, keepdims=True) * gathered
    of_gathered += jnp.einsum("bhqk,bhek->bhqe", weights, turned(of_value))
    return gathered, of_gathered
