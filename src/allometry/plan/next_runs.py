"""The runs to make next: those expected to tell most of a decision for what they cost.

Every law's belief about the target is Gaussian (`scores`); laws weigh by how well they, fitted to
the cheaper runs, predict the dearer ones. The batch is greedy in the expected reduction of the
target's variance, within laws and between them, over cost^gamma. Designs that are best for one law
break under another, so a fifth of the budget goes to two runs that could show the laws wrong: one
off the rays D/N of the others, and one at the largest scale that it pays for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from allometry.errors import DataError, UsageError
from allometry.fitting.backtest import rolling_origin
from allometry.fitting.document import Fit
from allometry.fitting.options import FitOptions
from allometry.fitting.weights import inverse_square_weights
from allometry.laws import Array, Law
from allometry.plan import choices
from allometry.plan.candidates import Candidates
from allometry.plan.choices import Pool, greedy
from allometry.plan.cost import SIX_ND, Cost
from allometry.plan.optimum import Frontier
from allometry.plan.runs import Runs
from allometry.plan.scores import Belief, Part, belief_of, part_of_fit
from allometry.plan.target import Target, curvature
from allometry.plan.verdict import Stop, expected_waste, verdict
from allometry.tables.table import Table

__all__ = ["Expected", "NextOptions", "NextRun", "NextRuns", "law_weights", "next_runs"]

SCHEMA = "allometry/next/1"
BACKTEST_STARTS = 32  # of a fit to the cheaper runs; the full search is for the fit itself
RANDOM_DRAWS = 16  # batches that the baseline `random` is the mean of
REGION = 4.0  # V-optimal: predictions at N/N* from 1/4 to 4 at the target's compute
REGION_SIZES = 7
LARGEST_SHARE = 0.75  # of the reserve; the rest is for the run off the rays
NEAR_LARGEST = 0.5  # of the dearest run that the reserve pays for
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


@dataclass(frozen=True)
class NextRun:
    """A run to make: parameters, tokens, FLOP, and why."""

    n: float
    d: float
    cost: float
    reason: str


@dataclass(frozen=True)
class Expected:
    """A target: its value, the standard deviation to expect, and of a batch its cost and runs.

    ln N* of `ln_n_opt`; the loss of `loss`; of `waste` the share of compute wasted, its mean and
    its standard deviation; of `law` the weight of the leading law and the root of the sum over
    laws of w (1 - w).
    """

    value: float
    sd: float
    cost: float = 0.0
    runs: int = 0


@dataclass(frozen=True)
class NextRuns:
    """What to run next, and what to expect of it.

    Attributes:
        target: as typed. budget: FLOP given. spent: FLOP of the runs.
        runs: in the order they were chosen.
        before, after: what is known of the target without and with the runs, by linear theory.
        baselines: other ways to spend the budget: name -> the same.
        waste_before, waste_after: expected share of the target's compute that is wasted; None
            where the target has no compute.
        stop: whether a run beyond these is worth its cost.
        weights: law -> weight. notes: in words.
    """

    target: str
    budget: float
    spent: float
    runs: tuple[NextRun, ...]
    before: Expected
    after: Expected
    baselines: Mapping[str, Expected]
    waste_before: float | None
    waste_after: float | None
    stop: Stop
    weights: Mapping[str, float]
    notes: tuple[str, ...] = field(default=())

    def to_document(self) -> dict[str, object]:
        """Plain values: schema allometry/next/1."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "budget": self.budget,
            "spent": self.spent,
            "runs": [
                {"N": run.n, "D": run.d, "cost": run.cost, "reason": run.reason}
                for run in self.runs
            ],
            "before": {"value": _number(self.before.value), "sd": _number(self.before.sd)},
            "after": {"value": _number(self.after.value), "sd": _number(self.after.sd)},
            "baselines": {
                name: {"sd": _number(e.sd), "cost": e.cost, "runs": e.runs}
                for name, e in self.baselines.items()
            },
            "expected_waste": {"before": self.waste_before, "after": self.waste_after},
            "stop": self.stop.to_document(),
            "weights": dict(self.weights),
            "notes": list(self.notes),
        }


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
    question = _Question.of_fits(fits, weights, grid, aim, options)
    return _Choice(question, runs, grid, budget, options).made()


