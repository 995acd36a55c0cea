"""The effective number of dimensions of the features of a network."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.measures.examples import EXAMPLES, drawn_rows
from allometry.measures.layers import last_hidden
from allometry.measures.network import Network

__all__ = ["effective_rank", "effective_rank_of", "participation_ratio_of"]


def effective_rank(net: Network, *, examples: int = EXAMPLES) -> dict[str, float]:
    """Effective dimensions of the outputs of the last hidden layer for test examples.

    Args:
        examples: most test examples used; drawn by the run's seed. The result cannot exceed their
            number.

    Returns:
        `effective_rank`, see `effective_rank_of`, and `participation_ratio`, see
        `participation_ratio_of`; from 1 to the number of units.

    Raises:
        UsageError: the network has no hidden layer, or does not define its outputs.
    """
    features = last_hidden(net, drawn_rows(len(net.split.test_x), examples, net.spec.seed))
    return {
        "effective_rank": effective_rank_of(features),
        "participation_ratio": participation_ratio_of(features),
    }


def effective_rank_of(features: NDArray[np.floating[Any]]) -> float:
    """exp of the entropy of the singular values divided by their sum; the matrix is not centred.

    Roy & Vetterli, The effective rank, EUSIPCO 2007, definition 1. NaN for a matrix of zeros.

    Args:
        features: ``(n, units)``.
    """
    values = np.linalg.svd(features.astype(np.float64), compute_uv=False)
    if not values.any():
        return math.nan
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio_of(features: NDArray[np.floating[Any]]) -> float:
    """(sum of l)^2 / sum of l^2 over the eigenvalues l of the covariance of the units.

    Gao et al., A theory of multineuronal dimensionality, bioRxiv 214262 (2017). NaN where no
    unit varies.

    Args:
        features: ``(n, units)``.
    """
    wide = features.astype(np.float64)
    centred = wide - wide.mean(axis=0)
    # Both matrices of products have these eigenvalues; this is the smaller one.
    products = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    squares = float(np.square(products).sum())
    return float(np.trace(products)) ** 2 / squares if squares else math.nan
