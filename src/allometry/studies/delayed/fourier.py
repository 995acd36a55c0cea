"""Frequencies and principal components of the embedding vectors of 0, 1, ..., p - 1.

A network that adds modulo p by rotations embeds each number a at the angle 2 pi k a / p on
circles of a few frequencies k (Nanda et al. 2301.05217, section 4.1; Liu et al. 2205.10343,
section 4.2 and appendix F). Vectors are centred first, since their mean does not depend on the
number.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.measures.network import Network
from allometry.models.transformer import OneLayerTransformer

__all__ = [
    "LARGEST", "Ring", "components", "embedding_structure", "embedding_trajectories", "entropy",
    "frequencies", "ring",
]  # fmt: skip

Array = NDArray[np.float64]
LARGEST = 5  # number of key frequencies found by Nanda et al. (2301.05217, section 4.1)


class Ring(NamedTuple):
    """The circle that explains most of the variance of a set of points.

    Attributes:
        frequency: its frequency k.
        share: its share of the variance, 0 to 1.
    """

    frequency: int
    share: float


def frequencies(vectors: NDArray[np.floating]) -> Array:
    """Share of the variance of vectors ``(p, d)`` at each frequency 1 to p // 2, ``(p // 2,)``.

    The shares add up to one (Parseval). If all vectors are equal, all shares are zero.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    power = (np.abs(np.fft.rfft(centred, axis=0)) ** 2).sum(axis=1)[1:]
    # Each frequency k also counts for p - k, except p / 2 for even p.
    power[: (len(vectors) - 1) // 2] *= 2
    return _shares(power)


def components(vectors: NDArray[np.floating]) -> tuple[Array, Array]:
    """Principal components of vectors ``(p, d)``.

    Returns:
        The share of the variance of each, in descending order, ``(min(p, d),)``; coordinates on
        the first two, ``(p, 2)``.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    return _shares(size**2), left[:, :2] * size[:2]


def entropy(shares: Array) -> float:
    """``-sum s ln s`` of shares that add up to one, in nats.

    Its exponential is an effective number of shares.
    """
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def ring(points: NDArray[np.floating]) -> Ring:
    """The circle that explains most of the variance of points ``(p, 2)``, in order of number."""
    shares = frequencies(points)
    return Ring(int(shares.argmax()) + 1, float(shares.max()))


def embedding_structure(net: Network) -> dict[str, float]:
    """Frequencies and components of the embeddings of the p numbers, without that of "=".

    Returns:
        `fourier_share`: share of the variance in the `LARGEST` largest frequencies;
        `fourier_entropy`: entropy of the shares of all frequencies, nats; `pca_entropy`: entropy of
        the shares of the principal components, nats; `ring_share`: share of the variance of the
        first two components at the frequency `ring_frequency`, the largest.

    Raises:
        DataError: the model is not a `OneLayerTransformer`.
    """
    vectors = _embedding(net)
    shares, (spectrum, points) = frequencies(vectors), components(vectors)
    circle = ring(points)
    return {
        "fourier_share": float(np.sort(shares)[-LARGEST:].sum()),
        "fourier_entropy": entropy(shares),
        "pca_entropy": entropy(spectrum),
        "ring_share": circle.share,
        "ring_frequency": float(circle.frequency),
    }


def embedding_trajectories(net: Network) -> dict[str, NDArray[np.float32]]:
    """Shares of the frequencies, `fourier` ``(p // 2,)``, and first components, `plane` ``(p, 2)``.

    Raises:
        DataError: the model is not a `OneLayerTransformer`.
    """
    vectors = _embedding(net)
    return {
        "fourier": frequencies(vectors).astype(np.float32),
        "plane": components(vectors)[1].astype(np.float32),
    }


def _embedding(net: Network) -> NDArray[np.float32]:
    if not isinstance(net.model, OneLayerTransformer):
        raise DataError(
            f"this measure reads embeddings of numbers: OneLayerTransformer expected, got "
            f"{type(net.model).__name__}"
        )
    return net.params["embed"][: net.model.p]


def _shares(power: Array) -> Array:
    total = power.sum()
    return power / total if total > 0 else np.zeros_like(power)
