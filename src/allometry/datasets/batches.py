"""The order in which a run sees its examples."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["batches", "epoch_batches", "shared_order"]


def epoch_batches(n: int, batch_size: int) -> int:
    """Updates in one pass over n examples, the smaller last one included."""
    return -(-n // batch_size)


def shared_order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """The order of one pass, ``(n,)``, from seed, epoch and n alone.

    Runs of all sizes at one seed therefore see the same batches, and a pass can be drawn
    without those before it.
    """
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(n)


def batches(
    order: NDArray[np.int64], batch_size: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """One pass over the examples of `order`, the last batch padded.

    Returns:
        positions ``(batches, batch_size)`` and their weights, 1 for an example and
        0 for padding.
    """
    n = len(order)
    count = epoch_batches(n, batch_size)
    index = np.zeros(count * batch_size, dtype=np.int32)
    weight = np.zeros(count * batch_size, dtype=np.float32)
    index[:n], weight[:n] = order, 1
    return index.reshape(count, batch_size), weight.reshape(count, batch_size)
