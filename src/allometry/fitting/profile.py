"""Profile likelihood: one parameter is held at a series of values, all others are refitted.

For a penalty other than squares, the rise of the objective is converted to a chi-squared
statistic by the sandwich factor sum(psi') / sum(psi^2) of robust regression (Huber and
Ronchetti 2009, sec. 6.3). For squares the result is the usual F interval.
"""

from dataclasses import dataclass

import numpy as np

from allometry.fitting import least_squares
from allometry.fitting.document import Fit
from allometry.fitting.intervals import Bounded, bounded, width_verdict
from allometry.fitting.plain_surface import PlainSurface
from allometry.fitting.ridges import refit_starts
from allometry.fitting.solver import minimise
from allometry.fitting.surface import LawSurface
from allometry.laws import Array
from allometry.stats.interval import student_reach

__all__ = ["Profile", "of_fit", "profile"]

FINER, POINTS = 2, 8  # refinements of a crossing, and grid points of each
FARTHEST = 40.0  # standard errors beyond which an end counts as open
STEPS = np.concatenate([np.linspace(0.25, 3, 12), np.geomspace(3.5, FARTHEST, 10)])


@dataclass(frozen=True)
class Profile:
    """Profile of one parameter.

    Attributes:
        name: of the parameter. values: at which it was held, increasing (m,).
        statistic: compared with `threshold`, (m,); zero at the fit.
        low, high: where the statistic crosses the threshold; the first or last of `values`
            if it does not.
        verdict: as for every interval.
    """

    name: str
    values: Array
    statistic: Array
    threshold: float
    low: float
    high: float
    verdict: Bounded


@dataclass(frozen=True)
class _Optimum:
    """The optimum that profiles start from.

    Attributes:
        surface: what is minimised, sharpened. first_delta: Huber delta before sharpening.
        best: in its coordinates (p,). value: of the objective there.
        weights: of rows (n,).
        errors: standard errors of the coordinates (p,).
        factor: ratio of the statistic to the rise of the objective.
        threshold: of the statistic, at the ends of an interval.
        draws: of resamples (k, p). starts: of refits, the optimum first (s, p).
    """

    surface: LawSurface
    first_delta: float
    best: Array
    value: float
    weights: Array
    errors: Array
    factor: float
    threshold: float
    draws: Array
    starts: Array


def of_fit(fit: Fit) -> dict[str, Profile]:
    """Profiles of the free parameters of a fit, at the level of its intervals."""
    problem = fit.problem
    raw = problem.raw()
    best = problem.coordinates(fit.values)[0]
    names = problem.law.names
    drawn = np.stack([fit.draws[name] for name in names], 1) if fit.draws else np.zeros((0, 1))
    draws = raw.to_u_all(drawn) if fit.draws else np.zeros((0, len(best)))
    return profile(raw, best, problem.rows.weights, fit.interval.level, draws)


def profile(
    surface: LawSurface, best: Array, weights: Array, level: float, draws: Array
) -> dict[str, Profile]:
    """Profiles of every free parameter.

    Args:
        surface: without centring, so that its coordinates are those of raw parameters.
        best: the optimum in its coordinates, (p,).
        weights: of rows (n,).
        draws: of resamples (k, p), possibly none. Refits also start at the nearest draw, so that
            a profile can pass from one ridge of the objective to another.
    """
    optimum = _optimum(surface, best, weights, level, draws)
    return {p.name: _walk(optimum, j) for j, p in enumerate(surface.free)}


def _optimum(
    surface: LawSurface, best: Array, weights: Array, level: float, draws: Array
) -> _Optimum:
    """The optimum polished on this surface, with standard errors and thresholds."""
    sharp = surface.sharpened()
    polished = minimise(
        sharp,
        best[None],
        weights,
        first_delta=surface.final_delta,
        damping=1e-4,
        tol=1e-14,
        rounds=200,
    )
    best = polished.u[0]
    freedom = max(1, surface.rows - len(best))
    factor = 2 * _sandwich(surface, best, weights) * freedom / surface.rows
    return _Optimum(
        surface=sharp,
        first_delta=surface.final_delta,
        best=best,
        value=float(polished.value[0]),
        weights=weights,
        errors=_standard_errors(surface, best, weights, factor),
        factor=factor,
        threshold=student_reach(freedom, level) ** 2,
        draws=draws,
        starts=refit_starts(sharp, best[None], weights),
    )


