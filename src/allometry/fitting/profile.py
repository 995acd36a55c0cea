"""Profile likelihood: each parameter walked, all others refitted.

For a penalty other than squares the drop of the objective is turned into a
chi-squared by the sandwich factor sum(psi') / sum(psi^2) of robust regression
(Huber and Ronchetti 2009, sec. 6.3); for squares this is the usual F interval.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.fitting import objectives
from allometry.fitting.document import Fit
from allometry.fitting.solver import minimise
from allometry.fitting.surface import PlainSurface, PowerSumSurface, penalty, surface
from allometry.laws.law import Parameter

__all__ = ["Profile", "of_fit", "profile"]

FARTHEST = 40.0  # standard errors, after which an end is called open
STEPS = np.concatenate([np.linspace(0.25, 3, 12), np.geomspace(3.5, FARTHEST, 10)])


@dataclass(frozen=True)
class Profile:
    """One parameter's profile.

    Attributes:
        name: of the parameter. values: walked, rising (m,).
        statistic: compared with `threshold`, (m,); zero at the fit.
        low, high: where it crosses; infinite, or the bound, where it never does.
        verdict: as for every interval.
    """

    name: str
    values: NDArray
    statistic: NDArray
    threshold: float
    low: float
    high: float
    verdict: str


def of_fit(made: Fit) -> dict[str, Profile]:
    """Profiles of a fit's free parameters, at the level of its intervals."""
    form = made.form
    fixed = {name: e.value for name, e in made.parameters.items() if e.verdict == "fixed"}
    aim = objectives.named(made.objective["name"], made.objective["delta"] or 1e-3)
    sizes = {s: made.data[s] for s in form.sizes}
    y = made.data[form.response]
    problem = surface(form, aim, sizes, y, fixed, centred=False)
    best = problem.to_u_all(np.array([[made.values[name] for name in form.names]]))[0]
    weights = made.data.get("weight", np.ones(len(y)))
    return profile(problem, best, weights, made.interval.level)


def profile(
    problem: PowerSumSurface | PlainSurface, best: NDArray, weights: NDArray, level: float
) -> dict[str, Profile]:
    """Profiles of every free parameter.

    Args:
        problem: without centring, so that its coordinates are the raw parameters.
        best: the optimum in its coordinates, (p,).
        weights: of rows (n,).
    """
    from scipy.special import stdtrit

    sharp = problem.sharpened()
    at = minimise(
        sharp,
        best[None],
        weights,
        first_delta=problem.final_delta,
        damping=1e-4,
        tol=1e-14,
        rounds=200,
    )
    best, least = at.u[0], float(at.value[0])
    freedom = max(1, problem.rows - len(best))
    factor = 2 * _sandwich(problem, best, weights) * freedom / problem.rows
    threshold = float(stdtrit(freedom, (1 + level) / 2) ** 2)
    errors = _standard_errors(problem, best, weights, factor)
    return {
        p.name: _walk(problem, j, p, best, least, weights, errors[j], factor, threshold)
        for j, p in enumerate(problem.free)
    }


def _walk(
    problem: PowerSumSurface | PlainSurface,
    j: int,
    parameter: Parameter,
    best: NDArray,
    least: float,
    weights: NDArray,
    error: float,
    factor: float,
    threshold: float,
) -> Profile:
    offsets = error * np.concatenate([-STEPS[::-1], [0.0], STEPS])
    places = np.unique(np.clip(best[j] + offsets, problem.low[j], problem.high[j]))
    u = np.tile(best, (len(places), 1))
    u[:, j] = places
    low, high = np.tile(problem.low, (len(places), 1)), np.tile(problem.high, (len(places), 1))
    low[:, j] = high[:, j] = places
    ended = minimise(
        problem.sharpened(),
        u,
        weights,
        first_delta=problem.final_delta * 4,
        tol=1e-9,
        rounds=60,
        low=low,
        high=high,
    )
    statistic = np.maximum(factor * (ended.value - least), 0.0)
    middle = int(np.argmin(np.abs(places - best[j])))
    down = _crossing(places[: middle + 1][::-1], statistic[: middle + 1][::-1], threshold)
    up = _crossing(places[middle:], statistic[middle:], threshold)

    def raw(x: float) -> float:
        return float(np.exp(x)) if parameter.positive else float(x)

    said = {
        (True, True): "identified",
        (True, False): "lower_bound_only",
        (False, True): "upper_bound_only",
        (False, False): "not_identified",
    }
    ends = [raw(places[0] if down is None else down), raw(places[-1] if up is None else up)]
    return Profile(
        parameter.name,
        np.array([raw(x) for x in places]),
        statistic,
        threshold,
        ends[0],
        ends[1],
        said[down is not None, up is not None],
    )


def _crossing(places: NDArray, statistic: NDArray, threshold: float) -> float | None:
    """Where the root of the statistic, near straight, first passes the threshold."""
    past = np.flatnonzero(statistic >= threshold)
    if not len(past) or past[0] == 0:
        return None
    i = past[0]
    before, after = np.sqrt(statistic[i - 1]), np.sqrt(statistic[i])
    share = (np.sqrt(threshold) - before) / (after - before)
    return float(places[i - 1] + share * (places[i] - places[i - 1]))


def _sandwich(problem: PowerSumSurface | PlainSurface, best: NDArray, weights: NDArray) -> float:
    """sum(psi') / sum(psi^2): 1/variance for squares."""
    values = problem.values(best[None])
    r = problem.objective.residuals(problem.y, problem.law.evaluate(values, problem.sizes))
    # A very small delta leaves few rows in the quadratic zone: the density at zero
    # is then taken over a window that a fifth of the rows fall in.
    delta = problem.final_delta
    window = max(delta, float(np.quantile(np.abs(r), 0.2))) if np.isfinite(delta) else delta
    _, slope, _ = penalty(r, weights, np.array([[delta]]), problem.objective)
    unit = 1.0 if problem.objective.delta else 1.0 / delta
    curved = (np.abs(r) <= window).sum() * (min(1.0, delta / window) if np.isfinite(delta) else 1.0)
    return float(unit * curved / max(float((slope**2).sum()), 1e-300))


def _standard_errors(
    problem: PowerSumSurface | PlainSurface, best: NDArray, weights: NDArray, factor: float
) -> NDArray:
    """From the curvature at the optimum; a flat direction gets a long step."""
    delta = np.full((1, 1), max(problem.final_delta, 1e-3))
    h = problem.evaluate(best[None], weights, delta)[2][0] * factor / 2
    size = np.sqrt(np.maximum(np.diagonal(h), 1e-12))
    scaled = h / size[:, None] / size + 1e-9 * np.eye(len(best))
    return np.asarray(
        np.clip(np.sqrt(np.abs(np.diagonal(np.linalg.pinv(scaled)))) / size, 1e-6, 3.0)
    )
