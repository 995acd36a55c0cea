"""Which runs of an IsoFLOP table a parabola may be drawn through, and why others may not.

Runs are grouped into budgets, and each budget goes through the stages of Czech (2603.22339, its
repository's data/transform.py) in their order: near-duplicates in ln N; fewer than 6 sizes; off
centre; outliers by leave-one-out Akima interpolation; curvature; fewer than 6 sizes again. A
last one is ours: the vertex lies within the sizes.

Three rules differ from that source. Runs of the same N and C, such as seeds, are kept: to take the
best of them would lower the curve where there are more. And the two ends of a curve are not
judged as outliers: without its end a curve has to be extrapolated, and the error of that exceeds
six deviations of the interpolated residuals even on curves that have no noise. Outliers are left
out one at a time, the farthest of a budget first, since one draws the curve away from its
neighbours. `AS_PUBLISHED` takes the best of equal runs, judges the ends, and all in one pass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from allometry.laws import Array
from allometry.plan.approaches.isoflop_bias import Parabolas
from allometry.plan.runs import Runs
from allometry.stats.interval import student_reach

__all__ = ["AS_PUBLISHED", "UNSCREENED", "WIDTH", "Curve", "Quality", "budgets", "screened"]

Places = NDArray[np.intp]

# Widest ln C of one budget: 10% to either side (`flop_tolerance` of Porian et al. 2406.19146).
# Budgets of published tables are a factor of 1.6 apart or more.
WIDTH = float(2 * np.log(1.1))
MAD_TO_SD = 0.6745  # Phi^-1(3/4), of the modified z-score (Iglewicz and Hoaglin 1993)
EQUAL = 1e-6  # of ln N and ln C that count as the same: more than files round to


@dataclass(frozen=True)
class Quality:
    """The rules of the stages; the numbers are those of the source.

    Attributes:
        near_duplicate: runs within this of each other in ln N count as one size; the one whose C
            is nearest to the budget's is kept, then the one with the least loss.
        replicates: whether runs of the same N and C are all kept.
        fewest: sizes that a budget needs.
        off_centre: a run may be this share farther from the vertex than the nearer end is.
        outlier: the modified z-score above which a run is left out.
        ends: whether the smallest and the largest size are judged as outliers too.
        one_pass: whether all outliers are left out at once.
        curvature: level of the interval of the curvature, which may not reach 0; with 0 the
            curvature itself is positive and no more is asked.
        inside: whether the vertex has to lie within the sizes.
    """

    near_duplicate: float = 0.01
    replicates: bool = True
    fewest: int = 6
    off_centre: float = 1.5
    outlier: float = 6.0
    ends: bool = False
    one_pass: bool = False
    curvature: float = 0.95
    inside: bool = True


AS_PUBLISHED = Quality(replicates=False, ends=True, one_pass=True)
UNSCREENED = Quality(
    near_duplicate=0.0, fewest=3, off_centre=np.inf, outlier=np.inf, curvature=0.0, inside=False
)


@dataclass(eq=False)
class Curve:
    """One budget while it is screened.

    Attributes:
        compute: the budget, the geometric mean of its runs' C.
        places: of its runs among all, by rising N. x: ln N. log_c: ln C. loss: each (points,).
        kept: which are left. why: of each that is not, in words.
        reason: why the whole budget is left out; empty where it is not.
    """

    compute: float
    places: Places
    x: Array
    log_c: Array
    loss: Array
    kept: NDArray[np.bool_]
    why: list[str]
    reason: str = field(default="")

    def leave(self, points: NDArray[np.bool_], why: str) -> None:
        """Leave out those of the points (points,) that are still kept."""
        for i in np.flatnonzero(points & self.kept):
            self.why[i] = why
        self.kept &= ~points

    def reject(self, reason: str) -> None:
        """Leave out the whole budget."""
        self.reason = reason
        self.leave(np.ones_like(self.kept), "its budget is left out")

    def sizes(self, within: float) -> list[Places]:
        """The kept points by size: those within a distance in ln N of the first are one."""
        groups: list[list[int]] = []
        for i in np.flatnonzero(self.kept).tolist():
            if groups and self.x[i] - self.x[groups[-1][0]] <= max(within, EQUAL):
                groups[-1].append(i)
            else:
                groups.append([i])
        return [np.array(group) for group in groups]


def budgets(compute: Array, width: float = WIDTH) -> list[Places]:
    """The places of the runs of each budget, by rising C.

    All runs begin as one group; a group wider than `width` in ln C is parted at its widest gap,
    and its parts in turn. A chain of runs a little apart cannot hold budgets together.

    Args:
        compute: of each run, (runs,).
    """
    order = np.argsort(compute, kind="stable")
    log_c = np.log(compute[order])
    gaps = np.diff(log_c)
    open_groups, done = [(0, len(order))], []
    while open_groups:
        first, end = open_groups.pop()
        if log_c[end - 1] - log_c[first] <= width:
            done.append((first, end))
            continue
        cut = first + 1 + int(np.argmax(gaps[first : end - 1]))
        open_groups += [(first, cut), (cut, end)]
    return [order[first:end] for first, end in sorted(done)]


def screened(runs: Runs, groups: Sequence[Places], quality: Quality) -> list[Curve]:
    """The budgets with what is left of each after all stages."""
    curves = [_curve(runs, places) for places in groups]
    for curve in curves:
        _near_duplicates(curve, quality)
        _too_few(curve, quality, "")
        _off_centre(curve, quality)
    _outliers(curves, quality)
    for curve in curves:
        _too_few(curve, quality, " are left after the others were left out")
        _curvature(curve, quality)
        _vertex_inside(curve, quality)
    return curves


def _curve(runs: Runs, places: Places) -> Curve:
    places = places[np.lexsort((runs.loss[places], runs.n[places]))]
    log_c = np.log(runs.compute[places])
    return Curve(
        compute=float(np.exp(log_c.mean())),
        places=places,
        x=np.log(runs.n[places]),
        log_c=log_c,
        loss=runs.loss[places],
        kept=np.ones(len(places), bool),
        why=[""] * len(places),
    )


def _near_duplicates(curve: Curve, quality: Quality) -> None:
    off = np.abs(curve.log_c - np.log(curve.compute))
    for points in curve.sizes(quality.near_duplicate):
        if quality.near_duplicate == 0 or len(points) == 1:
            continue
        distance = np.round(off[points] / EQUAL)  # what files round off is no distance
        best = points[np.lexsort((curve.loss[points], distance))[0]]
        same = np.zeros_like(curve.kept)
        same[points] = True
        if quality.replicates:
            alike = np.abs(curve.x - curve.x[best]) <= EQUAL
            alike &= np.abs(curve.log_c - curve.log_c[best]) <= EQUAL
            same &= ~alike
        same[best] = False
        curve.leave(same, "of nearly the same N as a run that is nearer to the budget or better")


def _too_few(curve: Curve, quality: Quality, when: str) -> None:
    if curve.reason:
        return
    sizes = len(curve.sizes(quality.near_duplicate))
    if sizes < quality.fewest:
        curve.reject(f"fewer than {quality.fewest} sizes{when}")


def _off_centre(curve: Curve, quality: Quality) -> None:
    if curve.reason or not np.isfinite(quality.off_centre):
        return
    x = curve.x[curve.kept]
    vertex = _vertex(curve)
    if np.isnan(vertex):  # left to the stage of curvature
        return
    reach = min(vertex - x.min(), x.max() - vertex)
    if reach < 0:
        curve.reject("off centre, with every run on one side of the least loss")
        return
    far = np.abs(curve.x - vertex) > (1 + quality.off_centre) * reach
    curve.leave(far, "off centre, much farther from the least loss than the other end")


def _outliers(curves: list[Curve], quality: Quality) -> None:
    """Leave out sizes far off their curve, in units of the scatter of all curves together."""
    if not np.isfinite(quality.outlier):
        return
    judged = {i: list(_left_out(c, quality)) for i, c in enumerate(curves) if not c.reason}
    residuals = [residual for found in judged.values() for _, residual in found]
    if not residuals:
        return
    middle = float(np.median(np.concatenate(residuals)))
    scale = float(np.median(np.abs(np.concatenate(residuals) - middle))) / MAD_TO_SD
    limit = quality.outlier * scale
    while judged and limit > 0:
        found = {i: _worst(judged[i], middle, limit, quality.one_pass) for i in judged}
        for i, points in found.items():
            out = np.isin(np.arange(len(curves[i].kept)), points)
            curves[i].leave(out, "an outlier from the curve through the other sizes")
        again = [i for i, points in found.items() if len(points) and not quality.one_pass]
        judged = {i: list(_left_out(curves[i], quality)) for i in again}


def _worst(
    judged: list[tuple[Places, Array]], middle: float, limit: float, one_pass: bool
) -> list[int]:
    """The point farthest off, where it is beyond the limit; in one pass all points beyond it."""
    off = {
        int(point): float(abs(residual - middle))
        for points, residuals in judged
        for point, residual in zip(points, residuals, strict=True)
    }
    beyond = [point for point in off if off[point] > limit]
    return beyond if one_pass else sorted(beyond, key=off.__getitem__)[-1:]


def _left_out(curve: Curve, quality: Quality) -> Iterator[tuple[Places, Array]]:
    """Each size with the residuals of its runs from the Akima curve of the other sizes."""
    from scipy.interpolate import Akima1DInterpolator

    sizes = curve.sizes(quality.near_duplicate)
    x = np.array([curve.x[points].mean() for points in sizes])
    loss = np.array([curve.loss[points].mean() for points in sizes])
    judged = range(len(sizes)) if quality.ends else range(1, len(sizes) - 1)
    for i in judged if len(sizes) >= 3 else ():
        others = Akima1DInterpolator(np.delete(x, i), np.delete(loss, i))
        points = sizes[i]
        yield points, curve.loss[points] - others(curve.x[points], extrapolate=True)


def _curvature(curve: Curve, quality: Quality) -> None:
    if curve.reason:
        return
    if np.isnan(_vertex(curve)):
        curve.reject("the loss has no least value: the parabola does not bend upward")
    elif quality.curvature and not _bends(curve, quality.curvature):
        curve.reject(
            f"the curvature is not known to be positive: its {quality.curvature:.0%} interval "
            "reaches 0"
        )


def _vertex_inside(curve: Curve, quality: Quality) -> None:
    if curve.reason or not quality.inside:
        return
    x = curve.x[curve.kept]
    if not x.min() < _vertex(curve) < x.max():
        curve.reject("the vertex of the parabola lies outside the sizes that were trained")


def _vertex(curve: Curve) -> float:
    """ln N at the least loss of the parabola through the kept points; NaN where there is none."""
    parabolas = Parabolas.over(curve.x[curve.kept])
    return float(parabolas.vertex(parabolas.through(curve.loss[curve.kept])))


def _bends(curve: Curve, level: float) -> bool:
    """Whether Student's interval of the coefficient of z^2 is above 0; no without spare points."""
    loss, parabolas = curve.loss[curve.kept], Parabolas.over(curve.x[curve.kept])
    coefficients, spare = parabolas.through(loss), len(loss) - 3
    if spare == 0:
        return False
    rest = parabolas.residuals(loss, coefficients)
    error = np.sqrt(rest @ rest / spare * (parabolas.solver[2] @ parabolas.solver[2]))
    return bool(coefficients[2] > error * student_reach(spare, level))
