"""The default objective of a fit: by the sign of y, the number of rows and their scatter.

1. A negative y: `squared`, since logs would leave rows out.
2. Fewer than `FEW_SPARE` rows more than free parameters: `squared_log`. With so few rows an
   outlier cannot be told from noise, and the interval of squares is exact for Gaussian noise.
3. Residuals that scatter by at most `FINE`, as losses of language models do: `huber_log` with
   delta 1e-3, the common choice in that field (Hoffmann et al. 2203.15556).
4. Otherwise `huber_log` with delta 1.345 times the scatter: 95% as efficient as squares where
   noise is Gaussian (Huber 1964; Holland and Welsch 1977).
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from allometry.fitting.many_rows import some_rows
from allometry.fitting.objectives import EFFICIENT
from allometry.fitting.options import FitOptions
from allometry.fitting.problem import Problem
from allometry.fitting.search import FIRST_DELTA, search, start_points
from allometry.laws import Law
from allometry.stats.spread import robust_sd
from allometry.tables.table import Table

__all__ = ["FEW_SPARE", "FINE", "with_objective"]

FEW_SPARE = 10
FINE = 0.01
ROUGH_STARTS = 16


def with_objective(
    table: Table, law: Law, columns: Mapping[str, str], options: FitOptions
) -> tuple[FitOptions, str]:
    """The options with a named objective, and the reason for it; empty if the caller chose it.

    Raises:
        UsageError: columns that do not match the law. DataError: rows that cannot be used.
    """
    if options.objective != "auto":
        return options, ""
    if options.delta is not None:
        return replace(options, objective="huber_log"), ""
    additive = Problem.of_table(table, law, columns, replace(options, objective="squared"))
    if (additive.rows.y < 0).any():
        return replace(options, objective="squared"), f"some {law.response} are negative"
    squares = replace(options, objective="squared_log")
    if options.interval == "profile":
        return squares, "interval profile needs squares"
    robust = replace(options, objective="huber_log", delta=FIRST_DELTA)
    rough = Problem.of_table(table, law, columns, robust)
    spare = len(rough.rows.y) - len(rough.free)
    if spare < FEW_SPARE:
        return squares, "so few rows cannot tell an outlier from noise"
    scatter = _scatter(rough, options.seed)
    if not np.isfinite(scatter):
        raise rough.without_value()
    if scatter <= FINE:
        return replace(robust, delta=1e-3), f"the residuals scatter by only {scatter:.2%}"
    delta = float(f"{EFFICIENT * scatter:.3g}")
    reason = f"{EFFICIENT} times the scatter of the residuals, {scatter:.2%}"
    return replace(robust, delta=delta), reason


def _scatter(problem: Problem, seed: int) -> float:
    """Robust standard deviation of the residuals of a Huber fit with a large delta."""
    places = some_rows(problem.rows, problem.law.per_row, seed)
    surface, weights = problem.centred().of_rows(places), problem.rows.weights[places]
    ended = search(surface, start_points(surface, ROUGH_STARTS, seed), weights)
    best = ended.u[[int(np.argmin(ended.value))]]
    return robust_sd(surface.plain_residuals(best)[0], len(surface.free))
