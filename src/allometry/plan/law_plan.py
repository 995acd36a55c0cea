"""The plan of one law: the best run, its intervals, the band of sizes, and the expected waste."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from allometry.laws import Array
from allometry.plan.believed import Believed
from allometry.plan.beyond.inference import Account, Inference
from allometry.plan.budget import Budget
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.planned import Planned
from allometry.plan.frontier.waste import band, wasted
from allometry.stats.interval import Interval
from allometry.stats.resample import FINITE_SHARE, interval

__all__ = ["NUMBERS", "SHARES", "InferencePlan", "LawPlan", "numbers_of_run", "plan_of_law"]

NUMBERS = ("n_opt", "d_opt", "tokens_per_param", "compute", "epochs", "loss", "loss_new_run")
SHARES = (0.01, 0.05, 0.1)  # largest shares of compute that sizes in a band waste

Serve = Callable[[Frontier], Inference]


@dataclass(frozen=True)
class InferencePlan:
    """The run to train if its model will serve tokens; see `inference.Inference`."""

    account: Account
    tokens: float
    n_opt: Interval
    d_opt: Interval
    loss: Interval
    total_flops: Interval
    baseline_flops: Interval | None


@dataclass(frozen=True)
class LawPlan:
    """The run to train, if the law is right.

    Attributes:
        n_opt, d_opt, tokens_per_param, compute: with percentile intervals over the draws.
        epochs: passes over the unique data; 1 if unique data are not limited.
        loss: of the run under the law. loss_new_run: the same with the interval of a measured
            loss, which adds the residuals of the fit.
        waste_band: share of compute -> range of sizes (low, high) that waste at most this share.
        expected_waste: mean over the draws of the share that this run wastes; None without draws.
        wasted: share that this run wastes under the fitted values; 0 at the optimum.
        weight: of the law, by how well it predicts the larger runs.
        inference: the run to train if it will also serve tokens.
        draws: of n_opt (k,).
    """

    law: str
    n_opt: Interval
    d_opt: Interval
    tokens_per_param: Interval
    compute: Interval
    epochs: Interval
    loss: Interval
    loss_new_run: Interval
    waste_band: dict[float, tuple[float, float]]
    expected_waste: float | None
    wasted: float
    weight: float = 1.0
    inference: InferencePlan | None = None
    draws: Array = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)


@dataclass(frozen=True)
class _Decided:
    """The planned run for the fitted values, and for each draw (k,)."""

    best: Planned
    draws: Planned | None
    level: float

    def interval(self, of: Callable[[Planned], Array]) -> Interval:
        drawn = np.zeros(0) if self.draws is None else of(self.draws)
        return interval(float(of(self.best)[0]), drawn, self.level)


@np.errstate(all="ignore")  # some draws have no optimum
def plan_of_law(
    believed: Believed,
    frontiers: tuple[Frontier, Frontier | None],
    budget: Budget,
    *,
    level: float = 0.95,
    weight: float = 1.0,
    serve: Serve | None = None,
) -> LawPlan:
    """Plan under one law.

    Args:
        frontiers: of the law for its values, and for its draws or None.
        level: of the intervals.
        serve: frontier -> the run if the model serves tokens.
    """
    frontier, drawn = frontiers
    decided = _decided(frontiers, budget, level)
    best = decided.best
    n, d = float(best.n[0]), float(best.d[0])
    return LawPlan(
        law=believed.law.name,
        **_numbers(believed, frontiers, budget, decided),
        waste_band={share: _ends(frontier, best.compute, share) for share in SHARES},
        expected_waste=None if drawn is None else _mean(wasted(drawn, n, d)),
        wasted=float(best.waste[0]),
        weight=weight,
        inference=serve and _inference(serve, frontiers, level),
        draws=np.zeros(0) if decided.draws is None else decided.draws.n,
    )


@np.errstate(all="ignore")  # as above
def numbers_of_run(
    believed: Believed,
    frontiers: tuple[Frontier, Frontier | None],
    budget: Budget,
    level: float,
) -> dict[str, Interval]:
    """The `NUMBERS` of the run that `plan_of_law` plans, without the wasted shares.

    Args:
        believed, frontiers, budget, level: as for `plan_of_law`.
    """
    return _numbers(believed, frontiers, budget, _decided(frontiers, budget, level))


def _decided(frontiers: tuple[Frontier, Frontier | None], budget: Budget, level: float) -> _Decided:
    best, draws = (None if f is None else budget.decide(f) for f in frontiers)
    assert best is not None
    return _Decided(best, draws, level)


def _numbers(
    believed: Believed,
    frontiers: tuple[Frontier, Frontier | None],
    budget: Budget,
    decided: _Decided,
) -> dict[str, Interval]:
    """Intervals by the names in `NUMBERS`."""
    n, d = float(decided.best.n[0]), float(decided.best.d[0])
    unique = budget.unique_data
    loss, new_run = _losses(believed, frontiers, n, d, decided.level)
    return {
        "n_opt": decided.interval(lambda p: p.n),
        "d_opt": decided.interval(lambda p: p.d),
        "tokens_per_param": decided.interval(lambda p: p.tokens_per_parameter),
        "compute": decided.interval(lambda p: p.compute),
        "epochs": decided.interval(lambda p: np.ones_like(p.d) if unique is None else p.d / unique),
        "loss": loss,
        "loss_new_run": new_run,
    }


def _mean(shares: Array) -> float | None:
    """Mean over the finite shares; None if too few are finite, by the rule of intervals."""
    finite = np.isfinite(shares)
    enough = len(shares) > 0 and finite.mean() >= FINITE_SHARE
    return float(shares[finite].mean()) if enough else None


def _ends(frontier: Frontier, compute: Array, share: float) -> tuple[float, float]:
    ends = band(frontier, compute, share)
    return float(ends.low[0]), float(ends.high[0])


def _losses(
    believed: Believed,
    frontiers: tuple[Frontier, Frontier | None],
    n: float,
    d: float,
    level: float,
) -> tuple[Interval, Interval]:
    """The loss of the run under the law, and that of a new run; ends are NaN without draws."""
    frontier, drawn = frontiers
    value = float(frontier.loss_at(np.array([n]), np.array([d]))[0])
    if drawn is None or believed.fit is None:
        return Interval(value, np.nan, np.nan), Interval(value, np.nan, np.nan)
    losses = drawn.loss_at(np.array([n]), np.array([d]))
    measured = believed.fit.measured(losses[:, None])[:, 0]
    return interval(value, losses, level), interval(value, measured, level)


def _inference(
    serve: Serve, frontiers: tuple[Frontier, Frontier | None], level: float
) -> InferencePlan:
    best, drawn = serve(frontiers[0]), None if frontiers[1] is None else serve(frontiers[1])

    def of(name: Literal["n_opt", "d_opt", "loss", "total_flops", "baseline_flops"]) -> Interval:
        draws = np.zeros(0) if drawn is None else getattr(drawn, name)
        return interval(float(getattr(best, name)[0]), draws, level)

    return InferencePlan(
        best.account, best.tokens, of("n_opt"), of("d_opt"), of("loss"), of("total_flops"),
        None if best.baseline_flops is None else of("baseline_flops"),
    )  # fmt: skip
