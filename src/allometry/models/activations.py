"""Activation functions of networks, by name."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

__all__ = ["ACTIVATIONS", "NONZERO_AT_ZERO", "Activation"]

Activation = Literal[
    "relu", "tanh", "gelu", "silu", "leaky_relu", "elu", "sin", "identity", "sigmoid", "softplus"
]

# As in PyTorch: gelu by the error function, leaky_relu with slope 0.01, elu with alpha 1.
ACTIVATIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "sin": jnp.sin,
    "identity": lambda x: x,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
}

# These are not 0 at 0, so padded units would not stay 0; networks set padded units to 0 again.
NONZERO_AT_ZERO = frozenset({"sigmoid", "softplus"})
