"""Find the optimum from many starts, and gather the evidence that it is one."""

import numpy as np

from allometry.fitting.document import Certificate
from allometry.fitting.solver import Solution, minimise, solve_positive
from allometry.fitting.surface import LawSurface, PowerSumSurface
from allometry.laws import Array

__all__ = ["FIRST_DELTA", "certify", "search", "start_points"]

FIRST_DELTA = 0.1  # where starts begin: all rows of a sane table are then quadratic
FIRST_ROUNDS, CARRIED = 25, 8  # Gauss-Newton rounds of all starts; lanes then carried on
STEEPER = np.array([1.0, 1.3, 2.0, 4.0])  # exponents of some starts, over those of a plane
FLAT = 1e-5  # gradient, over the objective, of a point that counts as an optimum
SINGULAR = 1e-10  # eigenvalue of the scaled curvature that is none: a Newton step says nothing
SAME = 1e-6  # relative difference of objectives below which two ends are one basin


def start_points(surface: LawSurface, count: int, seed: int) -> Array:
    """Start guesses (count, p), spread evenly over the law's start ranges.

    Where the objective has one optimum: one guess, or on log axes some planes through the rows.
    """
    if surface.one_basin:
        count = 1
        if isinstance(surface, PowerSumSurface):
            return surface.planes(seed)
    uniform = spread(count, len(surface.law.parameters), seed)
    if surface.law.starts is not None:
        u = surface.to_u_all(surface.law.starts(uniform, surface.sizes, surface.y))
        return project(surface, np.clip(u, surface.low, surface.high))
    uniform = uniform[:, surface.places]
    low, high = (
        surface.to_u(np.array(side)) for side in zip(*(q.start for q in surface.free), strict=True)
    )
    u = low + uniform * (high - low)
    if isinstance(surface, PowerSumSurface):
        steep = surface.steepened(STEEPER[: count // 8])
        u[: len(steep)] = np.where(np.isnan(steep), u[: len(steep)], steep)
    return project(surface, u)


def search(surface: LawSurface, u: Array, weights: Array) -> Solution:
    """Minimise from every start; where curvature is costly, exactly for the best few.

    A lane that is not carried on counts as not converged.
    """
    if surface.one_basin and surface.exact:
        return minimise(surface, u, weights, first_delta=surface.final_delta, rounds=200)
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
        for name in ("u", "value", "gradient", "converged"):
            getattr(ended, name)[carried] = getattr(more, name)
    return ended


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
    """Replace the parameters the law is linear in by their least-squares values.

    Variable projection (Golub and Pereyra 1973) of the starts: only the others
    need to be searched. Relative errors are minimised where y is positive; a
    positive parameter keeps a thousandth of y at least.
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


def _exact(surface: LawSurface, weights: Array) -> float:
    """The objective where no residual is more than rounding: below it ends are the same."""
    r = np.full((1, surface.rows), surface.objective.largest_exact(surface.y))
    return float(surface.objective.penalty(r, weights, np.full((1, 1), surface.final_delta))[0][0])


def _flat(surface: LawSurface, polished: Solution, weights: Array) -> bool:
    """Whether the best of these points is an optimum.

    Its gradient is small over the objective; or no residual is more than rounding; or, where
    noise is small, the Newton step would gain next to nothing of the objective.
    """
    best = [int(np.argmin(polished.value))]
    u, value, gradient = polished.u[best], polished.value[best][0], polished.gradient[best][0]
    steepest = np.abs(gradient).max(initial=0.0)
    if steepest <= FLAT * value + 1e-12 or value <= _exact(surface, weights):
        return True
    free = (u[0] > surface.low) & (u[0] < surface.high)
    sharp = surface.sharpened()
    delta = np.full((1, 1), sharp.final_delta)
    curvature = sharp.evaluate(u, weights, delta)[2][0][np.ix_(free, free)]
    size = np.sqrt(np.abs(np.diagonal(curvature)))
    if not (np.isfinite(curvature).all() and (size > 0).all()):
        return False
    scaled, slope = curvature / size[:, None] / size, gradient[free] / size
    if np.linalg.eigvalsh(scaled).min() <= SINGULAR:
        return False
    return bool(slope @ np.linalg.solve(scaled, slope) <= FLAT**2 * value)


def certify(surface: LawSurface, ended: Solution, weights: Array) -> tuple[Array, Certificate]:
    """The polished best (1, p), and the evidence."""
    order = np.argsort(ended.value)
    rounds = 600 if surface.objective.delta == 0 else 50
    polished = _polish(surface, ended.u[order[:3]], weights, rounds)
    winner = np.array([np.argmin(polished.value)])
    if not _flat(surface, polished, weights):  # a ridge: the winner alone goes on
        polished, winner = _polish(surface, polished.u[winner], weights, 150), np.array([0])
    norm = float(np.abs(polished.gradient[winner]).max(initial=0.0))
    best, value = polished.u[winner], float(polished.value[winner][0])
    delta = np.full((1, 1), surface.final_delta)
    reached = min(value, float(surface.evaluate(best, weights, delta)[0][0]))
    same = ended.value <= max(max(value, reached) * (1 + SAME), _exact(surface, weights))
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
        polished=_flat(surface, polished, weights),
        active_bounds=tuple(p.name for p, b in zip(surface.free, on_bound, strict=True) if b),
        runner_up={name: float(v[0]) for name, v in runner.items()},
        one_basin=surface.one_basin,
    )
