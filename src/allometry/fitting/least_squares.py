"""Least squares for laws without a gradient, for many lanes at once.

Levenberg-Marquardt steps (More 1978) are computed from a QR factorisation of the Jacobian, since
normal equations would lose half of the digits. Columns are divided by their norms, so that the
units of parameters do not matter. A lane has converged if the residuals are orthogonal to the
tangent plane (Bates and Watts 1981), a criterion that does not depend on units either.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.solution import Lanes, Solution
from allometry.laws import Array

__all__ = [
    "Residuals", "angle", "coefficients", "minimise", "rank", "rounding",
    "sensitivity", "standard_errors",
]  # fmt: skip

NUMBERS = 2_000_000  # most elements of the Jacobians computed at once
DEPENDENT = 1e-10  # of the largest singular value: the accuracy of the differences
FIRST_DAMPING = 1e-2
STIFF = 1e14  # damping above which a step no longer changes the parameters
LEVEL = 1e-13  # of the sum: a smaller decrease cannot be distinguished from rounding
ROUNDING = 16 * float(np.finfo(float).eps)


@runtime_checkable
class Residuals(Protocol):
    """A problem of least squares."""

    squares: bool  # whether this module minimises the objective
    linear: tuple[int, ...]  # parameters that are solved linearly after every step
    rows: int

    def residuals(self, u: Array, weights: Array) -> tuple[Array, Array]:
        """Weighted residuals and weighted predictions, (k, n) each, at u (k, p)."""
        ...

    def tangents(self, u: Array, weights: Array) -> Array:
        """Weighted derivatives of the predictions, (k, p, n)."""
        ...

    def relaxed(self, u: Array, weights: Array) -> Array:
        """The points (k, p) with the linear parameters at their least-squares values."""
        ...


def minimise(
    problem: Residuals,
    u: Array,
    weights: Array,
    low: Array,
    high: Array,
    *,
    tol: float,
    rounds: int,
) -> Solution:
    """Minimise half the sum of squares in every lane from its start `u` (K, p).

    Args:
        weights: of rows; see `solver.minimise`.
        low, high: bounds (K, p).
        tol: squared cosine between residuals and tangent plane at or below which a lane has
            converged.
        rounds: number of rounds after which a lane ends without convergence.
    """
    solution = Solution.unsolved(u, rounds)
    lanes = np.arange(len(u))
    with np.errstate(all="ignore"):
        state = _State.begin(problem, u, weights, low, high)
    for sweep in range(1, rounds + 1):
        with np.errstate(all="ignore"):  # a step that overflows is not an improvement
            ended, converged = state.advance(tol)
        if sweep == rounds:
            ended = np.ones_like(ended)
        places = lanes[ended]
        solution.u[places], solution.value[places] = state.u[ended], state.f[ended]
        solution.gradient[places] = state.gradient()[ended]
        solution.converged[places], solution.sweeps[places] = converged[ended], sweep
        lanes = lanes[~ended]
        if not len(lanes):
            break
        state.retain(~ended)
    return solution


def angle(problem: Residuals, u: Array, weights: Array, free: Lanes) -> float:
    """Cosine between the residuals and the tangent plane of the free parameters, at u (1, p).

    It is zero if the projection is not longer than the rounding of the values.
    """
    residuals, values = problem.residuals(u, weights)
    factors = _Factors.at(problem, u, weights)
    along = float(factors.decomposed(free[None]).along()[0])
    if along <= float(_floor(values)[0]):
        return 0.0
    return along / float(np.linalg.norm(residuals))


def rank(problem: Residuals, u: Array, weights: Array, free: Lanes) -> int:
    """Number of directions of the free parameters that the values depend on, at u (1, p)."""
    factors = _Factors.at(problem, u, weights).decomposed(free[None])
    return int(factors.known().sum())


def coefficients(basis: Array, target: Array) -> tuple[Array, Array]:
    """Least-squares coefficients (k, l) of bases (k, m, l) for targets (k, m), and the sums (k,).

    They are solved by normal equations of normalised columns with a small ridge, which is
    accurate enough for starts.
    """
    norms = np.linalg.norm(basis, axis=1)
    usable = np.isfinite(norms).all(1) & (norms > 0).all(1) & np.isfinite(target).all(1)
    basis = np.where(usable[:, None, None], basis, 0.0)
    target = np.where(usable[:, None], target, 0.0)
    norms = np.where(usable[:, None], norms, 1.0)
    scaled = basis / norms[:, None, :]
    square = scaled.transpose(0, 2, 1) @ scaled + 1e-13 * np.eye(basis.shape[2])
    square[~usable] = np.eye(basis.shape[2])
    right = scaled.transpose(0, 2, 1) @ target[:, :, None]
    solved = np.linalg.solve(square, right)
    residuals = (target[:, :, None] - scaled @ solved)[:, :, 0]
    return solved[:, :, 0] / norms, np.where(usable, _total(residuals), np.inf)


def _total(residuals: Array) -> Array:
    """Sums of squares of residuals (k, n); infinite where a sum is not finite."""
    sums = (residuals**2).sum(1)
    return np.where(np.isfinite(sums), sums, np.inf)


def rounding(problem: Residuals, u: Array, weights: Array) -> float:
    """Half the sum of squares that is due to rounding of the values, at u (1, p)."""
    return float(0.5 * _floor(problem.residuals(u, weights)[1])[0] ** 2)


def sensitivity(problem: Residuals, u: Array, weights: Array, size: Array) -> Array:
    """Largest change of the values, (k,), per relative change of a parameter, at u (k, p).

    Args:
        size: of the parameters, (k, p).
    """
    return np.asarray((_Factors.at(problem, u, weights).norms() * size).max(1))


def standard_errors(problem: Residuals, u: Array, weights: Array) -> Array:
    """Standard errors (p,) at u (1, p) for residuals of variance 1; large in flat directions."""
    factors = _Factors.at(problem, u, weights)
    parts = factors.decomposed(np.ones(u.shape, bool))
    singular = np.maximum(parts.singular, DEPENDENT)
    errors = np.linalg.norm(parts.turned / singular[:, :, None], axis=1) / parts.scale
    return np.asarray(errors[0], float)


def _floor(values: Array) -> Array:
    """Length of the residuals (k,) that is due to rounding of the values (k, n)."""
    return np.asarray(ROUNDING * np.linalg.norm(values, axis=1))


@dataclass
class _Decomposition:
    """Column-scaled Jacobian U diag(s) V' of each lane, and the residuals' components along U."""

    singular: Array
    turned: Array
    parts: Array
    scale: Array

    def known(self) -> NDArray[np.bool_]:
        """Which directions the values depend on, (k, p)."""
        largest = self.singular.max(1, keepdims=True, initial=1e-300)
        return np.asarray(self.singular > DEPENDENT * largest)

    def along(self) -> Array:
        """Length of the projection of the residuals on the tangent plane, (k,)."""
        return np.asarray(np.linalg.norm(np.where(self.known(), self.parts, 0.0), axis=1))

    def step(self, damping: Array) -> tuple[Array, Array]:
        """Damped step (k, p), and the decrease that the linear model predicts (k,)."""
        squares = self.singular**2
        damped = squares + damping[:, None]
        amount = np.where(self.known(), self.singular * self.parts / damped, 0.0)
        left = np.where(self.known(), damping[:, None] / damped, 1.0) * self.parts
        gain = 0.5 * (self.parts**2 - left**2).sum(1)
        return np.einsum("kij,ki->kj", self.turned, amount) / self.scale, np.asarray(gain)


@dataclass
class _Factors:
    """QR of each lane's weighted Jacobian: R (k, p, p) and Q'r (k, p)."""

    triangle: Array
    projected: Array

    @classmethod
    def at(cls, problem: Residuals, u: Array, weights: Array) -> "_Factors":
        """The factors at u (k, p), computed for as many lanes at once as `NUMBERS` allows."""
        k, p = u.shape
        triangle, projected = np.zeros((k, p, p)), np.zeros((k, p))
        lanes = max(1, NUMBERS // (problem.rows * (p + 1)))
        for first in range(0, k, lanes):
            block = slice(first, first + lanes)
            w = weights[block] if weights.ndim > 1 else weights
            residuals, _ = problem.residuals(u[block], w)
            joined = np.zeros((len(residuals), max(problem.rows, p + 1), p + 1))
            joined[:, : problem.rows, :p] = problem.tangents(u[block], w).transpose(0, 2, 1)
            joined[:, : problem.rows, p] = residuals
            joined[~np.isfinite(joined).all((1, 2))] = 0.0
            upper = np.asarray(np.linalg.qr(joined, mode="r"))
            triangle[block], projected[block] = upper[:, :p, :p], upper[:, :p, p]
        return cls(triangle, projected)

    def norms(self) -> Array:
        """Norms of the Jacobian's columns, (k, p)."""
        return np.asarray(np.linalg.norm(self.triangle, axis=1))

    def gradient(self) -> Array:
        """Gradient of half the sum of squares, (k, p)."""
        return np.asarray(-np.einsum("kij,ki->kj", self.triangle, self.projected))

    def without(self, linear: list[int]) -> "_Factors":
        """The other columns and the residuals, orthogonal to the linear columns (Kaufman 1975)."""
        basis = np.linalg.qr(self.triangle[:, :, linear])[0]
        across = np.eye(self.triangle.shape[1]) - basis @ basis.transpose(0, 2, 1)
        triangle = across @ self.triangle
        triangle[:, :, linear] = 0.0
        return _Factors(triangle, np.einsum("kij,kj->ki", across, self.projected))

    def decomposed(self, free: NDArray[np.bool_]) -> _Decomposition:
        """Singular values of the free columns, scaled by their norms."""
        scale = self.norms()
        scale = np.where(scale > 0, scale, 1.0)
        left, singular, turned = np.linalg.svd(self.triangle * free[:, None, :] / scale[:, None])
        parts = np.einsum("kij,ki->kj", left, self.projected)
        return _Decomposition(singular, turned, parts, scale)


