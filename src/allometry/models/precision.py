"""Where programs of a precision are made and run."""

from contextlib import AbstractContextManager

import jax
import jax.experimental

__all__ = ["scope"]

# Before JAX 0.8 it stands elsewhere.
_X64 = jax if hasattr(jax, "enable_x64") else jax.experimental


def scope(precision: str) -> AbstractContextManager[None]:
    """Where programs of this precision are made and run; what lies outside is not touched."""
    context: AbstractContextManager[None] = _X64.enable_x64(precision == "float64")
    return context
