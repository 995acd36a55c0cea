"""In which floating-point numbers a network trains (`TrainSpec.precision`)."""

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np

__all__ = ["held_in", "low", "scope"]

# Before JAX 0.8 it stands elsewhere.
_X64 = jax if hasattr(jax, "enable_x64") else jax.experimental


def scope(precision: str) -> AbstractContextManager[None]:
    """Where programs of this precision are made and run; what lies outside is not touched."""
    found: AbstractContextManager[None] = _X64.enable_x64(precision == "float64")
    return found


def held_in(precision: str) -> type[np.floating[Any]]:
    """The type of weights, optimiser state, losses and examples."""
    return np.float64 if precision == "float64" else np.float32


def low(arrays: Any) -> Any:
    """Arrays rounded to bfloat16; their gradient comes back in their own type."""
    return jax.tree.map(partial(jnp.asarray, dtype=jnp.bfloat16), arrays)
