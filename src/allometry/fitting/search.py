"""Find the optimum from many starts, and gather the evidence that it is one."""

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.document import Certificate
from allometry.fitting.solver import Solution, minimise, solve_positive
from allometry.fitting.surface import PlainSurface, PowerSumSurface

__all__ = ["FIRST_DELTA", "certify", "search", "start_points"]

FIRST_DELTA = 0.1  # where starts begin: all rows of a sane table are then quadratic
FIRST_ROUNDS, CARRIED = 25, 8  # Gauss-Newton rounds of all starts; lanes then carried on
FLAT = 1e-5  # gradient, over the objective, of a point that counts as an optimum
SAME = 1e-6  # relative difference of objectives below which two ends are one basin

AnySurface = PowerSumSurface | PlainSurface


def start_points(problem: AnySurface, count: int, seed: int) -> NDArray:
    """Start guesses (count, p), spread evenly over the law's start ranges."""
    uniform = spread(count, len(problem.law.parameters), seed)
    if problem.law.starts is not None:
        u = problem.to_u_all(problem.law.starts(uniform, problem.sizes, problem.y))
        return project(problem, np.clip(u, problem.low, problem.high))
    uniform = uniform[:, problem.places]
    low, high = (
        problem.to_u(np.array(side)) for side in zip(*(q.start for q in problem.free), strict=True)
    )
    return project(problem, low + uniform * (high - low))


def search(problem: AnySurface, u: NDArray, weights: NDArray) -> Solution:
    """Minimise from every start; where curvature is costly, exactly for the best few.

    A lane that is not carried on counts as not converged.
    """
    if problem.exact:
        rounds = 60 if problem.objective.delta else 100  # absolute values: more stages
        return minimise(problem, u, weights, first_delta=FIRST_DELTA, rounds=rounds)
    ended = minimise(problem, u, weights, first_delta=FIRST_DELTA, rounds=FIRST_ROUNDS)
    open_lanes = np.flatnonzero(~ended.converged & np.isfinite(ended.value))
    carried = open_lanes[np.argsort(ended.value[open_lanes])[:CARRIED]]
    if len(carried):
        more = minimise(
            problem.with_curvature(),
            ended.u[carried],
            weights,
            first_delta=problem.final_delta,
            rounds=20,
        )
        for name in ("u", "value", "gradient", "converged"):
            getattr(ended, name)[carried] = getattr(more, name)
    return ended


def spread(count: int, dimensions: int, seed: int) -> NDArray:
    """Points (count, dimensions) in the unit cube: Roberts' R sequence, shifted by the seed.

    The steps are powers of the root of g^(d+1) = g + 1, the golden ratio for d = 1.
    """
    g = 2.0
    for _ in range(60):
        g = (1 + g) ** (1 / (dimensions + 1))
    steps = g ** -np.arange(1.0, dimensions + 1)
    shift = np.random.default_rng(seed).random(dimensions)
    return (shift + np.arange(1, count + 1)[:, None] * steps) % 1.0


def project(problem: AnySurface, u: NDArray) -> NDArray:
    """Replace the parameters the law is linear in by their least-squares values.

    Variable projection (Golub and Pereyra 1973) of the starts: only the others
    need to be searched. Relative errors are minimised where y is positive; a
    positive parameter keeps a thousandth of y at least.
    """
    names = [t.coefficient for t in problem.law.terms] or list(problem.law.linear)
    names = [n for n in names if n not in problem.fixed]
    if not names or set(problem.fixed) & {t.coefficient for t in problem.law.terms}:
        return u
    values = problem.values(u)
    empty = {**values, **{n: np.zeros(len(u)) for n in names}}
    with np.errstate(divide="ignore", over="ignore"):  # log of a coefficient set to zero
        basis = np.stack(
            [problem.law.evaluate({**empty, n: np.ones(len(u))}, problem.sizes) for n in names], 1
        )
    scale = np.abs(problem.y) if (problem.y > 0).all() else np.ones_like(problem.y)
    basis = basis / scale
    square = basis @ basis.transpose(0, 2, 1)
    ridge = 1e-10 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(len(names))
    solved, ok = solve_positive(square + ridge, (basis @ (problem.y / scale)[:, None])[:, :, 0])
    place = {p.name: j for j, p in enumerate(problem.free)}
    u = u.copy()
    for i, name in enumerate(names):
        least = 1e-3 / np.maximum(np.abs(basis[:, i]).mean(1), 1e-12)
        j = place[name]
        new = np.log(np.maximum(solved[:, i], least)) if problem.positive[j] else solved[:, i]
        u[:, j] = np.where(ok & np.isfinite(new), new, u[:, j])
    return u


def _polish(problem: AnySurface, u: NDArray, weights: NDArray, rounds: int) -> Solution:
    return minimise(
        problem.sharpened(),
        u,
        weights,
        first_delta=problem.final_delta,
        damping=1e-4,
        tol=1e-15,
        rounds=rounds,
    )


def certify(problem: AnySurface, ended: Solution, weights: NDArray) -> tuple[NDArray, Certificate]:
    """The polished best (1, p), and the evidence."""
    order = np.argsort(ended.value)
    rounds = 600 if problem.objective.delta == 0 else 50
    polished = _polish(problem, ended.u[order[:3]], weights, rounds)
    winner = np.array([np.argmin(polished.value)])
    norm = float(np.abs(polished.gradient[winner]).max(initial=0.0))
    if norm > FLAT * polished.value[winner][0]:  # a ridge: the winner alone goes on
        polished, winner = _polish(problem, polished.u[winner], weights, 150), np.array([0])
        norm = float(np.abs(polished.gradient).max(initial=0.0))
    best, value = polished.u[winner], float(polished.value[winner][0])
    delta = np.full((1, 1), problem.final_delta)
    reached = min(value, float(problem.evaluate(best, weights, delta)[0][0]))
    same = ended.value <= max(value, reached) * (1 + SAME) + 1e-300
    others = order[ended.converged[order] & ~same[order]]
    scale = 2.0 if np.isinf(problem.objective.delta) else 1.0
    on_bound = (best[0] <= problem.low) | (best[0] >= problem.high)
    runner = problem.raw(ended.u[others[:1]]) if len(others) else {}
    return best, Certificate(
        starts=len(ended.u),
        converged=float(ended.converged.mean()),
        best_basin_share=float(same.mean()),
        runner_up_value=scale * float(ended.value[others[0]]) if len(others) else None,
        gradient_norm=scale * norm,
        polished=norm <= FLAT * value + 1e-12,
        active_bounds=tuple(p.name for p, b in zip(problem.free, on_bound, strict=True) if b),
        runner_up={name: float(v[0]) for name, v in runner.items()},
    )
