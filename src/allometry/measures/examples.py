"""The examples that a measure looks at: at most so many, in batches of one size."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.spec.torch_draws import TorchDraws

__all__ = ["EXAMPLES", "Batch", "batches", "drawn_rows"]

EXAMPLES = 2048  # a measure looks at unless it is told another number
BATCH = 256  # examples at once, so that what lies between the layers stays small


class Batch(NamedTuple):
    """Examples on the device.

    Attributes:
        x, y: features and targets, ``(B, ...)``.
        inside: 1 for an example, 0 for one that fills up the last batch, ``(B,)``.
    """

    x: jax.Array
    y: jax.Array
    inside: jax.Array


def drawn_rows(n: int, most: int, seed: int) -> NDArray[np.int64]:
    """At most so many of n rows, all of them where there are no more.

    They are the first of ``torch.randperm(n)`` after ``torch.manual_seed(seed)``.

    Raises:
        UsageError: for less than one.
    """
    if most < 1:
        raise UsageError(f"examples: 1 or more expected, got {most}")
    return np.arange(n) if n <= most else TorchDraws(seed).randperm(n)[:most]


def batches(
    x: NDArray[Any], y: NDArray[Any], rows: NDArray[np.int64], most: int = BATCH
) -> Iterator[Batch]:
    """These rows in batches of one size, so that one compilation serves them all.

    Args:
        most: examples in a batch.
    """
    size = min(most, len(rows))
    for first in range(0, len(rows), size):
        places = np.arange(first, first + size)
        chosen = rows[np.minimum(places, len(rows) - 1)]
        inside = (places < len(rows)).astype(x.dtype)
        yield Batch(jnp.asarray(x[chosen]), jnp.asarray(y[chosen]), jnp.asarray(inside))
