"""Weights of laws by how well they, fitted to the cheaper runs, predict the most expensive."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from allometry.errors import DataError
from allometry.fitting.backtest import errors_on
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.fitting.weights import inverse_square_weights
from allometry.laws import Array, Law
from allometry.plan.runs import Runs
from allometry.tables.table import Table

__all__ = ["law_weights", "weights_at_larger_scale"]

HELD_OUT = 0.1  # share of runs held out, the most expensive, since a plan extrapolates in compute
FEWEST = 3  # runs held out
BACKTEST_STARTS = 32  # of a fit to the cheaper runs; only the main fit has a full search


def law_weights(fits: Mapping[str, Fit], runs: Runs) -> dict[str, float]:
    """Weights 1/error^2, for errors on the most expensive runs of fits to the cheaper ones."""
    columns = {"N": "N", "D": "D", "L": "L"}
    table = Table({"N": runs.n, "D": runs.d, "L": runs.loss})
    options = {
        fit.law.name: FitOptions(
            objective=fit.problem.objective.name,
            delta=fit.objective.delta,
            starts=BACKTEST_STARTS,
            fixed=dict(fit.problem.fixed),
        )
        for fit in fits.values()
    }
    of_laws = weights_at_larger_scale(
        [fit.law for fit in fits.values()], table, columns, runs.compute, options
    )
    return {name: of_laws[fit.law.name] for name, fit in fits.items()}


def weights_at_larger_scale(
    laws: Sequence[Law],
    table: Table,
    columns: Mapping[str, str],
    cost: Array,
    options: Mapping[str, FitOptions],
) -> dict[str, float]:
    """Weights 1/error^2 on the most expensive tenth of the runs, by law, with sum 1.

    Args:
        cost: of each row, (rows,). options: of the fit of each law, by its name.

    Returns:
        law -> weight; 0 for a law that the other runs do not determine, and equal weights if they
        determine none.
    """
    if len(laws) == 1:
        return {laws[0].name: 1.0}
    order = np.argsort(cost, kind="stable")
    last = len(order) - max(FEWEST, int(np.ceil(HELD_OUT * len(order))))
    cheaper, costly = table.take(order[: max(last, 0)]), table.take(order[max(last, 0) :])
    return inverse_square_weights(
        {law.name: _error(law, cheaper, costly, columns, options[law.name]) for law in laws}
    )


def _error(
    law: Law, cheaper: Table, costly: Table, columns: Mapping[str, str], options: FitOptions
) -> float:
    """RMSLE, or RMSE if the objective is not in logs; infinite if the law cannot be fitted."""
    if len(cheaper) <= len(law.parameters) - len(options.fixed_parameters(law)):
        return np.inf
    try:
        fitted = fit_with(cheaper, law, columns, replace(options, resamples=0))
    except DataError:  # too few distinct sizes among the cheaper runs: the weight is 0
        return np.inf
    error = errors_on(fitted, costly, columns).of(fitted.objective.logs)
    return error if np.isfinite(error) else np.inf
