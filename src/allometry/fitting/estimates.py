"""From draws to estimates: interval ends, and a verdict on each parameter."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from allometry.fitting.intervals import (
    WIDEST,
    Bounded,
    Estimate,
    Verdict,
    bounded,
    is_narrow,
    openness,
    width_verdict,
)
from allometry.fitting.surface import LawSurface
from allometry.laws import Array
from allometry.stats.resample import ends

__all__ = ["Evidence", "estimates", "limited"]


@dataclass(frozen=True)
class Evidence:
    """Evidence, other than the draws, that limits the verdicts of a fit.

    Attributes:
        proven: whether the optimum is proven and at least nine tenths of the refits converged.
        open: parameters that the design of the rows does not determine.
        exact: whether the rows have no noise, so that an interval may have no width.
    """

    proven: bool
    open: frozenset[str]
    exact: bool = False


def estimates(
    surface: LawSurface, best: Array, draws: Array, level: float, evidence: Evidence
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Parameters and derived quantities for raw sizes, with percentile ends and verdicts.

    Args:
        best: the optimum (1, p). draws: (resamples, p), possibly empty; both in
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
            estimate = _estimate(surface, place[p.name], centre, draws, drawn[p.name], level)
            parameters[p.name] = limited(p.name, estimate, evidence)
    return parameters, _derived(surface, value, drawn, level, evidence)


def limited(name: str, estimate: Estimate, evidence: Evidence) -> Estimate:
    """The estimate with no better verdict than the evidence allows."""
    verdict: Verdict = estimate.verdict
    if verdict in ("fixed", "no_interval"):
        return estimate
    if name in evidence.open:
        verdict = "not_identified"
    elif not evidence.proven:
        verdict = "unproven"
    elif estimate.low == estimate.high and not evidence.exact:
        verdict = "not_identified"  # no refit moved, so the draws hold no evidence
    return Estimate(estimate.value, estimate.low, estimate.high, verdict)


def _estimate(
    surface: LawSurface, j: int, value: float, draws: Array, drawn: Array, level: float
) -> Estimate:
    """The j-th free parameter from its draws, in solver coordinates and raw (resamples,)."""
    parameter = surface.free[j]
    low, high = ends(drawn, level)
    if not (np.isfinite(low) and np.isfinite(high)):
        return Estimate(value, low, high, "not_identified")
    at_low = float((draws[:, j] <= surface.low[j]).mean())
    at_high = float((draws[:, j] >= surface.high[j]).mean())
    open_ends = openness(
        parameter, value, float(np.median(drawn)), low, high, at_low, at_high, level
    )
    verdict = bounded(below=not open_ends[0], above=not open_ends[1])
    if verdict == "identified":
        along = surface.along is not None  # then solver coordinates are not the parameters
        first, last = ends(surface.values(draws)[parameter.name] if along else draws[:, j], level)
        verdict = width_verdict(
            parameter, surface.law.kind(parameter.name), low, high, last - first
        )
    return Estimate(value, low, high, verdict)


def _derived(
    surface: LawSurface,
    value: Mapping[str, Array],
    drawn: Mapping[str, Array],
    level: float,
    evidence: Evidence,
) -> dict[str, Estimate]:
    """Derived quantities, judged by their draws with the width rule of exponents.

    They depend on every parameter, so they count as open whenever any parameter is open.
    """
    spread = surface.law.derived(drawn) if drawn else {}
    derived = {}
    for name, middle in surface.law.derived(value).items():
        low, high = ends(spread[name], level) if drawn else (np.nan, np.nan)
        verdict: Verdict = "no_interval"
        if drawn:
            verdict = _width(low, high)
        estimate = Estimate(float(middle[0]), low, high, verdict)
        confounded = replace(evidence, open=frozenset({name} if evidence.open else ()))
        derived[name] = limited(name, estimate, confounded)
    return derived


def _width(low: float, high: float) -> Bounded:
    if not (np.isfinite(low) and np.isfinite(high)):
        return "not_identified"
    return "identified" if is_narrow(low, high, WIDEST["exponent"]) else "wide"
