"""The size of a network's weights."""

import numpy as np

from allometry.measures.network import Network

__all__ = ["weight_norm"]


def weight_norm(net: Network) -> dict[str, float]:
    """`weight_norm`: Euclidean norm of all trained numbers, biases too (Omnigrok, 2210.01117)."""
    squares = [float((array.astype(np.float64) ** 2).sum()) for array in net.params.values()]
    return {"weight_norm": float(np.sqrt(sum(squares)))}
