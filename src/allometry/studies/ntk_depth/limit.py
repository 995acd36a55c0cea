"""The limit kernel: the NTK of a deep ReLU perceptron for infinite width.

This is the kernel of Terjék and González-Sánchez (2501.13225) for the (1, 1)-ReLU. With rho_1
the cosine of two inputs, rho_(k+1) = f(rho_k) and
K_inf^(L) = sum over k <= L of rho_k prod over k <= j < L of f'(rho_j), where f is the
arc-cosine kernel of degree 1 (Cho and Saul 2009) and f' that of degree 0.
"""

import jax
import jax.numpy as jnp

__all__ = ["derivative_map", "limit_ntk", "next_layer", "value_map"]


def value_map(cosine: jax.Array) -> jax.Array:
    """The next layer's cosine, rho + (sqrt(1 - rho^2) - rho arccos rho) / pi; any shape."""
    angle = jnp.arccos(jnp.clip(cosine, -1, 1))
    return cosine + (jnp.sin(angle) - cosine * angle) / jnp.pi


def derivative_map(cosine: jax.Array) -> jax.Array:
    """Derivative of `value_map`, 1 - arccos(rho) / pi; any shape.

    It is the probability that a unit is active for both inputs, given that it is for one.
    """
    return 1 - jnp.arccos(jnp.clip(cosine, -1, 1)) / jnp.pi


def next_layer(cosine: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """From rho_k and K_inf^(k) to rho_(k+1) and K_inf^(k+1); any shape."""
    later = value_map(cosine)
    return later, kernel * derivative_map(cosine) + later


def limit_ntk(cosine: jax.Array, depth: int) -> jax.Array:
    """K_inf^(depth) of unit inputs, normalised to 1 per layer: its diagonal is `depth`.

    Args:
        cosine: inner products of the inputs, any shape.
        depth: number of layers, at least 1.
    """
    kernel = cosine
    for _ in range(depth - 1):
        cosine, kernel = next_layer(cosine, kernel)
    return kernel
