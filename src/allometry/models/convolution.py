"""Convolution, ReLU and pooling as one step with a custom gradient.

Every step is a 3 x 3 convolution padded with zeros, plus bias, ReLU and the
maximum over blocks of 2 x 2. The batch is the last axis of images, ``(channels, H, W, B)``,
so that every shift is a copy of whole rows and every product a plain matrix
product over long rows.

The inner convolution is Winograd's F(2x2, 3x3) (Lavin & Gray, 1509.09308, section
4.1): each block of the pooling is one tile of 2 x 2 outputs, computed in 16 products
where the definition takes 36. Its transforms are sums and halves, so its rounding errors
are about those of the definition. Its gradient uses the transposed transforms. XLA's own
gradient on a CPU takes five times as long as its forward pass.

Of equal values in a block the first in reading order gets the gradient, as in PyTorch.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["conv_relu_pool", "image_relu_pool"]

Arrays = list[jax.Array]
# From the 16 products of a tile to its 4 outputs, A^T m A.
A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], dtype=np.float32)
OUTPUTS = np.kron(A, A)
# Which of the 4 inputs of a tile each of the 3 weights multiplies, for each of the 2 outputs.
PLACES = np.array([np.eye(3, 4), np.eye(3, 4, 1)], dtype=np.float32)

# ---- the convolution of many channels ---------------------------------------------------


@jax.custom_vjp
def conv_relu_pool(x: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    """Pooled outputs ``(out, H/2, W/2, B)``.

    Args:
        x: ``(in, H, W, B)``, H and W even.
        weight: ``(out, in, 3, 3)`` as in PyTorch. bias: ``(out,)``.
    """
    return _forward(x, weight, bias)[0]


def _forward(x: jax.Array, weight: jax.Array, bias: jax.Array) -> tuple[jax.Array, Any]:
    tiles = _input_tiles(x)
    # XLA multiplies matrices such as these faster if the summed index is not the last of the
    # first factor; so weights (16, in, out) here and (16, out, in) for the gradient.
    products = jnp.einsum("kio,kin->kon", _weights_to_tile(weight.transpose(2, 3, 1, 0)), tiles)
    outputs = _outputs(products)
    pooled = _pool(outputs, bias, _pooled_shape(x, weight))
    weights = _weights_to_tile(weight.transpose(2, 3, 0, 1))
    return pooled, (tiles, weights, _chosen(outputs, pooled))


def _backward(kept: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    tiles, weights, chosen = kept
    of_outputs, of_bias = _to_chosen(gradient, chosen)
    of_products = (OUTPUTS.T @ of_outputs.reshape(4, -1)).reshape(16, *chosen.shape)
    of_weight = _weight_gradient(jnp.einsum("kon,kin->koi", of_products, tiles))
    of_tiles = jnp.einsum("koi,kon->kin", weights, of_products)
    of_x = _input_gradient(of_tiles, (weights.shape[2], *gradient.shape[1:]))
    return of_x, of_weight, of_bias


conv_relu_pool.defvjp(_forward, _backward)


# ---- the convolution of an image --------------------------------------------------------


@jax.custom_vjp
def image_relu_pool(x: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    """Pooled outputs ``(out, H/2, W/2, B)`` of images of one channel.

    Computed by definition, with all four outputs of a tile in one matrix product. The images
    get no gradient, as nothing before them is trained.

    Args:
        x: ``(H, W, B)``, H and W even.
        weight: ``(out, 1, 3, 3)`` as in PyTorch. bias: ``(out,)``.
    """
    return _image_forward(x, weight, bias)[0]


def _image_forward(x: jax.Array, weight: jax.Array, bias: jax.Array) -> tuple[jax.Array, Any]:
    tiles = _image_tiles(x)
    placed = jnp.einsum("pra,qsb,ors->pqoab", PLACES, PLACES, weight[:, 0], precision="highest")
    outputs = (placed.reshape(-1, 16) @ tiles).reshape(4, len(weight), -1)
    pooled = _pool(list(outputs), bias, _pooled_shape(x[None], weight))
    return pooled, (tiles, _chosen(list(outputs), pooled))


def _image_backward(kept: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    tiles, chosen = kept
    out, height, width, batch = gradient.shape
    of_outputs, of_bias = _to_chosen(gradient, chosen)
    of_placed = jnp.einsum("kn,tn->kt", of_outputs.reshape(4 * out, -1), tiles)
    of_placed = of_placed.reshape(2, 2, out, 4, 4)
    of_weight = jnp.einsum("pra,qsb,pqoab->ors", PLACES, PLACES, of_placed, precision="highest")
    nothing = jnp.zeros((2 * height, 2 * width, batch), gradient.dtype)
    return nothing, of_weight[:, None], of_bias


image_relu_pool.defvjp(_image_forward, _image_backward)


# ---- blocks of the pooling --------------------------------------------------------------


def _pooled_shape(x: jax.Array, weight: jax.Array) -> tuple[int, ...]:
    return len(weight), x.shape[1] // 2, x.shape[2] // 2, x.shape[3]


def _pool(outputs: Arrays, bias: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The largest of the four outputs of each block, bias and ReLU after it."""
    return jax.nn.relu(_largest(outputs) + bias[:, None]).reshape(shape)


def _largest(outputs: Arrays) -> jax.Array:
    a, b, c, d = outputs
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))