def _walk(optimum: _Optimum, j: int) -> Profile:
    """The profile of the j-th free parameter."""
    surface, threshold = optimum.surface, optimum.threshold
    parameter, best = surface.free[j], optimum.best[j]
    offsets = optimum.errors[j] * np.concatenate([-STEPS[::-1], [0.0], STEPS])
    places = np.unique(np.clip(best + offsets, surface.low[j], surface.high[j]))
    statistic = _statistic(optimum, j, places)
    middle = int(np.argmin(np.abs(places - best)))
    down = _crossing(optimum, j, places[: middle + 1][::-1], statistic[: middle + 1][::-1])
    up = _crossing(optimum, j, places[middle:], statistic[middle:])
    ends = [places[0] if down is None else down, places[-1] if up is None else up]
    verdict = bounded(below=down is not None, above=up is not None)
    kind = surface.law.kind(parameter.name)
    raw, raw_ends = (np.exp(v) if parameter.positive else np.array(v) for v in (places, ends))
    if verdict == "identified":
        # The rule of length applies to exponents only: other lengths have the unit of y here.
        length = ends[1] - ends[0] if kind == "exponent" else np.inf
        verdict = width_verdict(parameter, kind, raw_ends[0], raw_ends[1], length)
    return Profile(
        parameter.name,
        raw,
        statistic,
        threshold,
        float(raw_ends[0]),
        float(raw_ends[1]),
        verdict,
    )


def _statistic(optimum: _Optimum, j: int, places: Array) -> Array:
    """The statistic with the j-th coordinate held at each value (m,), all others refitted."""
    values = [
        _refitted(optimum, j, places, np.tile(start, (len(places), 1))) for start in optimum.starts
    ]
    if len(optimum.draws):
        nearest = np.abs(optimum.draws[:, j] - places[:, None]).argmin(1)
        values.append(_refitted(optimum, j, places, optimum.draws[nearest]))
    rise = np.min(values, axis=0) - optimum.value
    return np.asarray(np.maximum(optimum.factor * rise, 0.0))


def _refitted(optimum: _Optimum, j: int, places: Array, starts: Array) -> Array:
    """The objective (m,) with the j-th coordinate held, refitted from starts (m, p)."""
    surface, count = optimum.surface, len(places)
    u = starts.copy()
    low, high = np.tile(surface.low, (count, 1)), np.tile(surface.high, (count, 1))
    u[:, j] = low[:, j] = high[:, j] = places
    return minimise(
        surface,
        u,
        optimum.weights,
        first_delta=optimum.first_delta * 4,
        tol=1e-9,
        rounds=400 if surface.squares else 60,
        low=low,
        high=high,
    ).value


def _crossing(optimum: _Optimum, j: int, places: Array, statistic: Array) -> float | None:
    """Where the statistic first passes the threshold, going outward; None if it never does.

    The grid between the values on either side is refined twice; then the square root of the
    statistic is interpolated linearly.
    """
    for _ in range(FINER):
        past = np.flatnonzero(statistic >= optimum.threshold)
        if not len(past) or past[0] == 0:
            return None
        inside, outside = past[0] - 1, past[0]
        between = np.linspace(places[inside], places[outside], POINTS)
        middle = _statistic(optimum, j, between[1:-1])
        statistic = np.concatenate([statistic[[inside]], middle, statistic[[outside]]])
        places = between
    i = int(np.flatnonzero(statistic >= optimum.threshold)[0])
    before, after = np.sqrt(statistic[i - 1]), np.sqrt(statistic[i])
    share = (np.sqrt(optimum.threshold) - before) / (after - before)
    return float(places[i - 1] + share * (places[i] - places[i - 1]))


def _sandwich(surface: LawSurface, best: Array, weights: Array) -> float:
    """sum(psi') / sum(psi^2): 1/variance for squares."""
    values = surface.values(best[None])
    r = surface.objective.residuals(surface.y, surface.law.evaluate(values, surface.sizes))
    # With a very small delta, few rows are in the quadratic zone. The density at zero is then
    # estimated over a window that holds a fifth of the rows.
    delta = surface.final_delta
    finite = np.isfinite(delta)
    window = max(delta, float(np.quantile(np.abs(r), 0.2))) if finite else delta
    _, slope, _ = surface.objective.penalty(r, weights, np.array([[delta]]))
    unit = 1.0 if surface.objective.delta else 1.0 / delta
    curved = float((np.abs(r) <= window).sum()) * (min(1.0, delta / window) if finite else 1.0)
    return float(unit * curved / max(float((slope**2).sum()), 1e-300))


def _standard_errors(surface: LawSurface, best: Array, weights: Array, factor: float) -> Array:
    """Standard errors from the curvature at the optimum; large in flat directions."""
    if isinstance(surface, PlainSurface) and surface.squares:
        errors = least_squares.standard_errors(surface, best[None], weights)
        return np.asarray(errors * np.sqrt(2 / factor))
    delta = np.full((1, 1), max(surface.final_delta, 1e-3))
    h = surface.evaluate(best[None], weights, delta)[2][0] * factor / 2
    size = np.sqrt(np.maximum(np.diagonal(h), 1e-12))
    scaled = h / size[:, None] / size + 1e-9 * np.eye(len(best))
    return np.asarray(
        np.clip(np.sqrt(np.abs(np.diagonal(np.linalg.pinv(scaled)))) / size, 1e-6, 3.0)
    )
