"""A target under several laws: beliefs about the target and about results of candidates."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from allometry.errors import DataError
from allometry.fitting.document import Fit
from allometry.laws import Array, Law
from allometry.plan.design.next_result import Expected
from allometry.plan.design.scores import Belief, Part, belief_of, part_of_fit
from allometry.plan.design.target import Target, curvature
from allometry.plan.design.verdict import expected_waste
from allometry.plan.frontier.cost import Cost
from allometry.plan.frontier.optimum import Frontier

__all__ = ["Question"]

REGION = 4.0  # V-optimal baseline: predictions at N/N* from 1/4 to 4 at the target's compute
REGION_SIZES = 7

Values = Mapping[str, Array]
Parts = dict[str, tuple[Part, Array, Array]]


@dataclass(frozen=True, eq=False)
class Question:
    """The target under every law that has a value of it.

    Attributes:
        belief: about the target and the candidates. region: about losses near the target, under
            the leading law, for the V-optimal baseline.
        weights: of the laws with a value, with sum 1.
        answer: mean of the target over laws. frontier: of the leading law.
        curvature: c in waste = c (ln N/N*)^2, the mean over laws; None if no size is planned.
        notes: laws that were left out, and why.
    """

    target: Target
    belief: Belief
    region: Belief
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
        sizes: Mapping[str, Array],
        target: Target,
        cost: Cost,
        draws: int,
    ) -> Self:
        """The question for these fits.

        Args:
            weights: of the laws. sizes: N and D of the candidates, (m,) each.
            draws: number of draws of each fit about which its law is also linearised.

        Raises:
            DataError: no law has a value of the target.
        """
        parts, notes = _parts(fits, weights, sizes, target, cost, draws)
        if not parts:
            raise DataError(f"no law has a value of {target}: {'; '.join(notes)}")
        total = sum(weights[name] for name in parts)
        shares = {name: weights[name] / total for name in parts}
        answers = np.stack([answer for _, answer, _ in parts.values()])
        belief = belief_of(
            [part.weighing(shares[name]) for name, (part, _, _) in parts.items()],
            np.eye(len(parts)) if target.kind == "law" else answers,
            np.stack([predicted for _, _, predicted in parts.values()]),
        )
        frontiers = {name: _frontier(fits[name], cost) for name in parts}
        leader = max(shares, key=lambda name: shares[name])
        return cls(
            target,
            belief,
            _region(fits[leader], frontiers[leader], target, sizes),
            shares,
            float(np.array(list(shares.values())) @ answers[:, 0]),
            frontiers[leader],
            _curvature(target, frontiers, shares),
            notes,
        )

    def expected(self, belief: Belief, cost: float = 0.0, runs: int = 0) -> Expected:
        """The target's value and standard deviation in its own unit."""
        sd = float(np.sqrt(belief.variance()))
        if self.target.kind == "loss":
            loss = float(np.exp(self.answer))
            return Expected(loss, loss * sd, cost, runs)
        if self.target.kind == "law":
            return Expected(max(self.weights.values()), sd, cost, runs)
        if self.target.kind == "waste":
            return Expected(*self.waste(sd), cost, runs)
        return Expected(self.answer, sd, cost, runs)

    def waste(self, sd: float) -> tuple[float, float]:
        """Mean and standard deviation of the waste if ln N* has this standard deviation.

        Raises:
            DataError: the target plans no size.
        """
        if self.curvature is None:
            raise DataError(f"the target {self.target} plans no size, so no compute is wasted")
        split = self.frontier.split if len(self.weights) == 1 else None
        return expected_waste(sd, self.curvature, split)


def _parts(
    fits: Mapping[str, Fit],
    weights: Mapping[str, float],
    sizes: Mapping[str, Array],
    target: Target,
    cost: Cost,
    draws: int,
) -> tuple[Parts, tuple[str, ...]]:
    """Part, answer and predictions of each law with a weight and a value; and notes."""
    parts: Parts = {}
    notes = []
    value = _nothing if target.kind == "law" else partial(_value, target, cost)
    for name, fit in fits.items():
        if weights.get(name, 0.0) <= 0:
            notes.append(f"{name} has weight 0: it could not be fitted to the cheaper runs")
            continue
        part = part_of_fit(fit, value, sizes, weights[name], draws)
        if len(part[0].covariance):
            parts[name] = part
        else:
            notes.append(f"{name} is left out: it has no finite {target}")
    return parts, tuple(notes)


def _value(target: Target, cost: Cost, law: Law, values: Values) -> Array:
    return target.of_law(law, values, cost)


def _nothing(law: Law, values: Values) -> Array:
    """The target `law` has no value within a law: zeros, (k, 1)."""
    return np.zeros((len(next(iter(values.values()))), 1))


def _frontier(fit: Fit, cost: Cost) -> Frontier:
    return Frontier(fit.law, {name: np.array([v]) for name, v in fit.values.items()}, cost)


def _curvature(
    target: Target, frontiers: Mapping[str, Frontier], shares: Mapping[str, float]
) -> float | None:
    if target.compute is None or target.kind == "loss":
        return None
    return sum(shares[name] * curvature(f, target.compute) for name, f in frontiers.items())


def _region(fit: Fit, frontier: Frontier, target: Target, sizes: Mapping[str, Array]) -> Belief:
    """The law's belief about losses near the best run at the target's compute."""
    compute = target.compute
    if compute is None:
        compute = float(frontier.cost.compute(sizes["N"], sizes["D"]).max())
    best = float(frontier.at(compute).n[0])
    middle = best if np.isfinite(best) else float(np.median(sizes["N"]))
    n = middle * np.geomspace(1 / REGION, REGION, REGION_SIZES)
    places = {"N": n, "D": frontier.cost.tokens(n, np.full_like(n, compute))}
    part, answers, predicted = part_of_fit(fit, partial(_losses, places), sizes, 1.0, 0)
    return belief_of([part], answers[None], predicted[None])


def _losses(sizes: Mapping[str, Array], law: Law, values: Values) -> Array:
    return np.asarray(np.log(law.evaluate(values, sizes)))
