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


def gathered(
    sets: Sequence[tuple[NDArray[Any], NDArray[Any]]],
) -> tuple[jax.Array, jax.Array, NDArray[np.int64]]:
    """Several sets of examples one after another on the device, each set there once.

    A set is features and targets together: two may have one array of features and other targets.

    Args:
        sets: features ``(n, features)`` and targets ``(n, ...)`` each; features are padded with
            zeros to the most there are.

    Returns:
        all features, all targets, and the first row of each of the sets.
    """
    places: dict[tuple[int, int], int] = {}
    parts, at = [], 0
    for x, y in sets:
        if (id(x), id(y)) not in places:
            places[id(x), id(y)] = at
            parts.append((x, y))
            at += len(x)
    width = max(x.shape[1] for x, _ in parts)
    features = np.concatenate([np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x, _ in parts])
    targets = np.concatenate([y for _, y in parts])
    rows = np.array([places[id(x), id(y)] for x, y in sets])
    return jnp.asarray(features), jnp.asarray(targets), rows


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
