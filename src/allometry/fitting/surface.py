"""The surface that a solver descends: rows, a law and an objective, in solver coordinates.

Solver coordinates u: the log of a positive parameter, another parameter itself,
all for centred sizes, without the parameters held fixed.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

import numpy as np

from allometry.errors import UsageError
from allometry.fitting import differences, least_squares
from allometry.fitting.objectives import Objective
from allometry.laws.law import Array, Law, Term

__all__ = ["LawSurface", "PlainSurface", "PowerSumSurface", "surface"]

# Absolute values are minimised as Huber with these deltas (y is centred to about 1),
# by all lanes and by the polished ones. Rows outside delta are shifted alike, so the
# place of the optimum moves far less than its value.
BLUNT, SHARP = 1e-4, 1e-8


def _shifted(weights: Array, r: Array) -> tuple[Array, Array]:
    """Weights, and residuals of each lane's own response, of weights (K, 2, n)."""
    return (weights[:, 0], r + weights[:, 1]) if weights.ndim == 3 else (weights, r)


class LawSurface(ABC):
    """What is minimised, and its coordinates: from solver vectors to parameters and back.

    Attributes:
        exact: whether `evaluate` gives exact second derivatives.
        squares: whether `least_squares` minimises it: a sum of squares, and a law without
            derivatives of its own.
        free: the parameters that are not held fixed; `places` among all of the law's.
        positive: which of them are solved on a log scale, (p,).
        linear: places of the free parameters that are solved at every step of a search.
        low, high: bounds in solver coordinates, (p,).
        centre: what each symbol is divided by.
    """

    exact = False
    squares = False
    least_scale = 1e-10
    linear: tuple[int, ...] = ()

    def __init__(
        self,
        law: Law,
        objective: Objective,
        sizes: Mapping[str, Array],
        y: Array,
        fixed: Mapping[str, float] | None = None,
        centred: bool = True,
    ):
        self.law, self.objective = law, objective
        self.fixed = dict(fixed or {})
        self.centre = dict.fromkeys((*law.sizes, law.response), 1.0)
        if centred:
            self.centre |= _centres(law, sizes, y, self.fixed)
        self.sizes = {s: _centred(v, s, law, self.centre) for s, v in sizes.items()}
        self.y = y / self.centre[law.response]
        self.rows = len(y)
        self.work = len(y) * (1 if law.per_row else 30)
        self.final_delta = {0.0: BLUNT}.get(objective.delta, objective.delta)
        self.free = tuple(p for p in law.parameters if p.name not in self.fixed)
        self.places = [j for j, p in enumerate(law.parameters) if p.name not in self.fixed]
        self.positive = np.array([p.positive for p in self.free])
        self.low, self.high = self._bounds()
        plain = not law.terms and law.gradient is None
        self.least_scale = 0.0 if plain else 1e-10  # such parameters may have any unit
        self.squares = plain and bool(np.isinf(objective.delta))
        if not centred and law.centring != "none":  # bounds are for centred sizes
            loose = np.array(
                [p.positive or law.centring == "affine" or not law.terms for p in self.free]
            )
            self.low = np.where(loose, np.where(self.positive, -300.0, -1e12), self.low)
            self.high = np.where(loose, np.where(self.positive, 300.0, 1e12), self.high)

    def _bounds(self) -> tuple[Array, Array]:
        """In solver coordinates, infinite where a parameter has none, (p,) each."""
        low, high = (
            np.array([p.bounds[end] if p.bounds else np.nan for p in self.free]) for end in (0, 1)
        )
        given = ~np.isnan(low)
        return (
            np.where(given, self.to_u(low), -np.inf),
            np.where(given, self.to_u(high), np.inf),
        )

    @abstractmethod
    def evaluate(self, u: Array, weights: Array, delta: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and curvature; see `solver.Surface`."""

    def to_u(self, values: Array) -> Array:
        """Solver coordinates of centred free parameters (..., p)."""
        safe = np.where(self.positive, np.maximum(values, 1e-300), 1.0)
        return np.where(self.positive, np.log(safe), values)

    def to_u_all(self, values: Array) -> Array:
        """Solver coordinates of centred parameters given for all of the law's, (k, all)."""
        return self.to_u(values[:, self.places])

    def values(self, u: Array) -> dict[str, Array]:
        """Centred parameters, each (k,), of solver vectors (k, p)."""
        values = {name: np.full(len(u), value) for name, value in self.fixed.items()}
        for j, p in enumerate(self.free):
            values[p.name] = np.exp(u[:, j]) if p.positive else u[:, j]
        return {name: values[name] for name in self.law.names}

    def raw(self, u: Array) -> dict[str, Array]:
        """Parameters for raw sizes, each (k,)."""
        centred = self.values(u)
        if self._plain():
            return centred
        fixed = {name: centred[name] for name in self.fixed}
        return {**self.law.to_raw(centred, self.centre), **fixed}

    def check_centring(self, u: Array) -> None:
        """Refuse an `uncentre` that is not the inverse of centring, by one evaluation at u (1, p).

        Raises:
            UsageError: raw parameters at raw sizes give other values than centred ones.
        """
        if self.law.terms or self._plain():
            return
        sizes = {s: _uncentred(v, s, self.centre) for s, v in self.sizes.items()}
        centred = self.law.evaluate(self.values(u), self.sizes)[0] * self.centre[self.law.response]
        raw = self.law.evaluate(self.raw(u), sizes)[0]
        usable = np.isfinite(centred) & np.isfinite(raw)
        height = np.abs(centred[usable]).max(initial=0.0)
        if (np.abs(raw - centred)[usable] > 1e-6 * height).any():
            raise UsageError(
                f"law {self.law.name}: the parameters that `uncentre` returns give other values "
                f"at raw sizes than the centred ones at centred sizes; mend `uncentre`, or give "
                "neither `uncentre` nor `centring`, and the law is fitted in raw sizes"
            )

    def with_curvature(self) -> Self:
        """The same problem with exact curvature."""
        view = copy.copy(self)
        view.exact = True
        return view

    def separated(self, linear: tuple[int, ...]) -> Self:
        """The same problem, these parameters (values linear in them) solved at every step."""
        view = copy.copy(self)
        view.linear = linear
        return view

    def sharpened(self) -> Self:
        """With exact curvature, absolute values as sharp as can be, and nothing separated."""
        view = self.with_curvature()
        view.linear = ()
        view.final_delta = SHARP if self.objective.delta == 0 else self.final_delta
        return view

    def _plain(self) -> bool:
        return all(c == 1.0 for c in self.centre.values())


def _centres(
    law: Law, sizes: Mapping[str, Array], y: Array, fixed: Mapping[str, float]
) -> dict[str, float]:
    """The middle of each symbol; 1 where a parameter is fixed in raw units."""
    loose = {t.coefficient for t in law.terms if not t.powers}
    loose |= {e for t in law.terms for _, e in t.powers}
    centre = dict.fromkeys((*law.sizes, law.response), 1.0)
    if fixed and not (law.terms and set(fixed) <= loose):
        return centre
    if law.centring == "ratio":
        for s in law.sizes:
            positive = sizes[s][sizes[s] > 0]
            centre[s] = float(np.exp(np.log(positive).mean())) if len(positive) else 1.0
    if law.centring == "affine":
        for s in law.sizes:
            centre[s], centre[f"{s} spread"] = float(sizes[s].mean()), float(sizes[s].std())
    if law.centring != "none" and not fixed:
        typical = np.exp(np.log(y).mean()) if (y > 0).all() else np.abs(y).mean()
        centre[law.response] = float(typical) or 1.0
    return centre


def _centred(values: Array, symbol: str, law: Law, centre: Mapping[str, float]) -> Array:
    spread = centre.get(f"{symbol} spread")
    return values / centre[symbol] if spread is None else (values - centre[symbol]) / spread


def _uncentred(values: Array, symbol: str, centre: Mapping[str, float]) -> Array:
    spread = centre.get(f"{symbol} spread")
    return values * centre[symbol] if spread is None else values * spread + centre[symbol]


class PowerSumSurface(LawSurface):
    """A sum of powers, with exact second derivatives, against y or log y.

    In logs, with p_c the share of term c in the prediction and phi_c its features
    (d log term / du), the slope of log f is g = sum_c p_c phi_c and its second
    derivative sum_c p_c phi_c phi_c' - g g'. Without logs the terms stand in for
    their shares and - g g' falls away. Both need only products of shares, so a
    sweep costs one exponential a term and one logarithm a row.
    """

    def __init__(
        self,
        law: Law,
        objective: Objective,
        sizes: Mapping[str, Array],
        y: Array,
        fixed: Mapping[str, float] | None = None,
        centred: bool = True,
    ):
        super().__init__(law, objective, sizes, y, fixed, centred)
        place = {p.name: j for j, p in enumerate(self.free)}
        self._where: list[list[int]] = []
        self._features: list[Array] = []
        self._offsets: list[Array] = []
        for term in law.terms:
            columns = self._columns(term)
            free = [name for name in columns if name in place]
            self._where.append([place[name] for name in free])
            self._features.append(np.array([columns[n] for n in free]).reshape(-1, self.rows))
            self._offsets.append(self._offset(term, columns))
        self._outer = {
            (c, d): np.ascontiguousarray(
                (self._features[c][:, None] * self._features[d][None]).reshape(-1, self.rows).T
            )
            for c in range(len(law.terms))
            for d in range(c, len(law.terms))
        }

    def _columns(self, term: Term) -> dict[str, Array]:
        """What the log of a term is linear in, by parameter, each (n,)."""
        columns = {term.coefficient: np.ones(self.rows)}
        for i, (size, exponent) in enumerate(term.powers):
            log_size = np.log(self.sizes[size]) + (np.log(term.factor) if i == 0 else 0.0)
            columns[exponent] = columns.get(exponent, 0.0) + term.sign * log_size
        return columns

    def _offset(self, term: Term, columns: Mapping[str, Array]) -> Array:
        """What is added to the log of a term: parameters held fixed, and y out of it in logs."""
        offset = -np.log(self.y) if self.objective.logs else np.zeros(self.rows)
        for name in (n for n in columns if n in self.fixed):
            value = self.fixed[name]
            offset = offset + columns[name] * (np.log(value) if name == term.coefficient else value)
        return offset

    def shares(self, u: Array) -> tuple[list[Array], Array]:
        """Each term (k, n), over y in logs, and their sum."""
        terms = []
        for where, features, offset in zip(self._where, self._features, self._offsets, strict=True):
            if len(where) == 1 and (features == 1.0).all():
                terms.append(np.exp(u[:, where]) * np.exp(offset))
                continue
            exponent = u[:, where] @ features
            exponent += offset
            np.minimum(exponent, 300.0, out=exponent)
            terms.append(np.exp(exponent, out=exponent))
        total = terms[0] + terms[1] if len(terms) > 1 else terms[0].copy()
        for term in terms[2:]:
            total += term
        return terms, total

    exact = True

    def evaluate(self, u: Array, weights: Array, delta: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and exact (generalised) Hessian; see `solver.Surface`."""
        shares, total = self.shares(u)
        if self.objective.logs:
            r = -np.log(total)
            inverse = 1.0 / total
            for share in shares:
                share *= inverse
        else:
            r = self.y - total
        weights, r = _shifted(weights, r)
        value, slope, curvature = self.objective.penalty(r, weights, delta)
        k, p = u.shape
        g, h = np.zeros((k, p)), np.zeros((k, p, p))
        kappa = curvature + slope if self.objective.logs else curvature
        for c, share in enumerate(shares):
            pulled = slope * share
            g[:, self._where[c]] -= pulled @ self._features[c].T
            bent = kappa * share
            for d in range(c, len(shares)):
                mass = bent * shares[d]
                if c == d:
                    mass -= pulled
                block = (mass @ self._outer[c, d]).reshape(
                    k, len(self._where[c]), len(self._where[d])
                )
                rows, columns = np.ix_(self._where[c], self._where[d])
                h[:, rows, columns] += block
                if c != d:
                    rows, columns = np.ix_(self._where[d], self._where[c])
                    h[:, rows, columns] += block.transpose(0, 2, 1)
        return value, g, h


class PlainSurface(LawSurface):
    """Any law with a value of its own: first derivatives; Gauss-Newton curvature, or exact.

    `exact` adds the residuals' own curvature by differences of the slopes: one
    more sweep for each parameter, for the few lanes that are polished.
    """

    exact = False

    def residuals(self, u: Array, weights: Array) -> tuple[Array, Array]:
        """Weighted residuals and weighted values compared with y or log y, (k, n) each."""
        f, y = self._value(u), self.y
        if self.objective.logs:
            f, y = np.log(f), np.log(y)
        weights, r = _shifted(weights, y - f)
        root = np.sqrt(weights)
        return root * r, root * f

    def tangents(self, u: Array, weights: Array) -> Array:
        """Weighted derivatives of the values compared, (k, p, n)."""
        rows = weights[:, 0] if weights.ndim == 3 else weights
        return np.asarray(self._compared(u)[1] * np.sqrt(rows)[..., None, :], float)

    def relaxed(self, u: Array, weights: Array) -> Array:
        """The points (k, p) with their linear parameters at least squares, others unchanged."""
        places, (k, p) = list(self.linear), u.shape
        probes = np.repeat(u[None], len(places) + 1, 0)
        probes[:, :, places] = 0.0
        for i, j in enumerate(places):
            probes[i + 1, :, j] = 1.0
        values = self._value(probes.reshape(-1, p)).reshape(len(places) + 1, k, -1)
        rows, target = _shifted(weights, self.y - values[0])
        root = np.sqrt(rows)
        basis = ((values[1:] - values[0]) * root).transpose(1, 2, 0)
        solved = u.copy()
        solved[:, places] = least_squares.coefficients(basis, root * target)[0]
        return solved

    def evaluate(self, u: Array, weights: Array, delta: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and curvature; see `solver.Surface`."""
        f, jacobian = self._compared(u)
        r = (np.log(self.y) if self.objective.logs else self.y) - f
        weights, r = _shifted(weights, r)
        value, slope, curvature = self.objective.penalty(r, weights, delta)
        g = -np.matmul(jacobian, slope[:, :, None])[:, :, 0]
        h = np.matmul(jacobian * curvature[:, None, :], jacobian.transpose(0, 2, 1))
        if self.exact:
            h = h - self._bend(u, slope)
        return value, g, h

    def _compared(self, u: Array) -> tuple[Array, Array]:
        """What is compared with y or log y, and its derivatives by u."""
        f, jacobian = self.predict(u)
        return (np.log(f), jacobian / f[:, None, :]) if self.objective.logs else (f, jacobian)

    def _bend(self, u: Array, slope: Array) -> Array:
        """Second derivatives of the prediction summed with `slope`, (k, p, p)."""
        k, p = u.shape
        unit = self.positive | (u == 0) | (self.law.gradient is not None)
        size = 1e-4 * np.where(unit, 1.0, np.abs(u))
        nudges = size[:, None, :] * np.concatenate([np.eye(p), -np.eye(p)])
        around = self._compared((u[:, None] + nudges).reshape(-1, p))[1]
        ahead, behind = np.moveaxis(around.reshape(k, 2, p, p, -1), 1, 0)
        bend = np.matmul(ahead - behind, slope[:, None, :, None])[..., 0] / (2 * size[:, :, None])
        return np.asarray((bend + bend.transpose(0, 2, 1)) / 2, float)

    def predict(self, u: Array) -> tuple[Array, Array]:
        """Centred values (k, n) and their derivatives by u, (k, p, n)."""
        if self.law.gradient is None:
            return differences.slopes(self._value, u, self.positive)
        columns = {name: v[:, None] for name, v in self.values(u).items()}
        slopes = self.law.gradient(columns, self.sizes)
        f = slopes[self.law.response] if self.law.response in slopes else self._value(u)
        jacobian = np.empty((len(u), len(self.free), self.rows))
        for j, p in enumerate(self.free):
            jacobian[:, j] = slopes[p.name] * columns[p.name] if p.positive else slopes[p.name]
        return f, jacobian

    def _value(self, u: Array) -> Array:
        return self.law.evaluate(self.values(u), self.sizes)


def surface(
    law: Law,
    objective: Objective,
    sizes: Mapping[str, Array],
    y: Array,
    fixed: Mapping[str, float] | None = None,
    centred: bool = True,
) -> LawSurface:
    """The surface with the best derivatives this law allows."""
    kind = PowerSumSurface if law.terms else PlainSurface
    return kind(law, objective, sizes, y, fixed, centred)
