"""A fit as a value: parameters with intervals, certificate, prediction, JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from allometry.errors import UsageError
from allometry.fitting.certificate import Certificate, Status, StatusCode
from allometry.fitting.display import Digest, as_html, as_text
from allometry.fitting.intervals import Estimate, IntervalMethod
from allometry.fitting.mapping import sizes_at
from allometry.fitting.objectives import FittedObjective
from allometry.fitting.printed import reproducing_digits, with_zero_floors
from allometry.fitting.problem import Problem
from allometry.fitting.quality import Quality, quality_of
from allometry.fitting.sealed import sealed, unsealed
from allometry.laws import Array, Law
from allometry.stats.digits import shown, shown_interval, warranted

__all__ = ["Certificate", "Fit", "Status", "StatusCode"]

SCHEMA = "allometry/fit/1"
NO_SEAL = (
    "read from a document without a seal: it cannot be told whether it was changed since it was "
    "written"
)
RANKS = 40  # 2 / (n + 1) of new runs lie outside the range of n residuals: 5% where n is 39


@dataclass(frozen=True)
class Fit:
    """A law fitted to rows. Frozen; equal fits compare equal.

    Attributes:
        law: the law itself; its name stands in the document.
        columns: law symbol -> column of the table.
        parameters, derived: name -> Estimate, for raw sizes.
        objective: what was minimised: name, delta and value, the sum over rows.
        rows: used. dropped: pairs (row number from 1, rule).
        draws: resampled parameters, name -> (resamples,).
        data: the used rows by symbol, so that a saved fit can be drawn.
        problem: what was solved: law, objective, rows, weights, parameters held fixed.
            Of a law with a companion it is the law's own, without the companion.
        endings: objective at which each start ended, rising.
        notes: what was done to the data on the way, in words.
        variance: standard deviations by source, see `allometry.fitting.variance`.
        seconds: that the starts and the resamples took.
    """

    law: Law
    columns: dict[str, str]
    parameters: dict[str, Estimate]
    derived: dict[str, Estimate]
    objective: FittedObjective
    rows: int
    dropped: list[tuple[int, str]]
    status: Status
    certificate: Certificate
    interval: IntervalMethod
    data_hash: str
    draws: dict[str, Array] = field(repr=False, compare=False)
    data: dict[str, Array] = field(repr=False, compare=False)
    problem: Problem = field(repr=False, compare=False)
    endings: Array = field(repr=False, compare=False, default_factory=lambda: np.zeros(0))
    notes: tuple[str, ...] = ()
    variance: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def formula(self) -> str:
        """Of the law, in the names of its parameters."""
        return self.law.formula

    @property
    def values(self) -> dict[str, float]:
        """Name -> fitted number."""
        return {name: e.value for name, e in self.parameters.items()}

    @cached_property
    def quality(self) -> Quality:
        """Residuals, R^2, a pattern of signs and outliers of the law (not of its companion)."""
        return quality_of(self.problem, {n: self.values[n] for n in self.law.names})

    def quality_in_words(self) -> list[str]:
        """The quality, a sentence each."""
        return self.quality.sentences(" ".join(self.law.sizes), self.problem.rows.place)

    def predict(self, sizes: Mapping[str, ArrayLike]) -> Array:
        """The law at these sizes, by symbol or by column name; shape (n,)."""
        return np.asarray(self.law.evaluate(self.values, self._points(sizes))[0])

    def predict_interval(
        self,
        sizes: Mapping[str, ArrayLike],
        level: float | None = None,
        of: Literal["mean", "run"] = "mean",
    ) -> tuple[Array, Array]:
        """Ends of the interval at these sizes, each (n,).

        Args:
            of: "mean", the law itself; or "run", a new run, which adds the
                residuals seen in the fit: as factors where the objective is in logs,
                as differences where it is not. Neither covers an error of the law's
                form: back-test with `allometry.fitting.compare`.
        """
        if of not in ("mean", "run"):
            raise UsageError(f"of must be 'mean' or 'run', got {of!r}")
        points = self._points(sizes)
        if not self.draws:
            raise UsageError("this fit has no resamples; fit with resamples=1000")
        predicted = self.law.evaluate(self.draws, points)
        if of == "run":
            predicted = self.measured(predicted)
        tail = (1 - (self.interval.level if level is None else level)) / 2
        with np.errstate(invalid="ignore"):  # between infinite draws there is no number
            low, high = np.nanquantile(predicted, [tail, 1 - tail], axis=0)
        return np.asarray(low, float), np.asarray(high, float)

    def measured(self, predicted: Array) -> Array:
        """What new runs would measure, for draws of the law (k, n): each draw with a residual."""
        noise = self._noise(len(predicted))[:, None]
        with np.errstate(over="ignore"):  # Student's tails where few rows are spare
            return predicted * np.exp(noise) if self.objective.logs else predicted + noise

    def residuals(self) -> Array:
        """log y - log f of the used rows (y - f where the objective is not in logs)."""
        y, f = self.data[self.law.response], self.predict(self.data)
        return np.log(y) - np.log(f) if self.objective.logs else y - f

    def _noise(self, draws: int) -> Array:
        """Draws of a new run's residual, enlarged for the parameters spent.

        The empirical distribution, the residuals at the shares i / (n + 1) of n rows; where
        there are too few for a 95% interval from ranks, Student's.
        """
        rng, residuals = np.random.default_rng(0), np.sort(self.residuals())
        spare = max(1, self.rows - sum(e.verdict != "fixed" for e in self.parameters.values()))
        if spare < RANKS:
            scale = np.sqrt(np.sum(residuals**2) / spare)
            return np.asarray(scale * rng.standard_t(spare, draws))
        shares = np.arange(1, self.rows + 1) / (self.rows + 1)
        drawn = np.interp(rng.random(draws), shares, residuals)
        return np.asarray(drawn * np.sqrt(self.rows / spare))

    def _points(self, sizes: Mapping[str, ArrayLike]) -> dict[str, Array]:
        return sizes_at(self.law, self.columns, sizes)

    def shown(self) -> dict[str, str]:
        """Value and interval of each parameter and derived quantity, as text.

        The parameters have the digits that predict every row as the fit does, to 0.1%.
        """
        estimates = {**self.parameters, **self.derived}
        estimates = with_zero_floors(self.law, estimates, self.data[self.law.response])
        digits = {n: warranted(e.value, e.low, e.high) for n, e in estimates.items()}
        for law in (self.law, self.law.companion):
            if law is not None and set(law.names) <= set(self.values):
                digits |= reproducing_digits(law, self.values, self.data, digits)
        return {
            n: shown(e.value, digits[n])
            if e.verdict == "fixed"
            else shown_interval(e.value, e.low, e.high, digits[n])
            for n, e in estimates.items()
        }

    def __eq__(self, other: object) -> bool:
        """Whether the documents say the same, but for draws, data and seconds.

        Numbers that are not finite are equal to each other: a document keeps them as null.
        """
        if not isinstance(other, Fit):
            return NotImplemented
        return self.law == other.law and self._compared() == other._compared()

    __hash__ = None  # type: ignore[assignment]  # it holds dicts

    def _compared(self) -> dict[str, object]:
        document: dict[str, object] = {
            "schema": SCHEMA,
            "law": self.law.name,
            "formula": self.formula,
            "columns": self.columns,
            "rows": self.rows,
            "dropped": [{"row": row, "rule": rule} for row, rule in self.dropped],
            "objective": asdict(self.objective),
            "parameters": {name: asdict(e) for name, e in self.parameters.items()},
            "derived": {name: asdict(e) for name, e in self.derived.items()},
            "status": asdict(self.status),
            "certificate": asdict(self.certificate),
            "interval": asdict(self.interval),
            "variance": self.variance,
            "notes": list(self.notes),
            "data_hash": self.data_hash,
        }
        return {key: _plain(value) for key, value in document.items()}

    def to_document(self) -> dict[str, object]:
        """The fit document: plain values only."""
        more: dict[str, object] = {
            "quality": asdict(self.quality),
            "seconds": self.seconds,
            "data": {s: v.tolist() for s, v in self.data.items()},
            "endings": [float(f"{x:.9g}") for x in self.endings],
            "draws": {name: v.tolist() for name, v in self.draws.items()},
        }
        return {**self._compared(), **{key: _plain(value) for key, value in more.items()}}

    def to_json(self, indent: int | None = None) -> str:
        """The fit document as JSON, sealed; numbers that are not finite become null."""
        return json.dumps(sealed(self.to_document()), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, law: Law | None = None) -> "Fit":
        """Read a fit document; `law` is needed for a law of the user's own.

        Raises:
            DataError: it is none, is damaged, or was changed after it was written. One without a
                seal, of `to_document` or an earlier version, is read with a note that says so.
        """
        from allometry.fitting.saved import saved_fields  # brings pydantic, which no fit needs

        document, has_seal = unsealed(text, "allometry/fit", "`allometry fit ... -o fit.json`")
        fields = saved_fields(document, law)
        if not has_seal:
            fields["notes"] = (*fields["notes"], NO_SEAL)
        return cls(**fields)

    def __repr__(self) -> str:
        return as_text(self._digest())

    def _repr_html_(self) -> str:
        return as_html(self._digest())

    def _digest(self) -> Digest:
        return Digest(
            law=self.law,
            data=f"{self.rows} rows, {self.objective.name} {self.objective.value:.6g}",
            level=self.interval.level,
            values=self.shown(),
            verdicts={n: e.verdict for n, e in {**self.parameters, **self.derived}.items()},
            quality=" ".join(self.quality_in_words()),
            status=self.status.code,
            advice=self.status.advice,
        )


def _plain(value: object) -> object:
    """Nested plain Python values, with None for a number that is not finite."""
    if isinstance(value, str):  # the name of a file may hold bytes that are no text
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
