"""A network under test with examples that it takes, and the comparison of arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from allometry.models.model import Model, Params

__all__ = ["Case", "close", "moved"]


@dataclass(frozen=True)
class Case:
    """One network.

    Attributes:
        params: start values a little `moved`.
        x: features ``(B, n_in)``.
        other: a model that may share a pack with this one, if there is one.
    """

    model: Model
    params: Params
    x: NDArray[Any]
    other: Model | None

    @cached_property
    def outputs(self) -> NDArray[Any]:
        """Outputs ``(B, n_out)`` of the examples."""
        return self.apply(self.params, self.x)

    @cached_property
    def program(self) -> Callable[..., jax.Array]:
        """`Model.apply` compiled, once for each shape and type."""
        return jax.jit(lambda params, x: self.model.apply(params, x))

    def apply(self, params: Params, x: Any) -> NDArray[Any]:
        return np.asarray(self.program(dict(params), x))


def moved(start: Params) -> dict[str, NDArray[np.float32]]:
    """Start values with noise, as zeros would hide errors in what they are multiplied with."""
    random = np.random.default_rng(0)
    return {
        name: (array + 0.1 * (array.std() or 1) * random.normal(size=array.shape)).astype(
            np.float32
        )
        for name, array in start.items()
    }


def close(actual: Any, expected: Any, tolerance: float, floor: float = 0.0) -> bool:
    """Whether no entry is farther off than a share of the largest expected one, plus `floor`."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if actual.shape != expected.shape or not np.isfinite(actual).all():
        return False
    largest = np.abs(expected).max(initial=np.finfo(np.float32).tiny)
    return bool(np.abs(actual - expected).max(initial=0) <= tolerance * largest + floor)
