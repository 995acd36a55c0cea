"""Training and inference together: the best size over a model's lifetime.

A forward pass takes a third of the FLOP of training on a token (2 N of 6 N, Kaplan et al.
2001.08361, section 2.1), so T tokens of inference cost as much as T / 3 tokens of training. For a
law that is an increasing function of A N^-alpha + B D^-beta, both accounts have the first-order
condition

    (alpha A N^-alpha) / (beta B D^-beta) = 1 + T / (3 D)

(Sardana et al. 2401.00448, eq. 3). For other laws and costs the optimum is searched numerically.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from allometry.errors import UsageError
from allometry.laws import Allocation, Array
from allometry.plan.beyond.other_budgets import target_loss
from allometry.plan.frontier.optimum import Frontier, Point, minimum
from allometry.plan.frontier.roots import rising_root
from allometry.plan.quantities import not_negative, positive

__all__ = ["FORWARD", "Account", "Inference", "equal_quality", "lifetime", "matched_run"]

Account = Literal["equal-quality", "lifetime"]

FORWARD = 1 / 3  # share of a forward pass in the FLOP of training on a token, 2 N of 6 N
FEWER = 1e12  # the search range of N reaches this factor below the best N of training alone
REACH = np.log(1e20)  # half-width of the search range of ln D about that of training alone


@dataclass(frozen=True)
class Inference:
    """The best run if its model will serve tokens, each (k,).

    Attributes:
        account: "equal-quality": least total FLOP at the loss of the baseline; or "lifetime":
            least loss if C pays for both.
        tokens: served over the lifetime.
        n_opt, d_opt, loss: of the run.
        total_flops: of training and inference.
        baseline_flops: total FLOP of the baseline; None for "lifetime".
        baseline: the run with this loss that is best for training alone; None for "lifetime".
    """

    account: Account
    tokens: float
    n_opt: Array
    d_opt: Array
    loss: Array
    total_flops: Array
    baseline_flops: Array | None = None
    baseline: Point | None = field(default=None, repr=False)


def total_flops(frontier: Frontier, n: Array, d: Array, tokens: float) -> Array:
    """FLOP of training on D and of serving tokens, 6 N D + 2 N T where C is 6 N D."""
    return frontier.cost.compute(n, d + FORWARD * tokens)


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def equal_quality(
    frontier: Frontier,
    tokens: float,
    *,
    compute: float | None = None,
    loss: float | None = None,
) -> Inference:
    """The cheapest run, inference included, with the loss of the best run at a compute.

    Args:
        tokens: served over the lifetime. compute: FLOP of training whose least loss is to be
            matched. loss: the loss itself, in place of a compute.

    Raises:
        UsageError: as in `matched_run`.
    """
    not_negative(tokens, "inference tokens")
    baseline = matched_run(frontier, compute, loss)
    split = frontier.split
    if split is not None:
        n, d = _matched(split, baseline, tokens)
    else:
        n, d = _matched_by_search(frontier, baseline, tokens)
    return Inference(
        "equal-quality", tokens, n, d, frontier.loss_at(n, d),
        total_flops(frontier, n, d, tokens),
        total_flops(frontier, baseline.n, baseline.d, tokens), baseline,
    )  # fmt: skip


def matched_run(frontier: Frontier, compute: float | None, loss: float | None) -> Point:
    """The best run for training alone at a compute, or the cheapest with a loss.

    Raises:
        UsageError: both or neither are given, or no compute reaches the loss.
    """
    if compute is not None and loss is None:
        return frontier.at(positive(compute, "compute in FLOP"))
    if loss is not None and compute is None:
        return target_loss(frontier, loss)
    raise UsageError("equal quality needs either a compute or a loss: give one of the two")


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def lifetime(frontier: Frontier, compute: float, tokens: float) -> Inference:
    """The run of least loss if a compute pays for training and for serving tokens.

    Args:
        compute: FLOP of both. tokens: served over the lifetime.
    """
    positive(compute, "compute in FLOP")
    not_negative(tokens, "inference tokens")
    split, flat = frontier.split, frontier.cost.flat
    best = frontier.at(compute)
    if split is not None and flat is not None:
        d = _paid(split, best, compute / flat, tokens)
        n = frontier.cost.parameters(d + FORWARD * tokens, np.full_like(d, compute))
    else:
        n = _paid_by_search(frontier, best, compute, tokens)
        d = frontier.cost.tokens(n, np.full_like(n, compute)) - FORWARD * tokens
    total = total_flops(frontier, n, d, tokens)
    return Inference("lifetime", tokens, n, d, frontier.loss_at(n, d), total)


def _matched(split: Allocation, baseline: Point, tokens: float) -> tuple[Array, Array]:
    """N and D that meet the condition and have the baseline's A N^-alpha + B D^-beta."""
    alpha, beta = split.alpha, split.beta
    terms = split.log_a - alpha * np.log(baseline.n), split.log_b - beta * np.log(baseline.d)
    level = np.logaddexp(*terms)

    # level - ln(A N^-alpha + B D^-beta), with A N^-alpha eliminated by the condition.
    def excess(log_d: Array) -> Array:
        ratio = (beta / alpha) * (1 + FORWARD * tokens * np.exp(-log_d))
        return level - (split.log_b - beta * log_d + np.log1p(ratio))

    low = np.log(baseline.d)  # inference shifts the optimum to more training tokens
    log_d = rising_root(excess, low, low - excess(low) / beta)
    ratio = (beta / alpha) * (1 + FORWARD * tokens * np.exp(-log_d))
    log_n = (split.log_a - (split.log_b - beta * log_d + np.log(ratio))) / alpha
    return np.exp(log_n), np.exp(log_d)


