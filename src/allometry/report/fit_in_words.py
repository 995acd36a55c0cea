"""A fit in words: parameters, verdicts and certificate, for the terminal and the report."""

from typing import Any, NamedTuple

import numpy as np

from allometry.fitting.document import Fit
from allometry.fitting.influence import without_rows
from allometry.fitting.objectives import OBJECTIVES
from allometry.fitting.rows import left_out
from allometry.stats.digits import shown

__all__ = [
    "VERDICTS", "EstimateRow", "certificate_lines", "estimate_rows", "section_of_fit",
    "summary_of_fit",
]  # fmt: skip

VERDICTS = {
    "identified": "identified by these data",
    "wide": "not identified: wide interval",
    "unproven": "not identified: fit not proven",
    "lower_bound_only": "bounded from below only",
    "upper_bound_only": "bounded from above only",
    "not_identified": "not identified by these data",
    "fixed": "held fixed",
    "no_interval": "no interval taken",
}


class EstimateRow(NamedTuple):
    """One parameter as the report shows it."""

    name: str
    meaning: str
    shown: str
    verdict: str
    sure: bool


def estimate_rows(fit: Fit) -> list[EstimateRow]:
    """Parameters in the law's order, then derived quantities."""
    laws = (fit.law, fit.law.companion) if fit.law.companion else (fit.law,)
    meanings = {p.name: p.meaning for law in laws for p in law.parameters}
    meanings |= fit.law.meanings
    texts = fit.shown()
    return [
        EstimateRow(
            name,
            meanings.get(name, "computed from the parameters"),
            texts[name],
            VERDICTS.get(e.verdict, e.verdict.replace("_", " ")),
            e.verdict in ("identified", "fixed"),
        )
        for name, e in {**fit.parameters, **fit.derived}.items()
    ]


def summary_of_fit(fit: Fit) -> str:
    """The number of rows and the columns of a fit."""
    columns = ", ".join(f"{symbol} = {column}" for symbol, column in fit.columns.items())
    return f"{fit.rows} rows; {columns}"


def section_of_fit(name: str, fit: Fit) -> dict[str, Any]:
    """The values that a page shows of a fit."""
    return {
        "name": name,
        "formula": fit.formula,
        "source": fit.law.source,
        "estimates": estimate_rows(fit),
        "level": f"{100 * fit.interval.level:g}%",
        "status": f"{fit.status.code}: {fit.status.advice}",
        "sound": fit.status.code == "converged",
        "lines": certificate_lines(fit),
        "summary": summary_of_fit(fit),
    }


def certificate_lines(fit: Fit) -> list[str]:
    """Objective, search, rows left out, residuals, intervals and notes, one sentence each."""
    c, lines = fit.certificate, [_objective_line(fit)]
    lines.append(
        f"Search: {_counted(c.starts, 'start')}, {c.converged:.0%} converged, "
        f"{c.best_basin_share:.0%} at the best value (sum over rows "
        f"{shown(fit.objective.value)}); gradient there {shown(c.gradient_norm, 2)}."
    )
    if c.runner_up_value is not None:
        at = ", ".join(f"{name} = {shown(v)}" for name, v in c.runner_up.items())
        where = f" at {at}" if at else ""
        lines.append(f"Next best optimum: {shown(c.runner_up_value)}{where}.")
    if rows := left_out(fit.dropped):
        lines.append(f"{rows}.")
    lines.extend(_quality_lines(fit))
    lines.append(_interval_line(fit))
    lines.extend(_cluster_line(fit))
    if fit.variance:
        unit = f"{'log ' if fit.objective.logs else ''}{fit.law.response}"
        parts = ", ".join(f"{name} {shown(v, 2)}" for name, v in fit.variance.items())
        lines.append(f"Standard deviation of {unit} by source: {parts}.")
    notes = [note for note in fit.notes if note not in fit.status.advice]
    lines.extend(note if note.endswith(".") else f"{note}." for note in notes)
    return lines


def _counted(count: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _objective_line(fit: Fit) -> str:
    objective = fit.objective
    delta = "" if objective.delta is None else f" with delta {objective.delta:g}"
    reason = f", because {objective.reason}" if objective.reason else ""
    if (
        objective.reason
        and objective.delta is not None
        and objective.delta > OBJECTIVES["huber_log"].delta
    ):
        reason = f": {objective.reason}"
    return f"Objective: {objective.name}{delta}{reason}."


def _quality_lines(fit: Fit) -> list[str]:
    """Sentences on residuals, patterns and outliers, and the fit without the outliers."""
    lines = fit.quality_in_words()
    if not fit.quality.outliers:
        return lines
    without = without_rows(fit, [outlier.row for outlier in fit.quality.outliers])
    values = ", ".join(f"{name} = {shown(value, 4)}" for name, value in without.items())
    rows = "them" if len(fit.quality.outliers) > 1 else "it"
    lines.append(
        f"Fitted without {rows}: {values}." if values else f"Without {rows} no fit was reached."
    )
    return lines


def _cluster_line(fit: Fit) -> list[str]:
    """Advice to choose `cluster`, if a size has at most half as many values as there are rows."""
    if fit.interval.cluster or not fit.interval.resamples:
        return []
    counts = {s: len(np.unique(fit.data[s])) for s in fit.law.sizes}
    symbol = min(counts, key=lambda s: counts[s])
    if 2 * counts[symbol] > fit.rows:
        return []
    return [
        f"The {fit.rows} rows have {counts[symbol]} values of {symbol}. If rows share an error "
        "(checkpoints of one run, seeds of one size), name the column of the run or size as "
        "cluster; otherwise the intervals are too narrow."
    ]


def _interval_line(fit: Fit) -> str:
    how, level = fit.interval, f"{100 * fit.interval.level:g}%"
    if not how.resamples:
        return "No intervals were taken."
    if how.method == "profile":
        return f"Intervals: {level} profiles, all other parameters refitted at every value."
    counts = how.groups or [""] * len(how.cluster)  # documents of older versions have no counts
    clusters = " and ".join(
        f"{groups} clusters of equal {name}".strip()
        for name, groups in zip(how.cluster, counts, strict=True)
    )
    resamples = {
        "pairs": f"{how.resamples} resamples of {clusters or 'rows'}",
        "fractional": f"{how.resamples} refits with random weights of {clusters or 'rows'}",
        "residual": f"{how.resamples} refits to resampled residuals"
        + (f", signs by {clusters}" if clusters else ""),
        "student": f"{how.resamples} refits to simulated residuals, scaled as Student's t",
        "jackknife": f"{clusters}, each left out in turn, with Student's t",
    }[how.method]
    return f"Intervals: {level} from {resamples}; {how.converged:.1%} of the refits converged."
