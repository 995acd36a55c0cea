"""The size of a network's weights, and how far they are from where they began."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.measures.network import Network
from allometry.models.model import Params

__all__ = ["distance_from_start", "start_of", "weight_norm", "weight_norms"]


def weight_norm(net: Network) -> dict[str, float]:
    """Euclidean norm of all trained numbers, biases too: `weight_norm` (Omnigrok, 2210.01117)."""
    return {"weight_norm": _norm(net.params)}


def weight_norms(net: Network) -> dict[str, float]:
    """Euclidean norms of all trained numbers, and of each parameter.

    Returns:
        `weight_norm`, as the measure of that name gives it, and `weight_norm_NAME` of the
        parameter NAME, ``weight_norm_bias0`` say.
    """
    return _norms("weight_norm", net.params)


def distance_from_start(net: Network) -> dict[str, float]:
    """Euclidean distances of the trained numbers from their values before the first update.

    As a share of the norm it goes to zero in the limit of lazy training (Chizat et al.,
    1812.07956).

    Returns:
        `distance_from_start` of all, and `distance_from_start_NAME` of the parameter NAME.

    Raises:
        UsageError: nothing is measured before the first update.
    """
    start = start_of(net, "distance_from_start")
    moves = {n: array.astype(np.float64) - start[n] for n, array in net.params.items()}
    return _norms("distance_from_start", moves)


def start_of(net: Network, measure: str) -> Params:
    """The parameters before the first update.

    Args:
        measure: name of the measure that needs them, for the message.

    Raises:
        UsageError: nothing is measured before the first update.
    """
    if net.start is None:
        raise UsageError(
            f"{measure} compares with the network before its first update, which this study does "
            "not measure: leave out Training(untrained=False)"
        )
    return net.start


def _norms(column: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    of_each = {f"{column}_{name}": _norm({name: array}) for name, array in arrays.items()}
    return {column: _norm(arrays), **of_each}


def _norm(arrays: Mapping[str, NDArray[Any]]) -> float:
    squares = [float((array.astype(np.float64) ** 2).sum()) for array in arrays.values()]
    return float(np.sqrt(sum(squares)))
