"""Search for the optimum from many starts, and the evidence that the result is an optimum."""

import numpy as np
from numpy.typing import NDArray

from allometry.fitting import least_squares
from allometry.fitting.certificate import Certificate
from allometry.fitting.plain_surface import PlainSurface
from allometry.fitting.power_sum import PowerSumSurface
from allometry.fitting.solution import Lanes, Solution
from allometry.fitting.solver import minimise, solve_positive
from allometry.fitting.starts import VARIED, DataStarts, scaled_by_data
from allometry.fitting.surface import LawSurface
from allometry.laws import Array

__all__ = ["FIRST_DELTA", "certified", "certify", "search", "start_points"]

FIRST_DELTA = 0.1  # first Huber delta: nearly all rows are then in the quadratic zone
FIRST_ROUNDS, CARRIED = 25, 8  # Gauss-Newton rounds of all starts; number of lanes continued
STEEPER = np.array([1.0, 1.3, 2.0, 4.0])  # factors of the plane's exponents, for some starts
FLAT = 1e-5  # largest gradient, over the objective, of a point that counts as an optimum
ROUNDS, LONG_ROUNDS = 40, 300  # of least squares: for all starts, for continued lanes
# Largest cosine between residuals and tangent plane at an optimum: parameters are then within 1e-5
# standard errors of it. Bates and Watts (1981) propose 1e-3.
ANGLE = 1e-5
LEAST_CURVATURE = 1e-12  # least eigenvalue of the scaled Hessian at an optimum
AGREED = 0.5  # share of lanes at one optimum that ends the search
IN_VAIN = 3  # rounds of starts near the optima without improvement after which the search ends
IN_VAIN_PATTERNED = 8  # the same if neighbouring residuals are correlated: the law misfits
EXACT = 1e-9  # residuals, of log y or of y over its typical value, of rows without noise
SAME = 1e-6  # relative difference of objectives below which two ends are one basin


def start_points(surface: LawSurface, count: int, seed: int) -> Array:
    """Start guesses (at most `count`, p), spread over the law's start ranges or scaled by data.

    If the objective has one optimum, this is one guess or, for a single term in logs, some planes
    through the rows.

    Raises:
        UsageError: the law's `uncentre` is not the inverse of its centring.
    """
    u = _start_points(surface, count, seed)
    surface.check_centring(u[:1])
    return u


