"""Comparison of two recipes in compute at equal loss.

The effective speedup of a recipe is the compute of a baseline over its own compute, at the same
loss. If both follow laws L = L_inf + A C^-alpha with the same floor and exponent, it is the same at
every loss: ((L_baseline - L_inf) / (L_candidate - L_inf))^(1/alpha), with both losses at one
compute.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allometry.errors import UsageError
from allometry.fitting.document import Fit
from allometry.laws import Array, Law
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.roots import rising_root
from allometry.plan.quantities import positive
from allometry.stats.interval import Interval
from allometry.stats.resample import interval

__all__ = ["Recipe", "Speedup", "pinned_speedup", "recipe_of_fit", "speedup"]

COMPUTES = np.log(1.0), np.log(1e60)  # FLOP of a law of compute alone, in logs


@dataclass(frozen=True)
class Recipe:
    """The least loss of a recipe at each compute, under a law with k sets of parameters.

    Attributes:
        law: of N and D, or of compute alone (one size). values: parameter -> (k,).
        cost: FLOP of a run, for a law of N and D.
    """

    law: Law
    values: Mapping[str, Array]
    cost: Cost = SIX_ND

    @property
    def draws(self) -> int:
        return len(next(iter(self.values.values())))

    def loss_at(self, compute: Array) -> Array:
        """The least loss at a compute (k,)."""
        if len(self.law.sizes) > 1:
            return self._frontier.at(compute).loss
        sizes = {self.law.sizes[0]: compute[:, None]}
        return self.law.evaluate(self.values, sizes)[:, 0]

    def compute_for(self, loss: Array, near: float) -> Array:
        """The least compute that reaches a loss (k,); infinite if none does."""
        if len(self.law.sizes) > 1:
            return self._frontier.compute_for(loss, near)
        low, high = (np.full(self.draws, end) for end in COMPUTES)
        log_c = rising_root(lambda x: loss - self.loss_at(np.exp(x)), low, high)
        reached = self.loss_at(np.exp(high)) < loss
        return np.where(reached, np.exp(log_c), np.inf)

    def take(self, draws: int) -> "Recipe":
        """The recipe with the first `draws` sets of parameters."""
        return Recipe(self.law, {s: v[:draws] for s, v in self.values.items()}, self.cost)

    @property
    def _frontier(self) -> Frontier:
        return Frontier(self.law, self.values, self.cost)


def recipe_of_fit(fit: Fit, cost: Cost = SIX_ND) -> tuple[Recipe, Recipe | None]:
    """The recipe for the fitted values, and for the resamples or None.

    Raises:
        UsageError: the law is neither one of N and D nor one of a single size, the compute.
    """
    law = fit.law
    if set(law.sizes) != {"N", "D"} and len(law.sizes) != 1:
        raise UsageError(
            f"recipes are compared by a law of N and D, or of compute alone; law {law.name} has "
            f"the sizes {', '.join(law.sizes)}"
        )
    best = {name: np.array([fit.values[name]]) for name in law.names}
    draws = {name: fit.draws[name] for name in law.names} if fit.draws else None
    return Recipe(law, best, cost), None if draws is None else Recipe(law, draws, cost)


@dataclass(frozen=True)
class Speedup:
    """Compute of the baseline over that of the candidate at the same loss.

    Attributes:
        value: the ratio, with its percentile interval over pairs of resamples.
        loss: at which it holds, for the fitted values. compute: of the baseline and of the
            candidate, for the fitted values.
        draws: (k,).
        faster: share of the draws in which the candidate needs less; NaN without draws.
    """

    value: Interval
    loss: float
    compute: tuple[float, float]
    draws: Array
    faster: float


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def speedup(
    baseline: Fit,
    candidate: Fit,
    *,
    compute: float | None = None,
    loss: float | None = None,
    cost: Cost = SIX_ND,
    level: float = 0.95,
) -> Speedup:
    """The effective speedup of one recipe over another, from the fits of their laws.

    Args:
        baseline, candidate: fits of a law of N and D, or of compute alone, to the runs of each
            recipe. Their resamples are independent and are used in pairs.
        compute: FLOP of the baseline, whose least loss the candidate must reach. loss: the loss
            itself, in place of a compute.
        cost: FLOP of a run of either recipe. level: of the interval.

    Raises:
        UsageError: both or neither of compute and loss, a loss that the laws do not reach for the
            fitted values, or laws of other sizes.
    """
    if compute is not None and loss is None:
        positive(compute, "compute in FLOP")
    elif loss is not None and compute is None:
        positive(loss, "loss")
    else:
        raise UsageError("recipes are compared at a compute or at a loss: give one of the two")
    (best_a, drawn_a), (best_b, drawn_b) = (recipe_of_fit(f, cost) for f in (baseline, candidate))
    level_of, spent = _at_equal_loss(best_a, best_b, compute, loss)
    if not np.isfinite([*spent[0], *spent[1]]).all():
        raise UsageError(
            f"a loss of {level_of[0]:.5g} is not reached under the law of at least one recipe: "
            "compare them at a higher loss or a smaller compute"
        )
    draws = np.zeros(0)
    if drawn_a is not None and drawn_b is not None:
        k = min(drawn_a.draws, drawn_b.draws)
        _, each = _at_equal_loss(drawn_a.take(k), drawn_b.take(k), compute, loss)
        draws = np.asarray(each[0] / each[1])
    return Speedup(
        interval(float(spent[0][0] / spent[1][0]), draws, level), float(level_of[0]),
        (float(spent[0][0]), float(spent[1][0])), draws,
        float(np.mean(draws > 1)) if len(draws) else float("nan"),
    )  # fmt: skip


def _at_equal_loss(
    baseline: Recipe, candidate: Recipe, compute: float | None, loss: float | None
) -> tuple[Array, tuple[Array, Array]]:
    """The loss (k,), and the compute of each recipe at this loss."""
    if compute is not None:
        spent = np.full(baseline.draws, float(compute))
        reached = baseline.loss_at(spent)
        return reached, (spent, candidate.compute_for(reached, compute))
    near = 1e20  # FLOP at which the search begins
    reached = np.full(baseline.draws, loss, float)
    spent = baseline.compute_for(reached, near)
    return reached, (spent, candidate.compute_for(reached, near))


def pinned_speedup(
    baseline: float | Array, candidate: float | Array, floor: float | Array, exponent: float | Array
) -> Array:
    """((L_baseline - L_inf) / (L_candidate - L_inf))^(1/alpha), of any shapes that broadcast.

    Args:
        baseline, candidate: losses at the same compute. floor: L_inf, the same for both.
        exponent: alpha of L = L_inf + A C^-alpha, the same for both.

    Raises:
        UsageError: a loss that is not above the floor, or an exponent that is not positive.
    """
    above = [np.asarray(loss, float) - floor for loss in (baseline, candidate)]
    if not all((gap > 0).all() for gap in above):
        raise UsageError(
            "both losses must be above the floor L_inf: they do not come from the same "
            "evaluation, or the floor is too high"
        )
    if not (np.asarray(exponent) > 0).all():
        raise UsageError("the exponent alpha of L = L_inf + A C^-alpha must be positive")
    return np.asarray((above[0] / above[1]) ** (1 / np.asarray(exponent)))
