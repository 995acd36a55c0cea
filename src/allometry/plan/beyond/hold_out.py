"""Errors of a law fitted to small runs on larger, held-out runs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.fitting.backtest import errors, predictions_on
from allometry.fitting.document import Fit
from allometry.fitting.rows import sizes_of
from allometry.laws import Array
from allometry.stats.interval import Interval
from allometry.stats.means import share
from allometry.tables.table import Table

__all__ = ["HoldOut", "hold_out"]


@dataclass(frozen=True)
class HoldOut:
    """The score of a law on held-out runs.

    Attributes:
        measured, predicted: (m,). relative_error: predicted / measured - 1, (m,).
        low, high: ends of the interval of a new run, (m,); NaN where the fit has no resamples.
        covered: whether the measured value lies between them, (m,); None without resamples.
        r_squared: 1 minus the sum of squared errors over that about the mean of the held-out runs.
            It is negative if the mean predicts better, and NaN if the losses do not vary.
        mape: mean absolute relative error. rmsle: root mean squared difference of logarithms.
        rows: position of each run in the table.
        beyond: symbol -> the largest held-out size over the largest fitted one.
    """

    measured: Array
    predicted: Array
    relative_error: Array
    low: Array
    high: Array
    covered: NDArray[np.bool_] | None
    r_squared: float
    mape: float
    rmsle: float
    rows: NDArray[np.intp]
    beyond: dict[str, float]

    @property
    def coverage(self) -> Interval | None:
        """The share of runs within the interval of a new run, with a 95% interval; or None."""
        if self.covered is None:
            return None
        return share(int(self.covered.sum()), len(self.covered))


def hold_out(fit: Fit, table: Table, level: float | None = None) -> HoldOut:
    """Score a fit on runs it has not seen.

    Args:
        table: the held-out runs, with the columns of the fit. level: of the interval of a new
            run; None for the level of the fit.

    Raises:
        DataError: no row has a positive loss and the law's sizes.
    """
    symbol = fit.law.response
    measured = table.numbers(fit.columns[symbol], symbol)
    predicted = predictions_on(fit, table, fit.columns)
    usable = np.isfinite(predicted) & np.isfinite(measured) & (measured > 0)
    if not usable.any():
        raise DataError("no held-out row has a positive loss and the sizes of the law")
    rows = np.flatnonzero(usable)
    measured, predicted = measured[rows], predicted[rows]
    sizes = {s: v[rows] for s, v in sizes_of(table, fit.law, fit.columns).items()}
    low = high = np.full(len(rows), np.nan)
    if fit.draws:
        low, high = fit.predict_interval(sizes, level, of="run")
    spread = float(np.sum((measured - measured.mean()) ** 2))
    squares = float(np.sum((measured - predicted) ** 2))
    relative = predicted / measured - 1
    return HoldOut(
        measured, predicted, relative, low, high,
        (low <= measured) & (measured <= high) if fit.draws else None,
        1 - squares / spread if spread > 0 else float("nan"),
        float(np.abs(relative).mean()), errors(predicted, measured).rmsle, rows,
        {s: float(v.max() / fit.data[s].max()) for s, v in sizes.items()},
    )  # fmt: skip
