"""The status of a fit, as a code and in words: what is in doubt, and what to do about it."""

from collections.abc import Mapping, Sequence

import numpy as np

from allometry.fitting.certificate import Certificate, Status, StatusCode
from allometry.fitting.identifiability import Design
from allometry.fitting.intervals import WIDEST, Estimate, IntervalMethod
from allometry.fitting.problem import Problem
from allometry.fitting.resample import FEW_CLUSTERS
from allometry.laws import Law
from allometry.stats.digits import shown

__all__ = ["ENOUGH_REFITS", "judged", "without_noise"]

WEAK = ("wide", "lower_bound_only", "upper_bound_only", "not_identified")
ENOUGH = 0.99  # share of resamples that must have converged
ENOUGH_REFITS = 0.9  # the share below which no parameter is called identified
OPEN_ENDS = {
    "wide": " (sign open)",
    "lower_bound_only": " (only a lower bound)",
    "upper_bound_only": " (only an upper bound)",
}
EXACT = 1e-9  # largest residual, over y, of rows without noise


def judged(
    certificate: Certificate,
    parameters: Mapping[str, Estimate],
    method: IntervalMethod,
    problem: Problem,
    rows_design: Design,
) -> Status:
    """The status: the most serious doubt gives the code, and every doubt gives a sentence.

    Args:
        certificate: of the search. parameters: with their verdicts.
        method: of the intervals. problem: that was solved.
        rows_design: what the sizes of the rows do not determine.
    """
    squares = problem.objective.squares
    doubts = {
        **_search(certificate, squares, rows_design),
        **_spare(parameters, problem),
        **_parameters(certificate, parameters, problem.law, rows_design),
        **_resamples(method, squares),
    }
    if "noise_free" in doubts:  # refits to data whose only noise is rounding do not converge
        doubts.pop("resamples_weak", None)
    sentences = [*doubts.values()]
    if "not_identified" in doubts and not _graver_than_scale(parameters, problem.law, rows_design):
        del doubts["not_identified"]
    if not doubts:
        return Status("converged", " ".join([_agreement(certificate), *sentences]))
    return Status(next(iter(doubts)), " ".join(sentences))


def _graver_than_scale(parameters: Mapping[str, Estimate], law: Law, rows_design: Design) -> bool:
    """Whether anything other than the width of a coefficient's interval is in doubt.

    A coefficient is often y at x = 1, far from the data, so that its interval is wide.
    """
    return bool(rows_design.open) or any(
        e.verdict in WEAK and not (e.verdict == "wide" and law.kind(name) == "coefficient")
        for name, e in parameters.items()
    )


def _agreement(c: Certificate) -> str:
    if c.one_basin:
        return "The objective has one optimum, and it was reached."
    return f"{c.best_basin_share:.0%} of {c.starts} starts agree on this optimum."


def _search(c: Certificate, squares: bool, rows_design: Design) -> dict[StatusCode, str]:
    doubts: dict[StatusCode, str] = {}
    if not c.polished and rows_design.flat:
        doubts["not_converged"] = (
            f"At the best point the law does not depend on {', '.join(rows_design.flat)}, so the "
            "point is not proven to be an optimum. Give a start, or use a simpler law."
        )
    elif not c.polished:
        softer = "" if squares else "a larger delta of huber_log, squared_log, "
        doubts["not_converged"] = (
            "The best point is not proven to be an optimum: the gradient there is "
            f"{shown(c.gradient_norm, 2)}. Use more starts, {softer}or a simpler law."
        )
    if c.polished and not c.proven:
        who = "Only one" if c.reached else "None"
        doubts["found_once"] = (
            f"{who} of {c.starts} starts reached the best value, so there may be a better one. "
            "Use more starts."
        )
    return doubts