def _start_points(surface: LawSurface, count: int, seed: int) -> Array:
    if surface.one_basin:
        if isinstance(surface, PowerSumSurface):
            return surface.planes(seed)
        count = 1
    if scaled_by_data(surface):
        return DataStarts.of(surface, seed).first(count)
    uniform = spread(count, len(surface.law.parameters), seed)
    if surface.law.starts is not None:
        u = surface.to_u_all(surface.law.starts(uniform, surface.sizes, surface.y))
        return project(surface, np.clip(u, surface.low, surface.high))
    uniform = uniform[:, surface.places]
    ranges = [q.start or ((0.1, 10.0) if q.positive else (-1.0, 1.0)) for q in surface.free]
    low, high = (surface.to_u(np.array(side)) for side in zip(*ranges, strict=True))
    u = low + uniform * (high - low)
    if isinstance(surface, PowerSumSurface):
        steep = surface.steepened(STEEPER[: count // 8])
        u[: len(steep)] = np.where(np.isnan(steep), u[: len(steep)], steep)
    return project(surface, u)


def search(surface: LawSurface, u: Array, weights: Array) -> Solution:
    """Minimise from every start; if exact curvature is costly, use it for the best few only.

    Lanes that did not converge and are not continued count as not converged.
    """
    if surface.one_basin and surface.exact:
        return minimise(surface, u, weights, first_delta=surface.final_delta, rounds=200)
    if isinstance(surface, PlainSurface) and surface.squares and scaled_by_data(surface):
        return _search_everywhere(surface, u, weights)
    if surface.exact:
        rounds = 60 if surface.objective.delta else 100  # absolute values: more stages
        return minimise(surface, u, weights, first_delta=FIRST_DELTA, rounds=rounds)
    ended = minimise(surface, u, weights, first_delta=FIRST_DELTA, rounds=FIRST_ROUNDS)
    open_lanes = np.flatnonzero(~ended.converged & np.isfinite(ended.value))
    carried = open_lanes[np.argsort(ended.value[open_lanes])[:CARRIED]]
    if len(carried):
        more = minimise(
            surface.with_curvature(),
            ended.u[carried],
            weights,
            first_delta=surface.final_delta,
            rounds=20,
        )
        ended.write(carried, more)
    return ended


def _search_everywhere(surface: PlainSurface, u: Array, weights: Array) -> Solution:
    """Minimise from every start, then from starts near the optima until there is no improvement.

    With a single start there are no further starts.
    """
    data = DataStarts.of(surface, 0)
    ended = _carried(surface, u, weights)
    in_vain = 0
    while len(u) > 1 and in_vain < _patience(surface, ended, weights):
        optima = np.roll(_optima(ended), -VARIED * (in_vain // 2), 0)
        nearby = data.near(optima, 2 + in_vain // 2)
        if not len(nearby):
            break
        best = float(ended.value.min())
        ended = ended.joined(_carried(surface, nearby, weights))
        in_vain = 0 if ended.value.min() < best * (1 - SAME) else in_vain + 1
    lanes = np.argsort(ended.value)[:CARRIED]  # polished without variable projection
    ended.write(
        lanes,
        minimise(
            surface.sharpened(),
            ended.u[lanes],
            weights,
            first_delta=surface.final_delta,
            tol=1e-12,
            rounds=100,
        ),
    )
    return ended


def _patience(surface: PlainSurface, ended: Solution, weights: Array) -> int:
    """Number of rounds without a better optimum that ends the search.

    It is `IN_VAIN_PATTERNED` if neighbouring residuals, in the order of the sizes, have a
    correlation above three standard errors 1/sqrt(n) for n rows: the law then misfits. Otherwise
    it is 0 if most lanes agree, else `IN_VAIN`.
    """
    best = int(np.argmin(ended.value))
    order = np.lexsort(list(surface.sizes.values())[::-1])
    r = surface.residuals(ended.u[[best]], weights)[0][0][order]
    r = r - r.mean()
    if float(r[1:] @ r[:-1]) > 3 / np.sqrt(len(r)) * float(r @ r):
        return IN_VAIN_PATTERNED
    agreed = float((ended.value <= ended.value[best] * (1 + SAME)).mean()) > AGREED
    return 0 if agreed else IN_VAIN


def _carried(surface: LawSurface, u: Array, weights: Array) -> Solution:
    """Minimise every lane; continue unfinished lanes that are better than every finished one."""
    delta = surface.final_delta
    ended = minimise(surface, u, weights, first_delta=delta, rounds=ROUNDS)
    finished = np.where(ended.converged, ended.value, np.inf).min()
    order = np.argsort(ended.value)
    ahead = order[~ended.converged[order] & (ended.value[order] < finished)][:CARRIED]
    if len(ahead):
        rounds = LONG_ROUNDS
        ended.write(
            ahead, minimise(surface, ended.u[ahead], weights, first_delta=delta, rounds=rounds)
        )
    return ended


def _optima(ended: Solution) -> Array:
    """Distinct end points (k, p), the best first."""
    order = np.argsort(ended.value)
    order = order[np.isfinite(ended.value[order])]
    value = ended.value[order]
    new = np.append(True, np.diff(value) > SAME * value[1:])[: len(order)]
    return np.asarray(ended.u[order[new]])


def spread(count: int, dimensions: int, seed: int) -> Array:
    """Points (count, dimensions) in the unit cube: Roberts' R sequence, shifted by the seed.

    The steps are powers of the root of g^(d+1) = g + 1, the golden ratio for d = 1.
    """
    g = 2.0
    for _ in range(60):
        g = (1 + g) ** (1 / (dimensions + 1))
    steps = g ** -np.arange(1.0, dimensions + 1)
    shift = np.random.default_rng(seed).random(dimensions)
    return (shift + np.arange(1, count + 1)[:, None] * steps) % 1.0


def project(surface: LawSurface, u: Array) -> Array:
    """Replace the parameters in which the law is linear by their least-squares values.

    This is variable projection (Golub and Pereyra 1973) of the starts: only the other
    parameters need to be searched. Relative errors are minimised if all y are positive. The
    contribution of a positive parameter is at least a thousandth of y.
    """
    names = [t.coefficient for t in surface.law.terms] or list(surface.law.linear)
    names = [n for n in names if n not in surface.fixed]
    if not names or set(surface.fixed) & {t.coefficient for t in surface.law.terms}:
        return u
    values = surface.values(u)
    empty = {**values, **{n: np.zeros(len(u)) for n in names}}
    with np.errstate(divide="ignore", over="ignore"):  # log of a coefficient set to zero
        basis = np.stack(
            [surface.law.evaluate({**empty, n: np.ones(len(u))}, surface.sizes) for n in names], 1
        )
    scale = np.abs(surface.y) if (surface.y > 0).all() else np.ones_like(surface.y)
    basis = basis / scale
    square = basis @ basis.transpose(0, 2, 1)
    ridge = 1e-10 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(len(names))
    solved, ok = solve_positive(square + ridge, (basis @ (surface.y / scale)[:, None])[:, :, 0])
    place = {p.name: j for j, p in enumerate(surface.free)}
    u = u.copy()
    for i, name in enumerate(names):
        least = 1e-3 / np.maximum(np.abs(basis[:, i]).mean(1), 1e-12)
        j = place[name]
        new = np.log(np.maximum(solved[:, i], least)) if surface.positive[j] else solved[:, i]
        u[:, j] = np.where(ok & np.isfinite(new), new, u[:, j])
    return u


def _best_first(surface: LawSurface, ended: Solution, weights: Array) -> NDArray[np.intp]:
    """Lanes by increasing value; among ties, the least sensitive to its parameters is first.

    For example, frequencies of 1/27 and 1 - 1/27 give the same values at integers.
    """
    order = np.argsort(ended.value)
    if not (isinstance(surface, PlainSurface) and surface.squares):
        return order
    ties = order[ended.value[order] <= ended.value[order[0]] * (1 + SAME)]
    size = np.where(surface.positive, 1.0, np.abs(ended.u[ties]))
    with np.errstate(all="ignore"):
        sensitive = least_squares.sensitivity(surface, ended.u[ties], weights, size)
    return np.concatenate([ties[np.argsort(sensitive)], order[len(ties) :]])


def _polish(surface: LawSurface, u: Array, weights: Array, rounds: int) -> Solution:
    return minimise(
        surface.sharpened(),
        u,
        weights,
        first_delta=surface.final_delta,
        damping=1e-4,
        tol=1e-15,
        rounds=rounds,
    )


def certify(surface: LawSurface, ended: Solution, weights: Array) -> tuple[Array, Certificate]:
    """The polished best (1, p), and the evidence."""
    order = _best_first(surface, ended, weights)
    rounds = 600 if surface.objective.delta == 0 else 50
    polished = _polish(surface, ended.u[order[:3]], weights, rounds)
    first_is_best = polished.value[0] <= polished.value.min() * (1 + SAME)
    winner = np.array([0 if surface.squares and first_is_best else np.argmin(polished.value)])
    norm = float(np.abs(polished.gradient[winner]).max(initial=0.0))
    if not _flat(surface, polished.u[winner], weights, norm, float(polished.value[winner][0])):
        # On a ridge, only the winner is continued.
        polished, winner = _polish(surface, polished.u[winner], weights, 150), np.array([0])
        norm = float(np.abs(polished.gradient).max(initial=0.0))
    best, value = polished.u[winner], float(polished.value[winner][0])
    delta = np.full((1, 1), surface.final_delta)
    reached = min(value, float(surface.evaluate(best, weights, delta)[0][0]))
    same = ended.value <= _same_as(surface, best, weights, max(value, reached))
    others = order[ended.converged[order] & ~same[order]]
    scale = surface.objective.scale
    on_bound = (best[0] <= surface.low) | (best[0] >= surface.high)
    runner = surface.raw(ended.u[others[:1]]) if len(others) else {}
    return best, Certificate(
        starts=len(ended.u),
        converged=float(ended.converged.mean()),
        best_basin_share=float(same.mean()),
        runner_up_value=scale * float(ended.value[others[0]]) if len(others) else None,
        gradient_norm=scale * norm,
        polished=_flat(surface, best, weights, norm, value),
        active_bounds=tuple(p.name for p, b in zip(surface.free, on_bound, strict=True) if b),
        runner_up={name: float(v[0]) for name, v in runner.items()},
        one_basin=surface.one_basin,
    )


def certified(surface: LawSurface, u: Array, weights: Array) -> tuple[Array, Certificate]:
    """The optimum (1, p) polished from one point near it, and the evidence."""
    delta = np.full((1, 1), surface.final_delta)
    value, gradient, _ = surface.evaluate(u, weights, delta)
    lane = Solution(u, value, gradient, np.ones(1, bool), np.ones(1, np.intp))
    return certify(surface, lane, weights)


def _same_as(surface: LawSurface, best: Array, weights: Array, value: float) -> float:
    """The largest objective of a start that counts as ended at the optimum, whose is `value`."""
    without_noise = surface.rows * (EXACT if surface.objective.delta == 0 else EXACT**2 / 2)
    level = value * (1 + SAME) + _noise(surface, best, weights)
    return max(level, without_noise) if value <= without_noise else level


def _noise(surface: LawSurface, u: Array, weights: Array) -> float:
    """Difference of objectives at one optimum that rounding can cause."""
    if isinstance(surface, PlainSurface) and surface.squares:
        return least_squares.rounding(surface, u, weights) + 1e-300
    return 1e-300


def _flat(surface: LawSurface, u: Array, weights: Array, norm: float, value: float) -> bool:
    """Whether a point (1, p) is an optimum, by its gradient `norm` and the objective there.

    Parameters of a law without a gradient may have any unit, so the test does not depend on
    units: the residuals are orthogonal to the tangent plane or, for other penalties, the gain of a
    Newton step is negligible. If the values depend on fewer directions than there are free
    parameters, a zero gradient is no evidence, and the point does not count as an optimum.
    """
    free = (u[0] > surface.low) & (u[0] < surface.high)
    if not isinstance(surface, PlainSurface) or surface.law.gradient is not None:
        return norm <= FLAT * value + 1e-12 or _gain(surface, u, weights, free) <= FLAT**2 * value
    if least_squares.rank(surface, u, weights, free) < free.sum():
        return False
    if surface.squares:
        return least_squares.angle(surface, u, weights, free) <= ANGLE
    rounding = least_squares.rounding(surface, u, weights)
    return _gain(surface, u, weights, free) <= FLAT**2 * value + rounding


def _gain(surface: LawSurface, u: Array, weights: Array, free: Lanes) -> float:
    """Gain of a Newton step from u (1, p); infinite if the curvature is not positive definite."""
    view = surface.sharpened()
    _, g, h = view.evaluate(u, weights, np.full((1, 1), view.final_delta))
    g, h = g[0][free], h[0][np.ix_(free, free)]
    size = np.sqrt(np.maximum(np.abs(np.diagonal(h)), 1e-300))
    values, vectors = np.linalg.eigh(h / size[:, None] / size)
    if not (values > LEAST_CURVATURE).all():
        return float("inf")
    return float(((vectors.T @ (g / size)) ** 2 / values).sum())
