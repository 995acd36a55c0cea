"""Frequencies and principal components of the vectors that stand for 0, 1, ..., p - 1.

A network that adds modulo p by turning circles keeps each number a at the angle
2 pi k a / p for a few frequencies k (Nanda et al. 2301.05217, section 4.1; Liu et al.
2205.10343, section 4.2 and appendix F). Vectors are centred first, since their mean does
not depend on the number.
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
LARGEST = 5  # key frequencies Nanda et al. 2301.05217 find (section 4.1)


class Ring(NamedTuple):
    """How much of a set of points is a circle.

    Attributes:
        frequency: the k whose circle takes up most of it. share: of the variance, 0 to 1.
    """

    frequency: int
    share: float


def frequencies(vectors: NDArray[np.floating]) -> Array:
    """Share of the variance of vectors ``(p, d)`` at each frequency 1 to p // 2, ``(p // 2,)``.

    The shares add up to one (Parseval); they are zero throughout where all vectors are equal.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    power = (np.abs(np.fft.rfft(centred, axis=0)) ** 2).sum(axis=1)[1:]
    # Every frequency stands for itself and its mirror image, but for p / 2 of an even p.
    power[: (len(vectors) - 1) // 2] *= 2
    return _shares(power)


def components(vectors: NDArray[np.floating]) -> tuple[Array, Array]:
    """Principal components of vectors ``(p, d)``.

    Returns:
        share of the variance of each, falling, ``(min(p, d),)``; coordinates on the first
        two, ``(p, 2)``.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    return _shares(size**2), left[:, :2] * size[:2]


def entropy(shares: Array) -> float:
    """``-sum s ln s`` of shares that add up to one, in nats; its exponential counts them."""
    seen = shares[shares > 0]
    return float(-(seen * np.log(seen)).sum())


def ring(points: NDArray[np.floating]) -> Ring:
    """The one frequency that takes up most of points ``(p, 2)`` in the order of their numbers."""
    shares = frequencies(points)
    return Ring(int(shares.argmax()) + 1, float(shares.max()))


def embedding_structure(net: Network) -> dict[str, float]:
    """Of the p embeddings of numbers; that of "=" is left out.

    Returns:
        `fourier_share` of the variance in the `LARGEST` largest frequencies and
        `fourier_entropy` (nats) over all; `pca_entropy` (nats) over principal
        components; `ring_share` of the first two components at one frequency,
        `ring_frequency`.
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
    """`fourier` shares ``(p // 2,)`` and `plane`, the first two components ``(p, 2)``."""
    vectors = _embedding(net)
    return {
        "fourier": frequencies(vectors).astype(np.float32),
        "plane": components(vectors)[1].astype(np.float32),
    }


def _embedding(net: Network) -> NDArray[np.float32]:
    if not isinstance(net.model, OneLayerTransformer):
        raise DataError(
            f"embeddings of numbers are measured: a OneLayerTransformer expected, got "
            f"{type(net.model).__name__}"
        )
    return net.params["embed"][: net.model.p]


def _shares(power: Array) -> Array:
    total = power.sum()
    return power / total if total > 0 else np.zeros_like(power)
