"""The context in which programs of a precision are traced and run."""

from contextlib import AbstractContextManager

import jax
import jax.experimental

__all__ = ["scope"]

# `enable_x64` is in `jax.experimental` before JAX 0.8.
_X64 = jax if hasattr(jax, "enable_x64") else jax.experimental


def scope(precision: str) -> AbstractContextManager[None]:
    """The context in which programs of this precision are traced and run."""
    context: AbstractContextManager[None] = _X64.enable_x64(precision == "float64")
    return context
