"""The surface of any law given by a function `value`."""

import numpy as np

from allometry.fitting import differences, least_squares
from allometry.fitting.surface import LawSurface, shifted
from allometry.laws.law import Array

__all__ = ["PlainSurface"]


class PlainSurface(LawSurface):
    """Surface of any law given by a function `value`, with Gauss-Newton or exact curvature.

    With `exact`, the second derivatives of the predictions are added by differences of the
    slopes. This costs two more sweeps per parameter, so only a few lanes use it.
    """

    exact = False

    def residuals(self, u: Array, weights: Array) -> tuple[Array, Array]:
        """Weighted residuals and weighted predictions (of y or log y), (k, n) each."""
        f, y = self._value(u), self.y
        if self.objective.logs:
            f, y = np.log(f), np.log(y)
        weights, r = shifted(weights, y - f)
        root = np.sqrt(weights)
        return root * r, root * f

    def tangents(self, u: Array, weights: Array) -> Array:
        """Weighted derivatives of the predictions, (k, p, n)."""
        rows = weights[:, 0] if weights.ndim == 3 else weights
        return np.asarray(self._compared(u)[1] * np.sqrt(rows)[..., None, :], float)

    def relaxed(self, u: Array, weights: Array) -> Array:
        """The points (k, p) with the linear parameters at their least-squares values."""
        places, (k, p) = list(self.linear), u.shape
        probes = np.repeat(u[None], len(places) + 1, 0)
        probes[:, :, places] = 0.0
        for i, j in enumerate(places):
            probes[i + 1, :, j] = 1.0
        values = self._value(probes.reshape(-1, p)).reshape(len(places) + 1, k, -1)
        rows, target = shifted(weights, self.y - values[0])
        root = np.sqrt(rows)
        basis = ((values[1:] - values[0]) * root).transpose(1, 2, 0)
        solved = u.copy()
        solved[:, places] = least_squares.coefficients(basis, root * target)[0]
        return solved

    def evaluate(self, u: Array, weights: Array, delta: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and curvature; see `solver.Surface`."""
        f, jacobian = self._compared(u)
        r = (np.log(self.y) if self.objective.logs else self.y) - f
        weights, r = shifted(weights, r)
        value, slope, curvature = self.objective.penalty(r, weights, delta)
        g = -np.matmul(jacobian, slope[:, :, None])[:, :, 0]
        h = np.matmul(jacobian * curvature[:, None, :], jacobian.transpose(0, 2, 1))
        if self.exact:
            h = h - self._bend(u, slope)
        return np.where(self.has_raw(u), value, np.inf), g, h

    def _compared(self, u: Array) -> tuple[Array, Array]:
        """The predictions compared with y or log y, and their derivatives in u."""
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
        """Centred predictions (k, n) and their derivatives in u, (k, p, n)."""
        gradient = self.law.gradient if self.along is None else self.along.gradient
        if gradient is None:
            return differences.slopes(self._value, u, self.positive)
        columns = {name: v[:, None] for name, v in self._named(u).items()}
        slopes = gradient(columns, self.sizes)
        f = slopes[self.law.response] if self.law.response in slopes else self._value(u)
        jacobian = np.empty((len(u), len(self.free), self.rows))
        for j, p in enumerate(self.free):
            jacobian[:, j] = slopes[p.name] * columns[p.name] if p.positive else slopes[p.name]
        return f, jacobian