@dataclass
class _State:
    """The lanes that are still iterated: position, half sum of squares, factors and damping."""

    problem: Residuals
    weights: Array
    u: Array
    f: Array
    floor: Array
    factors: _Factors
    damping: Array
    low: Array
    high: Array

    @classmethod
    def begin(
        cls, problem: Residuals, u: Array, weights: Array, low: Array, high: Array
    ) -> "_State":
        u = np.clip(u, low, high)
        f, floor = _sums(problem, u, weights)
        if problem.linear:
            u, f, floor = _relaxed(problem, u, weights, f, floor, low, high)
        factors = _Factors.at(problem, u, weights)
        damping = np.full(len(u), FIRST_DAMPING)
        return cls(problem, weights, u, f, floor, factors, damping, low, high)

    def retain(self, live: Lanes) -> None:
        """Keep only the live lanes."""
        for name in ("u", "f", "floor", "damping", "low", "high"):
            setattr(self, name, getattr(self, name)[live])
        self.factors = _Factors(self.factors.triangle[live], self.factors.projected[live])
        if self.weights.ndim > 1:
            self.weights = self.weights[live]

    def free(self) -> NDArray[np.bool_]:
        """Which parameters are not held by a bound, (k, p)."""
        slope = self.factors.gradient()
        held = ((self.u <= self.low) & (slope > 0)) | ((self.u >= self.high) & (slope < 0))
        return ~held & (self.low < self.high)

    def gradient(self) -> Array:
        """The gradient, zero where a bound holds the parameter, (k, p)."""
        return np.where(self.free(), self.factors.gradient(), 0.0)

    def advance(self, tol: float) -> tuple[Lanes, Lanes]:
        """One step of every live lane: (lanes that end here, lanes that converged)."""
        whole = self.factors.decomposed(self.free())
        settled = whole.along() ** 2 <= tol * 2 * self.f + self.floor**2
        step, gain = whole.step(np.where(settled, 0.0, self.damping))
        if self.problem.linear:
            reduced = self.factors.without(list(self.problem.linear)).decomposed(self.free())
            search, predicted = reduced.step(self.damping)
            step = np.where(settled[:, None], step, search)
            gain = np.where(settled, gain, predicted)
        trial = np.clip(self.u + step, self.low, self.high)
        f, floor = _sums(self.problem, trial, self.weights)
        if self.problem.linear:
            bounds = (self.low, self.high)
            trial, f, floor = _relaxed(self.problem, trial, self.weights, f, floor, *bounds)
        better = np.isfinite(f) & ((f < self.f) | (settled & (f <= self.f * (1 + 1e-12))))
        with np.errstate(all="ignore"):
            ratio = (self.f - f) / np.where(gain > 0, gain, np.inf)
        sane = np.isfinite(self.f)
        level = gain <= LEVEL * self.f
        stuck = ~better & (level | (self.damping > STIFF))
        converged = sane & (settled | (stuck & level & (self.damping <= 1.0)))
        self._accept(better, ratio, trial, f, floor)
        return settled | stuck | ~sane, converged

    def _accept(self, better: Lanes, ratio: Array, trial: Array, f: Array, floor: Array) -> None:
        """Accept the better points; set damping by the ratio of actual to predicted decrease."""
        self.damping[better & (ratio > 0.75)] *= 0.1
        self.damping[better & (ratio < 0.25)] *= 4.0
        self.damping[~better] *= 10.0
        self.u = np.where(better[:, None], trial, self.u)
        self.f, self.floor = np.where(better, f, self.f), np.where(better, floor, self.floor)
        places = np.flatnonzero(better)
        if not len(places):
            return
        weights = self.weights[places] if self.weights.ndim > 1 else self.weights
        moved = _Factors.at(self.problem, self.u[places], weights)
        self.factors.triangle[places] = moved.triangle
        self.factors.projected[places] = moved.projected


def _relaxed(
    problem: Residuals, u: Array, weights: Array, f: Array, floor: Array, low: Array, high: Array
) -> tuple[Array, Array, Array]:
    """The points with their linear parameters solved, where that gives less than f (k,)."""
    solved = np.clip(problem.relaxed(u, weights), low, high)
    lower, solved_floor = _sums(problem, solved, weights)
    better = lower < f
    return (
        np.where(better[:, None], solved, u),
        np.where(better, lower, f),
        np.where(better, solved_floor, floor),
    )


def _sums(problem: Residuals, u: Array, weights: Array) -> tuple[Array, Array]:
    """Half the sum of squares, and the length due to rounding, each (k,)."""
    sums, floors = np.empty(len(u)), np.empty(len(u))
    lanes = max(1, NUMBERS // problem.rows)
    for first in range(0, len(u), lanes):
        block = slice(first, first + lanes)
        w = weights[block] if weights.ndim > 1 else weights
        residuals, values = problem.residuals(u[block], w)
        sums[block], floors[block] = 0.5 * (residuals**2).sum(1), _floor(values)
    return np.where(np.isfinite(sums), sums, np.inf), floors
