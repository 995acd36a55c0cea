"""The empirical NTK of one ReLU perceptron with given weights, layer by layer."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

__all__ = ["empirical_ntk", "output"]


def output(weights: Sequence[jax.Array], x: jax.Array) -> jax.Array:
    """The network in NTK parameterisation: h_l = relu(sqrt(2 / n_(l-1)) h_(l-1) W_l^T), no biases.

    As ``neural_tangents.stax`` with W_std = sqrt 2, including the last layer.

    Args:
        weights: one ``(n_l, n_(l-1))`` per layer, the last ``(1, n_L)``, entries N(0, 1).
        x: ``(points, n_0)``.

    Returns:
        f(x), ``(points,)``.
    """
    h = x
    for layer, w in enumerate(weights):
        z = jnp.sqrt(2 / w.shape[1]) * h @ w.T
        h = z if layer == len(weights) - 1 else jax.nn.relu(z)
    return h[:, 0]


def empirical_ntk(weights: Sequence[jax.Array], x: jax.Array) -> jax.Array:
    """Inner products of the gradients of f with respect to all weights, ``(points, points)``.

    Computed in one forward and one backward pass: K = sum over layers l of
    (2 / n_(l-1)) (d_l d_l^T) o (h_(l-1) h_(l-1)^T), where d_l is the derivative with respect to
    the layer's pre-activations and o the entrywise product (Jacot et al. 1806.07572).

    Args:
        weights, x: as in `output`.
    """
    states, active = [x], []
    for w in weights[:-1]:
        z = jnp.sqrt(2 / w.shape[1]) * states[-1] @ w.T
        active.append((z > 0).astype(z.dtype))
        states.append(jax.nn.relu(z))
    delta = jnp.ones((len(x), 1), x.dtype)
    kernel = jnp.zeros((len(x), len(x)), x.dtype)
    for layer in range(len(weights) - 1, -1, -1):
        w, h = weights[layer], states[layer]
        kernel += (2 / w.shape[1]) * (delta @ delta.T) * (h @ h.T)
        if layer:
            delta = jnp.sqrt(2 / w.shape[1]) * (delta @ w) * active[layer - 1]
    return kernel
