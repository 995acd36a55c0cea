"""Start guesses scaled by the data, for laws whose parameters have no start range of their own.

Parameters that the value is linear in are found by evaluations and solved by least squares at
every start (variable projection, Golub and Pereyra 1973). The others are drawn over the
magnitudes that the data allow, of both signs, and within the range of the sizes. Many draws are
compared by values alone, on a sample of the rows; the best are improved one parameter at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.least_squares import coefficients
from allometry.fitting.surface import LawSurface
from allometry.laws import Array

__all__ = ["data_scaled"]

ROWS = 96  # of the sample that draws are compared on
DRAWS = 2048  # compared at first
BEST = 16  # of these, improved one parameter at a time
SWEEPS = 2  # over the parameters
LANES = 48  # starts returned at most, half of them improved
PER_DECADE = 8  # magnitudes tried for one parameter
BEYOND = 100.0  # times the largest scale of the data, and one over it below the smallest
EXACT = 1e-9  # second difference, over the values, of a value that is linear
FELT = 1e-6  # change, over the values, of a parameter that a draw tells something about


@dataclass(frozen=True)
class _Sample:
    """Some rows of a surface, and which parameters are linear in their values.

    Attributes:
        surface: of the law. sizes: of the sampled rows, (m,) each. y: (m,).
        roots: square roots of the weights under which values are compared, (m,).
        linear: places among the free parameters; nonlinear: the others.
    """

    surface: LawSurface
    sizes: Mapping[str, Array]
    y: Array
    roots: Array
    linear: tuple[int, ...] = ()
    nonlinear: tuple[int, ...] = ()

    @classmethod
    def of(cls, surface: LawSurface, rng: np.random.Generator) -> "_Sample":
        """A sample of the rows, the whole where rows are few or a law needs all of them."""
        count = surface.rows
        rows = np.arange(count)
        if surface.law.per_row and count > ROWS:
            rows = np.sort(rng.choice(count, ROWS, replace=False))
        y = surface.y[rows]
        # Squares of logs are squares of relative errors where these are small.
        roots = 1 / np.abs(y) if surface.objective.logs else np.ones(len(rows))
        return cls(surface, {s: v[rows] for s, v in surface.sizes.items()}, y, roots)

    def value(self, points: Array) -> Array:
        """Values (k, m) at natural values of the free parameters, (k, p)."""
        law = self.surface.law
        values = {name: np.full(len(points), v) for name, v in self.surface.fixed.items()}
        values |= {q.name: points[:, j] for j, q in enumerate(self.surface.free)}
        return law.evaluate(values, self.sizes)

    def solved(self, points: Array) -> tuple[Array, Array]:
        """The points with their linear parameters solved, and the sums of squares (k,)."""
        if not self.linear:
            f = self.value(points)
            return points, _finite(((self.y - f) * self.roots) ** 2)
        places = list(self.linear)
        probes = np.repeat(points[None], len(places) + 1, 0)
        probes[:, :, places] = 0.0
        for i, j in enumerate(places):
            probes[i + 1, :, j] = 1.0
        values = self.value(probes.reshape(-1, points.shape[1]))
        values = values.reshape(len(places) + 1, len(points), -1)
        basis = ((values[1:] - values[0]) * self.roots).transpose(1, 2, 0)
        solved, sums = coefficients(basis, (self.y - values[0]) * self.roots)
        points = points.copy()
        points[:, places] = solved
        return points, sums


def data_scaled(surface: LawSurface, count: int, seed: int) -> Array:
    """Starts (at most `count`, p) in solver coordinates, the most promising first."""
    rng = np.random.default_rng(seed)
    sample = _Sample.of(surface, rng)
    menus = [_menu(sample, j) for j in range(len(surface.free))]
    draws = np.stack([rng.choice(menu, DRAWS) for menu in menus], 1)
    draws *= 10 ** (rng.uniform(-0.5, 0.5, draws.shape) / PER_DECADE)
    linear = _linear(sample, draws[:256])
    nonlinear = tuple(j for j in range(len(surface.free)) if j not in linear)
    sample = replace(sample, linear=linear, nonlinear=nonlinear)
    points, sums = _distinct(*sample.solved(draws))
    better, lower = _improved(sample, points[:BEST], sums[:BEST], menus, rng)
    better, _ = _distinct(better, lower)
    count = min(count, LANES)
    chosen = np.concatenate([better[: (count + 1) // 2], points])[:count]
    u = surface.to_u(np.nan_to_num(chosen))
    return np.clip(u, surface.low, surface.high)


def _finite(squares: Array) -> Array:
    sums = squares.sum(1)
    return np.where(np.isfinite(sums), sums, np.inf)


def _menu(sample: _Sample, j: int) -> Array:
    """Natural values to be tried for the j-th free parameter: from its range, or the data."""
    parameter = sample.surface.free[j]
    if parameter.start is not None:
        low, high = sample.surface.to_u(np.array([parameter.start] * 1).T[:, [0] * 1]) if 0 else parameter.start
        return np.geomspace(low, high, 64) if parameter.positive else np.linspace(low, high, 64)
    scales = _scales(sample)
    low, high = np.log10(scales.min() / BEYOND), np.log10(scales.max() * BEYOND)
    sizes = 10 ** np.arange(low, high, 1 / PER_DECADE)
    if parameter.positive:
        return sizes
    places = [np.linspace(x.min(), x.max(), len(sizes) // 2) for x in sample.sizes.values()]
    return np.concatenate([sizes, -sizes, *places])


def _scales(sample: _Sample) -> Array:
    """Magnitudes that the data have: of sizes, their ranges, inverses and powers, and of y."""
    x = [1.0]
    for values in sample.sizes.values():
        x += [float(np.ptp(values)), float(np.median(np.abs(values)))]
    scales = np.array([s for s in x if s > 0])
    y = max(float(np.median(np.abs(sample.y))), float(np.ptp(sample.y))) or 1.0
    powers = np.concatenate([scales**k for k in (-2.0, -1.0, 1.0)])
    return np.concatenate([powers, [y, 1 / y]])


def _linear(sample: _Sample, draws: Array) -> tuple[int, ...]:
    """Places of free parameters that the values are linear in, all others held.

    A second difference tells, at draws where the parameter changes the values at all.
    """
    law = sample.surface.law
    if law.linear:
        return tuple(j for j, q in enumerate(sample.surface.free) if q.name in law.linear)
    linear: list[int] = []
    for j, parameter in enumerate(sample.surface.free):
        if parameter.start is None and not parameter.positive and _straight(sample, draws, j, j):
            if all(_straight(sample, draws, i, j) for i in linear):
                linear.append(j)
    return tuple(linear)


def _straight(sample: _Sample, draws: Array, i: int, j: int) -> bool:
    """Whether the second difference by the i-th and j-th parameter is zero in every draw."""
    corners = np.repeat(draws[None], 4, 0)
    corners[[1, 3], :, i] *= 2.0
    corners[[2, 3], :, j] *= 3.0 if i == j else 2.0
    if i == j:  # at 1, 2, 3 times the value
        corners[3] = corners[2]
        corners[2] = corners[1]
    f = sample.value(corners.reshape(-1, draws.shape[1])).reshape(4, len(draws), -1)
    usable = np.isfinite(f).all((0, 2))
    f = f[:, usable]
    height = np.abs(f).max((0, 2))
    bend = np.abs(f[3] - f[2] - f[1] + f[0] if i != j else f[3] - 2 * f[1] + f[0]).max(1)
    felt = np.abs(f[3] - f[0]).max(1) > FELT * height
    return bool(felt.any() and (bend <= EXACT * height)[felt].all())


def _distinct(points: Array, sums: Array) -> tuple[Array, Array]:
    """By rising sums, without those that are not finite and those of an equal sum."""
    order = np.argsort(sums)
    order = order[np.isfinite(sums[order])]
    if not len(order):
        return points, sums
    ordered = sums[order]
    new = np.append(True, np.diff(ordered) > 1e-9 * ordered[1:])
    return points[order[new]], ordered[new]


def _improved(
    sample: _Sample, points: Array, sums: Array, menus: list[Array], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Each point with one nonlinear parameter after the other moved to the best of its menu."""
    points, sums = points.copy(), sums.copy()
    for _ in range(SWEEPS):
        for j in rng.permutation(np.array(sample.nonlinear, int)):
            for lane in range(len(points)):
                trials = np.repeat(points[lane][None], len(menus[j]), 0)
                jitter = 10 ** (rng.uniform(-0.5, 0.5) / PER_DECADE)
                trials[:, j] = menus[j] * jitter
                trials, lower = sample.solved(trials)
                best = int(np.argmin(lower))
                if lower[best] < sums[lane]:
                    points[lane], sums[lane] = trials[best], lower[best]
    return points, sums
