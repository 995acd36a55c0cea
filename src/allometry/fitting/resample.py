"""Draws of the parameters: the law is refitted to resamples of the rows.

There are five methods:

- `pairs` draws rows, or whole clusters, with replacement.
- `fractional` gives rows random weights of variance 1/2, and in return scales the draws about the
  optimum by sqrt 2, in the solver's coordinates (weighted bootstrap, Praestgaard and Wellner
  1993). With a nearly absolute objective and few rows, resamples of whole rows jump between
  rows, as a median does.
- `residual` draws residuals or, with clusters, the signs of the residuals of each cluster (wild
  cluster bootstrap, Cameron et al. 2008).
- `student` is for few rows, where percentiles of the methods above are too narrow. It simulates
  Gaussian residuals whose scale is drawn as for Student's t, so that a straight line fitted by
  squares gets its t interval.
- `jackknife` is for few clusters. It leaves out each cluster in turn and draws from Student's t
  with the variance of the cluster jackknife (CV3 of MacKinnon, Nielsen and Webb 2023).

`benchmarks/fit_coverage.py` measures their coverage.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from allometry.errors import DataError
from allometry.fitting.identifiability import determined_by_one
from allometry.fitting.intervals import IntervalMethod
from allometry.fitting.rows import Rows
from allometry.fitting.search import FIRST_DELTA
from allometry.fitting.solver import Lanes, Solution, minimise
from allometry.fitting.surface import LawSurface
from allometry.laws import Array
from allometry.stats.resample import FRACTION_SCALE, Labels, fractions, multiplicities
from allometry.stats.spread import robust_sd

__all__ = ["FEW_CLUSTERS", "Method", "ResamplingOptions", "resample", "rounded"]

Method = Literal["pairs", "fractional", "residual", "student", "jackknife"]

# A relative gain of the objective of this size moves a parameter by at most about
# sqrt(TOL * rows) standard errors, and the Newton step that predicts it is still taken.
TOL = 1e-6

FEW = 20  # rows per free parameter below which resamples of whole rows are too coarse
FEW_SPARE = 30  # degrees of freedom below which Student's t differs from a normal
FEWEST_SPARE = 10  # the same if most rows are in the linear part of the penalty
FEW_CLUSTERS = 20


@dataclass(frozen=True)
class ResamplingOptions:
    """How to resample.

    Attributes:
        method: `auto` chooses by the number of rows and clusters, see `resample`.
        resamples: number of draws. level: of the intervals. seed: of the draws.
        clusters: cluster column -> labels of the rows (n,).
    """

    method: Literal["auto", Method]
    resamples: int
    level: float
    clusters: Mapping[str, Labels]
    seed: int


def resample(
    surface: LawSurface, rows: Rows, starts: Array, options: ResamplingOptions
) -> tuple[Array, IntervalMethod]:
    """Refit every resample from every start and keep the best refit of each.

    With clusters, `auto` is `jackknife` for one column of fewer than 20 clusters, else `pairs`.
    Without clusters, it is `student` if the effective number of rows (by their weights) exceeds
    the number of parameters by less than 30, else `pairs`. If most residuals exceed the
    objective's delta, the limit for `student` is 10 in place of 30, and above it the method is
    `fractional` with fewer than 20 rows per parameter, else `pairs`.

    Args:
        starts: of the refits (s, p), the optimum first.

    Returns:
        parameters in solver coordinates (resamples, p), and how they were drawn.

    Raises:
        DataError: a cluster column from which the scatter of the parameters cannot be estimated.
    """
    best = starts[:1]
    if not options.resamples or not surface.free:
        return np.empty((0, best.shape[1])), IntervalMethod("none", options.level, 0, 1.0)
    _check_clusters(options)
    rng = np.random.default_rng(options.seed)
    method = (
        _automatic(surface, rows, best, options) if options.method == "auto" else options.method
    )
    weights, redrawn = _weights(method, surface, rows, best, rng, options)
    u, converged = _refit(surface, starts, weights)
    if method == "fractional":
        u = np.clip(best + FRACTION_SCALE * (u - best), surface.low, surface.high)
    if method == "jackknife":
        u = _spread(surface, rows, best, u, rng, options)
    groups = {name: len(np.unique(labels.astype(str))) for name, labels in options.clusters.items()}
    share = float(converged.mean())
    return u, IntervalMethod(
        method, options.level, len(weights), share, tuple(groups), redrawn, tuple(groups.values())
    )


def _check_clusters(options: ResamplingOptions) -> None:
    """Refuse a column with one cluster: differences between clusters cannot be estimated."""
    for name, place in zip(options.clusters, _places(options), strict=True):
        if place.max() < 1:
            raise DataError(
                f"cluster column {name!r} has only one value in the used rows, but intervals need "
                "two clusters or more. Leave cluster out, or set interval none"
            )


def _leave_out(surface: LawSurface, best: Array, options: ResamplingOptions) -> Lanes:
    """Which rows (G, n) remain without each cluster.

    Raises:
        DataError: the remaining rows do not determine the law.
    """
    place = _places(options)[0]
    if lost := determined_by_one(surface, best, place):
        cluster, names = lost
        ((column, labels),) = options.clusters.items()
        value = labels[np.argmax(place == cluster)]
        raise DataError(
            f"without the cluster {column} = {value} the other rows do not determine "
            f"{', '.join(names)}, so the scatter between clusters cannot be estimated. Use more "
            "clusters, leave cluster out, or set interval none"
        )
    return np.asarray(np.arange(place.max() + 1)[:, None] != place)


def _automatic(surface: LawSurface, rows: Rows, best: Array, options: ResamplingOptions) -> Method:
    if options.clusters:
        few = len(options.clusters) == 1 and _places(options)[0].max() + 1 < FEW_CLUSTERS
        return "jackknife" if few else "pairs"
    if not surface.law.per_row:
        return "pairs"
    # Effective number of rows with unequal weights (Kish 1965, Survey Sampling).
    equal = rows.weights.sum() ** 2 / (rows.weights**2).sum()
    coarse = _coarse(surface, surface.plain_residuals(best)[0])
    if equal - len(surface.free) < (FEWEST_SPARE if coarse else FEW_SPARE):
        return "student"
    return "fractional" if coarse and surface.rows < FEW * len(surface.free) else "pairs"


def _coarse(surface: LawSurface, r: Array) -> bool:
    """Whether most residuals (n,) lie in the linear part of the penalty."""
    return bool(np.median(np.abs(r)) > surface.final_delta)


def _places(options: ResamplingOptions) -> list[np.ndarray]:
    """The cluster of each row, 0, 1, ..., for each clustering."""
    return [
        np.unique(labels.astype(str), return_inverse=True)[1]
        for labels in options.clusters.values()
    ]


def _weights(
    method: Method,
    surface: LawSurface,
    rows: Rows,
    best: Array,
    rng: np.random.Generator,
    options: ResamplingOptions,
) -> tuple[Array, int]:
    """Row weights (K, n), or (K, 2, n) with shifts of residuals; and how many were redrawn."""
    clusters = tuple(options.clusters.values())
    if method == "pairs":
        return _new_rows(surface, rows, rng, options)
    if method == "fractional":
        return rows.weights * fractions(rng, options.resamples, surface.rows, clusters), 0
    if method == "jackknife":
        return _leave_out(surface, best, options) * rows.weights, 0
    r = surface.plain_residuals(best)[0]
    draw = _student if method == "student" else _residuals
    drawn = draw(surface, rows, r, rng, options)
    return np.stack([np.broadcast_to(rows.weights, drawn.shape), drawn - r], 1), 0


def _refit(surface: LawSurface, starts: Array, weights: Array) -> tuple[Array, Lanes]:
    """The best refit of every resample, and which converged; lanes that failed are continued."""
    best = _refit_from(surface, starts[:1], weights)
    for start in starts[1:]:
        other = _refit_from(surface, start[None], weights)
        better = np.flatnonzero(other.value < best.value * (1 - TOL))
        best.write(better, other.take(better))
    u, _, converged = _carry_on(surface, best, starts[:1], weights)
    return u, converged


def _refit_from(surface: LawSurface, start: Array, weights: Array) -> Solution:
    """Refits of every resample from one start (1, p)."""
    return minimise(
        surface,
        np.tile(start, (len(weights), 1)),
        weights,
        first_delta=surface.final_delta,
        damping=1e-3,
        tol=TOL,
        rounds=40,
    )


def _carry_on(
    surface: LawSurface, solved: Solution, start: Array, weights: Array
) -> tuple[Array, Array, Lanes]:
    """Continue lanes that have not converged with exact curvature, then restart them.

    A restart begins at the optimum with a large delta. There is none for `least_squares`, nor for
    laws without exact derivatives and with more than four free parameters, such as broken laws:
    their lanes move slowly along the ridges that a sharp break leaves, and count as not converged.
    """
    u, value, converged = solved.u, solved.value, solved.converged.copy()
    attempts = [(False, surface.final_delta if surface.exact else 10 * surface.final_delta, 60)]
    if surface.squares:
        attempts = [(False, surface.final_delta, 300)]
    elif surface.exact or len(surface.free) <= 4:
        attempts.append((True, FIRST_DELTA, 100))
    for from_start, delta, rounds in attempts:
        lost = np.flatnonzero(~converged)
        if not len(lost):
            break
        again = minimise(
            surface.with_curvature(),
            np.tile(start, (len(lost), 1)) if from_start else u[lost],
            weights[lost],
            first_delta=delta,
            tol=TOL,
            rounds=rounds,
        )
        better = again.value <= value[lost] * (1 + TOL)
        u[lost[better]], value[lost[better]] = again.u[better], again.value[better]
        converged[lost] = better & again.converged
    return u, value, converged


def _new_rows(
    surface: LawSurface, rows: Rows, rng: np.random.Generator, options: ResamplingOptions
) -> tuple[Array, int]:
    """Pairs bootstrap: weights (K, n), and the number of redrawn draws."""
    counts, redrawn = multiplicities(
        rng,
        options.resamples,
        len(rows.y),
        tuple(options.clusters.values()),
        rows.points() if surface.law.per_row else None,
        len(surface.free) if surface.law.per_row else 1,
    )
    return counts * rows.weights, redrawn


def _residuals(
    surface: LawSurface, rows: Rows, r: Array, rng: np.random.Generator, options: ResamplingOptions
) -> Array:
    """New residuals (K, n), drawn from the observed ones and enlarged for the fitted parameters.

    Observed residuals are assumed to have variances 1/weight and are standardised before they are
    drawn. For squares they are also centred at 0. Under other penalties they are not centred,
    since the optimum corresponds to the residuals as they are.
    """
    spent = np.sqrt(len(r) / max(1, len(r) - len(surface.free)))
    if not options.clusters:
        root = np.sqrt(rows.weights)
        scaled = r * root
        middle = scaled.mean() if surface.objective.squares else 0.0
        drawn = rng.choice((scaled - middle) * spent, (options.resamples, len(r)))
        return np.asarray(drawn / root)
    drawn = np.tile(r * spent, (options.resamples, 1))
    for place in _places(options):
        drawn *= rng.choice([-1.0, 1.0], (options.resamples, place.max() + 1))[:, place]
    return drawn


def _student(
    surface: LawSurface, rows: Rows, r: Array, rng: np.random.Generator, options: ResamplingOptions
) -> Array:
    """New residuals (K, n): Gaussian of variance 1/weight, times a random scale.

    The scale is that of the residuals divided by the root of a chi-squared variable. It is
    computed from residuals clipped at the objective's delta, corrected for the clipping of
    Gaussian ones (Huber's proposal 2), so that outliers influence it as they influence the fit.

    Scales are drawn by stratified sampling, and each vector of residuals is used with both signs,
    so that the interval ends vary little with the seed.
    """
    from scipy.special import chdtri

    freedom = max(1, len(r) - len(surface.free))
    half = -(-options.resamples // 2)
    shares = (rng.permutation(half) + rng.random(half)) / half
    scale = np.sqrt(_squares(surface, rows, r) / chdtri(freedom, shares))[:, None]
    drawn = scale * rng.normal(size=(half, len(r))) / np.sqrt(rows.weights)
    return np.concatenate([drawn, -drawn])[: options.resamples]


def _squares(surface: LawSurface, rows: Rows, r: Array) -> float:
    """Weighted sum of squares of residuals (n,), clipped at delta and corrected for clipping.

    Residuals are not clipped if most of them exceed delta. A nearly absolute penalty has zero
    residuals at as many rows as there are parameters, so the others determine the scale.
    """
    delta = surface.objective.delta
    sd = robust_sd(r, len(surface.free))
    if np.isinf(delta) or sd == 0 or _coarse(surface, r):
        return float((rows.weights * r**2).sum())
    c = delta / sd
    inside = math.erf(c / math.sqrt(2))
    tails = math.sqrt(2 / math.pi) * c * math.exp(-(c**2) / 2)
    mean_square = inside - tails + c**2 * (1 - inside)  # the mean of min(z^2, c^2)
    return float((rows.weights * np.clip(r, -delta, delta) ** 2).sum() / mean_square)


def _spread(
    surface: LawSurface,
    rows: Rows,
    best: Array,
    without: Array,
    rng: np.random.Generator,
    options: ResamplingOptions,
) -> Array:
    """Draws (resamples, p) from Student's t with the variance of the jackknife.

    Args:
        without: the optimum without each cluster (G, p).
    """
    groups = len(without)
    place = _places(options)[0]
    # If sizes are constant within each cluster, there are G - p degrees of freedom.
    points = np.unique(np.stack([place, rows.points()], 1), axis=0)
    freedom = max(1, groups - (len(surface.free) if len(points) == groups else 1))
    mixed = rng.normal(size=(options.resamples, groups)) @ (without - best)
    scale = np.sqrt((groups - 1) / groups * freedom / rng.chisquare(freedom, options.resamples))
    return np.clip(best + scale[:, None] * mixed, surface.low, surface.high)


def rounded(values: Mapping[str, Array]) -> dict[str, Array]:
    """Values rounded to the nine digits that a document keeps, so that a saved fit is equal."""
    return {name: np.array([float(f"{x:.9g}") for x in v]) for name, v in values.items()}
