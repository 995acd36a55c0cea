"""Many small nonlinear fits at once, by damped Newton steps.

A *lane* is one start or one resample. All live lanes take a step together;
lanes that have ended are removed. A nearly absolute penalty (Huber with a small
delta) is reached through a decreasing series of deltas, each lane at its own
pace, because Newton steps converge only while many rows are in the quadratic
zone. Levenberg-Marquardt damping follows Nielsen (1999), scaling More (1978).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from allometry.fitting import least_squares
from allometry.fitting.solution import Lanes, Solution
from allometry.laws import Array
from allometry.processors import processors

__all__ = ["Lanes", "Solution", "Surface", "minimise", "solve_positive"]

BLOCK = 32_000  # lane-rows evaluated at once: the working set stays in the L2 cache
SHRINK = 0.2  # ratio of each stage's delta to that of the stage before
STAGE_TOL = 1e-2  # predicted relative decrease at or below which a stage may end


class Surface(Protocol):
    """The function that is minimised."""

    work: int  # numbers computed per lane in a sweep
    final_delta: float
    least_scale: float  # least curvature scale of a coordinate, relative to the largest
    low: Array
    high: Array

    def evaluate(self, u: Array, weights: Array, delta: Array) -> tuple[Array, Array, Array]:
        """Value (k,), gradient (k, p) and curvature (k, p, p) at u (k, p)."""
        ...


def minimise(
    surface: Surface,
    u: Array,
    weights: Array,
    *,
    first_delta: float,
    damping: float = 1e-2,
    tol: float = 1e-10,
    rounds: int = 100,
    low: Array | None = None,
    high: Array | None = None,
) -> Solution:
    """Minimise every lane from its start `u` (K, p).

    Args:
        surface: the problem.
        weights: of rows, (n,) for all lanes, (K, n), or (K, 2, n) with the weights and a shift
            that is added to the residuals.
        first_delta: first of the decreasing series of Huber deltas.
        damping: relative, at the first step; 0 starts with a full Newton step.
        tol: predicted relative decrease of the objective at or below which a lane has converged.
        rounds: number of rounds after which a lane ends without convergence.
        low, high: bounds of each lane, (K, p); None for those of the surface.
    """
    bounds = (
        np.broadcast_to(surface.low if low is None else low, u.shape),
        np.broadcast_to(surface.high if high is None else high, u.shape),
    )
    if isinstance(surface, least_squares.Residuals) and surface.squares:
        return least_squares.minimise(surface, u, weights, *bounds, tol=tol, rounds=rounds)
    lanes = np.arange(len(u))
    solution = Solution.unsolved(u, rounds)
    first_delta = max(first_delta, surface.final_delta)
    with ThreadPoolExecutor(max_workers=_threads()) as pool:
        state = _State.begin(surface, u, weights, first_delta, damping, pool, *bounds)
        for sweep in range(1, rounds + 1):
            ended, converged = state.advance(tol)
            if sweep == rounds:
                ended = np.ones_like(ended)
            if ended.any():
                state.record(solution, lanes, ended, converged, sweep)
                lanes = lanes[~ended]
                state.keep(~ended)
            if not len(lanes):
                break
    return solution


def _threads() -> int:
    return min(8, len(processors()))


@dataclass
class _State:
    """The live lanes: position, value, gradient, curvature, damping and stage of each."""

    surface: Surface
    pool: ThreadPoolExecutor
    weights: Array
    u: Array
    f: Array
    g: Array
    h: Array
    scale: Array
    damping: Array
    delta: Array
    low: Array
    high: Array

    @classmethod
    def begin(
        cls,
        surface: Surface,
        u: Array,
        weights: Array,
        delta: float,
        damping: float,
        pool: ThreadPoolExecutor,
        low: Array,
        high: Array,
    ) -> "_State":
        u = np.clip(u, low, high)
        deltas = np.full(len(u), delta)
        f, g, h = _evaluate(surface, pool, u, weights, deltas)
        diagonal = np.abs(np.diagonal(h, axis1=1, axis2=2))
        damped = np.full(len(u), damping)
        return cls(surface, pool, weights, u, f, g, h, diagonal, damped, deltas, low, high)

    def record(
        self,
        solution: Solution,
        lanes: NDArray[np.intp],
        ended: Lanes,
        converged: Lanes,
        sweep: int,
    ) -> None:
        """Write the lanes that end in this sweep; `lanes` holds the indices of the live lanes."""
        places = lanes[ended]
        solution.u[places], solution.value[places] = self.u[ended], self.f[ended]
        solution.gradient[places] = self.free_gradient()[ended]
        solution.converged[places] = converged[ended]
        solution.sweeps[places] = sweep

    def keep(self, live: Lanes) -> None:
        """Keep only the live lanes."""
        for name in ("u", "f", "g", "h", "scale", "damping", "delta", "low", "high"):
            setattr(self, name, getattr(self, name)[live])
        if self.weights.ndim > 1:
            self.weights = self.weights[live]

    def at_bound(self) -> NDArray[np.bool_]:
        """Which parameters are at a bound that the objective pushes them against."""
        return ((self.u <= self.low) & (self.g > 0)) | ((self.u >= self.high) & (self.g < 0))

    def free_gradient(self) -> Array:
        """The gradient, zero where a bound holds the parameter, (lanes, p)."""
        return np.where(self.at_bound(), 0.0, self.g)

    def advance(self, tol: float) -> tuple[Lanes, Lanes]:
        """One step of every live lane: (lanes that end here, lanes that converged)."""
        step, gain = self._step()
        last = self.delta <= self.surface.final_delta
        sane = np.isfinite(self.f)
        small = sane & (gain <= np.where(last, tol, STAGE_TOL) * self.f + 1e-300)
        settled = small & (self.damping <= 1e-2)
        switch = settled & ~last
        delta = np.where(
            switch, np.maximum(self.delta * SHRINK, self.surface.final_delta), self.delta
        )
        trial = np.clip(self.u + step, self.low, self.high)
        f, g, h = _evaluate(self.surface, self.pool, trial, self.weights, delta)
        with np.errstate(invalid="ignore"):
            level = settled & last & (f <= self.f * (1 + 1e-12))  # change below rounding: accept it
            better = np.isfinite(f) & ((f < self.f) | switch | level)
            ratio = (self.f - f) / np.where(gain > 0, gain, np.inf)
        stuck = ~better & ((gain <= 1e-13 * self.f) | (self.damping > 1e12))
        converged = last & sane & (settled | (stuck & (self.damping <= 1.0)))
        self._accept(better, ratio, switch, trial, f, g, h, delta)
        stuck_early = stuck & ~last & sane  # these lanes go on to the next stage
        self.delta[stuck_early] = np.maximum(
            self.delta[stuck_early] * SHRINK, self.surface.final_delta
        )
        if stuck_early.any():
            self._refresh(stuck_early)
        return ((converged | stuck) & last) | ~sane, converged

    def _refresh(self, which: Lanes) -> None:
        weights = self.weights[which] if self.weights.ndim > 1 else self.weights
        self.f[which], self.g[which], self.h[which] = _evaluate(
            self.surface, self.pool, self.u[which], weights, self.delta[which]
        )
        self.damping[which] = 1e-2

    def _step(self) -> tuple[Array, Array]:
        """Damped Newton step, and the decrease that its quadratic model predicts."""
        bound = self.at_bound()
        g = np.where(bound, 0.0, self.g)
        h = np.where(bound[:, :, None] | bound[:, None, :], 0.0, self.h)
        diagonal = np.arange(g.shape[1])
        h[:, diagonal, diagonal] += bound
        size = np.maximum(np.abs(h[:, diagonal, diagonal]), 0.3 * self.scale)
        least = self.surface.least_scale
        self.scale = np.maximum(size, least * size.max(1, keepdims=True) + 1e-300)
        step = np.zeros_like(g)
        todo = np.arange(len(g))
        for _ in range(40):
            damped = h[todo]
            damped[:, diagonal, diagonal] += self.damping[todo, None] * self.scale[todo]
            solved, ok = solve_positive(damped, -g[todo])
            step[todo[ok]] = solved[ok]
            todo = todo[~ok]
            if not len(todo):
                break
            self.damping[todo] = np.maximum(10 * self.damping[todo], 1e-4)
        with np.errstate(over="ignore", invalid="ignore"):
            gain = -(g * step).sum(1) - 0.5 * np.einsum("ki,kij,kj->k", step, h, step)
        return step, np.where(np.isfinite(gain), gain, np.inf)

    def _accept(
        self,
        better: Lanes,
        ratio: Array,
        switch: Lanes,
        trial: Array,
        f: Array,
        g: Array,
        h: Array,
        delta: Array,
    ) -> None:
        good, poor = better & (ratio > 0.5), better & (ratio < 0.1) & ~switch
        self.damping[good] = np.where(self.damping[good] > 1e-7, 0.1 * self.damping[good], 0.0)
        self.damping[poor] = np.maximum(4 * self.damping[poor], 1e-6)
        self.damping[~better] = np.maximum(10 * self.damping[~better], 1e-5)
        self.u = np.where(better[:, None], trial, self.u)
        self.f = np.where(better, f, self.f)
        self.g = np.where(better[:, None], g, self.g)
        self.h = np.where(better[:, None, None], h, self.h)
        self.delta = np.where(better, delta, self.delta)


def _evaluate(
    surface: Surface, pool: ThreadPoolExecutor, u: Array, weights: Array, delta: Array
) -> tuple[Array, Array, Array]:
    """The surface at every lane, in cache-sized blocks on all cores."""
    lanes = max(1, BLOCK // surface.work)
    blocks = [slice(i, i + lanes) for i in range(0, len(u), lanes)]

    def one(block: slice) -> tuple[Array, Array, Array]:
        with np.errstate(all="ignore"):
            w = weights[block] if weights.ndim > 1 else weights
            return surface.evaluate(u[block], w, delta[block, None])

    parts = list(pool.map(one, blocks)) if len(blocks) > 2 else [one(b) for b in blocks]
    f, g, h = (np.concatenate(part) for part in zip(*parts, strict=True))
    broken = ~(np.isfinite(f) & np.isfinite(g).all(1) & np.isfinite(h).all((1, 2)))
    if broken.any():
        f[broken], g[broken], h[broken] = np.inf, 0.0, np.eye(u.shape[1])
    return f, g, h


def solve_positive(a: Array, b: Array) -> tuple[Array, Lanes]:
    """Cholesky solution of many small systems, and which `a` were positive definite.

    It is vectorised over lanes, because the overhead of LAPACK per tiny matrix would dominate.

    Args:
        a: symmetric, shape (K, p, p). b: shape (K, p).
    """
    p = b.shape[1]
    lower = np.ascontiguousarray(a.transpose(1, 2, 0))
    x = np.ascontiguousarray(b.T)
    ok = np.ones(len(b), bool)
    floor = 1e-14 * np.abs(lower[np.arange(p), np.arange(p)])
    with np.errstate(over="ignore", invalid="ignore"):
        return _eliminated(lower, x, floor, ok)


def _eliminated(lower: Array, x: Array, floor: Array, ok: Lanes) -> tuple[Array, Lanes]:
    """Cholesky and both substitutions, in place; lanes with a pivot near zero are not ok."""
    p = len(x)
    for j in range(p):
        ok &= lower[j, j] > floor[j]
        pivot = np.sqrt(np.where(ok, lower[j, j], 1.0))
        lower[j, j] = pivot
        x[j] /= pivot
        if j + 1 < p:
            below = lower[j + 1 :, j]
            below /= pivot
            x[j + 1 :] -= below * x[j]
            lower[j + 1 :, j + 1 :] -= below[:, None] * below
    for j in reversed(range(p)):
        if j + 1 < p:
            x[j] -= (lower[j + 1 :, j] * x[j + 1 :]).sum(0)
        x[j] /= lower[j, j]
    return x.T, ok
