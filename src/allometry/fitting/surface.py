"""The surface that a solver descends: rows, a law and an objective, in solver coordinates.

Solver coordinates u: the log of a positive parameter, another parameter itself,
all for centred sizes, without the parameters held fixed.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

import numpy as np

from allometry.fitting.objectives import Objective
from allometry.laws.law import Array, Law, Term

__all__ = ["LawSurface", "PlainSurface", "PowerSumSurface", "surface"]

# Absolute values are minimised as Huber with these deltas (y is centred to about 1),
# by all lanes and by the polished ones. Rows outside delta are shifted alike, so the
# place of the optimum moves far less than its value.
BLUNT, SHARP = 1e-4, 1e-8

ROUNDS, ELEMENTAL, NEAREST = 50, 300, 6  # of the starts of a single term

NO_FLOOR = 1e-6  # of the smallest y: a floor that is none


def _shifted(weights: Array, r: Array) -> tuple[Array, Array]:
    """Weights, and residuals of each lane's own response, of weights (K, 2, n)."""
    return (weights[:, 0], r + weights[:, 1]) if weights.ndim == 3 else (weights, r)


class LawSurface(ABC):
    """What is minimised, and its coordinates: from solver vectors to parameters and back.

    Attributes:
        exact: whether `evaluate` gives exact second derivatives.
        free: the parameters that are not held fixed; `places` among all of the law's.
        positive: which of them are solved on a log scale, (p,).
        low, high: bounds in solver coordinates, (p,).
        centre: what each symbol is divided by.
    """

    exact = False

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
        bounds = np.array([p.bounds for p in self.free], float).reshape(-1, 2).T
        self.low, self.high = (self.to_u(b) for b in bounds)
        if (self.y > 0).all():  # where y falls by decades, a floor may lie far below its middle
            least = np.log(NO_FLOOR * self.y.min())
            floors = [p.positive and law.kind(p.name) == "floor" for p in self.free]
            self.low = np.where(floors, np.minimum(self.low, least), self.low)
        if not centred and law.centring != "none":  # bounds are for centred sizes
            loose = np.array(
                [p.positive or law.centring == "affine" or not law.terms for p in self.free]
            )
            self.low = np.where(loose, np.where(self.positive, -300.0, -1e12), self.low)
            self.high = np.where(loose, np.where(self.positive, 300.0, 1e12), self.high)

    @property
    def one_basin(self) -> bool:
        """Whether the objective has one optimum only, whatever the rows."""
        linear = {p.name for p in self.free} <= set(self.law.linear)
        return linear and not self.objective.logs

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

    def compared(self, u: Array) -> Array:
        """Predictions (k, n), their logs where residuals are in logs; NaN where none exist."""
        with np.errstate(all="ignore"):
            predicted = self.law.evaluate(self.values(u), self.sizes)
            return np.log(predicted) if self.objective.logs else predicted

    def residuals(self, u: Array) -> Array:
        """Residuals (k, n): of log y where the objective is in logs, else of centred y."""
        with np.errstate(all="ignore"):
            predicted = self.law.evaluate(self.values(u), self.sizes)
        return self.objective.residuals(self.y, predicted)

    def with_curvature(self) -> Self:
        """The same problem with exact curvature."""
        view = copy.copy(self)
        view.exact = True
        return view

    def sharpened(self) -> Self:
        """With exact curvature, and absolute values as sharp as numbers allow."""
        view = self.with_curvature()
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
    sizes_in_units = [s for s in law.sizes if s not in law.labels]
    if law.centring == "ratio":
        for s in sizes_in_units:
            positive = sizes[s][sizes[s] > 0]
            centre[s] = float(np.exp(np.log(positive).mean())) if len(positive) else 1.0
    if law.centring == "affine":
        for s in sizes_in_units:
            centre[s], centre[f"{s} spread"] = float(sizes[s].mean()), float(sizes[s].std())
    if law.centring != "none" and not fixed:
        typical = np.exp(np.log(y).mean()) if (y > 0).all() else np.abs(y).mean()
        centre[law.response] = float(typical) or 1.0
    return centre


