"""How far off a law is on rows it was not fitted to: held-out rows and rolling origins.

RMSLE is the root mean squared difference of natural logs.
"""

from collections.abc import Mapping

import numpy as np

from allometry.errors import DataError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.fitting.rows import Mask, sizes_of
from allometry.laws import Array, Law
from allometry.tables.table import Table

__all__ = ["error_on", "predictions_on", "response", "rmsle", "rolling_origin", "usable_rows"]

ORIGINS = (0.5, 0.65, 0.8)  # shares of the distinct sizes that a back-test may see


def rmsle(predicted: Array, measured: Array) -> float:
    """Root mean squared difference of natural logs; infinite where a value is <= 0."""
    if not len(measured):
        return float("nan")
    if not (np.isfinite(predicted).all() and (predicted > 0).all()):
        return float("inf")
    return float(np.sqrt(np.mean((np.log(predicted) - np.log(measured)) ** 2)))


def rolling_origin(
    law: Law, table: Table, size: Array, columns: Mapping[str, str], options: FitOptions
) -> float:
    """Pooled RMSLE of fits to the smaller sizes, on the larger ones.

    Args:
        size: of each row (n,).

    Returns:
        infinity if no origin leaves enough rows.
    """
    sizes = np.unique(size[np.isfinite(size)])
    needed = len(law.parameters) - len(law.fixed) + 1
    squares = []
    for share in ORIGINS:
        last = int(np.ceil(share * len(sizes)))
        seen = size <= sizes[min(last, len(sizes)) - 1] if last else np.zeros(len(size), bool)
        if last < needed or seen.all():
            continue
        try:
            fit = fit_with(table.take(seen), law, columns, options)
        except DataError:
            continue  # too few usable rows below this origin: the next one may do
        squares.append(error_on(fit, table.take(~seen), columns) ** 2)
    return float(np.sqrt(np.mean(squares))) if squares else float("inf")


def error_on(fit: Fit, table: Table, columns: Mapping[str, str]) -> float:
    """RMSLE on the usable rows of a table; NaN if it has none."""
    if not len(table):
        return float("nan")
    usable = usable_rows(table, columns, fit.law)
    measured = response(table, columns, fit.law)
    return rmsle(predictions_on(fit, table, columns)[usable], measured[usable])


def predictions_on(fit: Fit, table: Table, columns: Mapping[str, str]) -> Array:
    """The law at every row of a table, (rows,)."""
    if not len(table):
        return np.zeros(0)
    with np.errstate(all="ignore"):
        return fit.predict(sizes_of(table, fit.law, columns))


def response(table: Table, columns: Mapping[str, str], law: Law) -> Array:
    """What the law predicts, as measured, (rows,)."""
    return np.asarray(table[columns[law.response]], float)


def usable_rows(table: Table, columns: Mapping[str, str], law: Law) -> Mask:
    """Rows with a positive response and finite numbers in every column mapped."""
    if not len(table):
        return np.zeros(0, bool)
    usable = response(table, columns, law) > 0
    for column in columns.values():
        usable &= np.isfinite(np.asarray(table[column], float))
    return usable
