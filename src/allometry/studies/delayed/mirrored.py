"""Accuracy on pairs (a, b) for which (b, a) is in the training set, and on the other pairs."""

from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.measures.network import Network
from allometry.models.model import Model

__all__ = ["mirrored", "mirrored_accuracy"]


def mirrored_accuracy(net: Network) -> dict[str, float]:
    """Accuracy on two kinds of test pairs; NaN for a kind without pairs.

    Returns:
        `accuracy_mirrored`: on pairs (a, b) with (b, a) in the training set. It is high for a
        network that has learnt its training pairs and that the order does not matter.
        `accuracy_unmirrored`: on the other pairs.
    """
    x, y = net.split.test_x, net.split.test_y
    correct = np.asarray(_answers(net.model, dict(net.params), x)) == y
    known = mirrored(net.split.train_x, x)
    return {
        "accuracy_mirrored": _mean(correct[known]),
        "accuracy_unmirrored": _mean(correct[~known]),
    }


def mirrored(shown: NDArray[np.floating], asked: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Mask ``(n,)`` of the pairs of `asked` ``(n, 2)`` whose reverse is in `shown` ``(m, 2)``.

    Raises:
        DataError: an array does not hold pairs.
    """
    if shown.shape[1:] != (2,) or asked.shape[1:] != (2,):
        raise DataError(
            f"pairs expected, of shapes (m, 2) and (n, 2), got {shown.shape} and {asked.shape}"
        )
    training_pairs = {(float(a), float(b)) for a, b in shown}
    return np.array([(float(b), float(a)) in training_pairs for a, b in asked], dtype=bool)


@partial(jax.jit, static_argnames=("model",))
def _answers(model: Model, params: Any, x: Any) -> jax.Array:
    return model.apply(params, x).argmax(axis=-1)


def _mean(correct: NDArray[np.bool_]) -> float:
    return float(correct.mean()) if len(correct) else float("nan")
