"""Compute that is wasted by training another size than the best one.

A run of N parameters and D tokens costs C and reaches a loss; the best run with that loss costs
C' <= C; the share 1 - C'/C is wasted. For a law that is an increasing function of A N^-alpha +
B D^-beta and C proportional to N D, a run at r = N/N* wastes

    1 - [(beta r^-alpha + alpha r^beta) / (alpha + beta)]^(-(alpha + beta)/(alpha beta)),

about (alpha + beta)/2 (ln r)^2 near the best size. For other laws and costs C' is searched.
"""

from dataclasses import dataclass

import numpy as np

from allometry.laws import Allocation, Array
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.roots import rising_root

__all__ = ["Band", "band", "wasted", "wasted_off_optimum"]

FARTHEST = 46.0  # largest |ln(N/N*)| at the ends of a band: a factor of 1e20


@dataclass(frozen=True)
class Band:
    """The range of sizes that waste at most a share of compute: N from low to high, (k,) each."""

    low: Array
    high: Array


@np.errstate(all="ignore")  # some draws have no optimum
def wasted(frontier: Frontier, n: float | Array, d: float | Array) -> Array:
    """The share of compute that a run wastes, (k,), under each set of a law's parameters.

    Args:
        n, d: of the run, numbers or (k,).

    Returns:
        from 0 to 1; NaN where a law has no best run with this loss.
    """
    n, d = (np.broadcast_to(np.asarray(x, float), frontier.draws) for x in (n, d))
    compute = frontier.cost.compute(n, d)
    split = frontier.split
    if split is not None:
        return wasted_off_optimum(split, np.log(n / frontier.at(compute).n))
    needed = frontier.compute_for(frontier.loss_at(n, d), compute)
    share = np.where(np.isfinite(needed), 1 - needed / compute, np.nan)
    return np.clip(share, 0.0, 1.0)  # the searched best run may cost slightly more by rounding


@np.errstate(all="ignore")  # as above
def wasted_off_optimum(split: Allocation, log_ratio: Array) -> Array:
    """The share wasted at ln(N/N*), of any shape that broadcasts with the parameters (k,)."""
    alpha, beta = split.alpha, split.beta
    share = np.log(beta) - alpha * log_ratio, np.log(alpha) + beta * log_ratio
    log_rise = np.maximum(np.logaddexp(*share) - np.log(alpha + beta), 0.0)  # by rounding below 0
    return np.asarray(-np.expm1(-log_rise * (alpha + beta) / (alpha * beta)))


@np.errstate(all="ignore")  # as above
def band(frontier: Frontier, compute: float | Array, share: float) -> Band:
    """The range of sizes that waste at most a share of a compute, a number or (k,)."""
    c = np.broadcast_to(np.asarray(compute, float), frontier.draws)
    best, split = frontier.at(c), frontier.split
    if split is not None:
        return Band(*(best.n * np.exp(_ratio(split, share, sign)) for sign in (-1.0, 1.0)))
    most = frontier.at((1 - share) * c).loss  # a run with this loss wastes exactly the share
    return Band(*(_where(frontier, best.n, c, most, sign) for sign in (-1.0, 1.0)))


def _ratio(split: Allocation, share: float, sign: float) -> Array:
    """ln(N/N*) at which the closed form equals the share, on one side of the optimum."""
    distance = rising_root(
        lambda x: wasted_off_optimum(split, sign * x) - share,
        np.zeros_like(split.alpha), np.full_like(split.alpha, FARTHEST),
    )  # fmt: skip
    return np.asarray(sign * distance)


def _where(frontier: Frontier, best: Array, compute: Array, loss: Array, sign: float) -> Array:
    """N at which a compute gives a loss, on one side of the best N."""

    def excess(distance: Array) -> Array:
        n = best * np.exp(sign * distance)
        return frontier.loss_at(n, frontier.cost.tokens(n, compute)) - loss

    distance = rising_root(excess, np.zeros_like(best), np.full_like(best, FARTHEST))
    return np.asarray(best * np.exp(sign * distance))
