"""The runs to make next: those expected to tell most of a decision for what they cost.

Every law's belief about the target is Gaussian (`scores`); laws weigh by how well they, fitted to
the cheaper runs, predict the dearer ones. The batch is greedy in the expected reduction of the
target's variance, within laws and between them, over cost^gamma. Designs that are best for one law
break under another, so a fifth of the budget goes to two runs that could show the laws wrong: one
off the rays D/N of the others, and one at the largest scale that it pays for.
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

RANDOM_DRAWS = 16  # batches that the baseline `random` is the mean of
LARGEST_SHARE = 0.75  # of the reserve; the rest is for the run off the rays
NEAR_LARGEST = 0.5  # of the dearest run that the reserve pays for
UNSPENT = 0.05  # share of the budget that is worth a word
FAR_ENOUGH = 0.9  # of the farthest distance in ln(D/N)


@dataclass(frozen=True)
class NextOptions:
    """How to choose.

    Attributes:
        exponent: gamma of cost^gamma; 1 is per FLOP, 0 forgets the cost.
        reserve: share of the budget for the run off the rays and the one at the largest scale.
        most: how many runs at most.
        draws: of each fit, about which its parameters are taken as Gaussian once more.
        cost: FLOP of a run.
        weights: of the laws, where they are not to come from a back-test.
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
                "exponent is from 0 to 2 and reserve from 0 to below 1; got "
                f"exponent={self.exponent}, reserve={self.reserve}"
            )
        if self.most < 1 or self.draws < 0:
            raise UsageError(
                f"at least 1 run and 0 draws; got most={self.most}, draws={self.draws}"
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
        fits: of laws of N and D to the same runs, by name; with resamples, some of their draws
            count as well.
        runs: those that exist.
        budget: FLOP.
        target: what they are to tell, such as `ln_n_opt@1e24`; see `Target`.
        candidates: what can be run; None takes a grid within the budget.

    Raises:
        UsageError: fits, a budget or a target that cannot be. DataError: no law has the target, or
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
            raise UsageError(f"next chooses N and D, so laws of N and D; {name} is one of {sizes}")
    if not (np.isfinite(budget) and budget > 0):
        raise UsageError(f"a budget is a positive number of FLOP, got {budget}")
    if target.kind == "law" and len(fits) < 2:
        raise UsageError("the target law needs the fits of two laws or more")


@dataclass(frozen=True, eq=False)
class _Choice:
    """The question, and what there is to answer it with."""

    question: Question
    runs: Runs
    grid: Candidates
    budget: float
    options: NextOptions

    def made(self) -> NextRuns:
        """The batch, and the baselines beside it.

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
        told = f"reduces the variance of {question.target} most for its cost"
        reasons += [told] * (len(pool.chosen) - len(reasons))
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
        """What is said of a budget that the number of runs leaves over."""
        most = self.options.most
        few = pool.left < UNSPENT * self.budget or not (pool.cost <= pool.left).any()
        if len(pool.chosen) < most or few:
            return []
        return [
            f"{shown(pool.left)} FLOP are left after {most} runs: allow more runs, or a smaller "
            "exponent of the cost, which takes dearer ones"
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
        """The runs that could show the laws wrong, taken first so that the others build on them."""
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
        """Of the dearest candidates the one that tells most."""
        dear = able & (self.grid.cost >= NEAR_LARGEST * self.grid.cost[able].max())
        return int(np.argmax(np.where(dear, belief.reduction(), -1.0)))

    def _off_rays(self, belief: Belief, able: Mask, pool: Pool) -> int:
        """Of those farthest in ln(D/N) from every run the one that tells most."""
        grid = self.grid
        made = np.concatenate([self.runs.d / self.runs.n, (grid.d / grid.n)[pool.chosen]])
        away = np.abs(np.log(grid.d / grid.n)[:, None] - np.log(np.unique(made))).min(1)
        far = able & (away >= FAR_ENOUGH * away[able].max())
        return int(np.argmax(np.where(far, belief.reduction(), -1.0)))

    def _baselines(self) -> dict[str, Expected]:
        """Other ways to spend the same budget, and what each is expected to tell."""
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
        found = {name: self._of_pool(pool) for name, pool in pools.items()}
        return {**found, "random": self._of_random()}

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
        left = np.sqrt(np.maximum(belief.variance() - belief.reduction(), 0.0))
        now = question.waste(float(np.sqrt(belief.variance())))[0]
        then = np.array([question.waste(float(sd))[0] for sd in left])
        return verdict(now, then, self.grid.cost, compute)


def _volume(belief: Belief) -> Array:
    return belief.laws[0].log_volume()
