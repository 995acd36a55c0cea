"""The result of choosing runs: the runs, their expected information, and the verdict."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from allometry.errors import DataError
from allometry.fitting.sealed import sealed, unsealed
from allometry.plan.design.verdict import Stop
from allometry.stats.digits import shown
from allometry.tables.display import as_html, as_text

__all__ = ["Expected", "NextRun", "NextRuns"]

SCHEMA = "allometry/next/1"

T = TypeVar("T")


@dataclass(frozen=True)
class NextRun:
    """A run to make: parameters, tokens, FLOP, and why."""

    n: float
    d: float
    cost: float
    reason: str


@dataclass(frozen=True)
class Expected:
    """Value and expected standard deviation of a target; cost and number of runs of a batch.

    For `ln_n_opt` the value is ln N*, for `loss` the loss, and for `waste` the mean share of
    compute wasted. For `law` the value is the weight of the leading law, and the standard
    deviation the square root of the sum over laws of w (1 - w).
    """

    value: float
    sd: float
    cost: float = 0.0
    runs: int = 0

    def to_document(self) -> dict[str, object]:
        """Plain values; a number that is not finite is None."""
        value, sd = _number(self.value), _number(self.sd)
        return {"value": value, "sd": sd, "cost": self.cost, "runs": self.runs}


@dataclass(frozen=True, repr=False)
class NextRuns:
    """The runs to make next, and their expected effect.

    Attributes:
        target: as typed. budget: FLOP. spent: FLOP of the runs.
        runs: in the order in which they were chosen.
        before, after: the target without and with the runs, by linear theory.
        baselines: name of another way to spend the budget -> the target after its runs.
        waste_before, waste_after: expected share of the target's compute that is wasted; None
            if the target plans no size.
        stop: whether a further run is worth its cost.
        weights: law -> weight. notes: in words.
    """

    target: str
    budget: float
    spent: float
    runs: tuple[NextRun, ...]
    before: Expected
    after: Expected
    baselines: Mapping[str, Expected]
    waste_before: float | None
    waste_after: float | None
    stop: Stop
    weights: Mapping[str, float]
    notes: tuple[str, ...] = field(default=())

    def specs(self, at: Callable[[float, float, int], T]) -> list[T]:
        """The runs as specs that `allometry run` trains.

        Args:
            at: N, D and a seed -> the spec of a run of about that size. Repeated runs have the
                seeds 0, 1, ...
        """
        repeats = Counter[NextRun]()
        specs = []
        for run in self.runs:
            specs.append(at(run.n, run.d, repeats[run]))
            repeats[run] += 1
        return specs

    def _digest(self) -> tuple[str, list[list[str]], list[str]]:
        """Title, a row for each run with how often it is made, and the verdict."""
        title = (
            f"{len(self.runs)} runs for {shown(self.spent)} of {shown(self.budget)} FLOP; standard "
            f"deviation of {self.target} {shown(self.before.sd)} before, {shown(self.after.sd)} "
            "after"
        )
        rows = [["runs", "N", "D", "FLOP of one", "why"]]
        for run, count in Counter(self.runs).items():
            rows.append([str(count), *map(shown, (run.n, run.d, run.cost)), run.reason])
        return title, rows, [self.stop.sentence, *self.notes]

    def __repr__(self) -> str:
        return as_text(*self._digest())

    def _repr_html_(self) -> str:
        return as_html(*self._digest())

    @classmethod
    def from_json(cls, text: str | bytes) -> "NextRuns":
        """Read a document that `to_json` or `allometry next -o` wrote.

        Raises:
            DataError: not such a document, damaged, or changed after it was written.
        """
        document, _ = unsealed(text, "allometry/next", "`allometry next ... -o next.json`")
        try:
            return _Document.model_validate_json(json.dumps(document)).result()
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise DataError(
                f"the document of next runs is damaged at {place[:80]}: {first['msg']}"
            ) from None

    def to_json(self, indent: int | None = None) -> str:
        """The document as JSON, with a seal."""
        return json.dumps(sealed(self.to_document()), indent=indent, allow_nan=False)

    def to_document(self) -> dict[str, object]:
        """Plain values: schema allometry/next/1."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "budget": self.budget,
            "spent": self.spent,
            "runs": [
                {"N": run.n, "D": run.d, "cost": run.cost, "reason": run.reason}
                for run in self.runs
            ],
            "before": {"value": _number(self.before.value), "sd": _number(self.before.sd)},
            "after": {"value": _number(self.after.value), "sd": _number(self.after.sd)},
            "baselines": {name: e.to_document() for name, e in self.baselines.items()},
            "expected_waste": {"before": self.waste_before, "after": self.waste_after},
            "stop": self.stop.to_document(),
            "weights": dict(self.weights),
            "notes": list(self.notes),
        }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


class _Part(BaseModel):
    """A part of a document, with exactly these types; other keys come from a later version."""

    model_config = ConfigDict(strict=True, frozen=True)


class _Run(_Part):
    N: float
    D: float
    cost: float
    reason: str


class _Expected(_Part):
    value: float | None
    sd: float | None
    cost: float = 0.0
    runs: int = 0

    def read(self) -> Expected:
        value, sd = (np.nan if x is None else x for x in (self.value, self.sd))
        return Expected(value, sd, self.cost, self.runs)


class _Waste(_Part):
    before: float | None
    after: float | None


class _Document(_Part):
    target: str
    budget: float
    spent: float
    runs: list[_Run]
    before: _Expected
    after: _Expected
    baselines: dict[str, _Expected]
    expected_waste: _Waste
    stop: Stop
    weights: dict[str, float]
    notes: list[str]

    def result(self) -> NextRuns:
        return NextRuns(
            target=self.target,
            budget=self.budget,
            spent=self.spent,
            runs=tuple(NextRun(run.N, run.D, run.cost, run.reason) for run in self.runs),
            before=self.before.read(),
            after=replace(self.after.read(), cost=self.spent, runs=len(self.runs)),
            baselines={name: expected.read() for name, expected in self.baselines.items()},
            waste_before=self.expected_waste.before,
            waste_after=self.expected_waste.after,
            stop=self.stop,
            weights=self.weights,
            notes=tuple(self.notes),
        )
