"""The result of a comparison of laws: scores, choice, average, document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from allometry.fitting.backtest import NO_BACKTEST, Errors
from allometry.fitting.document import Fit
from allometry.fitting.objectives import OBJECTIVES
from allometry.fitting.options import ObjectiveChoice
from allometry.fitting.weights import average
from allometry.laws import Array
from allometry.tables.display import as_html, as_text

__all__ = ["Comparison", "LawScore", "document"]

SCHEMA = "allometry/compare/1"
NAN = float("nan")


@dataclass(frozen=True)
class LawScore:
    """Score of one law in one group.

    Attributes:
        law: its name, or the alias under which it was requested.
        fit: to all fit rows; None if the law could not be fitted, see `reason`.
        backtest: errors over rolling origins inside the fit rows; infinite without a back-test.
        weight: in the average.
        extrapolation: errors on the rows set aside, NaN if there are none.
        aicc, bic: of the fit rows, see `allometry.fitting.weights.information`.
    """

    law: str
    fit: Fit | None = field(repr=False)
    reason: str
    backtest: Errors
    weight: float
    extrapolation: Errors
    aicc: float
    bic: float

    @classmethod
    def refused(cls, law: str, reason: str) -> "LawScore":
        """The score of a law that could not be fitted."""
        return cls(law, None, reason, NO_BACKTEST, 0.0, Errors(), NAN, NAN)

    @property
    def backtest_rmsle(self) -> float:
        """Root mean squared difference of logs over rolling origins."""
        return self.backtest.rmsle

    @property
    def extrapolation_rmsle(self) -> float:
        """Root mean squared difference of logs on the rows set aside."""
        return self.extrapolation.rmsle

    def to_document(self, *, logs: bool) -> dict[str, object]:
        """The law's part of the compare document; with RMSE too if the objective is additive."""
        fit = self.fit
        return {
            **_shown("extrapolation", self.extrapolation, logs),
            "weight": self.weight,
            **_shown("backtest", self.backtest, logs),
            "aicc": _finite(self.aicc),
            "bic": _finite(self.bic),
            "reason": self.reason,
            "parameters": {name: _finite(v) for name, v in fit.values.items()} if fit else {},
            "status": {"code": fit.status.code, "advice": fit.status.advice} if fit else None,
        }


@dataclass(frozen=True)
class Comparison:
    """Laws side by side in one group of rows.

    Attributes:
        by: column -> value that defines the group.
        laws: requested name -> score.
        chosen: name of the law with the largest weight; None if the group was not compared.
        reason: why the group was not compared, or empty.
        averaged: errors of the average on the rows set aside, NaN if there are none.
        rows: number of rows that every law was fitted to. test_rows: number set aside.
        left_out: number of rows to fit that some law could not use.
        duplicates: number of rows that equal an earlier one in every column; they are kept.
        objective: of all fits; in a refused group as given. delta: of huber_log, else None.
        notes: on rows and on the choice, in words.
        cannot_tell: why the weights do not decide between the laws, or empty.
        table_notes: how the table was read, in words.
    """

    by: dict[str, object]
    laws: dict[str, LawScore]
    chosen: str | None
    objective: ObjectiveChoice
    reason: str = ""
    averaged: Errors = field(default_factory=Errors)
    rows: int = 0
    test_rows: int = 0
    left_out: int = 0
    duplicates: int = 0
    delta: float | None = None
    notes: tuple[str, ...] = ()
    cannot_tell: str = ""
    table_notes: tuple[str, ...] = ()

    def _digest(self) -> tuple[str, list[list[str]], list[str]]:
        """Title, a row for each law, and what limits the choice."""
        group = ", ".join(f"{name} = {value}" for name, value in self.by.items())
        choice = f"{self.chosen} chosen" if self.chosen else f"not compared: {self.reason}"
        title = f"Comparison of {len(self.laws)} laws{f' ({group})' if group else ''}: {choice}"
        rows = [["law", "extrapolation RMSLE", "back-test RMSLE", "weight", "fit"]]
        for name, score in self.laws.items():
            errors = (score.extrapolation_rmsle, score.backtest_rmsle)
            status = score.fit.status.code if score.fit else score.reason
            shown = [f"{error:.4g}" if np.isfinite(error) else "" for error in errors]
            rows.append([name, *shown, f"{score.weight:.3f}", status])
        counted = f"{self.rows} rows, {self.objective}; {self.test_rows} rows set aside"
        return f"{title}; {counted}", rows, [*filter(None, [self.cannot_tell]), *self.notes]

    def __repr__(self) -> str:
        return as_text(*self._digest())

    def _repr_html_(self) -> str:
        return as_html(*self._digest())

    @property
    def averaged_rmsle(self) -> float:
        """Root mean squared difference of logs of the average on the rows set aside."""
        return self.averaged.rmsle

    @property
    def logs(self) -> bool:
        """Whether laws are scored by RMSLE; if the objective is additive, by RMSE."""
        return self.objective == "auto" or OBJECTIVES[self.objective].logs

    def predict(self, sizes: Mapping[str, Array]) -> Array:
        """The average of the laws, weighted in log y, or in y if the objective is additive."""
        predictions = {
            name: (score.weight, score.fit.predict(sizes))
            for name, score in self.laws.items()
            if score.fit is not None and score.weight > 0
        }
        return average(predictions, logs=self.logs)

    def to_document(self) -> dict[str, object]:
        """The group's part of the compare document."""
        chosen = self.laws[self.chosen] if self.chosen is not None else None
        return {
            "by": self.by,
            "reason": self.reason,
            "rows": self.rows,
            "test_rows": self.test_rows,
            "left_out": self.left_out,
            "duplicates": self.duplicates,
            "objective": {"name": self.objective, "delta": self.delta},
            "measure": "rmsle" if self.logs else "rmse",
            "laws": {n: score.to_document(logs=self.logs) for n, score in self.laws.items()},
            "chosen": chosen
            and {"law": self.chosen, **_shown("extrapolation", chosen.extrapolation, self.logs)},
            "cannot_tell": self.cannot_tell,
            "averaged": _shown("extrapolation", self.averaged, self.logs),
            "notes": list(self.notes),
        }


def document(comparisons: Sequence[Comparison]) -> dict[str, object]:
    """The compare document; its notes are those on the table and of the fits, each once."""
    fits = [score.fit for c in comparisons for score in c.laws.values() if score.fit is not None]
    notes = [note for c in comparisons for note in c.table_notes]
    notes += [note for fit in fits for note in fit.notes]
    return {
        "schema": SCHEMA,
        "groups": [c.to_document() for c in comparisons],
        "notes": list(dict.fromkeys(notes)),
    }


def _shown(of: str, errors: Errors, logs: bool) -> dict[str, object]:
    """The errors by their names in the document."""
    rmsle: dict[str, object] = {f"{of}_rmsle": _finite(errors.rmsle)}
    return rmsle if logs else {**rmsle, f"{of}_rmse": _finite(errors.rmse)}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
