"""Which law extrapolates: several laws fitted to the same rows, choice and average.

The choice and the weights come from the fit rows only. On 72 published vision curves laws
chosen by AICc extrapolated better than laws chosen by back-test (rolling origin inside the
fit rows), which is therefore told beside it and used where asked. The rule and the default
delta were picked among some twenty rules and eight objectives with the test rows of those
curves in view: its scores on that benchmark are optimistic. In a comparison itself, rows
set aside touch neither choice nor weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from allometry import laws
from allometry.errors import DataError, UsageError
from allometry.fitting.backtest import (
    error_on,
    predictions_on,
    response,
    rmsle,
    rolling_origin,
    usable_rows,
)
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.mapping import check_response
from allometry.fitting.options import COMPARE_DELTA, RULES, FitOptions, ObjectiveName, Rule
from allometry.fitting.rows import Mask, Places, condition
from allometry.fitting.weights import akaike_weights, average, information, inverse_square_weights
from allometry.laws import Array, Law
from allometry.tables.read import TableLike, as_table
from allometry.tables.table import Table

__all__ = ["Comparison", "LawScore", "compare", "document"]

SCHEMA = "allometry/compare/1"
INFINITE, NAN = float("inf"), float("nan")


@dataclass(frozen=True)
class LawScore:
    """How one law did in one group.

    Attributes:
        law: its name, or the alias it was asked for by.
        fit: to all fit rows; None where the law could not be fitted, see `reason`.
        backtest_rmsle: over rolling origins inside the fit rows; infinite if none.
        weight: in the average.
        extrapolation_rmsle: on the rows set aside, NaN if there are none.
        aicc, bic: of the fit rows, with residuals of log y taken as Gaussian.
    """

    law: str
    fit: Fit | None = field(repr=False)
    reason: str
    backtest_rmsle: float
    weight: float
    extrapolation_rmsle: float
    aicc: float
    bic: float

    def to_document(self) -> dict[str, object]:
        """The law's part of the compare document."""
        fit = self.fit
        return {
            "extrapolation_rmsle": _finite(self.extrapolation_rmsle),
            "weight": self.weight,
            "backtest_rmsle": _finite(self.backtest_rmsle),
            "aicc": _finite(self.aicc),
            "bic": _finite(self.bic),
            "reason": self.reason,
            "parameters": fit.values if fit else {},
            "status": {"code": fit.status.code, "advice": fit.status.advice} if fit else None,
        }


@dataclass(frozen=True)
class Comparison:
    """Laws side by side in one group of rows.

    Attributes:
        by: column -> value that makes the group.
        laws: name as asked for -> score.
        chosen: name of the law with the largest weight.
        averaged_rmsle: of the average on the rows set aside, NaN if there are none.
        rows: fitted. test_rows: set aside. duplicates: left out.
    """

    by: dict[str, object]
    laws: dict[str, LawScore]
    chosen: str
    averaged_rmsle: float
    rows: int
    test_rows: int
    duplicates: int

    def predict(self, sizes: Mapping[str, Array]) -> Array:
        """The average of the laws, weighted in log y."""
        return average(
            {
                name: (score.weight, score.fit.predict(sizes))
                for name, score in self.laws.items()
                if score.fit is not None and score.weight > 0
            }
        )

    def to_document(self) -> dict[str, object]:
        """The group's part of the compare document."""
        chosen = self.laws[self.chosen]
        return {
            "by": self.by,
            "rows": self.rows,
            "test_rows": self.test_rows,
            "duplicates": self.duplicates,
            "laws": {name: score.to_document() for name, score in self.laws.items()},
            "chosen": {
                "law": self.chosen,
                "extrapolation_rmsle": _finite(chosen.extrapolation_rmsle),
            },
            "averaged": {"extrapolation_rmsle": _finite(self.averaged_rmsle)},
        }


