"""Starts of refits: the optimum, and other points that are plausible given the rows.

A refit that starts at the optimum stays in its basin. If a floor is at its bound, the derivative
with respect to its log is zero and no refit leaves the bound. If two terms are interchangeable,
half of the refits belong to the other basin.
"""

import numpy as np

from allometry.fitting.solver import Solution, minimise
from allometry.fitting.surface import LawSurface
from allometry.laws import Array

__all__ = ["refit_starts"]

# Largest relative rise of the objective, times spare rows, at a plausible point; for squares this
# is the square of Student's t.
PLAUSIBLE = 20.0
APART = 0.5  # least difference of two starts in some solver coordinate: nearer ones are one basin
MOST = 5  # starts
FLOORS = (0.0, 0.3, 0.7, 0.95)  # of the smallest y, above which a floor cannot lie


def refit_starts(
    surface: LawSurface, best: Array, weights: Array, ended: Solution | None = None
) -> Array:
    """Starts of refits and profiles (s, p), the optimum first.

    Args:
        best: the polished optimum (1, p). weights: of rows (n,).
        ended: ends of the search, if available.
    """
    delta = np.full((1, 1), surface.final_delta)
    value = float(surface.evaluate(best, weights, delta)[0][0])
    conditional = _at_floors(surface, best, weights)
    if ended is None:
        ended = Solution.unsolved(best[:0], 0)
    u = np.concatenate([conditional.u, ended.u])
    settled = np.where(ended.converged, ended.value, np.inf)
    values = np.concatenate([conditional.value, settled])
    spare = max(1, surface.rows - len(surface.free))
    limit = value * (1 + PLAUSIBLE / spare) + 1e-300
    starts = [best[0]]
    order = np.concatenate(
        [np.arange(len(conditional.u)), len(conditional.u) + np.argsort(settled)]
    )
    for place in order:
        if len(starts) == MOST or not values[place] <= limit:
            continue
        if all(np.abs(u[place] - start).max() > APART for start in starts):
            starts.append(u[place])
    return np.array(starts)


def _at_floors(surface: LawSurface, best: Array, weights: Array) -> Solution:
    """Refits with each floor held at the values `FLOORS` in turn."""
    floors = [
        j for j, p in enumerate(surface.free) if p.positive and surface.law.kind(p.name) == "floor"
    ]
    if not floors or not (surface.y > 0).all():
        return Solution.unsolved(best[:0], 0)
    u = np.repeat(best, len(floors) * len(FLOORS), axis=0)
    low, high = (np.tile(side, (len(u), 1)) for side in (surface.low, surface.high))
    with np.errstate(divide="ignore"):
        places = np.log(np.array(FLOORS) * surface.y.min())
    for i, j in enumerate(floors):
        lanes = slice(i * len(FLOORS), (i + 1) * len(FLOORS))
        u[lanes, j] = np.clip(places, surface.low[j], surface.high[j])
        low[lanes, j] = high[lanes, j] = u[lanes, j]
    return minimise(
        surface, u, weights, first_delta=10 * surface.final_delta, tol=1e-6, rounds=60,
        low=low, high=high,
    )  # fmt: skip
