"""Examples on the device, where compiled programs take their batches from."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

__all__ = ["Resident", "gathered", "resident"]


class Resident(NamedTuple):
    """Examples as rows of an array on the device, from row `first` on."""

    array: jax.Array
    first: int


def gathered(arrays: Sequence[NDArray[Any]]) -> tuple[jax.Array, NDArray[np.int64]]:
    """Several sets of examples one after another on the device, each set there once.

    Args:
        arrays: ``(n, ...)`` each; rows are flattened, and padded with zeros to the longest where
            members of a pack have different numbers of features.

    Returns:
        all rows, and the first row of each of the sets.
    """
    places: dict[int, int] = {}
    parts, at = [], 0
    for array in arrays:
        if id(array) not in places:
            places[id(array)] = at
            parts.append(array)
            at += len(array)
    if parts[0].ndim > 1:
        width = max(part.shape[1] for part in parts)
        parts = [np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts]
    return jnp.asarray(np.concatenate(parts)), np.array([places[id(array)] for array in arrays])


def resident(x: NDArray[Any]) -> Resident:
    """Where on the device the examples x lie, ``(n, ...)``.

    What is cut out of a read-only array, whole rows of it one after another, shares that
    array's one copy; anything else is copied by itself.
    """
    owner = x.base
    if not isinstance(owner, np.ndarray) or owner.flags.writeable or not len(x):
        return Resident(jnp.asarray(x), 0)
    first, apart = divmod(x.ctypes.data - owner.ctypes.data, x[0].nbytes)
    whole_rows = (
        x.flags.c_contiguous
        and owner.flags.c_contiguous
        and (x.dtype, x[0].size) == (owner.dtype, owner[0].size)
        and apart == 0
    )
    if not whole_rows:
        return Resident(jnp.asarray(x), 0)
    return Resident(_on_device(_Same(owner), x.shape[1:]), first)


class _Same:
    """An array that equals itself alone, so that a cache can hold it."""

    def __init__(self, array: NDArray[Any]):
        self.array = array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.array is self.array


@lru_cache(maxsize=8)  # images and labels of a few sets
def _on_device(same: _Same, example: tuple[int, ...]) -> jax.Array:
    return jnp.asarray(same.array.reshape(-1, *example))
