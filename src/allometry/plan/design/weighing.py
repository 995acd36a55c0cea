"""How much each law counts: by how it, fitted to the cheaper runs, predicts the dearest ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from allometry.errors import DataError
from allometry.fitting.backtest import errors_on
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.fitting.weights import inverse_square_weights
from allometry.laws import Array, Law
from allometry.tables.table import Table

__all__ = ["weights_at_larger_scale"]

HELD_OUT = 0.1  # share of the runs, the dearest: a plan is an extrapolation to dearer ones
FEWEST = 3  # runs held out


def weights_at_larger_scale(
    laws: Sequence[Law],
    table: Table,
    columns: Mapping[str, str],
    cost: Array,
    options: Mapping[str, FitOptions],
) -> dict[str, float]:
    """1 over the squared error on the dearest tenth of the runs, by law, of sum 1.

    Args:
        cost: of each row, (rows,). options: of the fit of each law, by its name.

    Returns:
        0 for a law that the other runs cannot determine; equal weights where none can be.
    """
    if len(laws) == 1:
        return {laws[0].name: 1.0}
    order = np.argsort(cost, kind="stable")
    last = len(order) - max(FEWEST, int(np.ceil(HELD_OUT * len(order))))
    cheaper, dearest = table.take(order[: max(last, 0)]), table.take(order[max(last, 0) :])
    return inverse_square_weights(
        {law.name: _error(law, cheaper, dearest, columns, options[law.name]) for law in laws}
    )


def _error(
    law: Law, cheaper: Table, dearest: Table, columns: Mapping[str, str], options: FitOptions
) -> float:
    """Of the logs where the objective is in logs; infinite where the law cannot be fitted."""
    if len(cheaper) <= len(law.parameters) - len(options.fixed_parameters(law)):
        return np.inf
    try:
        fitted = fit_with(cheaper, law, columns, replace(options, resamples=0))
    except DataError:  # too few distinct sizes among the cheaper runs: no weight
        return np.inf
    error = errors_on(fitted, dearest, columns).of(fitted.objective.logs)
    return error if np.isfinite(error) else np.inf