def law_weights(fits: Mapping[str, Fit], runs: Runs) -> dict[str, float]:
    """Weights by the errors of fits to the cheaper runs on the dearer ones, 1/error^2."""
    if len(fits) == 1:
        return dict.fromkeys(fits, 1.0)
    columns = {"N": "N", "D": "D", "L": "L"}
    table = Table({"N": runs.n, "D": runs.d, "L": runs.loss})
    errors = {}
    for name, fit in fits.items():
        options = FitOptions(
            objective=fit.problem.objective.name,
            delta=fit.objective.delta,
            starts=BACKTEST_STARTS,
            resamples=0,
            fixed=fit.problem.fixed or None,
        )
        errors[name] = rolling_origin(fit.law, table, runs.compute, columns, options).rmsle
    return inverse_square_weights(errors)


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
class _Question:
    """The target under every law that has it.

    Attributes:
        belief: about the target and the candidates. region: about losses near the target, under
            the leading law, for the V-optimal baseline.
        fits: of the laws with a value. weights: theirs, of sum 1.
        answer: mean of the target over laws. frontier: of the leading law.
        curvature: c in waste = c (ln N/N*)^2, the laws' mean; None without a compute.
    """

    target: Target
    belief: Belief
    region: Belief
    fits: Mapping[str, Fit]
    weights: Mapping[str, float]
    answer: float
    frontier: Frontier
    curvature: float | None
    notes: tuple[str, ...]

    @classmethod
    def of_fits(
        cls,
        fits: Mapping[str, Fit],
        weights: Mapping[str, float],
        grid: Candidates,
        target: Target,
        options: NextOptions,
    ) -> "_Question":
        sizes = {"N": grid.n, "D": grid.d}
        found: dict[str, tuple[Part, Array, Array]] = {}
        notes = list(grid.notes)
        for name, fit in fits.items():
            if weights.get(name, 0.0) <= 0:
                notes.append(f"{name} has no weight: it could not be fitted to the cheaper runs")
                continue

            def asked(law: Law, v: Mapping[str, Array]) -> Array:
                if target.kind == "law":
                    return np.zeros((len(next(iter(v.values()))), 1))
                return target.of_law(law, v, options.cost)

            made = part_of_fit(fit, asked, sizes, weights[name], options.draws)
            if len(made[0].covariance):
                found[name] = made
            else:
                notes.append(f"{name} is left out: it has no {target} within reach")
        if not found:
            raise DataError(f"no law has a value of {target}; {'; '.join(notes)}")
        total = sum(weights[name] for name in found)
        shares = {name: weights[name] / total for name in found}
        parts = [replace(part, weight=shares[n]) for n, (part, _, _) in found.items()]
        answers = np.stack([answer for _, answer, _ in found.values()])
        asked_of_laws = np.eye(len(found)) if target.kind == "law" else answers
        leader = max(shares, key=lambda n: shares[n])
        first = fits[leader]
        frontiers = {n: _frontier(fits[n], options.cost) for n in found}
        bend = None
        if target.compute is not None:
            bend = float(
                sum(shares[n] * curvature(f, target.compute) for n, f in frontiers.items())
            )
        region = _region(first, frontiers[leader], target, sizes, options)
        return cls(
            target,
            belief_of(parts, asked_of_laws, np.stack([p for _, _, p in found.values()])),
            region,
            {name: fits[name] for name in found},
            shares,
            float(np.array(list(shares.values())) @ answers[:, 0]),
            frontiers[leader],
            bend,
            tuple(notes),
        )

    def expected(self, belief: Belief, cost: float = 0.0, runs: int = 0) -> Expected:
        """The target's value and standard deviation in its own unit."""
        sd = float(np.sqrt(belief.variance()))
        if self.target.kind == "loss":
            return Expected(float(np.exp(self.answer)), float(np.exp(self.answer)) * sd, cost, runs)
        if self.target.kind == "law":
            return Expected(max(self.weights.values()), sd, cost, runs)
        if self.target.kind == "waste":
            return Expected(*self.waste(sd), cost, runs)
        return Expected(self.answer, sd, cost, runs)

    def waste(self, sd: float) -> tuple[float, float]:
        """Mean and standard deviation of the waste where ln N* is off by this much."""
        split = self.frontier.split if len(self.weights) == 1 else None
        return expected_waste(sd, self.curvature or 0.0, split)


