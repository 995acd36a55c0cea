"""Budgets other than a compute: a target loss, a size, a data set, tokens per parameter."""

import numpy as np

from allometry.errors import UsageError
from allometry.laws import Allocation, Array
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.planned import Planned, planned
from allometry.plan.frontier.roots import rising_root
from allometry.plan.quantities import positive

__all__ = ["compute_of_best_size", "compute_of_best_tokens", "fixed_ratio", "fixed_size",
           "target_loss"]  # fmt: skip

SOME_COMPUTE = 1e20  # FLOP at which a search begins
FAR = (1e24, 1e30, 1e40, 1e50)  # FLOP at which the loss is close to its lowest value
SEARCH_HALVINGS = 36  # of a bracket of 37 in ln C: 5e-10, less than the rounding of a searched N
COMPUTES = np.log(1.0), np.log(1e50)  # search range of ln C for a best size


def target_loss(frontier: Frontier, loss: float) -> Planned:
    """The cheapest run that reaches a loss.

    Returns:
        the run; under parameters that do not reach the loss, N, D and compute are infinite and
        the loss is NaN.

    Raises:
        UsageError: no set of parameters reaches the loss.
    """
    positive(loss, "loss")
    compute = frontier.compute_for(loss, SOME_COMPUTE)
    reached = np.isfinite(compute)
    if not reached.any():
        lowest = np.stack([frontier.at(compute).loss for compute in FAR])
        least = f"{np.min(lowest, where=np.isfinite(lowest), initial=np.inf):.5g}"
        raise UsageError(
            f"no compute reaches a loss of {loss:g}: under law {frontier.law.name} the least loss "
            f"of a run is {least}; give a loss above it"
        )
    best = frontier.at(np.where(reached, compute, SOME_COMPUTE))
    n, d = (np.where(reached, x, np.inf) for x in (best.n, best.d))
    return Planned(n, d, np.where(reached, best.loss, np.nan), compute, np.zeros_like(compute))


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def fixed_size(frontier: Frontier, n: float, compute: float | None = None) -> Planned:
    """A run of a given size: with D from a compute, or with the D for which N is the best size.

    Args:
        n: parameters. compute: FLOP; None for the compute at which this N is the best size.

    Raises:
        UsageError: a number that is not positive, or a size that is not the best at any compute.
    """
    positive(n, "number of parameters")
    if compute is None:
        budget = compute_of_best_size(frontier, n)
        if not np.isfinite(budget).any():
            raise UsageError(
                f"under law {frontier.law.name}, N = {n:g} is not the best size at any compute: "
                "give a compute"
            )
    else:
        budget = np.full(frontier.draws, positive(compute, "compute in FLOP"))
    size = np.full(frontier.draws, float(n))
    return planned(frontier, size, frontier.cost.tokens(size, budget))


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def fixed_ratio(frontier: Frontier, ratio: float, compute: float) -> Planned:
    """The run of a compute with a given number of tokens per parameter, D = ratio N."""
    positive(ratio, "number of tokens per parameter")
    positive(compute, "compute in FLOP")
    n = frontier.cost.at_ratio(ratio, compute)
    return planned(frontier, n, ratio * n)


def compute_of_best_size(frontier: Frontier, n: float) -> Array:
    """The compute at which N is the best size, (k,)."""
    return _compute_where(frontier, n, "n")


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def compute_of_best_tokens(frontier: Frontier, d: float) -> Array:
    """The compute at which D is the best number of tokens, (k,).

    With C = 6 N D and the G of Hoffmann et al. 2203.15556, eq. 4, this is 6 (D G)^(1/b).
    """
    return _compute_where(frontier, d, "d")


def _compute_where(frontier: Frontier, size: float, which: str) -> Array:
    """The compute at which the best N ("n") or D ("d") has a value; both rise with compute."""
    split, flat = frontier.split, frontier.cost.flat
    if split is not None and flat is not None:
        return flat * np.exp(_log_product(split, float(np.log(size)), which))

    def excess(log_c: Array) -> Array:
        best = frontier.at(np.exp(log_c))
        return np.asarray(np.log(best.n if which == "n" else best.d) - np.log(size))

    low, high = (np.full(frontier.draws, end) for end in _around(size))
    root = rising_root(excess, low, high, halvings=SEARCH_HALVINGS)
    return np.where(np.abs(excess(root)) < 1e-3, np.exp(root), np.nan)


def _log_product(split: Allocation, log_size: float, which: str) -> Array:
    """ln(N D) for which alpha A N^-alpha = beta B D^-beta, given ln N or ln D."""
    log_g = np.log(split.alpha / split.beta) + split.log_a - split.log_b
    if which == "n":  # D^beta = N^alpha / g
        return np.asarray(log_size + (split.alpha * log_size - log_g) / split.beta)
    return np.asarray(log_size + (split.beta * log_size + log_g) / split.alpha)


def _around(size: float) -> tuple[float, float]:
    """Search range of ln C for a best N or D: the other of the two differs by at most 1e8."""
    middle = float(np.log(6) + 2 * np.log(size))
    return middle - np.log(1e8), middle + np.log(1e8)
