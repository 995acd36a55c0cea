"""The path measures of the N-scaling notebook, done slowly: a graph and a walk along every path.

An oracle for `allometry.measures.paths`, kept apart from it: nothing is imported from the
package. The network becomes a directed graph, one node per unit, and every simple path from a
hidden unit to an output unit is listed by depth-first search. `vectorised_node_metrics` gives the
same numbers from whole matrices, for networks where a walk in Python takes too long.

Definitions (First-Principles-Scaling-Laws, N-Scaling/MLP_N_logic.py, `TheoryAnalyzer`). For the
weight ``W`` of a Linear layer, shape ``(out, in)``:

* ``p(u -> v) = softmax over v of |W[v, u]|``, computed in the dtype of ``W`` (float32 there);
* an edge exists where ``p > 1e-9`` and costs ``c = 1 - ln p``, in float64;
* the cost ``C`` of a path is the sum over its edges; targets are the output units;
* H'_TSE of a unit = ``1 / sum(1 / C)`` over its paths (abstraction);
* H'_SIE of a unit = ``-sum(q log2(q + 1e-9))``, ``q = exp(-C) / sum(exp(-C))`` (compression, bits).

Units are numbered layer by layer from the input, so the hidden units are those of layer 1, then
those of layer 2; the measure of a network is the plain mean over `sample_hidden` of them. Biases,
activations and data play no part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Graph",
    "build_graph",
    "hidden_nodes",
    "list_path_costs",
    "mean_metrics",
    "node_metrics",
    "sample_hidden",
    "vectorised_node_metrics",
]

Graph = dict[int, dict[int, float]]

EDGE_FLOOR = 1e-9  # edges with p at or below this are left out
LOG_FLOOR = 1e-9  # added to q inside the logarithm
MAX_NODES = 10  # a path with more nodes than this is not continued


def build_graph(weights: Sequence[NDArray[np.floating]]) -> Graph:
    """Turn a stack of Linear layers into ``{unit: {unit of the next layer: edge cost}}``.

    Args:
        weights: One array per Linear layer, shape ``(out, in)`` as PyTorch keeps it, from the
            input to the output.
    """
    graph: Graph = {}
    first = 0
    for weight in weights:
        n_out, n_in = weight.shape
        probability = _transition_probabilities(weight)
        for u in range(n_in):
            edges = graph.setdefault(first + u, {})
            for v in range(n_out):
                p = float(probability[u, v])
                if p > EDGE_FLOOR:
                    edges[first + n_in + v] = 1.0 - math.log(p)
        first += n_in
    for v in range(weights[-1].shape[0]):
        graph[first + v] = {}
    return graph


def hidden_nodes(weights: Sequence[NDArray[np.floating]]) -> list[int]:
    """Node numbers of the hidden units: layer 1 in order, then layer 2, and so on."""
    n_inputs = weights[0].shape[1]
    n_hidden = sum(weight.shape[0] for weight in weights[:-1])
    return list(range(n_inputs, n_inputs + n_hidden))


def sample_hidden(n_hidden: int, limit: int, rng: np.random.RandomState) -> NDArray[np.int64]:
    """Positions, among the hidden units, of the units the notebook looks at.

    The notebook calls ``np.random.choice`` once, right after ``np.random.seed(seed)`` as far as
    this stream is concerned (training draws from PyTorch's generator only), so
    ``np.random.RandomState(seed)`` gives its units.
    """
    return rng.choice(n_hidden, size=min(limit, n_hidden), replace=False)


def list_path_costs(graph: Graph, start: int, targets: set[int]) -> list[float]:
    """Cost of every simple path from `start` to any of `targets`, by depth-first search."""
    costs: list[float] = []
    stack: list[tuple[int, list[int], float]] = [(start, [start], 0.0)]
    while stack:
        node, path, cost = stack.pop()
        if node in targets:
            costs.append(cost)
            continue
        if len(path) > MAX_NODES:
            continue
        for neighbour, edge_cost in graph[node].items():
            if neighbour not in path:
                stack.append((neighbour, [*path, neighbour], cost + edge_cost))
    return costs


def node_metrics(costs: Sequence[float]) -> tuple[float, float]:
    """H'_TSE and H'_SIE of one unit from the costs of its paths; ``(inf, 0)`` without a path."""
    if len(costs) == 0:
        return math.inf, 0.0
    cost = np.asarray(costs, dtype=np.float64)
    htse = 1.0 / np.sum(1.0 / cost)
    importance = np.exp(-cost)
    q = importance / np.sum(importance)
    return float(htse), float(-np.sum(q * np.log2(q + LOG_FLOOR)))


def vectorised_node_metrics(
    weights: Sequence[NDArray[np.floating]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """H'_TSE and H'_SIE of every hidden unit, in the order of `hidden_nodes`.

    Every edge is kept, so it agrees with the walk only while no ``p`` falls to 1e-9: that needs a
    spread of about 20 among the absolute weights that leave one unit.

    Returns:
        Two float64 arrays, shape ``(n_hidden,)``.
    """
    htse: list[NDArray[np.float64]] = []
    hsie: list[NDArray[np.float64]] = []
    onward = np.zeros((weights[-1].shape[0], 1))
    for weight in reversed(weights[1:]):
        edge = 1.0 - np.log(_transition_probabilities(weight).astype(np.float64))
        onward = (edge[:, :, None] + onward[None]).reshape(edge.shape[0], -1)
        importance = np.exp(-onward)
        q = importance / importance.sum(axis=1, keepdims=True)
        htse.append(1.0 / (1.0 / onward).sum(axis=1))
        hsie.append(-(q * np.log2(q + LOG_FLOOR)).sum(axis=1))
    return np.concatenate(htse[::-1]), np.concatenate(hsie[::-1])


def mean_metrics(
    weights: Sequence[NDArray[np.floating]], seed: int, limit: int = 30
) -> tuple[float, float]:
    """The two numbers the notebook stores for a network: means over the sampled hidden units.

    Units without a finite value are skipped; the means are 0 when none is left.
    """
    graph = build_graph(weights)
    hidden = hidden_nodes(weights)
    n_nodes = len(graph)
    targets = set(range(n_nodes - weights[-1].shape[0], n_nodes))
    chosen = sample_hidden(len(hidden), limit, np.random.RandomState(seed))
    pairs = [node_metrics(list_path_costs(graph, hidden[i], targets)) for i in chosen]
    finite = [pair for pair in pairs if math.isfinite(pair[0]) and math.isfinite(pair[1])]
    if not finite:
        return 0.0, 0.0
    htse, hsie = zip(*finite, strict=True)
    return float(np.mean(htse)), float(np.mean(hsie))


def _transition_probabilities(weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """Softmax of ``|W|`` over the targets: shape ``(in, out)``, rows sum to one."""
    size = np.abs(weight).T
    shifted = np.exp(size - size.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
