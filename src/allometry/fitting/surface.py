"""The surface that a solver minimises: rows, a law and an objective, in solver coordinates.

Solver coordinates u are the logs of positive parameters and the other parameters themselves,
for centred sizes and without the parameters held fixed. If a law has `Coordinates`, these
replace its parameters.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.fitting.objectives import Objective
from allometry.laws.law import Array, Law

__all__ = ["LawSurface", "shifted"]

# Absolute values are minimised as Huber with these deltas (y is centred to about 1): BLUNT for
# all lanes, SHARP for the polished ones. The penalties of all rows outside delta shift by the same
# amount, so the position of the optimum changes far less than its value.
BLUNT, SHARP = 1e-4, 1e-8

NO_FLOOR = 1e-6  # of the smallest y: the lower bound of a floor, which then has no effect


def shifted(weights: Array, r: Array) -> tuple[Array, Array]:
    """Row weights, and residuals with each lane's shift added if weights are (K, 2, n)."""
    return (weights[:, 0], r + weights[:, 1]) if weights.ndim == 3 else (weights, r)


class LawSurface(ABC):
    """The function that is minimised, and the maps between solver vectors and parameters.

    Attributes:
        exact: whether `evaluate` gives exact second derivatives.
        squares: whether `least_squares` minimises it: a sum of squares of a law without terms
            or a gradient.
        free: the parameters that are not held fixed. places: their indices among all of the
            law's parameters.
        positive: which of the free parameters are solved on a log scale, (p,).
        linear: indices of the free parameters that are solved linearly at every step.
        low, high: bounds in solver coordinates, (p,).
        centre: divisor of each symbol; see `_centres`.
        along: the law's `Coordinates`, if the search uses them.
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
        same = law.coordinates.same if law.coordinates else ()
        self.along = law.coordinates if centred and set(self.fixed) <= set(same) else None
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
        if (self.y > 0).all():  # if y spans decades, a floor may lie far below its middle
            least = np.log(NO_FLOOR * self.y.min())
            floors = [p.positive and law.kind(p.name) == "floor" for p in self.free]
            self.low = np.where(floors, np.minimum(self.low, least), self.low)
        plain = not law.terms and law.gradient is None
        self.least_scale = 0.0 if plain else 1e-10  # parameters of plain laws may have any unit
        self.squares = plain and bool(np.isinf(objective.delta))
        if not centred and law.centring != "none":  # bounds are for centred sizes
            loose = np.array(
                [p.positive or law.centring == "affine" or not law.terms for p in self.free]
            )
            self.low = np.where(loose, np.where(self.positive, -300.0, -1e12), self.low)
            self.high = np.where(loose, np.where(self.positive, 300.0, 1e12), self.high)

    @property
    def one_basin(self) -> bool:
        """Whether the objective has a single optimum for any rows."""
        linear = {p.name for p in self.free} <= set(self.law.linear)
        return linear and not self.objective.logs

    def _bounds(self) -> tuple[Array, Array]:
        """Bounds in solver coordinates, (p,) each; infinite for parameters without bounds."""
        low, high = (
            np.array([p.bounds[end] if p.bounds else np.nan for p in self.free]) for end in (0, 1)
        )
        bounded = ~np.isnan(low)
        return (
            np.where(bounded, self.to_u(low), -np.inf),
            np.where(bounded, self.to_u(high), np.inf),
        )

    @abstractmethod
    def evaluate(self, u: Array, weights: Array, delta: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and curvature; see `solver.Surface`."""

    def to_u(self, values: Array) -> Array:
        """Solver coordinates of centred free parameters (..., p)."""
        safe = np.where(self.positive, np.maximum(values, 1e-300), 1.0)
        return np.where(self.positive, np.log(safe), values)

    def to_u_all(self, values: Array) -> Array:
        """Solver coordinates of centred values of all parameters of the law, (k, all)."""
        if self.along is not None:
            named = self.along.of(dict(zip(self.law.names, values.T, strict=True)))
            values = np.stack([named[name] for name in self.law.names], 1)
        return self.to_u(values[:, self.places])

    def values(self, u: Array) -> dict[str, Array]:
        """Centred parameters, each (k,), of solver vectors (k, p)."""
        named = self._named(u)
        return named if self.along is None else self.along.parameters(named)

    def _named(self, u: Array) -> dict[str, Array]:
        """Parameters, or the law's `Coordinates`, of solver vectors (k, p), each (k,)."""
        values = {name: np.full(len(u), value) for name, value in self.fixed.items()}
        for j, p in enumerate(self.free):
            values[p.name] = np.exp(u[:, j]) if p.positive else u[:, j]
        return {name: values[name] for name in self.law.names}

    def _value(self, u: Array) -> Array:
        """Centred values (k, n)."""
        if self.along is None:
            return self.law.evaluate(self.values(u), self.sizes)
        columns = {name: v[:, None] for name, v in self._named(u).items()}
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return self.along.value(columns, self.sizes)

    def raw(self, u: Array) -> dict[str, Array]:
        """Parameters for raw sizes, each (k,)."""
        centred = self.values(u)
        if self._plain():
            return centred
        fixed = {name: centred[name] for name in self.fixed}
        return {**self.law.to_raw(centred, self.centre), **fixed}

    def has_raw(self, u: Array) -> NDArray[np.bool_]:
        """Which points (k, p) have finite parameters for raw sizes, (k,).

        A raw parameter may overflow although the centred one is finite.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            raw = self.raw(u)
        finite = np.ones(len(u), bool)
        for p in self.free:
            finite &= np.isfinite(raw[p.name])
            if p.positive:
                finite &= raw[p.name] > 0
        return finite

    def compared(self, u: Array) -> Array:
        """Predictions (k, n), or their logs if residuals are in logs; not finite if undefined."""
        with np.errstate(all="ignore"):
            predicted = self._value(u)
            return np.log(predicted) if self.objective.logs else predicted

    def plain_residuals(self, u: Array) -> Array:
        """Residuals (k, n): of log y if the objective is in logs, else of centred y."""
        with np.errstate(all="ignore"):
            predicted = self._value(u)
        return self.objective.residuals(self.y, predicted)

    def check_centring(self, u: Array) -> None:
        """Check by one evaluation at u (1, p) that `uncentre` is the inverse of centring.

        Raises:
            UsageError: raw and centred parameters give different values.
        """
        if self.law.terms or self._plain():
            return
        sizes = {s: _uncentred(v, s, self.centre) for s, v in self.sizes.items()}
        centred = self._value(u)[0] * self.centre[self.law.response]
        raw = self.law.evaluate(self.raw(u), sizes)[0]
        usable = np.isfinite(centred) & np.isfinite(raw)
        height = np.abs(centred[usable]).max(initial=0.0)
        if (np.abs(raw - centred)[usable] > 1e-6 * height).any():
            raise UsageError(
                f"law {self.law.name}: the parameters that `uncentre` returns give other values "
                f"at raw sizes than the centred ones at centred sizes; correct `uncentre`, or give "
                "neither `uncentre` nor `centring` to fit the law in raw sizes"
            )

    def of_rows(self, places: NDArray[np.intp]) -> Self:
        """The same law, units and bounds on a subset of the rows."""
        view = copy.copy(self)
        view.sizes = {symbol: values[places] for symbol, values in self.sizes.items()}
        view.y = self.y[places]
        view.rows = len(view.y)
        view.work = view.rows * (1 if self.law.per_row else 30)
        return view

    def with_curvature(self) -> Self:
        """The same problem with exact curvature."""
        view = copy.copy(self)
        view.exact = True
        return view

    def separated(self, linear: tuple[int, ...]) -> Self:
        """The same problem with these parameters, in which values are linear, solved each step."""
        view = copy.copy(self)
        view.linear = linear
        return view

    def sharpened(self) -> Self:
        """With exact curvature, the sharpest delta for absolute values, no linear parameters."""
        view = self.with_curvature()
        view.linear = ()
        view.final_delta = SHARP if self.objective.delta == 0 else self.final_delta
        return view

    def _plain(self) -> bool:
        return all(c == 1.0 for c in self.centre.values())


def _centres(
    law: Law, sizes: Mapping[str, Array], y: Array, fixed: Mapping[str, float]
) -> dict[str, float]:
    """The centre of each symbol; 1 where centring would change the unit of a fixed parameter."""
    loose = {t.coefficient for t in law.terms if not t.powers}
    loose |= {e for t in law.terms for _, e in t.powers}
    loose |= set(law.coordinates.same if law.coordinates else ())
    centre = dict.fromkeys((*law.sizes, law.response), 1.0)
    if not set(fixed) <= loose:
        return centre
    sizes_in_units = [s for s in law.sizes if s not in (*law.labels, *law.uncentred)]
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


def _uncentred(values: Array, symbol: str, centre: Mapping[str, float]) -> Array:
    spread = centre.get(f"{symbol} spread")
    return values * centre[symbol] if spread is None else values * spread + centre[symbol]