def _frontier(fit: Fit, cost: Cost) -> Frontier:
    return Frontier(fit.law, {name: np.array([v]) for name, v in fit.values.items()}, cost)


def _region(
    fit: Fit, frontier: Frontier, target: Target, sizes: Mapping[str, Array], options: NextOptions
) -> Belief:
    """The leading law's belief about losses about the best run at the target's compute."""
    compute = target.compute
    if compute is None:
        compute = float(options.cost.compute(sizes["N"], sizes["D"]).max())
    best = float(frontier.at(compute).n[0])
    n = best * np.geomspace(1 / REGION, REGION, REGION_SIZES)
    places = {"N": n, "D": options.cost.tokens(n, np.full_like(n, compute))}

    def losses(law: Law, v: Mapping[str, Array]) -> Array:
        return np.log(law.evaluate(v, places))

    part, answers, predicted = part_of_fit(fit, losses, sizes, 1.0, 0)
    return belief_of([part], answers[None], predicted[None])


@dataclass(frozen=True, eq=False)
class _Choice:
    """The question, and what there is to answer it with."""

    question: _Question
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
        question, notes = self.question, list(self.question.notes)
        belief, reasons = self._reserved(pool, notes)
        belief = greedy(belief, pool, Belief.reduction, self.options.exponent)
        reasons += [f"reduces the variance of {question.target} most for its cost"] * (
            len(pool.chosen) - len(reasons)
        )
        before = question.expected(question.belief)
        after = question.expected(belief, self.budget - pool.left, len(pool.chosen))
        if not pool.chosen:
            notes.append("no candidate tells anything of the target")
        wastes = (None, None)
        if question.curvature is not None and question.target.kind != "loss":
            wastes = tuple(
                question.waste(float(np.sqrt(b.variance())))[0] for b in (question.belief, belief)
            )
        return NextRuns(
            str(question.target), self.budget, self.budget - pool.left,
            tuple(self._run(place, why) for place, why in zip(pool.chosen, reasons, strict=True)),
            before, after, self._baselines(), *wastes, self._stop(belief),
            question.weights, tuple(notes),
        )  # fmt: skip

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
            (1 - LARGEST_SHARE, self._off_rays, "at a D/N far from all others, to show lack of fit"),
        ):
            able = pool.affordable & (self.grid.cost <= share * reserve)
            if not able.any():
                notes.append(
                    f"no candidate costs at most {share * reserve:.3g} FLOP: no run {reason}"
                )
                continue
            place = choose(belief, able, pool)
            pool.take(place)
            belief = belief.after(place)
            reasons.append(reason)
        return belief, reasons

    def _largest(self, belief: Belief, able: Array, pool: Pool) -> int:
        """Of the dearest candidates the one that tells most."""
        dear = able & (self.grid.cost >= NEAR_LARGEST * self.grid.cost[able].max())
        return int(np.argmax(np.where(dear, belief.reduction(), -1.0)))

    def _off_rays(self, belief: Belief, able: Array, pool: Pool) -> int:
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
        question = self.question
        if question.curvature is None or question.target.compute is None:
            return verdict(None, None, self.grid.cost, None)
        if question.target.kind == "loss":
            return verdict(None, None, self.grid.cost, question.target.compute)
        sd = np.sqrt(belief.variance())
        left = np.sqrt(np.maximum(belief.variance() - belief.reduction(), 0.0))
        now = question.waste(float(sd))[0]
        then = np.array([question.waste(float(x))[0] for x in left])
        return verdict(now, then, self.grid.cost, question.target.compute)


def _volume(belief: Belief) -> Array:
    return belief.laws[0].log_volume()


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