def _spare(parameters: Mapping[str, Estimate], problem: Problem) -> dict[StatusCode, str]:
    rows, free = len(problem.rows.y), len(problem.free)
    exact = without_noise(problem, {name: e.value for name, e in parameters.items()})
    if rows <= free:
        through = "passes through every row" if exact else "has no row to spare"
        return {
            "no_spare_rows": f"{rows} rows for {free} free parameters: the law {through}, so "
            "its uncertainty cannot be estimated. Add rows or use a simpler law."
        }
    if exact:
        return {
            "noise_free": "The law passes through every row: the rows have no noise. The "
            "parameters are exact, and their intervals say nothing about rows with noise."
        }
    return {}


def without_noise(problem: Problem, values: Mapping[str, float]) -> bool:
    """Whether the law with these raw parameters passes through every row."""
    size = 1.0 if problem.objective.logs else float(np.abs(problem.rows.y).max())
    return bool(np.abs(problem.residuals(values)).max() <= EXACT * size)


def _parameters(
    c: Certificate, parameters: Mapping[str, Estimate], law: Law, rows_design: Design
) -> dict[StatusCode, str]:
    doubts: dict[StatusCode, str] = {}
    if c.active_bounds:
        doubts["bound_active"] = _at_bound(c.active_bounds, law, rows_design.falls)
    sentences = []
    if rows_design.confounded:
        sentences.append(
            f"{rows_design.relation}: these rows cannot separate the effects of the two, so "
            f"{', '.join(rows_design.confounded)} are not identified. {rows_design.along}".strip()
        )
    weak = {
        name: e
        for name, e in parameters.items()
        if e.verdict in WEAK and name not in rows_design.confounded
    }
    if weak:
        sentences.append(_not_determined(weak, law))
    if sentences:
        sure = [name for name, e in parameters.items() if e.verdict == "identified"]
        if sure:
            sentences.append(f"Identified: {', '.join(sure)}.")
        doubts["not_identified"] = " ".join(sentences)
    return doubts


def _at_bound(names: Sequence[str], law: Law, falls: str) -> str:
    """A sentence on the parameters at a bound of the solver, and what to do about them."""
    where = f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} at the solver's bound"
    if falls:
        return f"{falls}, and {where}. Use a law that rises, such as power_ceiling."
    if all(law.kind(name) == "floor" for name in names):
        return (
            f"{where}: the rows show no floor. Use a law without one, or one whose floor may be "
            "negative."
        )
    return f"{where}: the rows do not show this part of the law. Use a law without it."


def _not_determined(weak: Mapping[str, Estimate], law: Law) -> str:
    """A sentence on the parameters that the rows do not determine, and by how much.

    The first factor has an explanation, the others are bare numbers.
    """
    named, words = [], "ends a factor of {} apart"
    for name, e in weak.items():
        if e.verdict == "wide" and e.low * e.high > 0:
            factor = shown(max(e.high / e.low, e.low / e.high), 2)
            named.append(f"{name} ({words.format(factor)}, limit {WIDEST[law.kind(name)]:g})")
            words = "{}"
        else:
            named.append(name + OPEN_ENDS.get(e.verdict, ""))
    numbers = "them as numbers" if len(weak) > 1 else "it as a number"
    return f"These rows do not determine {', '.join(named)}: do not quote {numbers}."


def _resamples(method: IntervalMethod, squares: bool) -> dict[StatusCode, str]:
    doubts: dict[StatusCode, str] = {}
    if method.converged < ENOUGH:
        remedy = (
            "a simpler law"
            if squares
            else "a larger delta of huber_log, squared_log or a simpler law"
        )
        doubts["resamples_weak"] = (
            f"{100 * (1 - method.converged):.1f}% of {method.resamples} resamples did not "
            f"converge, so the intervals rest on unfinished fits. Use {remedy}."
        )
    few = [
        f"{groups} of {name}"
        for name, groups in zip(method.cluster, method.groups, strict=True)
        if groups < FEW_CLUSTERS
    ]
    if few and method.method != "jackknife":
        doubts["few_clusters"] = (
            f"The intervals rest on few clusters ({', '.join(few)}): with fewer than "
            f"{FEW_CLUSTERS} they are too narrow. Interval jackknife is made for few clusters."
        )
    return doubts