def _paid(split: Allocation, best: Point, product: float, tokens: float) -> Array:
    """D that meets the condition and has a given product N (D + T/3), (k,)."""
    alpha, beta = split.alpha, split.beta
    log_g = np.log(alpha / beta) + split.log_a - split.log_b

    def excess(log_d: Array) -> Array:
        served = np.logaddexp(log_d, np.log(FORWARD * tokens)) if tokens else log_d
        log_n = np.log(product) - served
        return np.asarray(log_g - alpha * log_n + beta * log_d - (served - log_d))

    middle = np.log(best.d)
    return np.exp(rising_root(excess, middle - REACH, middle + REACH))


def _matched_by_search(frontier: Frontier, baseline: Point, tokens: float) -> tuple[Array, Array]:
    """N and D of the least total FLOP, where each N is trained to the baseline's loss."""
    target, middle = baseline.loss[:, None], np.log(baseline.d)[:, None]

    def log_d(log_n: Array) -> Array:
        n = np.exp(log_n)
        low, high = np.broadcast_to(middle - REACH, n.shape), middle + REACH
        return rising_root(lambda x: target - frontier.loss(n, np.exp(x)), low, high)

    def flops(log_n: Array) -> Array:
        d = log_d(log_n)
        spent = total_flops(frontier, np.exp(log_n), np.exp(d), tokens)
        return np.where(d < middle + REACH - 1e-6, spent, np.inf)

    high = np.log(baseline.n) + 1.0
    best = minimum(flops, high - np.log(FEWER), high)
    return np.exp(best), np.exp(log_d(best[:, None])[:, 0])


def _paid_by_search(frontier: Frontier, best: Point, compute: float, tokens: float) -> Array:
    """N of the least loss if a compute pays for D + T/3 tokens."""

    def loss(log_n: Array) -> Array:
        n = np.exp(log_n)
        d = frontier.cost.tokens(n, np.full_like(n, compute)) - FORWARD * tokens
        value = frontier.loss(n, np.maximum(d, 1.0))
        return np.where((d >= 1) & np.isfinite(value), value, np.inf)

    high = np.log(best.n) + 1.0
    if tokens:  # N is below the size at which inference alone would cost the whole compute
        most = frontier.cost.parameters(np.full_like(best.n, FORWARD * tokens),
                                        np.full_like(best.n, compute))  # fmt: skip
        high = np.minimum(high, np.log(most))
    return np.exp(minimum(loss, high - np.log(FEWER), high))
