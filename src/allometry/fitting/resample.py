"""Refit resamples of the rows: draws of the parameters, and estimates from them.

Rows drawn with replacement (pairs) make intervals that are too wide where the
objective is nearly absolute and rows are few: a median of whole rows jumps. There,
random weights of variance 1/2 take their place, and the draws are spread about the
optimum by sqrt 2 in return, in the solver's coordinates (weighted bootstrap,
Praestgaard and Wellner 1993). `benchmarks/fit_coverage.py` measures both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from allometry.fitting.intervals import Estimate, IntervalMethod, Verdict, verdict
from allometry.fitting.rows import Rows
from allometry.fitting.search import FIRST_DELTA
from allometry.fitting.solver import Lanes, Solution, minimise
from allometry.fitting.surface import LawSurface
from allometry.laws import Array, Parameter
from allometry.stats.resample import FRACTION_SCALE, Labels, ends, fractions, multiplicities

__all__ = ["ResamplingOptions", "estimates", "resample", "rounded"]

# A gain of this part of the objective moves a parameter by about sqrt(TOL * rows)
# standard errors at most, and the Newton step that promised it is still taken.
TOL = 1e-6

FEW = 20  # rows for each free parameter below which whole rows are too coarse


@dataclass(frozen=True)
class ResamplingOptions:
    """How to resample.

    Attributes:
        method: `auto` is pairs or fractional, whichever covers better.
        resamples: how many. level: of the intervals. seed: of the draws.
        clusters: labels of the rows, one array for each column of groups drawn whole.
    """

    method: Literal["auto", "pairs", "fractional", "residual"]
    resamples: int
    level: float
    clusters: Mapping[str, Labels]
    seed: int


def resample(
    surface: LawSurface, rows: Rows, best: Array, options: ResamplingOptions
) -> tuple[Array, IntervalMethod]:
    """Refit every resample, warm-started; lanes that fail start again from afar.

    Returns:
        parameters in solver coordinates (resamples, p), and how they were made.
    """
    if not options.resamples or not surface.free:
        return np.empty((0, best.shape[1])), IntervalMethod("none", options.level, 0, 1.0)
    rng = np.random.default_rng(options.seed)
    method = (
        _automatic(surface, rows, best, options) if options.method == "auto" else options.method
    )
    redrawn = 0
    if method == "residual":
        weights = _new_responses(surface, rows, best, rng, options)
    elif method == "fractional":
        clusters = tuple(options.clusters.values())
        weights = rows.weights * fractions(rng, options.resamples, len(rows.y), clusters)
    else:
        weights, redrawn = _new_rows(surface, rows, rng, options)
    warm = np.tile(best, (options.resamples, 1))
    solved = minimise(
        surface, warm, weights, first_delta=surface.final_delta, damping=1e-3, tol=TOL, rounds=40
    )
    u, converged = _carry_on(surface, solved, best, weights)
    if method == "fractional":
        u = np.clip(best + FRACTION_SCALE * (u - best), surface.low, surface.high)
    share = float(converged.mean())
    names = tuple(options.clusters)
    return u, IntervalMethod(method, options.level, options.resamples, share, names, redrawn)


def _automatic(
    surface: LawSurface, rows: Rows, best: Array, options: ResamplingOptions
) -> Literal["pairs", "fractional"]:
    """Fractional where most rows are in the linear part of the penalty and rows are few.

    Groups drawn whole stay pairs: their coverage with weights has not been measured.
    """
    if options.clusters or not surface.law.per_row:
        return "pairs"
    predicted = surface.law.evaluate(surface.values(best), surface.sizes)[0]
    r = surface.objective.residuals(surface.y, predicted)
    coarse = np.median(np.abs(r)) > surface.final_delta
    return "fractional" if coarse and len(r) < FEW * len(surface.free) else "pairs"


def _carry_on(
    surface: LawSurface, solved: Solution, best: Array, weights: Array
) -> tuple[Array, Lanes]:
    """Lanes that have not converged go on with exact curvature, then begin again from afar.

    A broken law's lanes are not begun again: they crawl along ridges that a sharp
    break leaves, and are counted as not converged.
    """
    u, value, converged = solved.u, solved.value, solved.converged.copy()
    attempts = [] if surface.exact else [(False, 10 * surface.final_delta, 30)]
    if surface.squares:
        attempts = [(False, surface.final_delta, 300)]
    elif surface.exact or len(surface.free) <= 4:
        attempts.append((True, FIRST_DELTA, 100))
    for from_optimum, delta, rounds in attempts:
        lost = np.flatnonzero(~converged)
        if not len(lost):
            break
        start = np.tile(best, (len(lost), 1)) if from_optimum else u[lost]
        again = minimise(
            surface.with_curvature(),
            start,
            weights[lost],
            first_delta=delta,
            tol=TOL,
            rounds=rounds,
        )
        better = again.value <= value[lost] * (1 + TOL)
        u[lost[better]], value[lost[better]] = again.u[better], again.value[better]
        converged[lost] = better & again.converged
    return u, converged


def _new_rows(
    surface: LawSurface, rows: Rows, rng: np.random.Generator, options: ResamplingOptions
) -> tuple[Array, int]:
    """Pairs bootstrap: weights (K, n), and how many draws were redone."""
    counts, redrawn = multiplicities(
        rng,
        options.resamples,
        len(rows.y),
        tuple(options.clusters.values()),
        rows.points() if surface.law.per_row else None,
        len(surface.free) if surface.law.per_row else 1,
    )
    return counts * rows.weights, redrawn


def _new_responses(
    surface: LawSurface,
    rows: Rows,
    best: Array,
    rng: np.random.Generator,
    options: ResamplingOptions,
) -> Array:
    """Residual bootstrap: weights and shifts of the residuals, (K, 2, n).

    Residuals are blown up for the parameters spent. With clusters their signs are
    flipped cluster by cluster instead (wild cluster bootstrap, Cameron et al. 2008).
    """
    predicted = surface.law.evaluate(surface.values(best), surface.sizes)[0]
    r = surface.objective.residuals(surface.y, predicted)
    spent = np.sqrt(len(r) / max(1, len(r) - len(surface.free)))
    if options.clusters:
        drawn = np.tile(r * spent, (options.resamples, 1))
        for labels in options.clusters.values():
            places = np.unique(labels.astype(str), return_inverse=True)[1]
            drawn *= rng.choice([-1.0, 1.0], (options.resamples, places.max() + 1))[:, places]
    else:
        drawn = rng.choice((r - r.mean()) * spent, (options.resamples, len(r)))
    return np.stack([np.broadcast_to(rows.weights, drawn.shape), drawn - r], 1)


def estimates(
    surface: LawSurface, best: Array, draws: Array, level: float
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Parameters and derived quantities for raw sizes, with percentile ends and verdicts.

    Args:
        best: the optimum (1, p). draws: (resamples, p), perhaps none; both in
            solver coordinates.
    """
    value = surface.raw(best)
    drawn: Mapping[str, Array] = surface.raw(draws) if len(draws) else {}
    place = {p.name: j for j, p in enumerate(surface.free)}
    parameters = {}
    for p in surface.law.parameters:
        centre = float(value[p.name][0])
        if p.name not in place:
            parameters[p.name] = Estimate(centre, centre, centre, "fixed")
        elif not drawn:
            parameters[p.name] = Estimate(centre, np.nan, np.nan, "no_interval")
        else:
            j = place[p.name]
            stuck = (draws[:, j] <= surface.low[j], draws[:, j] >= surface.high[j])
            parameters[p.name] = _estimate(p, centre, drawn[p.name], stuck, level)
    return parameters, _derived(surface, value, drawn, level)


def _estimate(
    parameter: Parameter, value: float, drawn: Array, stuck: tuple[Lanes, Lanes], level: float
) -> Estimate:
    """One free parameter; `stuck` are the draws at its lower and upper bound."""
    low, high = ends(drawn, level)
    at_low, at_high = (float(side.mean()) for side in stuck)
    median = float(np.median(drawn))
    return Estimate(
        value, low, high, verdict(parameter, value, median, low, high, at_low, at_high, level)
    )


def _derived(
    surface: LawSurface, value: Mapping[str, Array], drawn: Mapping[str, Array], level: float
) -> dict[str, Estimate]:
    spread = surface.law.derived(drawn) if drawn else {}
    derived = {}
    for name, middle in surface.law.derived(value).items():
        low, high = ends(spread[name], level) if drawn else (np.nan, np.nan)
        known: Verdict = "identified" if np.isfinite(low) else "no_interval"
        derived[name] = Estimate(float(middle[0]), low, high, known)
    return derived


def rounded(values: Mapping[str, Array]) -> dict[str, Array]:
    """Nine digits: what a document keeps, so that a saved fit predicts the same."""
    return {name: np.array([float(f"{x:.9g}") for x in v]) for name, v in values.items()}
