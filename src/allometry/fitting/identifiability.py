"""Parameters that the design of the rows does not identify, whatever their intervals.

Intervals come from refits near the optimum and miss two problems: sizes that move together, so
that contributions can be shifted between terms, and directions in parameter space along which the
prediction does not change.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.fitting import differences
from allometry.fitting.direction import falls_against_data
from allometry.fitting.surface import LawSurface
from allometry.laws import Array, Law
from allometry.stats.digits import shown

__all__ = ["Design", "design", "determined_by_one"]

# Condition index of the standardised logs of two sizes above which they move together
# (Belsley, Kuh and Welsch 1980, Regression Diagnostics, sec. 3.2: 30 is strong).
STRONG = 30.0
# Thresholds below which a quantity counts as zero:
FLAT = 1e-7  # slope of a prediction in a solver coordinate, over the prediction's size
DEPENDENT = 1e-6  # singular value of the scaled Jacobian, over the largest
PART = 1e-3  # component of a parameter in a direction without slope
ROUNDING = 1e-6  # scatter of the logs of two sizes about their line


@dataclass(frozen=True)
class Design:
    """What the rows do not identify.

    Attributes:
        together: two sizes that move together, or empty.
        relation: between these sizes, in words.
        confounded: parameters that are not identified because sizes move together.
        flat: parameters in directions along which no prediction changes at the optimum.
        falls: a clause if the data rise but the law cannot, or empty.
        along: how the response falls along the line of sizes that move together, in words, or
            empty.
    """

    together: tuple[str, ...] = ()
    relation: str = ""
    confounded: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    falls: str = ""
    along: str = ""

    @property
    def open(self) -> frozenset[str]:
        """Parameters that are not identified, whatever their intervals."""
        return frozenset((*self.confounded, *self.flat))


def design(surface: LawSurface, sizes: Mapping[str, Array], best: Array) -> Design:
    """What these rows do not identify.

    Args:
        sizes: raw, symbol -> (n,). best: the optimum (1, p) in the surface's coordinates.
    """
    pair = _moving_together(surface.law, sizes)
    flat = _flat(surface, best, _slopes(surface, best))
    falls = falls_against_data(surface)
    if not pair:
        return Design(flat=flat, falls=falls)
    slope, scatter = _line(np.log(sizes[pair[0]]), np.log(sizes[pair[1]]))
    how = "exactly" if scatter < ROUNDING else f"with a scatter of {shown(100 * scatter, 2)}%"
    words = f"{pair[1]} follows {pair[0]}^{slope:.2f} {how}"
    confounded = tuple(n for n in _of_sizes(surface.law, pair) if n not in surface.fixed)
    return Design(pair, words, confounded, flat, falls)


def _moving_together(law: Law, sizes: Mapping[str, Array]) -> tuple[str, ...]:
    """The first two sizes whose logs lie nearly on a line, or an empty tuple."""
    named = [s for s in law.sizes if s not in law.labels]
    if not law.per_row or any((sizes[s] <= 0).any() for s in named):
        return ()
    for i, first in enumerate(named):
        for second in named[i + 1 :]:
            r = abs(np.corrcoef(np.log(sizes[first]), np.log(sizes[second]))[0, 1])
            if np.sqrt((1 + r) / max(1 - r, 1e-300)) > STRONG:
                return first, second
    return ()


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Slope of y on x, and the standard deviation about the line."""
    slope, intercept = np.polyfit(x, y, 1)
    return float(slope), float(np.std(y - intercept - slope * x))


def _of_sizes(law: Law, sizes: tuple[str, ...]) -> tuple[str, ...]:
    """Parameters of the terms in these sizes; without terms, all but floors."""
    if not law.terms:
        return tuple(n for n in law.names if law.kind(n) != "floor")
    names = {
        name
        for term in law.terms
        if {size for size, _ in term.powers} & set(sizes)
        for name in (term.coefficient, *(exponent for _, exponent in term.powers))
    }
    return tuple(n for n in law.names if n in names)


def determined_by_one(
    surface: LawSurface, best: Array, places: NDArray[np.intp]
) -> tuple[int, tuple[str, ...]] | None:
    """The first cluster without which the other rows do not identify some parameters, and these.

    Args:
        best: the optimum (1, p). places: the cluster of each row, 0, 1, ..., (n,).
    """
    jacobian = _slopes(surface, best)
    flat = set(_flat(surface, best, jacobian))
    for cluster in range(int(places.max()) + 1):
        without = _flat(surface, best, jacobian[:, places != cluster])
        if lost := tuple(n for n in without if n not in flat):
            return cluster, lost
    return None


def _flat(surface: LawSurface, best: Array, jacobian: Array) -> tuple[str, ...]:
    """Parameters in directions along which no prediction changes, to first order.

    Args:
        jacobian: slopes of the predictions of some rows at the optimum, (p, rows).
    """
    size = np.linalg.norm(surface.compared(best)[0]) / np.sqrt(surface.rows)
    lengths = np.linalg.norm(jacobian, axis=1) / np.sqrt(max(1, jacobian.shape[1]))
    still = ~(lengths > FLAT * (1.0 if surface.objective.logs else max(size, 1e-300)))
    names = np.array([p.name for p in surface.free])
    flat = set(names[still])
    if still.all() or not np.isfinite(jacobian).all():
        return tuple(names[still])
    scaled = jacobian[~still] / np.linalg.norm(jacobian[~still], axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(scaled, full_matrices=len(scaled) > scaled.shape[1])
    weak = np.concatenate([values, np.zeros(len(scaled) - len(values))]) < DEPENDENT * values[0]
    flat |= set(names[~still][(np.abs(left[:, weak]) > PART).any(1)])
    return tuple(n for n in names if n in flat)


def _slopes(surface: LawSurface, best: Array) -> Array:
    """Derivatives of the predictions (of their logs if the objective is in logs), (p, n)."""
    _, jacobian = differences.slopes(surface.compared, best, surface.positive)
    return np.asarray(jacobian[0])
