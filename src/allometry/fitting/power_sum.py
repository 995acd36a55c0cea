"""The surface of a sum of powers, with exact second derivatives."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.objectives import Objective
from allometry.fitting.surface import LawSurface, shifted
from allometry.laws.law import Array, Law, Term

__all__ = ["PowerSumSurface"]

ROUNDS, ELEMENTAL, NEAREST = 50, 300, 6  # of the starts of a single term


class PowerSumSurface(LawSurface):
    """A sum of powers, with exact second derivatives, compared with y or log y.

    In logs, with p_c the share of term c in the prediction and phi_c its features
    (d log term / du), the slope of log f is g = sum_c p_c phi_c and its second
    derivative is sum_c p_c phi_c phi_c' - g g'. Without logs, the terms replace their
    shares and - g g' vanishes. Both need only products of shares, so a sweep costs one
    exponential per term and one logarithm per row.
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

    def of_rows(self, places: NDArray[np.intp]) -> Self:
        """The same law, units and bounds on a subset of the rows."""
        view = super().of_rows(places)
        view._features = [features[:, places] for features in self._features]
        view._offsets = [offset[places] for offset in self._offsets]
        view._outer = {pair: outer[places] for pair, outer in self._outer.items()}
        return view

    def _columns(self, term: Term) -> dict[str, Array]:
        """Factors of the parameters in the log of a term, parameter -> (n,)."""
        columns = {term.coefficient: np.ones(self.rows)}
        for i, (size, exponent) in enumerate(term.powers):
            log_size = np.log(self.sizes[size]) + (np.log(term.factor) if i == 0 else 0.0)
            columns[exponent] = columns.get(exponent, 0.0) + term.sign * log_size
        return columns

    def _offset(self, term: Term, columns: Mapping[str, Array]) -> Array:
        """Constant part of the log of a term (n,): fixed parameters and, in logs, minus log y."""
        offset = -np.log(self.y) if self.objective.logs else np.zeros(self.rows)
        for name in (n for n in columns if n in self.fixed):
            value = self.fixed[name]
            offset = offset + columns[name] * (np.log(value) if name == term.coefficient else value)
        return offset

    @property
    def one_basin(self) -> bool:
        """Whether the objective is convex: a single term in logs is linear in its coordinates."""
        return len(self.law.terms) == 1 and self.objective.logs

    def planes(self, seed: int) -> Array:
        """Starts (k, p) for a single term: the least-squares plane on log axes, and others.

        If the penalty is not squares, the others are the plane of least absolute values, by
        reweighting, and the planes through p rows each that come nearest to all rows. The
        optimum of a nearly absolute penalty is close to one of these.
        """
        design, y = self._features[0].T, -self._offsets[0]
        if not np.isfinite(y).all():  # the coefficient is held at 0, whose logarithm is infinite
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

        An exponent outside the bounds of the law, as one of the wrong sign, is NaN as well.
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
        """Each term (k, n), divided by y if the objective is in logs, and their sum."""
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
        weights, r = shifted(weights, r)
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
    """Of `ELEMENTAL` random planes through p rows each, those with least absolute residuals."""
    p = design.shape[1]
    rows = np.argsort(rng.random((ELEMENTAL, len(y))), axis=1)[:, :p]
    square = design[rows]
    sound = np.abs(np.linalg.det(square)) > 1e-9
    if not sound.any():
        return []
    planes = np.linalg.solve(square[sound], y[rows[sound]][:, :, None])[:, :, 0]
    order = np.argsort(np.abs(y - planes @ design.T).sum(1), kind="stable")
    return list(planes[order[:NEAREST]])
