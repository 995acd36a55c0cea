"""Errors of a law on rows it was not fitted to: held-out rows and rolling origins."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allometry.errors import DataError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.fitting.rows import sizes_of
from allometry.laws import Array, Law
from allometry.tables.table import Table

__all__ = [
    "NO_BACKTEST",
    "Errors",
    "errors",
    "errors_on",
    "predictions_on",
    "response",
    "rolling_origin",
]

ORIGINS = (0.5, 0.65, 0.8)  # shares of the distinct sizes, smallest first, that are fitted
INFINITE, NAN = float("inf"), float("nan")


@dataclass(frozen=True)
class Errors:
    """Typical error of predictions.

    Attributes:
        rmsle: root mean squared difference of natural logs; infinite if a prediction is <= 0
            or not finite, NaN if a measured value is <= 0 or there are no rows.
        rmse: root mean squared difference, in the unit of the response; infinite if a
            prediction is not finite, NaN without rows.
    """

    rmsle: float = NAN
    rmse: float = NAN

    def of(self, logs: bool) -> float:
        """The RMSLE for objectives in logs, the RMSE for the others."""
        return self.rmsle if logs else self.rmse


NO_BACKTEST = Errors(INFINITE, INFINITE)


def errors(predicted: Array, measured: Array) -> Errors:
    """Both errors of predictions (n,) of measured values (n,)."""
    if not len(measured):
        return Errors()
    if not np.isfinite(predicted).all():
        return Errors(INFINITE, INFINITE)
    rmse = float(np.sqrt(np.mean((predicted - measured) ** 2)))
    if (measured <= 0).any():
        return Errors(NAN, rmse)
    if (predicted <= 0).any():
        return Errors(INFINITE, rmse)
    return Errors(float(np.sqrt(np.mean((np.log(predicted) - np.log(measured)) ** 2))), rmse)


def rolling_origin(
    law: Law, table: Table, size: Array, columns: Mapping[str, str], options: FitOptions
) -> Errors:
    """Errors of fits to the smaller sizes on the larger ones, pooled over the origins.

    Args:
        table: rows that the law can use. size: of each row (n,).

    Returns:
        root mean square over the origins of each error; infinite if no origin leaves enough rows.
    """
    sizes = np.unique(size)
    needed = len(law.parameters) - len(options.fixed_parameters(law)) + 1
    per_origin = []
    for share in ORIGINS:
        last = int(np.ceil(share * len(sizes)))
        seen = size <= sizes[min(last, len(sizes)) - 1] if last else np.zeros(len(size), bool)
        if last < needed or seen.all():
            continue
        try:
            fit = fit_with(table.take(seen), law, columns, options)
        except DataError:
            continue  # too few usable rows below this origin; the next one has more
        per_origin.append(errors_on(fit, table.take(~seen), columns))
    if not per_origin:
        return NO_BACKTEST
    return Errors(
        float(np.sqrt(np.mean([e.rmsle**2 for e in per_origin]))),
        float(np.sqrt(np.mean([e.rmse**2 for e in per_origin]))),
    )


def errors_on(fit: Fit, table: Table, columns: Mapping[str, str]) -> Errors:
    """Errors on the rows of a table; NaN if it has none."""
    if not len(table):
        return Errors()
    return errors(predictions_on(fit, table, columns), response(table, columns, fit.law))


def predictions_on(fit: Fit, table: Table, columns: Mapping[str, str]) -> Array:
    """The law at every row of a table, (rows,)."""
    if not len(table):
        return np.zeros(0)
    with np.errstate(all="ignore"):
        return fit.predict(sizes_of(table, fit.law, columns))


def response(table: Table, columns: Mapping[str, str], law: Law) -> Array:
    """Measured values of the law's response, (rows,)."""
    return np.asarray(table[columns[law.response]], float)
