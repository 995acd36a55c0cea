"""The runs to make next: those expected to be most informative about a decision for their cost.

Every law's belief about the target is Gaussian (`scores`). Laws are weighted by how well they,
fitted to the cheaper runs, predict the more expensive ones. The batch is chosen greedily by the
expected reduction of the target's variance, within and between laws, over cost^gamma. A design
that is optimal for one law can be useless under another, so a fifth of the budget is reserved for
two runs that could show the laws to be wrong: one with D/N far from all others, and one at the
largest scale that the reserve pays for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError, UsageError
from allometry.fitting.document import Fit
from allometry.laws import Array
from allometry.plan.design import choices
from allometry.plan.design.candidates import Candidates
from allometry.plan.design.choices import Pool, greedy
from allometry.plan.design.next_question import Question
from allometry.plan.design.next_result import Expected, NextRun, NextRuns
from allometry.plan.design.scores import Belief
from allometry.plan.design.target import Target
from allometry.plan.design.verdict import Stop, verdict
from allometry.plan.design.weighing import law_weights
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.runs import Runs
from allometry.stats.digits import shown

__all__ = ["NextOptions", "next_runs"]

Mask = NDArray[np.bool_]

RANDOM_DRAWS = 16  # batches averaged for the baseline `random`
LARGEST_SHARE = 0.75  # of the reserve; the rest is for the run with D/N far from all others
NEAR_LARGEST = 0.5  # least cost of the run at the largest scale, over the most affordable cost
UNSPENT = 0.05  # unspent share of the budget from which a note is given
FAR_ENOUGH = 0.9  # least distance in ln(D/N) of the run far from all others, over the largest


@dataclass(frozen=True)
class NextOptions:
    """How to choose.

    Attributes:
        exponent: gamma of cost^gamma; 1 is per FLOP, 0 ignores the cost.
        reserve: share of the budget for the two runs that could show the laws to be wrong.
        most: most runs.
        draws: number of draws of each fit about which its parameters are also Gaussian.
        cost: FLOP of a run.
        weights: of the laws; None takes them from a back-test.
        seed: of the baseline `random`.
    """

    exponent: float = 0.4  # 2604.22753
    reserve: float = 0.2
    most: int = 40
    draws: int = 7
    cost: Cost = SIX_ND
    weights: Mapping[str, float] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.exponent <= 2 and 0 <= self.reserve < 1):
            raise UsageError(
                "exponent must be from 0 to 2 and reserve at least 0 and below 1; got "
                f"exponent={self.exponent}, reserve={self.reserve}"
            )
        if self.most < 1 or self.draws < 0:
            raise UsageError(
                f"most must be at least 1 and draws at least 0; got most={self.most}, "
                f"draws={self.draws}"
            )


def next_runs(
    fits: Mapping[str, Fit],
    runs: Runs,
    budget: float,
    target: str | Target,
    candidates: Candidates | None = None,
    options: NextOptions | None = None,
) -> NextRuns:
    """Choose the runs to make with a budget.

    Args:
        fits: of laws of N and D to the same runs, by name; some of their draws are used if they
            have resamples.
        runs: the existing runs.
        budget: FLOP.
        target: the decision, such as `ln_n_opt@1e24`; see `Target`.
        candidates: possible runs; None takes a grid within the budget.

    Raises:
        UsageError: invalid fits, budget or target. DataError: no law has a value of the target, or
            no candidate can be afforded.
    """
    options = options or NextOptions()
    aim = Target.of_text(target, options.cost) if isinstance(target, str) else target
    _check(fits, budget, aim)
    grid = candidates or Candidates.grid(runs, options.cost, budget)
    weights = dict(options.weights or law_weights(fits, runs))
    question = Question.of_fits(
        fits, weights, {"N": grid.n, "D": grid.d}, aim, options.cost, options.draws
    )
    return _Choice(question, runs, grid, budget, options).made()


def _check(fits: Mapping[str, Fit], budget: float, target: Target) -> None:
    if not fits:
        raise UsageError("next needs the fit of at least one law")
    for name, fit in fits.items():
        if set(fit.law.sizes) != {"N", "D"}:
            sizes = ", ".join(fit.law.sizes)
            raise UsageError(
                f"next chooses N and D and needs laws of N and D; {name} has the sizes {sizes}"
            )
    if not (np.isfinite(budget) and budget > 0):
        raise UsageError(f"the budget must be a positive number of FLOP, got {budget}")
    if target.kind == "law" and len(fits) < 2:
        raise UsageError("the target law needs the fits of two laws or more")


@dataclass(frozen=True, eq=False)
class _Choice:
    """The question, and the runs, candidates, budget and options for its answer."""

    question: Question
    runs: Runs
    grid: Candidates
    budget: float
    options: NextOptions

    def made(self) -> NextRuns:
        """The batch, with the baselines.

        Raises:
            DataError: no candidate costs at most the budget.
        """
        pool = self._pool()
        if not pool.affordable.any():
            raise DataError(
                f"no candidate costs at most the budget of {self.budget:g}; the cheapest costs "
                f"{self.grid.cost.min():g}"
            )
        question, notes = self.question, [*self.grid.notes, *self.question.notes]
        belief, reasons = self._reserved(pool, notes)
        belief = greedy(belief, pool, Belief.reduction, self.options.exponent)
        reason = f"reduces the variance of {question.target} most for its cost"
        reasons += [reason] * (len(pool.chosen) - len(reasons))
        spent, stop = self.budget - pool.left, self._stop(belief)
        more = [] if stop.worth_it is False else self._unspent(pool)
        return NextRuns(
            str(question.target),
            self.budget,
            spent,
            tuple(self._run(place, why) for place, why in zip(pool.chosen, reasons, strict=True)),
            question.expected(question.belief),
            question.expected(belief, spent, len(pool.chosen)),
            self._baselines(),
            self._waste(question.belief),
            self._waste(belief),
            stop,
            question.weights,
            (*notes, *more),
        )

    def _unspent(self, pool: Pool) -> list[str]:
        """A note if much of the budget is left because of the limit on the number of runs."""
        most = self.options.most
        few = pool.left < UNSPENT * self.budget or not (pool.cost <= pool.left).any()
        if len(pool.chosen) < most or few:
            return []
        return [
            f"{shown(pool.left)} FLOP are left after {most} runs: allow more runs, or use a "
            "smaller exponent of the cost, which favours more expensive runs"
        ]

    def _waste(self, belief: Belief) -> float | None:
        if self.question.curvature is None:
            return None
        return self.question.waste(float(np.sqrt(belief.variance())))[0]

    def _pool(self) -> Pool:
        return Pool(self.grid.cost, self.grid.allowed, self.budget, self.options.most)

    def _run(self, place: int, reason: str) -> NextRun:
        grid = self.grid
        return NextRun(float(grid.n[place]), float(grid.d[place]), float(grid.cost[place]), reason)

    def _reserved(self, pool: Pool, notes: list[str]) -> tuple[Belief, list[str]]:
        """Choose first the runs that could show the laws wrong, so that others account for them."""
        reserve, reasons = self.options.reserve * self.budget, list[str]()
        belief = self.question.belief
        if reserve <= 0:
            return belief, reasons
        for share, choose, reason in (
            (LARGEST_SHARE, self._largest, "at the largest scale that the reserve pays for"),
            (
                1 - LARGEST_SHARE,
                self._off_rays,
                "at a D/N far from all others, to show lack of fit",
            ),
        ):
            able = pool.affordable & (self.grid.cost <= share * reserve)
            if not able.any():
                notes.append(
                    f"no candidate costs at most {shown(share * reserve)} FLOP: no run {reason}"
                )
                continue
            place = choose(belief, able, pool)
            pool.take(place)
            belief = belief.after(place)
            reasons.append(reason)
        return belief, reasons

    def _largest(self, belief: Belief, able: Mask, pool: Pool) -> int:
        """The most informative of the most expensive candidates."""
        costly = able & (self.grid.cost >= NEAR_LARGEST * self.grid.cost[able].max())
        return int(np.argmax(np.where(costly, belief.reduction(), -1.0)))

    def _off_rays(self, belief: Belief, able: Mask, pool: Pool) -> int:
        """The most informative of the candidates farthest in ln(D/N) from every run."""
        grid = self.grid
        ratios = np.concatenate([self.runs.d / self.runs.n, (grid.d / grid.n)[pool.chosen]])
        away = np.abs(np.log(grid.d / grid.n)[:, None] - np.log(np.unique(ratios))).min(1)
        far = able & (away >= FAR_ENOUGH * away[able].max())
        return int(np.argmax(np.where(far, belief.reduction(), -1.0)))

    def _baselines(self) -> dict[str, Expected]:
        """Other ways to spend the same budget, with the expected standard deviation of each."""
        options, grid, question = self.options, self.grid, self.question
        pools = {
            name: self._pool()
            for name in ("cheapest", "d_optimal", "v_optimal", "isoflop", "l_shape")
        }

        def best(cost: float) -> tuple[float, float]:
            point = question.frontier.at(cost)
            return float(point.n[0]), float(point.d[0])

        choices.cheapest(pools["cheapest"])
        greedy(question.region, pools["d_optimal"], _volume, options.exponent)
        greedy(question.region, pools["v_optimal"], Belief.reduction, options.exponent)
        choices.isoflop(pools["isoflop"], grid.n, grid.d, best)
        choices.l_shape(pools["l_shape"], grid.n, grid.d, best)
        expected = {name: self._of_pool(pool) for name, pool in pools.items()}
        return {**expected, "random": self._of_random()}

    def _of_pool(self, pool: Pool) -> Expected:
        belief = self.question.belief.after_all(pool.chosen)
        return self.question.expected(belief, self.budget - pool.left, len(pool.chosen))

    def _of_random(self) -> Expected:
        """The mean over batches drawn at random."""
        rng, drawn = np.random.default_rng(self.options.seed), []
        for _ in range(RANDOM_DRAWS):
            pool = self._pool()
            choices.random(pool, rng)
            drawn.append(self._of_pool(pool))
        first = drawn[0]
        sd, cost, runs = (np.mean([getattr(e, k) for e in drawn]) for k in ("sd", "cost", "runs"))
        value = float(np.mean([e.value for e in drawn]))
        return replace(first, value=value, sd=float(sd), cost=float(cost), runs=round(float(runs)))

    def _stop(self, belief: Belief) -> Stop:
        """Whether one more run of the candidates is worth its cost."""
        question, compute = self.question, self.question.target.compute
        if question.curvature is None or compute is None:
            return verdict(None, None, self.grid.cost, None)
        sds = np.sqrt(np.maximum(belief.variance() - belief.reduction(), 0.0))
        now = question.waste(float(np.sqrt(belief.variance())))[0]
        then = np.array([question.waste(float(sd))[0] for sd in sds])
        return verdict(now, then, self.grid.cost, compute)


def _volume(belief: Belief) -> Array:
    return belief.laws[0].log_volume()
