"""Refit resamples of the rows: draws of the parameters, and estimates from them.

Rows drawn with replacement (pairs) make intervals that are too wide where the
objective is nearly absolute and rows are few: a median of whole rows jumps. There,
random weights of variance 1/2 take their place, and the draws are spread about the
optimum by sqrt 2 in return, in the solver's coordinates (weighted bootstrap,
Praestgaard and Wellner 1993). `benchmarks/fit_coverage.py` measures both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.intervals import Estimate, Interval, verdict
from allometry.fitting.rows import Rows
from allometry.fitting.search import FIRST_DELTA
from allometry.fitting.solver import Solution, minimise
from allometry.fitting.surface import PlainSurface, PowerSumSurface
from allometry.laws import Parameter
from allometry.stats.resample import FRACTION_SCALE, ends, fractions, multiplicities

__all__ = ["Plan", "estimates", "resample", "rounded"]

# A gain of this part of the objective moves a parameter by about sqrt(TOL * rows)
# standard errors at most, and the Newton step that promised it is still taken.
TOL = 1e-6

FEW = 20  # rows for each free parameter below which whole rows are too coarse

AnySurface = PowerSumSurface | PlainSurface


@dataclass(frozen=True)
class Plan:
    """How to resample.

    Attributes:
        method: auto, pairs, fractional or residual.
        resamples: how many. level: of the intervals. seed: of the draws.
        clusters: labels of the rows, one array for each column of groups drawn whole.
    """

    method: str
    resamples: int
    level: float
    clusters: Mapping[str, NDArray]
    seed: int


def resample(
    problem: AnySurface, rows: Rows, best: NDArray, plan: Plan
) -> tuple[NDArray, Interval]:
    """Refit every resample, warm-started; lanes that fail start again from afar.

    Returns:
        parameters in solver coordinates (resamples, p), and how they were made.
    """
    if not plan.resamples or not problem.free:
        return np.empty((0, best.shape[1])), Interval("none", plan.level, 0, 1.0)
    rng = np.random.default_rng(plan.seed)
    method = _chosen(problem, rows, best, plan) if plan.method == "auto" else plan.method
    redrawn = 0
    if method == "residual":
        weights = _new_responses(problem, rows, best, rng, plan)
    elif method == "fractional":
        clusters = tuple(plan.clusters.values())
        weights = rows.weights * fractions(rng, plan.resamples, len(rows.y), clusters)
    else:
        weights, redrawn = _new_rows(problem, rows, rng, plan)
    warm = np.tile(best, (plan.resamples, 1))
    solved = minimise(
        problem, warm, weights, first_delta=problem.final_delta, damping=1e-3, tol=TOL, rounds=40
    )
    u, converged = _carry_on(problem, solved, best, weights)
    if method == "fractional":
        u = np.clip(best + FRACTION_SCALE * (u - best), problem.low, problem.high)
    share = float(converged.mean())
    names = tuple(plan.clusters)
    return u, Interval(method, plan.level, plan.resamples, share, names, redrawn)


def _chosen(problem: AnySurface, rows: Rows, best: NDArray, plan: Plan) -> str:
    """Fractional where most rows are in the linear part of the penalty and rows are few.

    Groups drawn whole stay pairs: their coverage with weights has not been measured.
    """
    if plan.clusters or not problem.law.per_row:
        return "pairs"
    predicted = problem.law.evaluate(problem.values(best), problem.sizes)[0]
    r = problem.objective.residuals(problem.y, predicted)
    coarse = np.median(np.abs(r)) > problem.final_delta
    return "fractional" if coarse and len(r) < FEW * len(problem.free) else "pairs"


def _carry_on(
    problem: AnySurface, solved: Solution, best: NDArray, weights: NDArray
) -> tuple[NDArray, NDArray]:
    """Lanes that have not converged go on with exact curvature, then begin again from afar.

    A broken law's lanes are not begun again: they crawl along ridges that a sharp
    break leaves, and are counted as not converged.
    """
    u, value, converged = solved.u, solved.value, solved.converged.copy()
    attempts = [] if problem.exact else [(False, 10 * problem.final_delta, 30)]
    if problem.exact or len(problem.free) <= 4:
        attempts.append((True, FIRST_DELTA, 100))
    for afresh, delta, rounds in attempts:
        lost = np.flatnonzero(~converged)
        if not len(lost):
            break
        start = np.tile(best, (len(lost), 1)) if afresh else u[lost]
        again = minimise(
            problem.with_curvature(),
            start,
            weights[lost],
            first_delta=delta,
            tol=TOL,
            rounds=rounds,
        )
        better = again.value <= value[lost] * (1 + TOL)
        u[lost[better]], value[lost[better]] = again.u[better], again.value[better]
        converged[lost] = better & again.converged
    return u, converged


def _new_rows(
    problem: AnySurface, rows: Rows, rng: np.random.Generator, plan: Plan
) -> tuple[NDArray, int]:
    """Pairs bootstrap: weights (K, n), and how many draws were redone."""
    counts, redrawn = multiplicities(
        rng,
        plan.resamples,
        len(rows.y),
        tuple(plan.clusters.values()),
        rows.points() if problem.law.per_row else None,
        len(problem.free) if problem.law.per_row else 1,
    )
    return counts * rows.weights, redrawn


def _new_responses(
    problem: AnySurface, rows: Rows, best: NDArray, rng: np.random.Generator, plan: Plan
) -> NDArray:
    """Residual bootstrap: weights and shifts of the residuals, (K, 2, n).

    Residuals are blown up for the parameters spent. With clusters their signs are
    flipped cluster by cluster instead (wild cluster bootstrap, Cameron et al. 2008).
    """
    predicted = problem.law.evaluate(problem.values(best), problem.sizes)[0]
    r = problem.objective.residuals(problem.y, predicted)
    spent = np.sqrt(len(r) / max(1, len(r) - len(problem.free)))
    if plan.clusters:
        drawn = np.tile(r * spent, (plan.resamples, 1))
        for labels in plan.clusters.values():
            way = np.unique(labels.astype(str), return_inverse=True)[1]
            drawn *= rng.choice([-1.0, 1.0], (plan.resamples, way.max() + 1))[:, way]
    else:
        drawn = rng.choice((r - r.mean()) * spent, (plan.resamples, len(r)))
    return np.stack([np.broadcast_to(rows.weights, drawn.shape), drawn - r], 1)


def estimates(
    problem: AnySurface, best: NDArray, draws: NDArray, level: float
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Parameters and derived quantities for raw sizes, with percentile ends and verdicts.

    Args:
        best: the optimum (1, p). draws: (resamples, p), perhaps none; both in
            solver coordinates.
    """
    value, drawn = problem.raw(best), problem.raw(draws) if len(draws) else {}
    place = {p.name: j for j, p in enumerate(problem.free)}
    parameters = {}
    for p in problem.law.parameters:
        centre = float(value[p.name][0])
        if p.name not in place:
            parameters[p.name] = Estimate(centre, centre, centre, "fixed")
        elif not drawn:
            parameters[p.name] = Estimate(centre, np.nan, np.nan, "no_interval")
        else:
            j = place[p.name]
            stuck = (draws[:, j] <= problem.low[j], draws[:, j] >= problem.high[j])
            parameters[p.name] = _estimate(p, centre, drawn[p.name], stuck, level)
    return parameters, _derived(problem, value, drawn, level)


def _estimate(
    parameter: Parameter, value: float, drawn: NDArray, stuck: tuple[NDArray, NDArray], level: float
) -> Estimate:
    """One free parameter; `stuck` are the draws at its lower and upper bound."""
    low, high = ends(drawn, level)
    at_low, at_high = (float(side.mean()) for side in stuck)
    median = float(np.median(drawn))
    said = verdict(parameter, value, median, low, high, at_low, at_high, level)
    return Estimate(value, low, high, said)


def _derived(
    problem: AnySurface, value: Mapping[str, NDArray], drawn: Mapping[str, NDArray], level: float
) -> dict[str, Estimate]:
    spread = problem.law.derived(drawn) if drawn else {}
    derived = {}
    for name, middle in problem.law.derived(value).items():
        low, high = ends(spread[name], level) if drawn else (np.nan, np.nan)
        said = "identified" if np.isfinite(low) else "no_interval"
        derived[name] = Estimate(float(middle[0]), low, high, said)
    return derived


def rounded(values: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Nine digits: what a document keeps, so that a saved fit predicts the same."""
    return {name: np.array([float(f"{x:.9g}") for x in v]) for name, v in values.items()}
