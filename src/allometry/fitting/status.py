"""The verdict on a fit in one code and in words: what was found, and what to do about it."""

from collections.abc import Mapping

from allometry.fitting.document import Certificate, Status, StatusCode
from allometry.fitting.identifiability import Design
from allometry.fitting.intervals import WIDEST, Estimate, IntervalMethod
from allometry.fitting.problem import Problem
from allometry.fitting.resample import FEW_CLUSTERS
from allometry.laws import Law

__all__ = ["ENOUGH_REFITS", "judged"]

WEAK = ("wide", "lower_bound_only", "upper_bound_only", "not_identified")
ENOUGH = 0.99  # share of resamples that must have converged
ENOUGH_REFITS = 0.9  # the share below which no parameter is called identified
ARTICLES = {"coefficient": "a coefficient", "exponent": "an exponent", "floor": "a floor"}


def judged(
    certificate: Certificate,
    parameters: Mapping[str, Estimate],
    method: IntervalMethod,
    problem: Problem,
    rows_design: Design,
) -> Status:
    """The gravest doubt gives the code; every doubt gives a sentence.

    Args:
        certificate: of the search. parameters: with their verdicts.
        method: of the intervals. problem: that was solved.
        rows_design: what the sizes of the rows leave open.
    """
    squares = problem.objective.squares
    exact = problem.exact({name: e.value for name, e in parameters.items()})
    doubts = {
        **_search(certificate, squares),
        **_spare(problem, exact),
        **_parameters(certificate, parameters, problem.law, rows_design),
        **({} if exact else _resamples(method, squares)),
    }
    if not doubts:
        return Status("converged", _agreement(certificate))
    return Status(next(iter(doubts)), " ".join(doubts.values()))


def _agreement(c: Certificate) -> str:
    if c.one_basin:
        return "The objective has one optimum, and it was reached."
    return f"{c.best_basin_share:.0%} of {c.starts} starts agree on this optimum."


def _search(c: Certificate, squares: bool) -> dict[StatusCode, str]:
    doubts: dict[StatusCode, str] = {}
    if not c.polished:
        softer = "" if squares else "a larger delta of huber_log, squared_log, "
        doubts["not_converged"] = (
            f"The gradient is {c.gradient_norm:.2g} at the best point: not proven an optimum. "
            f"Use more starts, {softer}or a simpler law."
        )
    if c.polished and not c.proven:
        who = (
            f"Only one of {c.starts} starts"
            if c.reached
            else f"None of {c.starts} starts by itself"
        )
        doubts["found_once"] = (
            f"{who} reached the best value: there may be a better one. Use more starts."
        )
    return doubts


def _spare(problem: Problem, exact: bool) -> dict[StatusCode, str]:
    rows, free = len(problem.rows.y), len(problem.free)
    if rows <= free:
        through = "passes through every row" if exact else "has no row to spare"
        return {
            "no_spare_rows": f"{rows} rows for {free} free parameters: the law {through}, so "
            "nothing tells how sure it is. Add rows or use a simpler law."
        }
    if exact:
        return {
            "noise_free": "The law passes through every row: rows without noise. The "
            "parameters are exact, and nothing tells how sure they would be with noise."
        }
    return {}


def _parameters(
    c: Certificate, parameters: Mapping[str, Estimate], law: Law, rows_design: Design
) -> dict[StatusCode, str]:
    doubts: dict[StatusCode, str] = {}
    if c.active_bounds:
        why = "the data do not contain this part of the law; use a simpler law"
        doubts["bound_active"] = (
            f"{', '.join(c.active_bounds)} ran into the solver's bound: {rows_design.falls or why}."
        )
    sentences = []
    if rows_design.confounded:
        sentences.append(
            f"{rows_design.relation}: these rows do not tell the effects of the two apart, and "
            f"{', '.join(rows_design.confounded)} are open. {rows_design.along}".strip()
        )
    weak = [
        f"{name} ({_in_words(law, name, e)})"
        for name, e in parameters.items()
        if e.verdict in WEAK and name not in rows_design.confounded
    ]
    if weak:
        sentences.append(f"The data do not fix {', '.join(weak)}: do not quote as numbers.")
    if sentences:
        doubts["not_identified"] = " ".join(sentences)
    return doubts


def _in_words(law: Law, name: str, e: Estimate) -> str:
    if e.verdict != "wide":
        return e.verdict.replace("_", " ")
    if e.low == e.high:
        return "all refits give one value"
    if e.low * e.high <= 0:
        return "its sign is open"
    ratio = max(e.high / e.low, e.low / e.high)
    kind = law.kind(name)
    return f"ends apart by a factor of {ratio:.2g}; {WIDEST[kind]:g} at most for {ARTICLES[kind]}"


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
            "converge in the steps allowed: the intervals rest on unfinished fits; "
            f"{remedy} makes them firm."
        )
    few = [
        f"{groups} of {name}"
        for name, groups in zip(method.cluster, method.groups, strict=True)
        if groups < FEW_CLUSTERS
    ]
    if few and method.method != "jackknife":
        doubts["few_clusters"] = (
            f"The intervals rest on few clusters ({', '.join(few)}): with less than "
            f"{FEW_CLUSTERS} they are too narrow; interval jackknife is made for few."
        )
    return doubts
