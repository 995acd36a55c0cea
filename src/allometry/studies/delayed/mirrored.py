"""What a network says of b + a where it was shown a + b, and of pairs it saw in no order."""

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
    """Accuracy on two kinds of test pairs; NaN if there are no pairs of a kind.

    Returns:
        `accuracy_mirrored` of pairs (a, b) with (b, a) in the training set, which a network
        answers that has only learnt that the order does not matter; `accuracy_unmirrored` of
        the other pairs.
    """
    x, y = net.split.test_x, net.split.test_y
    right = np.asarray(_answers(net.model, dict(net.params), x)) == y
    known = mirrored(net.split.train_x, x)
    return {
        "accuracy_mirrored": _mean(right[known]),
        "accuracy_unmirrored": _mean(right[~known]),
    }


def mirrored(shown: NDArray[np.floating], asked: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of the pairs asked ``(n, 2)`` are shown ``(m, 2)`` the other way round, ``(n,)``."""
    if shown.shape[1:] != (2,) or asked.shape[1:] != (2,):
        raise DataError(f"pairs expected, got shapes {shown.shape} and {asked.shape}")
    seen = {(float(a), float(b)) for a, b in shown}
    return np.array([(float(b), float(a)) in seen for a, b in asked], dtype=bool)


@partial(jax.jit, static_argnames=("model",))
def _answers(model: Model, params: Any, x: Any) -> jax.Array:
    return model.apply(params, x).argmax(axis=-1)


def _mean(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else float("nan")
