"""The verdict on a fit in one code and in words: what was found, and what to do about it."""

from collections.abc import Mapping

from allometry.fitting.document import Certificate, Status, StatusCode
from allometry.fitting.intervals import Estimate, IntervalMethod

__all__ = ["judged"]

WEAK = ("lower_bound_only", "upper_bound_only", "not_identified")
ENOUGH = 0.99  # share of resamples that must have converged


def judged(
    certificate: Certificate,
    parameters: Mapping[str, Estimate],
    method: IntervalMethod,
    rows: int,
    falls: str = "",
) -> Status:
    """The gravest doubt gives the code; every doubt gives a sentence.

    Args:
        certificate: of the search. parameters: with their verdicts.
        method: of the intervals. rows: used in the fit.
        falls: that the law cannot rise as the data do, see `allometry.fitting.direction`.
    """
    doubts = {
        **_search(certificate),
        **_spare(parameters, rows),
        **_parameters(certificate, parameters, falls),
        **_resamples(method),
    }
    if not doubts:
        share, starts = certificate.best_basin_share, certificate.starts
        return Status("converged", f"{share:.0%} of {starts} starts agree on this optimum.")
    return Status(next(iter(doubts)), " ".join(doubts.values()))


def _search(c: Certificate) -> dict[StatusCode, str]:
    doubts: dict[StatusCode, str] = {}
    if not c.polished:
        doubts["not_converged"] = (
            f"The gradient is {c.gradient_norm:.2g} at the best point: not proven an optimum. "
            "Use more starts, a larger delta of huber_log, squared_log, or a simpler law."
        )
    reached = round(c.best_basin_share * c.starts)
    if reached < 2 <= c.starts:
        who = (
            f"Only one of {c.starts} starts" if reached else f"None of {c.starts} starts by itself"
        )
        doubts["found_once"] = (
            f"{who} reached the best value: there may be a better one. Use more starts."
        )
    return doubts


def _spare(parameters: Mapping[str, Estimate], rows: int) -> dict[StatusCode, str]:
    free = sum(e.verdict != "fixed" for e in parameters.values())
    if rows > free:
        return {}
    text = (
        f"{rows} rows for {free} free parameters: the law passes through every row, so nothing "
        "tells how sure it is. Add rows or use a simpler law."
    )
    return {"no_spare_rows": text}


def _parameters(
    c: Certificate, parameters: Mapping[str, Estimate], falls: str
) -> dict[StatusCode, str]:
    doubts: dict[StatusCode, str] = {}
    if c.active_bounds:
        why = "the data do not contain this part of the law; use a simpler law"
        doubts["bound_active"] = (
            f"{', '.join(c.active_bounds)} ran into the solver's bound: {falls or why}."
        )
    weak = [
        f"{name} ({e.verdict.replace('_', ' ')})"
        for name, e in parameters.items()
        if e.verdict in WEAK
    ]
    if weak:
        doubts["not_identified"] = (
            f"The data do not fix {', '.join(weak)}: do not quote as numbers."
        )
    return doubts


def _resamples(method: IntervalMethod) -> dict[StatusCode, str]:
    if method.converged >= ENOUGH:
        return {}
    text = (
        f"{100 * (1 - method.converged):.1f}% of {method.resamples} resamples did not converge "
        "in the steps allowed: the intervals rest on unfinished fits; a larger delta of huber_log, "
        "squared_log or a simpler law makes them firm."
    )
    return {"resamples_weak": text}
