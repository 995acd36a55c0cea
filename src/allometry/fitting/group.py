"""Comparison of laws in one group of rows, all of which every law can use.

If the caller gives no delta of huber_log, it is 1.345 standard deviations of the residuals.
Huber's estimate then has 95% of the efficiency of least squares if residuals are Gaussian (Holland
and Welsch 1977, Communications in Statistics A 6, 813-827), and gross outliers have little
influence. The standard deviation is a robust one, of the law with the most free parameters, fitted
with a delta of 0.05 from few starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allometry.errors import DataError
from allometry.fitting.backtest import (
    NO_BACKTEST,
    Errors,
    errors,
    errors_on,
    predictions_on,
    response,
    rolling_origin,
)
from allometry.fitting.choice import Candidate, cannot_tell, far_sizes
from allometry.fitting.comparison import Comparison, LawScore
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.objectives import EFFICIENT, OBJECTIVES
from allometry.fitting.options import FitOptions, Rule
from allometry.fitting.rows import sizes_of
from allometry.fitting.weights import (
    akaike_weights,
    average,
    information,
    inverse_square_weights,
)
from allometry.laws import Array, Law
from allometry.stats.spread import robust_sd
from allometry.tables.table import Table

__all__ = ["FIRST_DELTA", "Group", "adapted"]

FIRST_DELTA = 0.05  # of the fit that gives the standard deviation
FIRST_STARTS = 32  # most starts of that fit: a standard deviation does not need the best optimum
NARROWEST = 1e-3  # delta for a table without noise: the default of a single fit


def adapted(
    table: Table, laws: Mapping[str, Law], columns: Mapping[str, str], options: FitOptions
) -> FitOptions:
    """The options with delta derived from the residuals; unchanged unless huber_log."""
    if options.objective != "huber_log":
        return options
    widest = max(laws.values(), key=lambda law: _free(law, options))
    starts = min(options.starts or widest.default_starts, FIRST_STARTS)
    first = replace(_options_of(widest, options), delta=FIRST_DELTA, starts=starts)
    fit = fit_with(table, widest, columns, first)
    sd = robust_sd(fit.residuals(), _free(widest, options))
    return replace(options, delta=max(NARROWEST, EFFICIENT * sd))


@dataclass(frozen=True)
class _Result:
    """Result for one law: a fit and its back-test, or the reason why there is no fit."""

    fit: Fit | None
    reason: str
    backtest: Errors


@dataclass(frozen=True, eq=False)
class Group:
    """Laws, the rows to fit and the rows set aside.

    Attributes:
        laws: name -> law. columns: law symbol -> column.
        train: rows to fit. size: of each of these rows, for the back-test (n,).
        test: rows set aside, on which every law can be scored.
        backtest: whether to fit rolling origins. rule: of the weights.
    """

    laws: Mapping[str, Law]
    columns: Mapping[str, str]
    options: FitOptions
    train: Table
    size: Array
    test: Table
    backtest: bool
    rule: Rule

    # Laws far from the data overflow. Errors that are not finite are reported, not raised.
    @np.errstate(all="ignore")
    def compare(self) -> Comparison:
        """Fit, back-test and weigh the laws.

        Raises:
            DataError: none of the laws can be fitted.
        """
        if not self.fits:
            reason = next(iter(self.results.values())).reason
            raise DataError(f"none of the laws could be fitted: {reason}")
        weights = self.weights
        options = self.options
        return Comparison(
            by={},
            laws=self.scores(),
            chosen=max(weights, key=lambda name: weights[name]),
            objective=options.named_objective,
            averaged=self.averaged_errors(),
            rows=len(self.train),
            delta=options.delta if options.objective == "huber_log" else None,
            cannot_tell=self.doubt(),
        )

    @property
    def logs(self) -> bool:
        """Whether residuals are of log y."""
        return OBJECTIVES[self.options.named_objective].logs

    @cached_property
    def results(self) -> dict[str, _Result]:
        """Every law's fit and back-test; a law under two names is fitted once."""
        results: dict[str, _Result] = {}
        for name, law in self.laws.items():
            twin = next((n for n in results if self.laws[n] == law), None)
            results[name] = self.result(law) if twin is None else results[twin]
        return results

    def result(self, law: Law) -> _Result:
        """The fit of one law to all rows, and its back-test."""
        options = _options_of(law, self.options)
        try:
            fit = fit_with(self.train, law, self.columns, options)
        except DataError as refusal:
            return _Result(None, str(refusal), NO_BACKTEST)
        if not self.backtest:
            return _Result(fit, "", NO_BACKTEST)
        return _Result(fit, "", rolling_origin(law, self.train, self.size, self.columns, options))

    @cached_property
    def fits(self) -> dict[str, Fit]:
        """Fits of the laws that could be fitted."""
        return {name: r.fit for name, r in self.results.items() if r.fit is not None}

    @cached_property
    def weights(self) -> dict[str, float]:
        """Weight of each law that could be fitted."""
        if self.rule == "backtest":
            return inverse_square_weights(
                {name: self.results[name].backtest.of(self.logs) for name in self.fits}
            )
        return akaike_weights(self.fits)

    def scores(self) -> dict[str, LawScore]:
        """Score of each law."""
        criteria = information(self.fits)
        return {
            name: LawScore(
                name,
                result.fit,
                "",
                result.backtest,
                self.weights[name],
                errors_on(result.fit, self.test, self.columns),
                *criteria[name],
            )
            if result.fit is not None
            else LawScore.refused(name, result.reason)
            for name, result in self.results.items()
        }

    def averaged_errors(self) -> Errors:
        """Errors of the average of the laws on the rows set aside; NaN if there are none."""
        if not len(self.test):
            return Errors()
        predictions = {
            name: (self.weights[name], predictions_on(fit, self.test, self.columns))
            for name, fit in self.fits.items()
            if self.weights[name] > 0
        }
        law = next(iter(self.laws.values()))
        measured = response(self.test, self.columns, law)
        return errors(average(predictions, logs=self.logs), measured)

    def doubt(self) -> str:
        """Why the weights do not decide between the laws, or empty."""
        law = next(iter(self.laws.values()))
        if len(self.test):
            sizes, where = sizes_of(self.test, law, self.columns), "on the rows set aside"
        elif law.per_row:
            sizes, where = far_sizes(self.fits), "at ten times the largest size"
        else:
            return ""
        candidates = {
            name: Candidate(fit, self.weights[name], self.results[name].backtest.of(self.logs))
            for name, fit in self.fits.items()
        }
        return cannot_tell(candidates, sizes, where, logs=self.logs)


def _free(law: Law, options: FitOptions) -> int:
    """Number of parameters to fit."""
    return len(law.parameters) - len(options.fixed_parameters(law))


def _options_of(law: Law, options: FitOptions) -> FitOptions:
    """The options for one law: `fixed` has only its parameters, or is None if none is left."""
    fixed = {n: v for n, v in (options.fixed or {}).items() if n in law.names}
    return replace(options, fixed=fixed or None)
