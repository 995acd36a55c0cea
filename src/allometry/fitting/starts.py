"""Start guesses scaled by the data, for laws whose parameters have no start ranges.

Parameters in which the value is linear are detected by evaluations and solved by least squares at
every start (variable projection, Golub and Pereyra 1973). The others are drawn over the
magnitudes that the data suggest, with both signs, and over the range of the sizes. Many draws are
compared by function values on a sample of the rows; the best are improved one parameter at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from allometry.errors import UsageError
from allometry.fitting.least_squares import coefficients
from allometry.fitting.solution import Lanes
from allometry.fitting.surface import LawSurface
from allometry.laws import Array

__all__ = ["VARIED", "DataStarts", "scaled_by_data", "separable"]

ROWS = 96  # rows of the sample on which draws are compared
DRAWS = 2048  # number of draws compared at first
BEST = 8  # number of these that are improved one parameter at a time
SWEEPS = 2  # over the parameters, when improving
LANES = 32  # most starts, half of them improved
PER_DECADE = 8  # magnitudes tried per decade of a parameter
BEYOND = 100.0  # factor by which magnitudes go beyond the scales of the data at either end
PROBES, PROBED_ROWS = 64, 32  # draws and rows used to detect linear parameters
EXACT = 1e-9  # largest second difference, over the values, of a linear parameter
FELT = 1e-6  # least change, over the values, at which a draw is used to judge linearity
ELSEWHERE = 0.2  # least relative change of a parameter for a new start near an optimum
VARIED = 4  # optima from which new starts are made in a round


def scaled_by_data(surface: LawSurface) -> bool:
    """Whether starts are scaled by the data, because some free parameter has no start range."""
    law = surface.law
    return law.starts is None and not law.terms and any(q.start is None for q in surface.free)


def separable(surface: LawSurface) -> LawSurface:
    """The surface with the parameters in which its values are linear solved at each step.

    The surface is unchanged if the objective is not squares, or is squares of logs, since logs
    are not linear in these parameters.
    """
    if not (surface.squares and scaled_by_data(surface)) or surface.objective.logs:
        return surface
    return surface.separated(DataStarts.of(surface, 0).linear)


@dataclass(frozen=True)
class DataStarts:
    """A sample of the rows, values to try for each parameter, and the linear parameters.

    Attributes:
        surface: of the law. rng: of all draws.
        sizes: of the sampled rows, (m,) each. y: (m,).
        roots: square roots of the weights of the sampled rows, (m,).
        menus: values to try for each free parameter.
        linear: indices of linear parameters among the free ones; nonlinear: the other indices.
    """

    surface: LawSurface
    rng: np.random.Generator
    sizes: Mapping[str, Array]
    y: Array
    roots: Array
    menus: tuple[Array, ...] = ()
    linear: tuple[int, ...] = ()
    nonlinear: tuple[int, ...] = ()

    @classmethod
    def of(cls, surface: LawSurface, seed: int) -> "DataStarts":
        """From a sample of the rows, or all rows if there are few or the law needs all."""
        rng = np.random.default_rng(seed)
        count = min(surface.rows, ROWS) if surface.law.per_row else surface.rows
        rows = np.sort(rng.choice(surface.rows, count, replace=False))
        y = surface.y[rows]
        # For small errors, squares of logs are squares of relative errors.
        roots = 1 / np.abs(y) if surface.objective.logs else np.ones(count)
        sizes = {s: v[rows] for s, v in surface.sizes.items()}
        sample = cls(surface, rng, sizes, y, roots)
        places = range(len(surface.free))
        sample = replace(sample, menus=tuple(sample._menu(j) for j in places))
        linear = sample._linear()
        return replace(sample, linear=linear, nonlinear=tuple(j for j in places if j not in linear))

    def first(self, count: int) -> Array:
        """Starts (at most `count`, p) in solver coordinates, the best half of them improved.

        Raises:
            UsageError: the law's values are not finite at any point tried.
        """
        points, sums = _distinct(*self._solved(self._draws(DRAWS)))
        if not len(points):
            raise UsageError(
                f"law {self.surface.law.name} has no finite values on these rows at any of "
                f"{DRAWS} points tried; check its `value`, or give its parameters start ranges"
            )
        better, _ = _distinct(*self._improved(points[:BEST], sums[:BEST]))
        count = min(count, LANES)
        return self._coordinates(np.concatenate([better[: (count + 1) // 2], points])[:count])

    def near(self, optima: Array, tried: int) -> Array:
        """Starts near optima (k, p), each with one or two parameters moved away.

        Another optimum may lie behind a barrier, so the lowest local minima along each parameter
        are taken, whether or not they are lower than the optimum.

        Args:
            tried: most starts per nonlinear parameter of an optimum, with that one moved alone.
        """
        starts = []
        for point in self._natural(optima[:VARIED]):
            for j in self.nonlinear:
                trials, sums = self._solved(self._moved(point, j))
                far = np.abs(trials[:, j] - point[j]) > ELSEWHERE * np.abs(point[j])
                sums = np.where(far, sums, np.inf)
                alone, count = _dips(sums[: len(self.menus[j])]), len(self.menus[j])
                starts.append(_distinct(trials[:count][alone], sums[:count][alone])[0][:tried])
                starts.append(_distinct(trials[count:], sums[count:])[0][:1])
        return self._coordinates(np.concatenate(starts)) if starts else optima[:0]

    def _moved(self, point: Array, j: int) -> Array:
        """Copies with the j-th parameter over its menu, and again with another one redrawn."""
        menu = self.menus[j] * self._jitter(())
        count, others = len(menu), [i for i in self.nonlinear if i != j]
        trials = np.repeat(point[None], 2 * count if others else count, 0)
        trials[:, j] = np.resize(menu, len(trials))
        if others:
            which, drawn = self.rng.choice(others, count), self._draws(count)
            second = np.arange(count, 2 * count)
            trials[second, which] = drawn[np.arange(count), which]
        return trials

    def _improved(self, points: Array, sums: Array) -> tuple[Array, Array]:
        """The points after setting each nonlinear parameter in turn to the best of its menu."""
        points, sums = points.copy(), sums.copy()
        for _ in range(SWEEPS):
            for j in self.rng.permutation(np.array(self.nonlinear, int)):
                for lane in range(len(points)):
                    trials = np.repeat(points[lane][None], len(self.menus[j]), 0)
                    trials[:, j] = self.menus[j] * self._jitter(())
                    trials, lower = self._solved(trials)
                    best = int(np.argmin(lower))
                    if lower[best] < sums[lane]:
                        points[lane], sums[lane] = trials[best], lower[best]
        return points, sums

    def _draws(self, count: int) -> Array:
        """Natural values (count, p), each parameter drawn independently from its menu."""
        drawn = np.stack([self.rng.choice(menu, count) for menu in self.menus], 1)
        return drawn * self._jitter(drawn.shape)

    def _jitter(self, shape: tuple[int, ...]) -> Array:
        """Random factors that fill the gaps between the values of a menu."""
        return np.asarray(10 ** (self.rng.uniform(-0.5, 0.5, shape) / PER_DECADE))

    def _value(self, points: Array) -> Array:
        """Values (k, m) at natural values of the free parameters, (k, p)."""
        law = self.surface.law
        values = {name: np.full(len(points), v) for name, v in self.surface.fixed.items()}
        values |= {q.name: points[:, j] for j, q in enumerate(self.surface.free)}
        return law.evaluate(values, self.sizes)

    def _solved(self, points: Array) -> tuple[Array, Array]:
        """The points with their linear parameters solved, and the sums of squares (k,)."""
        places = list(self.linear)
        probes = np.repeat(points[None], len(places) + 1, 0)
        probes[:, :, places] = 0.0
        for i, j in enumerate(places):
            probes[i + 1, :, j] = 1.0
        values = self._value(probes.reshape(-1, points.shape[1]))
        values = values.reshape(len(places) + 1, len(points), -1)
        basis = ((values[1:] - values[0]) * self.roots).transpose(1, 2, 0)
        solved, sums = coefficients(basis, (self.y - values[0]) * self.roots)
        points = points.copy()
        points[:, places] = solved
        return points, sums

    def _natural(self, u: Array) -> Array:
        return np.where(self.surface.positive, np.exp(u), u)

    def _coordinates(self, points: Array) -> Array:
        return np.clip(self.surface.to_u(points), self.surface.low, self.surface.high)

    def _menu(self, j: int) -> Array:
        """Natural values to try for the j-th free parameter, from its start range or the data."""
        parameter = self.surface.free[j]
        if parameter.start is not None:
            evenly = np.geomspace if parameter.positive else np.linspace
            return np.asarray(evenly(*parameter.start, 8 * PER_DECADE), float)
        scales = _scales(self.sizes, self.y)
        low, high = np.log10(scales.min() / BEYOND), np.log10(scales.max() * BEYOND)
        magnitudes = 10 ** np.arange(low, high, 1 / PER_DECADE)
        places = [np.linspace(x.min(), x.max(), len(magnitudes) // 2) for x in self.sizes.values()]
        signs = [magnitudes] if parameter.positive else [magnitudes, -magnitudes]
        menu = np.concatenate([*signs, *places])
        if parameter.bounds is not None:
            menu = menu[(menu >= parameter.bounds[0]) & (menu <= parameter.bounds[1])]
        menu = menu[menu > 0] if parameter.positive else menu
        return np.sort(menu) if len(menu) else np.array(parameter.bounds, float)

    def _linear(self) -> tuple[int, ...]:
        """Indices of free parameters in which the values are jointly linear, others held."""
        law, free = self.surface.law, self.surface.free
        if law.linear:
            return tuple(j for j, q in enumerate(free) if q.name in law.linear and not q.positive)
        rows = self.rng.choice(len(self.y), min(PROBED_ROWS, len(self.y)), replace=False)
        few = replace(self, sizes={s: x[rows] for s, x in self.sizes.items()})
        sample = few if law.per_row else self
        draws = self._draws(PROBES)
        linear: list[int] = []
        for j, parameter in enumerate(free):
            restricted = parameter.positive or parameter.start or parameter.bounds
            if not restricted and all(sample._straight(draws, i, j) for i in (j, *linear)):
                linear.append(j)
        return tuple(linear)

    def _straight(self, draws: Array, i: int, j: int) -> bool:
        """Whether the second difference of the values in parameters i and j is always zero.

        For i = j it is the second difference in one parameter. Draws at which neither parameter
        changes the values are ignored.
        """
        corners = np.repeat(draws[None], 4, 0)
        corners[1, :, i] *= 2.0
        corners[2, :, j] *= 2.0
        corners[3, :, i] *= 2.0
        corners[3, :, j] *= 1.5 if i == j else 2.0
        f = self._value(corners.reshape(-1, draws.shape[1])).reshape(4, len(draws), -1)
        f = f[:, np.isfinite(f).all((0, 2))]
        height = np.abs(f).max((0, 2), initial=0.0)
        bend = np.abs(f[3] - f[2] - f[1] + f[0]).max(1, initial=0.0)
        felt = np.abs(f[3] - f[0]).max(1, initial=0.0) > FELT * height
        return bool(felt.any() and (bend <= EXACT * height)[felt].all())


def _scales(sizes: Mapping[str, Array], y: Array) -> Array:
    """Scales of the data: 1, sizes, their ranges, inverses, inverse squares; y and 1/y."""
    lengths = [1.0]
    for x in sizes.values():
        lengths += [float(np.ptp(x)), float(np.median(np.abs(x)))]
    x = np.array([length for length in lengths if length > 0])
    height = max(float(np.median(np.abs(y))), float(np.ptp(y))) or 1.0
    return np.concatenate([x**-2.0, 1 / x, x, [height, 1 / height]])


def _dips(sums: Array) -> Lanes:
    """Which sums (k,) are local minima: not higher than either neighbour."""
    around = np.concatenate([[np.inf], np.where(np.isfinite(sums), sums, np.inf), [np.inf]])
    return (around[1:-1] <= around[:-2]) & (around[1:-1] <= around[2:])


def _distinct(points: Array, sums: Array) -> tuple[Array, Array]:
    """Points by increasing sum, without sums that are not finite or repeated."""
    order = np.argsort(sums)
    order = order[np.isfinite(sums[order])]
    ordered = sums[order]
    new = np.append(True, np.diff(ordered) > 1e-9 * ordered[1:])[: len(order)]
    return points[order[new]], ordered[new]
