"""Convolution, ReLU and pooling as one step with a gradient of its own.

Every step is a 3 x 3 convolution padded with zeros, plus bias, ReLU and the
maximum over blocks of 2 x 2. Images lie with the batch last, ``(channels, H, W, B)``,
so that every shift is a copy of whole rows and every product a plain matrix
product over long rows.

The inner convolution is Winograd's F(2x2, 3x3) (Lavin & Gray, 1509.09308, section
4.1): each block of the pooling is one tile of 2 x 2 outputs, computed in 16 products
where the definition takes 36. Its transforms are sums and halves, so it rounds
about as the definition does. Its gradient is made of the same transforms
transposed. XLA's own gradient on a CPU takes five times as long as its forward pass.

Of equal values in a block the first in reading order gets the gradient, as in PyTorch.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["conv_relu_pool", "image_relu_pool"]

Arrays = list[jax.Array]
# From 3 weights to 4 of a tile: G of Lavin & Gray, equation 8.
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], dtype=np.float32)
# From the 16 products of a tile to its 4 outputs, A^T m A.
A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], dtype=np.float32)
OUTPUTS = np.kron(A, A)
# Which of the 4 inputs of a tile each of the 3 weights is on, for each of the 2 outputs.
PLACES = np.array([np.eye(3, 4), np.eye(3, 4, 1)], dtype=np.float32)

# Barriers below keep XLA from computing a transform anew at every element that reads it.
_made = jax.lax.optimization_barrier


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
    weights = jnp.einsum("ar,oirs,bs->aboi", G, weight, G, precision="highest")
    weights = weights.reshape(16, *weight.shape[:2])
    tiles = _input_tiles(x)
    products = jnp.einsum("koi,kin->kon", weights, tiles)
    outputs = _outputs(products)
    pooled = _pool(outputs, bias, _pooled_shape(x, weight))
    return pooled, (tiles, weights, _first_largest(outputs), pooled)


def _backward(kept: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    tiles, weights, chosen, pooled = kept
    of_outputs = _to_chosen(gradient, chosen, pooled)
    of_products = (OUTPUTS.T @ of_outputs.reshape(4, -1)).reshape(16, len(pooled), -1)
    of_weights = jnp.einsum("kon,kin->koi", of_products, tiles)
    of_weights = of_weights.reshape(4, 4, *weights.shape[1:])
    of_weight = jnp.einsum("ar,aboi,bs->oirs", G, of_weights, G, precision="highest")
    of_tiles = jnp.einsum("koi,kon->kin", weights, of_products)
    of_x = _input_gradient(of_tiles, (weights.shape[2], *pooled.shape[1:]))
    return of_x, of_weight, of_outputs.sum(axis=(0, 2))


conv_relu_pool.defvjp(_forward, _backward)


# ---- the convolution of an image --------------------------------------------------------


@jax.custom_vjp
def image_relu_pool(x: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    """Pooled outputs ``(out, H/2, W/2, B)`` of images of one channel.

    By definition, all four outputs of a tile in one matrix product. The images get no
    gradient: nothing before them is trained.

    Args:
        x: ``(H, W, B)``, H and W even.
        weight: ``(out, 1, 3, 3)`` as in PyTorch. bias: ``(out,)``.
    """
    return _image_forward(x, weight, bias)[0]


def _image_forward(x: jax.Array, weight: jax.Array, bias: jax.Array) -> tuple[jax.Array, Any]:
    tiles = _made(_image_tiles(x))
    placed = jnp.einsum("pra,qsb,ors->pqoab", PLACES, PLACES, weight[:, 0], precision="highest")
    outputs = (placed.reshape(-1, 16) @ tiles).reshape(4, len(weight), -1)
    pooled = _pool(list(outputs), bias, _pooled_shape(x[None], weight))
    return pooled, (tiles, _first_largest(list(outputs)), pooled)


def _image_backward(kept: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    tiles, chosen, pooled = kept
    out, height, width, batch = pooled.shape
    of_outputs = _to_chosen(gradient, chosen, pooled)
    of_placed = jnp.einsum("kn,tn->kt", of_outputs.reshape(4 * out, -1), tiles)
    of_placed = of_placed.reshape(2, 2, out, 4, 4)
    of_weight = jnp.einsum("pra,qsb,pqoab->ors", PLACES, PLACES, of_placed, precision="highest")
    nothing = jnp.zeros((2 * height, 2 * width, batch), gradient.dtype)
    return nothing, of_weight[:, None], of_outputs.sum(axis=(0, 2))


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


def _first_largest(outputs: Arrays) -> jax.Array:
    """Which of the four is the largest, the first where several are."""
    top = _largest(outputs)
    a, b, c, _ = outputs
    later = jnp.where(b == top, 1, jnp.where(c == top, 2, 3))
    return jnp.where(a == top, 0, later).astype(jnp.int8)


def _to_chosen(gradient: jax.Array, chosen: jax.Array, pooled: jax.Array) -> jax.Array:
    """Gradient of the four outputs ``(4, out, n)``: what passes the ReLU, to the chosen one."""
    passed = jnp.where(pooled > 0, gradient, 0).reshape(len(pooled), -1)
    four = jnp.arange(4, dtype=chosen.dtype)[:, None, None]
    return jnp.where(chosen == four, passed, 0)


# ---- tiles of 4 x 4 inputs, two apart ---------------------------------------------------


def _quarters(x: jax.Array) -> jax.Array:
    """Padded with zeros and parted by even and odd rows and columns,
    ``(2, 2, channels, H/2 + 1, W/2 + 1, B)``."""
    channels, height, width, batch = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    parted = padded.reshape(channels, height // 2 + 1, 2, width // 2 + 1, 2, batch)
    return _made(parted.transpose(2, 4, 0, 1, 3, 5))


def _image_tiles(x: jax.Array) -> jax.Array:
    """Tiles ``(16, H/2 W/2 B)`` of images ``(H, W, B)``."""
    rows = _four(_quarters(x[None])[:, :, 0], axis=2)
    return jnp.stack([jnp.stack(_four(row, axis=2)) for row in rows]).reshape(16, -1)


def _four(parts: jax.Array, axis: int) -> Arrays:
    """The 4 inputs of every tile along one axis, of which `parts` has even and odd places."""
    n = parts.shape[axis]
    return [
        jax.lax.slice_in_dim(parts[k % 2], k // 2, k // 2 + n - 1, axis=axis - 1) for k in range(4)
    ]


# ---- Winograd's transforms --------------------------------------------------------------


def _input_tiles(x: jax.Array) -> jax.Array:
    """``(16, in, H/2 W/2 B)``: B^T d B of tiles d."""
    rows = _made(jnp.stack(_inputs_to_tile(_four(_quarters(x), axis=3)), axis=1))
    both = _made(jnp.stack(_inputs_to_tile(_four(rows, axis=4)), axis=1))
    return both.reshape(16, len(x), -1)


def _inputs_to_tile(d: Sequence[jax.Array]) -> Arrays:
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _tile_to_inputs(v: Sequence[jax.Array]) -> Arrays:
    """`_inputs_to_tile` transposed."""
    return [v[0], v[1] - v[2] + v[3], v[1] + v[2] - v[0], -v[3]]


def _outputs(products: jax.Array) -> Arrays:
    """The four outputs ``(out, n)`` of a tile from its products ``(16, out, n)``."""
    m = products.reshape(4, 4, *products.shape[1:])
    # One after another, so that the largest is found in the same pass over the products.
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
    inner = _made(jnp.stack(_overlap(columns, axis=3), axis=4))
    whole = jnp.stack(_overlap(_tile_to_inputs(list(inner)), axis=1), axis=2)
    return whole.reshape(channels, 2 * height, 2 * width, batch)


def _overlap(parts: Arrays, axis: int) -> Arrays:
    """Even and odd inputs from the four inputs of each tile; a tile starts one before its block."""
    return [parts[1] + _moved(parts[3], axis, 1), _moved(parts[0], axis, -1) + parts[2]]


def _moved(x: jax.Array, axis: int, by: int) -> jax.Array:
    """x shifted by one place, zeros behind it."""
    margin = [(0, 0)] * x.ndim
    margin[axis] = (1, 0) if by > 0 else (0, 1)
    first = 0 if by > 0 else 1
    return jax.lax.slice_in_dim(jnp.pad(x, margin), first, first + x.shape[axis], axis=axis)
