"""The result of a fit: parameters with intervals, certificate, prediction, JSON."""

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
    "read from a document without a seal: changes made since it was written cannot be detected"
)
RANKS = 40  # 2 / (n + 1) of new runs lie outside the range of n residuals: 5% for n = 39


@dataclass(frozen=True)
class Fit:
    """A law fitted to rows. Frozen; equal fits compare equal.

    Attributes:
        law: the law itself; a document keeps its name only.
        columns: law symbol -> column of the table.
        parameters, derived: name -> Estimate, for raw sizes.
        objective: what was minimised: name, delta, value (the sum over rows) and reason.
        rows: number of rows used. dropped: pairs (row number from 1, rule).
        draws: resampled parameters, name -> (resamples,).
        data: the used rows by symbol, so that a saved fit can be plotted.
        problem: what was solved: law, objective, rows, weights, parameters held fixed.
            For a law with a companion it is the problem of the law without the companion.
        endings: objective at which each start ended, in increasing order.
        notes: what was done to the data, in words.
        variance: standard deviations by source, see `allometry.fitting.variance`.
        seconds: time spent on the starts and on the resamples.
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
        """Formula of the law, in the names of its parameters."""
        return self.law.formula

    @property
    def values(self) -> dict[str, float]:
        """Name -> fitted number."""
        return {name: e.value for name, e in self.parameters.items()}

    @cached_property
    def quality(self) -> Quality:
        """Residuals, R^2, pattern of signs and outliers of the law (not of its companion)."""
        return quality_of(self.problem, {n: self.values[n] for n in self.law.names})

    def quality_in_words(self) -> list[str]:
        """The quality as a list of sentences."""
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
            sizes: by symbol or by column name.
            level: of the interval; None for that of the fit.
            of: "mean", the law itself; or "run", a new run, which adds the
                residuals of the fit: as factors if the objective is in logs, else as
                differences. Neither covers an error of the law's form: back-test with
                `allometry.fitting.compare`.

        Raises:
            UsageError: the fit has no resamples, or `of` is neither of the two.
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
        with np.errstate(invalid="ignore"):  # interpolating between infinite draws gives NaN
            low, high = np.nanquantile(predicted, [tail, 1 - tail], axis=0)
        return np.asarray(low, float), np.asarray(high, float)

    def measured(self, predicted: Array) -> Array:
        """Simulated measurements of new runs: draws of the law (k, n), each with a residual."""
        noise = self._noise(len(predicted))[:, None]
        with np.errstate(over="ignore"):  # Student's t has wide tails at few degrees of freedom
            return predicted * np.exp(noise) if self.objective.logs else predicted + noise

    def residuals(self) -> Array:
        """log y - log f of the used rows (y - f if the objective is not in logs)."""
        y, f = self.data[self.law.response], self.predict(self.data)
        return np.log(y) - np.log(f) if self.objective.logs else y - f

    def _noise(self, draws: int) -> Array:
        """Draws of a new run's residual, enlarged for the fitted parameters.

        They come from the empirical distribution, with the i-th of n residuals at probability
        i / (n + 1). With fewer than 40 degrees of freedom they come from Student's t, since
        ranks then do not reach the ends of a 95% interval.
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

        Parameters have enough digits to reproduce the prediction of every row to 0.1%.
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
        """Whether the documents are equal, apart from draws, data, endings, quality and seconds.

        Numbers that are not finite are equal to each other: a document stores them as null.
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
        """The fit document as JSON, with a seal; numbers that are not finite become null."""
        return json.dumps(sealed(self.to_document()), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, law: Law | None = None) -> "Fit":
        """Read a fit document; `law` is needed for a user-defined law.

        A document without a seal, made by `to_document` or an earlier version, is read, and a note
        says so.

        Raises:
            DataError: not a fit document, damaged, or changed after it was written.
        """
        from allometry.fitting.saved import saved_fields  # imports pydantic, which no fit needs

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
    if isinstance(value, str):  # a file name may hold bytes that are not valid text
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