def _centred(values: Array, symbol: str, law: Law, centre: Mapping[str, float]) -> Array:
    spread = centre.get(f"{symbol} spread")
    return values / centre[symbol] if spread is None else (values - centre[symbol]) / spread


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

    @property
    def one_basin(self) -> bool:
        """A single term is a plane on log axes, where every penalty is convex."""
        return len(self.law.terms) == 1 and self.objective.logs

    def planes(self, seed: int) -> Array:
        """Planes on log axes (k, p) for a single term: that of least squares, and some others.

        Where the penalty is not of squares: least absolute values by reweighting, and the
        planes through a few rows each that come nearest to all rows. The optimum of a nearly
        absolute penalty is next to one of these.
        """
        design, y = self._features[0].T, -self._offsets[0]
        if not np.isfinite(y).all():  # the term is held at 0: it has no logarithm
            return np.zeros((1, len(self.free)))
        planes = [np.asarray(np.linalg.lstsq(design, y)[0], float)]
        if not self.objective.squares:
            planes += [_least_absolute(design, y, planes[0])]
            planes += _elemental(design, y, np.random.default_rng(seed))
        u = np.zeros((len(planes), len(self.free)))
        u[:, self._where[0]] = planes
        return np.clip(u, self.low, self.high)

    def steepened(self, factors: Array) -> Array:
        """Exponents (k, p) of the plane through log y, times factors (k,); NaN elsewhere.

        Where the law cannot have such an exponent, one of another sign, it is NaN too.
        """
        u = np.full((len(factors), len(self.free)), np.nan)
        sizes = [s for s in self.law.sizes if np.ptp(self.sizes[s]) > 0]
        if not (self.y > 0).all() or not sizes or not len(factors):
            return u
        design = np.stack([np.ones(self.rows), *(np.log(self.sizes[s]) for s in sizes)], 1)
        slopes = dict(zip(sizes, np.linalg.lstsq(design, np.log(self.y))[0][1:], strict=True))
        place = {p.name: j for j, p in enumerate(self.free)}
        for term in self.law.terms:
            for size, exponent in term.powers:
                if exponent in place and size in slopes:
                    j = place[exponent]
                    steep = term.sign * slopes[size] * factors
                    allowed = (steep > self.low[j]) & (steep < self.high[j])
                    u[:, j] = np.where(allowed, steep, np.nan)
        return u

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


def _least_absolute(design: Array, y: Array, start: Array) -> Array:
    """The plane (p,) of least absolute residuals, by reweighted least squares."""
    plane = start
    for _ in range(ROUNDS):
        size = np.abs(y - design @ plane)
        root = np.maximum(size, 1e-6 * size.max() + 1e-300) ** -0.5
        plane = np.linalg.lstsq(design * root[:, None], y * root)[0]
    return np.asarray(plane)


def _elemental(design: Array, y: Array, rng: np.random.Generator) -> list[Array]:
    """The planes through p rows each, among some hundred, of least absolute residuals."""
    p = design.shape[1]
    rows = np.argsort(rng.random((ELEMENTAL, len(y))), axis=1)[:, :p]
    square = design[rows]
    sound = np.abs(np.linalg.det(square)) > 1e-9
    if not sound.any():
        return []
    planes = np.linalg.solve(square[sound], y[rows[sound]][:, :, None])[:, :, 0]
    order = np.argsort(np.abs(y - planes @ design.T).sum(1), kind="stable")
    return list(planes[order[:NEAREST]])


class PlainSurface(LawSurface):
    """Any law with a value of its own: first derivatives; Gauss-Newton curvature, or exact.

    `exact` adds the residuals' own curvature by differences of the slopes: one
    more sweep for each parameter, for the few lanes that are polished.
    """

    exact = False

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
        nudges = 1e-4 * np.concatenate([np.eye(p), -np.eye(p)])
        around = self._compared((u[:, None] + nudges).reshape(-1, p))[1]
        ahead, behind = np.moveaxis(around.reshape(k, 2, p, p, -1), 1, 0)
        bend = np.matmul(ahead - behind, slope[:, None, :, None])[..., 0] / 2e-4
        return np.asarray((bend + bend.transpose(0, 2, 1)) / 2, float)

    def predict(self, u: Array) -> tuple[Array, Array]:
        """Centred values (k, n) and their derivatives by u, (k, p, n)."""
        if self.law.gradient is None:
            return self._value(u), self._differences(u)
        columns = {name: v[:, None] for name, v in self.values(u).items()}
        slopes = self.law.gradient(columns, self.sizes)
        f = slopes[self.law.response] if self.law.response in slopes else self._value(u)
        jacobian = np.empty((len(u), len(self.free), self.rows))
        for j, p in enumerate(self.free):
            jacobian[:, j] = slopes[p.name] * columns[p.name] if p.positive else slopes[p.name]
        return f, jacobian

    def _value(self, u: Array) -> Array:
        return self.law.evaluate(self.values(u), self.sizes)

    def _differences(self, u: Array) -> Array:
        """Central differences by u: for laws that give no derivative."""
        step = 1e-5 * np.maximum(1.0, np.abs(u))
        jacobian = np.empty((len(u), u.shape[1], self.rows))
        for j in range(u.shape[1]):
            ahead, behind = u.copy(), u.copy()
            ahead[:, j] += step[:, j]
            behind[:, j] -= step[:, j]
            span = (ahead - behind)[:, j, None]
            jacobian[:, j] = (self._value(ahead) - self._value(behind)) / span
        return jacobian


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
