"""Examples on the device, from which compiled programs take their batches."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

__all__ = ["Gathered", "Resident", "gathered", "resident"]


Set = tuple[NDArray[Any], NDArray[Any]]  # features and targets


class Resident(NamedTuple):
    """Examples as consecutive rows of an array on the device, beginning at row `first`."""

    array: jax.Array
    first: int


class Gathered(NamedTuple):
    """Sets of examples one after another on the device.

    Attributes:
        x, y: all features and all targets.
        first: row in both at which each set begins.
    """

    x: jax.Array
    y: jax.Array
    first: NDArray[np.int64]


def gathered(sets: Sequence[Set]) -> Gathered:
    """Put several sets of examples one after another on the device, each distinct set once.

    Args:
        sets: features ``(n, f)`` and targets of each set; features are padded with zeros to the
            largest number of features.
    """
    places: dict[Any, int] = {}
    parts, at = [], 0
    keys = [tuple((a.ctypes.data, a.shape, a.strides) for a in pair) for pair in sets]
    for key, pair in zip(keys, sets, strict=True):
        if key not in places:
            places[key] = at
            parts.append(pair)
            at += len(pair[0])
    width = max(x.shape[1] for x, _ in parts)
    features = [np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x, _ in parts]
    x, y = np.concatenate(features), np.concatenate([y for _, y in parts])
    return Gathered(jnp.asarray(x), jnp.asarray(y), np.array([places[key] for key in keys]))


def resident(x: NDArray[Any]) -> Resident:
    """The place of the examples `x`, ``(n, ...)``, on the device.

    A view of consecutive whole rows of a read-only array shares one copy of that array on the
    device. Any other array is copied separately.
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
    """An array compared by identity, so that it can be the key of a cache."""

    def __init__(self, array: NDArray[Any]):
        self.array = array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.array is self.array


@lru_cache(maxsize=8)  # images and labels of a few sets
def _on_device(same: _Same, example: tuple[int, ...]) -> jax.Array:
    return jnp.asarray(same.array.reshape(-1, *example))
