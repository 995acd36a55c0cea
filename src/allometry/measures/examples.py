"""The examples that a measure uses: at most a given number, in batches of one size."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.spec.torch_draws import TorchDraws

__all__ = ["EXAMPLES", "Batch", "batches", "drawn_rows"]

EXAMPLES = 2048  # that a measure uses by default
BATCH = 256  # examples at once, so that activations stay small


class Batch(NamedTuple):
    """Examples on the device.

    Attributes:
        x, y: features and targets, ``(B, ...)``.
        inside: 1 for an example, 0 for padding of the last batch, ``(B,)``.
    """

    x: jax.Array
    y: jax.Array
    inside: jax.Array


def drawn_rows(n: int, most: int, seed: int) -> NDArray[np.int64]:
    """At most `most` of n rows: all of them where n is no larger.

    Otherwise the first of ``torch.randperm(n)`` after ``torch.manual_seed(seed)``.

    Raises:
        UsageError: `most` is below 1.
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
