"""Selection of the runs of an IsoFLOP table to which parabolas are fitted.

Runs are grouped into budgets. Each budget goes through the stages of Czech (2603.22339,
data/transform.py in its repository): near-duplicates in ln N; fewer than 6 sizes; off centre;
outliers by leave-one-out Akima interpolation; fewer than 6 sizes again; curvature. A last stage is
added here: the vertex must lie within the sizes.

Three rules differ from that source. Runs of the same N and C, such as seeds, are all kept, since
taking the best of them would lower the curve where there are more. The two ends of a curve are
not judged as outliers: without its end a curve must be extrapolated, and the error of that
exceeds six deviations of the interpolated residuals even without noise. Outliers are left out one
at a time, the farthest of a budget first, since an outlier pulls the curve away from its
neighbours. `AS_PUBLISHED` takes the best of equal runs, judges the ends, and leaves out all
outliers in one pass.
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

# Largest range of ln C in one budget: 10% to either side (`flop_tolerance` of Porian et al.
# 2406.19146). Budgets of published tables are at least a factor of 1.6 apart.
WIDTH = float(2 * np.log(1.1))
MAD_TO_SD = 0.6745  # Phi^-1(3/4), of the modified z-score (Iglewicz and Hoaglin 1993)
EQUAL = 1e-6  # largest difference of equal ln N or ln C: larger than the rounding in files


@dataclass(frozen=True)
class Quality:
    """The rules of the stages; the numbers are those of the source.

    Attributes:
        near_duplicate: runs within this distance in ln N count as one size. The run whose C is
            nearest to the budget's is kept; among equally near ones, that with the least loss.
        replicates: whether runs of the same N and C are all kept.
        fewest: sizes that a budget needs.
        off_centre: a run is left out if it is farther from the vertex than 1 + `off_centre` times
            the distance of the nearer end.
        outlier: the modified z-score above which a run is left out.
        ends: whether the smallest and the largest size are judged as outliers too.
        one_pass: whether all outliers are left out at once.
        curvature: level of the interval of the curvature, which must not contain 0; with 0 the
            curvature itself must be positive.
        inside: whether the vertex must lie within the sizes.
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
        compute: of the budget: the geometric mean of its runs' C.
        places: positions of its runs among all, by increasing N. x: ln N. log_c: ln C. loss: each
            (points,).
        kept: which runs are kept. why: the reason of each run that is not, in words.
        reason: why the whole budget is left out; empty if it is not.
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
        """Leave out the given points (points,), with a reason for those that were still kept."""
        for i in np.flatnonzero(points & self.kept):
            self.why[i] = why
        self.kept &= ~points

    def reject(self, reason: str) -> None:
        """Leave out the whole budget."""
        self.reason = reason
        self.leave(np.ones_like(self.kept), "its budget is left out")

    def sizes(self, within: float) -> list[Places]:
        """The kept points by size; points within a distance in ln N of the first form one size."""
        groups: list[list[int]] = []
        for i in np.flatnonzero(self.kept).tolist():
            if groups and self.x[i] - self.x[groups[-1][0]] <= max(within, EQUAL):
                groups[-1].append(i)
            else:
                groups.append([i])
        return [np.array(group) for group in groups]


def budgets(compute: Array, width: float = WIDTH) -> list[Places]:
    """Positions of the runs of each budget, by increasing C.

    All runs start as one group. A group wider than `width` in ln C is split at its widest gap, and
    its parts likewise. So a chain of closely spaced runs cannot join two budgets.

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
    """The budgets after all stages."""
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
        distance = np.round(off[points] / EQUAL)  # differences by rounding in files do not count
        best = points[np.lexsort((curve.loss[points], distance))[0]]
        same = np.zeros_like(curve.kept)
        same[points] = True
        if quality.replicates:
            equal = np.abs(curve.x - curve.x[best]) <= EQUAL
            equal &= np.abs(curve.log_c - curve.log_c[best]) <= EQUAL
            same &= ~equal
        same[best] = False
        curve.leave(
            same, "nearly the same N as another run, which is nearer to the budget or better"
        )


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
    if np.isnan(vertex):  # the stage of curvature rejects it
        return
    reach = min(vertex - x.min(), x.max() - vertex)
    if reach < 0:
        curve.reject("off centre, with every run on one side of the least loss")
        return
    far = np.abs(curve.x - vertex) > (1 + quality.off_centre) * reach
    curve.leave(far, "off centre, much farther from the least loss than the other end")


def _outliers(curves: list[Curve], quality: Quality) -> None:
    """Leave out runs far from their curve, in units of the scatter of all curves together."""
    if not np.isfinite(quality.outlier):
        return
    judged = {i: list(_left_out(c, quality)) for i, c in enumerate(curves) if not c.reason}
    residuals = [residual for sizes in judged.values() for _, residual in sizes]
    if not residuals:
        return
    middle = float(np.median(np.concatenate(residuals)))
    scale = float(np.median(np.abs(np.concatenate(residuals) - middle))) / MAD_TO_SD
    limit = quality.outlier * scale
    while judged and limit > 0:
        outliers = {i: _worst(judged[i], middle, limit, quality.one_pass) for i in judged}
        for i, points in outliers.items():
            out = np.isin(np.arange(len(curves[i].kept)), points)
            curves[i].leave(out, "an outlier from the curve through the other sizes")
        again = [i for i, points in outliers.items() if len(points) and not quality.one_pass]
        judged = {i: list(_left_out(curves[i], quality)) for i in again}


def _worst(
    judged: list[tuple[Places, Array]], middle: float, limit: float, one_pass: bool
) -> list[int]:
    """The farthest point beyond the limit, if any; in one pass all points beyond it."""
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
        curve.reject("the loss has no minimum: the parabola does not curve upward")
    elif quality.curvature and not _bends(curve, quality.curvature):
        curve.reject(
            f"the curvature is not significantly positive: its {quality.curvature:.0%} interval "
            "reaches 0"
        )


def _vertex_inside(curve: Curve, quality: Quality) -> None:
    if curve.reason or not quality.inside:
        return
    x = curve.x[curve.kept]
    if not x.min() < _vertex(curve) < x.max():
        curve.reject("the vertex of the parabola lies outside the sizes that were trained")


def _vertex(curve: Curve) -> float:
    """ln N at the minimum of the parabola through the kept points; NaN without a minimum."""
    parabolas = Parabolas.over(curve.x[curve.kept])
    return float(parabolas.vertex(parabolas.through(curve.loss[curve.kept])))


def _bends(curve: Curve, level: float) -> bool:
    """Whether Student's interval of the coefficient of z^2 is above 0; no without spare points."""
    loss, parabolas = curve.loss[curve.kept], Parabolas.over(curve.x[curve.kept])
    coefficients, spare = parabolas.through(loss), len(loss) - 3
    if spare == 0:
        return False
    residuals = parabolas.residuals(loss, coefficients)
    error = np.sqrt(residuals @ residuals / spare * (parabolas.solver[2] @ parabolas.solver[2]))
    return bool(coefficients[2] > error * student_reach(spare, level))
