"""Entropies of the paths through a network, from its weights alone.

Definitions of `TheoryAnalyzer` (Liu 2025, Zenodo 10.5281/zenodo.17118793): a
unit u passes to each unit v of the next layer with probability
``p(u -> v) = softmax_v |W_vu|``; the edge costs ``c = 1 - ln p``; a path from
a hidden unit to an output costs the sum C of its edges. For a hidden unit

- H'_TSE = 1 / sum_paths (1 / C), "abstraction": all paths in parallel, as resistances;
- H'_SIE = -sum_paths q log2(q + 1e-9) with q = softmax(-C), "compression", in bits.

They do not depend on biases, activations and data.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.measures.network import Network

__all__ = ["edge_costs", "path_entropies", "path_entropies_of", "sampled_units", "unit_entropies"]

SAMPLE = 30  # hidden units the notebook averages over (analysis_sample_size)
MOST_PATHS = 50_000_000  # costs of one layer's units held at once, 400 MB


def path_entropies(net: Network) -> dict[str, float]:
    """Entropies of the paths from hidden units, means over the notebook's sample and over all.

    Returns:
        `htse`, `hsie` over the sample; `htse_all`, `hsie_all` over every hidden unit.
    """
    return path_entropies_of(net.model.weights(net.params), net.spec.seed)


def path_entropies_of(
    weights: Sequence[NDArray[np.floating]], seed: int, *, offset: float = 0.0
) -> dict[str, float]:
    """The same, of weight matrices ``(fan_out, fan_in)`` from input to output."""
    htse, hsie = unit_entropies(weights, offset=offset)
    chosen = sampled_units(len(htse), seed)
    return {
        "htse": float(htse[chosen].mean()),
        "hsie": float(hsie[chosen].mean()),
        "htse_all": float(htse.mean()),
        "hsie_all": float(hsie.mean()),
    }


def sampled_units(n_hidden: int, seed: int) -> NDArray[np.int64]:
    """The 30 hidden units (or all, where fewer) that ``np.random.seed(seed)`` chooses.

    Units are numbered layer by layer from the input.
    """
    state = np.random.RandomState(seed)
    return state.choice(n_hidden, size=min(SAMPLE, n_hidden), replace=False)


def edge_costs(weight: NDArray[np.floating], *, offset: float = 0.0) -> NDArray[np.float64]:
    """Costs ``(fan_in, fan_out)`` of the edges from each unit of a layer ``(fan_out, fan_in)``.

    Args:
        offset: added to p inside the logarithm (the make_moons demo adds 1e-9).
    """
    size = np.abs(weight.T.astype(np.float64))
    shifted = size - size.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(1.0 - (np.log(np.exp(log_p) + offset) if offset else log_p))


def unit_entropies(
    weights: Sequence[NDArray[np.floating]], *, offset: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """H'_TSE and H'_SIE (bits) of every hidden unit, ``(n_hidden,)`` each, layer by layer."""
    if len(weights) < 2:
        raise DataError(
            "path entropies are of hidden units: a network with a hidden layer expected"
        )
    htse: list[NDArray[np.float64]] = []
    hsie: list[NDArray[np.float64]] = []
    paths = edge_costs(weights[-1], offset=offset)
    for weight in reversed(weights[1:-1]):
        _measure(paths, htse, hsie)
        paths = _longer(edge_costs(weight, offset=offset), paths)
    _measure(paths, htse, hsie)
    return np.concatenate(htse[::-1]), np.concatenate(hsie[::-1])


def _longer(edges: NDArray[np.float64], paths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Costs ``(units, next units x their paths)`` of the paths one layer further back."""
    units, n_paths = len(edges), paths.size
    if units * n_paths > MOST_PATHS:
        raise DataError(
            f"path entropies list every path: {units} units x {n_paths} paths is over "
            f"{MOST_PATHS:,}; "
            "leave this measure out for a network so wide or deep"
        )
    return (edges[:, :, None] + paths[None]).reshape(units, n_paths)


def _measure(
    costs: NDArray[np.float64], htse: list[NDArray[np.float64]], hsie: list[NDArray[np.float64]]
) -> None:
    htse.append(1.0 / (1.0 / costs).sum(axis=1))
    odds = np.exp(costs.min(axis=1, keepdims=True) - costs)
    q = odds / odds.sum(axis=1, keepdims=True)
    hsie.append(-(q * np.log2(q + 1e-9)).sum(axis=1))