def compare(
    table: TableLike,
    columns: Mapping[str, str],
    names: Sequence[str | Law],
    *,
    fit_where: Sequence[str] = (),
    by: Sequence[str] = (),
    hold_out: int = 0,
    backtest: bool | None = None,
    rule: Rule = "aicc",
    objective: ObjectiveName = "huber_log",
    delta: float = COMPARE_DELTA,
    starts: int | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """Fit, back-test and weigh laws in each group.

    Args:
        table: the runs: a Table, a DataFrame, a dict of lists, or the path of a file.
        columns: law symbol -> column.
        names: laws, or names of laws; a score stands under the name given here.
        fit_where: conditions of the rows to fit; the others are the extrapolation test.
        by: columns whose values make the groups.
        hold_out: how many of the largest distinct sizes of each group to set aside
            as well.
        objective, delta, starts, seed: as for `allometry.fitting.fit.fit`; the default
            delta is wider, see `allometry.fitting.options`.
        backtest: also fit to the smaller sizes only (rolling origin), three fits a law
            more; None does so where no rows are set aside or the rule needs it.
        rule: of choice and weights: aicc, or backtest.

    Raises:
        UsageError: no law, or nothing to fit in a group.
    """
    if not names:
        raise UsageError("name at least one law to compare")
    if backtest is None:
        backtest = rule == "backtest" or not (fit_where or hold_out)
    if rule not in RULES or (rule == "backtest" and not backtest):
        raise UsageError(f"rule is aicc, or backtest with its back-test; got {rule!r}")
    options = FitOptions(objective=objective, delta=delta, starts=starts, seed=seed, resamples=0)
    comparer = _Comparer(
        dict((n, laws.named(n)) if isinstance(n, str) else (n.name, n) for n in names),
        columns,
        hold_out,
        backtest,
        rule,
        options,
    )
    for law in comparer.laws.values():
        check_response(law, columns)
    runs = as_table(table, options.numbers(columns.values()))
    fit_rows = np.ones(len(runs), bool)
    for text in fit_where:
        fit_rows &= condition(runs, text)
    return [
        comparer.group(key, runs.take(rows), fit_rows[rows])
        for key, rows in _groups(runs, tuple(by))
    ]


def document(comparisons: Sequence[Comparison]) -> dict[str, object]:
    """The compare document; its notes are those of every fit, each once."""
    fits = [score.fit for c in comparisons for score in c.laws.values() if score.fit is not None]
    notes = list(dict.fromkeys(note for fit in fits for note in fit.notes))
    return {
        "schema": SCHEMA,
        "groups": [c.to_document() for c in comparisons],
        "notes": notes,
    }


@dataclass(frozen=True)
class _Result:
    """What fitting one law came to: a fit and its back-test error, or the reason for neither."""

    fit: Fit | None
    reason: str
    backtest_rmsle: float


@dataclass(frozen=True)
class _Comparer:
    """What is the same in every group: the laws by name, the columns and the options."""

    laws: Mapping[str, Law]
    columns: Mapping[str, str]
    hold_out: int
    backtest: bool
    rule: Rule
    options: FitOptions

    def group(self, key: dict[str, object], table: Table, fit_rows: Mask) -> Comparison:
        """Compare the laws in one group of rows."""
        where = " in " + ", ".join(f"{k}={v}" for k, v in key.items()) if key else ""
        first = _first_of_duplicates(table)
        duplicates = len(table) - len(first)
        table, fit_rows = table.take(first), fit_rows[first]
        size = self.size(table)
        if self.hold_out:
            largest = np.unique(size[fit_rows & np.isfinite(size)])[-self.hold_out :]
            fit_rows = fit_rows & ~np.isin(size, largest)
        if not fit_rows.any():
            raise UsageError(f"no rows to fit{where}: check --fit-where and --hold-out")
        train, test = table.take(fit_rows), table.take(~fit_rows)
        results = self.results(train, size[fit_rows])
        weights = self.weights(results)
        if not weights:
            reason = next(iter(results.values())).reason
            raise DataError(f"none of the laws could be fitted{where}: {reason}")
        return Comparison(
            by=key,
            laws={
                name: self.score(name, result, weights.get(name, 0.0), test)
                for name, result in results.items()
            },
            chosen=max(weights, key=lambda name: weights[name]),
            averaged_rmsle=self.averaged_error(results, weights, test),
            rows=len(train),
            test_rows=len(test),
            duplicates=duplicates,
        )

    def size(self, table: Table) -> Array:
        """What "larger" means: the size itself, or the sum of the logs of several."""
        response = next(iter(self.laws.values())).response
        parts = [np.asarray(table[c], float) for s, c in self.columns.items() if s != response]
        if len(parts) == 1:
            return parts[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sum([np.log(part) for part in parts], axis=0))

    def results(self, train: Table, size: Array) -> dict[str, _Result]:
        """Every law's fit and back-test; a law under two names is solved once."""
        results: dict[str, _Result] = {}
        for name, law in self.laws.items():
            twin = next((n for n in results if self.laws[n] == law), None)
            results[name] = self.result(law, train, size) if twin is None else results[twin]
        return results

    def result(self, law: Law, train: Table, size: Array) -> _Result:
        """The fit to all of the rows, and the back-test."""
        try:
            fit = fit_with(train, law, self.columns, self.options)
        except DataError as refusal:
            return _Result(None, str(refusal), INFINITE)
        if not self.backtest:
            return _Result(fit, "", INFINITE)
        return _Result(fit, "", rolling_origin(law, train, size, self.columns, self.options))

    def weights(self, results: Mapping[str, _Result]) -> dict[str, float]:
        """Weight of each law that could be fitted."""
        fits = {name: r.fit for name, r in results.items() if r.fit is not None}
        if self.rule == "backtest":
            return inverse_square_weights({name: results[name].backtest_rmsle for name in fits})
        return akaike_weights(fits) if fits else {}

    def score(self, name: str, result: _Result, weight: float, test: Table) -> LawScore:
        """One law's entry in the comparison."""
        fit, backtest = result.fit, result.backtest_rmsle
        if fit is None:
            return LawScore(name, None, result.reason, backtest, 0.0, NAN, NAN, NAN)
        error = error_on(fit, test, self.columns)
        return LawScore(name, fit, "", backtest, weight, error, *information(fit))

    def averaged_error(
        self, results: Mapping[str, _Result], weights: Mapping[str, float], test: Table
    ) -> float:
        """RMSLE of the average of the laws on the rows set aside; NaN if there are none."""
        if not len(test):
            return NAN
        law = next(iter(self.laws.values()))
        usable = usable_rows(test, self.columns, law)
        predictions = {
            name: (weights[name], predictions_on(result.fit, test, self.columns)[usable])
            for name, result in results.items()
            if result.fit is not None and weights[name] > 0
        }
        return rmsle(average(predictions), response(test, self.columns, law)[usable])


def _groups(table: Table, by: tuple[str, ...]) -> list[tuple[dict[str, object], Places]]:
    """The values that make each group, and its rows, in order of first sight."""
    if not by:
        return [({}, np.arange(len(table)))]
    places: dict[tuple[object, ...], list[int]] = {}
    for i, key in enumerate(zip(*(table[name].tolist() for name in by), strict=True)):
        places.setdefault(key, []).append(i)
    return [(dict(zip(by, key, strict=True)), np.array(rows)) for key, rows in places.items()]


def _first_of_duplicates(table: Table) -> Places:
    seen: dict[tuple[object, ...], int] = {}
    for i, row in enumerate(zip(*(table[c].tolist() for c in table.columns), strict=True)):
        seen.setdefault(row, i)
    return np.array(sorted(seen.values()), dtype=int)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