def _chosen(outputs: Arrays, pooled: jax.Array) -> jax.Array:
    """Which of the four outputs is the largest, ``(out, n)``: the first of equal ones.

    4 where the ReLU makes the pooled output zero.
    """
    top = _largest(outputs)
    a, b, c, _ = outputs
    later = jnp.where(b == top, 1.0, jnp.where(c == top, 4.0, 9.0))
    squares = jnp.where(pooled.reshape(top.shape) > 0, jnp.where(a == top, 0.0, later), 16.0)
    # XLA recomputes cheap expressions at every use, here beginning with the products, but stores
    # the result of a square root. With the root this takes half the time.
    return jnp.sqrt(squares)


def _to_chosen(gradient: jax.Array, chosen: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Gradients ``(4, out, n)`` of the four outputs and ``(out,)`` of the bias."""
    passed = jnp.where(chosen < 4, gradient.reshape(chosen.shape), 0)
    four = jnp.arange(4, dtype=chosen.dtype)[:, None, None]
    return jnp.where(chosen == four, passed, 0), passed.sum(axis=1)


# ---- tiles of 4 x 4 inputs, two apart ---------------------------------------------------


def _quarters(x: jax.Array) -> jax.Array:
    """x padded with zeros and split into even and odd rows and columns.

    ``(2, 2, channels, H/2 + 1, W/2 + 1, B)``.
    """
    channels, height, width, batch = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    parted = padded.reshape(channels, height // 2 + 1, 2, width // 2 + 1, 2, batch)
    return parted.transpose(2, 4, 0, 1, 3, 5)


def _image_tiles(x: jax.Array) -> jax.Array:
    """Tiles ``(16, H/2 W/2 B)`` of images ``(H, W, B)``."""
    rows = _four(_quarters(x[None])[:, :, 0], axis=2)
    return jnp.stack([jnp.stack(_four(row, axis=2)) for row in rows]).reshape(16, -1)


def _four(parts: jax.Array, axis: int) -> Arrays:
    """The 4 inputs of every tile along one axis, given the even and odd places of that axis."""
    n = parts.shape[axis]
    return [
        jax.lax.slice_in_dim(parts[k % 2], k // 2, k // 2 + n - 1, axis=axis - 1) for k in range(4)
    ]


# ---- Winograd's transforms --------------------------------------------------------------


def _input_tiles(x: jax.Array) -> jax.Array:
    """``(16, in, H/2 W/2 B)``: B^T d B of tiles d."""
    rows = jnp.stack(_inputs_to_tile(_four(_quarters(x), axis=3)), axis=1)
    both = jnp.stack(_inputs_to_tile(_four(rows, axis=4)), axis=1)
    return both.reshape(16, len(x), -1)


def _inputs_to_tile(d: Sequence[jax.Array]) -> Arrays:
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _tile_to_inputs(v: Sequence[jax.Array]) -> Arrays:
    """`_inputs_to_tile` transposed."""
    return [v[0], v[1] - v[2] + v[3], v[1] + v[2] - v[0], -v[3]]


def _weights_to_tile(w: jax.Array) -> jax.Array:
    """``(16, a, b)`` of weights ``(3, 3, a, b)``: G w G^T, G of Lavin & Gray, equation 8."""
    rows = jnp.stack(_three_to_four(w), axis=1)
    return jnp.stack(_three_to_four(rows), axis=1).reshape(16, *w.shape[2:])


def _three_to_four(w: jax.Array) -> Arrays:
    outer = 0.5 * (w[0] + w[2])
    return [w[0], outer + 0.5 * w[1], outer - 0.5 * w[1], w[2]]


def _weight_gradient(of_weights: jax.Array) -> jax.Array:
    """Gradient ``(out, in, 3, 3)`` from ``(16, out, in)``: `_weights_to_tile` transposed."""
    of_rows = jnp.stack(_four_to_three(of_weights.reshape(4, 4, *of_weights.shape[1:])), axis=1)
    return jnp.stack(_four_to_three(of_rows), axis=1).transpose(2, 3, 0, 1)


def _four_to_three(v: jax.Array) -> Arrays:
    inner = 0.5 * (v[1] + v[2])
    return [v[0] + inner, 0.5 * (v[1] - v[2]), inner + v[3]]


def _outputs(products: jax.Array) -> Arrays:
    """The four outputs ``(out, n)`` of a tile from its products ``(16, out, n)``."""
    m = products.reshape(4, 4, *products.shape[1:])
    # As separate arrays, so that the largest is found in the same pass over the products.
    rows = [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
    return [y for r in rows for y in (r[0] + r[1] + r[2], r[1] - r[2] - r[3])]


def _input_gradient(of_tiles: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Gradient ``(in, H, W, B)`` of the inputs from that of their overlapping tiles.

    Args:
        of_tiles: ``(16, in, n)``. shape: ``(in, H/2, W/2, B)``.
    """
    channels, height, width, batch = shape
    tiles = of_tiles.reshape(4, 4, *shape)
    columns = _tile_to_inputs([tiles[:, k] for k in range(4)])
    inner = jnp.stack(_overlap(columns, axis=3), axis=4)
    whole = jnp.stack(_overlap(_tile_to_inputs(list(inner)), axis=1), axis=2)
    return whole.reshape(channels, 2 * height, 2 * width, batch)


def _overlap(parts: Arrays, axis: int) -> Arrays:
    """Even and odd inputs, summed over tiles; a tile begins one place before its block."""
    return [parts[1] + _moved(parts[3], axis, 1), _moved(parts[0], axis, -1) + parts[2]]


def _moved(x: jax.Array, axis: int, by: int) -> jax.Array:
    """x shifted by one place and filled with zeros."""
    margin = [(0, 0)] * x.ndim
    margin[axis] = (1, 0) if by > 0 else (0, 1)
    first = 0 if by > 0 else 1
    return jax.lax.slice_in_dim(jnp.pad(x, margin), first, first + x.shape[axis], axis=axis)
