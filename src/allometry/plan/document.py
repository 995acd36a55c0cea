"""A plan as a value: the runs each law and approach would train, alarms, JSON both ways."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from allometry.errors import DataError
from allometry.fitting.sealed import sealed, unsealed
from allometry.plan.approach import Approach
from allometry.plan.approaches import Approaches
from allometry.plan.batch import Advice
from allometry.plan.believed import Believed
from allometry.plan.beside import Bill, EqualLoss, OtherCount, Score
from allometry.plan.cost import Cost
from allometry.plan.countings import Counted
from allometry.plan.disagreement import Disagreement
from allometry.plan.inference import Account
from allometry.plan.law_plan import SHARES, InferencePlan, LawPlan
from allometry.plan.optimum import Frontier
from allometry.plan.runs import Runs
from allometry.stats.interval import Interval

__all__ = ["Alarm", "Evidence", "Plan"]

SCHEMA = "allometry/plan/1"
NUMBERS = ("n_opt", "d_opt", "tokens_per_param", "compute", "epochs", "loss", "loss_new_run")
OF_APPROACH = ("exponent_n", "exponent_d", "n_opt", "d_opt")
BESIDE = ("hold_out", "other_count", "countings", "equal_loss", "bill", "advice")
OF_INFERENCE = ("n_opt", "d_opt", "loss", "total_flops")


@dataclass(frozen=True)
class Alarm:
    """A reason to doubt a plan.

    Attributes:
        code: stands in the documentation, with what to do.
        message: the numbers of this plan, in a sentence or two.
    """

    code: str
    message: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a plan was made from; figures are drawn from it, and a document does not keep it.

    Attributes:
        believed, frontiers: of each law by name, a frontier under its values.
        cost: FLOP of a run.
        runs: None where values of a law were given. approaches: None there too.
    """

    believed: Mapping[str, Believed]
    frontiers: Mapping[str, Frontier]
    cost: Cost
    runs: Runs | None = None
    approaches: Approaches | None = None


@dataclass(frozen=True)
class Plan:
    """The runs to train at a budget, by law and by approach, and what speaks against them.

    Attributes:
        question: the budget in words. counting: how FLOP and N are counted, in words.
        laws: name -> its plan; the first is the one that is shown first.
        approaches: "1", "2", "3", "kaplan" -> what it gives, or the reason why it cannot be used.
        disagreement: of each ordered pair of laws.
        extrapolation: compute, n, d -> the first law's plan over the largest of the runs; empty
            without runs.
        level: of all intervals. rows: runs that were used.
        hold_out: law -> its score on runs that were held out. other_count: what changes with
            another column of N. countings: the plan under other conventions. equal_loss: this
            recipe against another. bill: hours and dollars. advice: bands of batch size and
            learning rate. Each where it was asked for.
        notes: what was done to the table, and assumptions, in words.
        seconds: that fits and plan took.
        evidence: None for a plan that was read from a document.
    """

    question: str
    counting: str
    laws: Mapping[str, LawPlan]
    approaches: Mapping[str, Approach | str]
    disagreement: tuple[Disagreement, ...]
    extrapolation: Mapping[str, float]
    alarms: tuple[Alarm, ...]
    level: float
    rows: int
    hold_out: Mapping[str, Score] = field(default_factory=dict)
    other_count: OtherCount | None = None
    countings: tuple[Counted, ...] = ()
    equal_loss: EqualLoss | None = None
    bill: Bill | None = None
    advice: tuple[Advice, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    @property
    def first(self) -> LawPlan:
        """The plan of the first law."""
        return next(iter(self.laws.values()))

    def __eq__(self, other: object) -> bool:
        """Whether the documents say the same, but for seconds; one that was read among them."""
        if not isinstance(other, Plan):
            return NotImplemented
        mine, theirs = (
            {k: v for k, v in plan.to_document().items() if k != "seconds"}
            for plan in (self, other)
        )
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # it holds dicts

    def to_document(self) -> dict[str, object]:
        """The plan document: plain values only; a number that is not finite is None."""
        first = self.first.inference
        return {
            "schema": SCHEMA,
            "question": self.question,
            "counting": self.counting,
            "level": self.level,
            "rows": self.rows,
            "laws": {name: _of_law(plan) for name, plan in self.laws.items()},
            "inference": None if first is None else _of_inference(first),
            "approaches": {
                name: None if isinstance(a, str) else _of_approach(a)
                for name, a in self.approaches.items()
            },
            "reasons": {n: a for n, a in self.approaches.items() if isinstance(a, str)},
            "disagreement": [
                {"plan": d.plan, "truth": d.truth, "waste": _finite(d.waste)}
                for d in self.disagreement
            ],
            "extrapolation": {name: _finite(v) for name, v in self.extrapolation.items()},
            "alarms": [{"code": a.code, "message": a.message} for a in self.alarms],
            **{name: _plain(getattr(self, name)) for name in BESIDE},
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
        }

    def to_json(self, indent: int | None = None) -> str:
        """The plan document as JSON, sealed."""
        return json.dumps(sealed(self.to_document()), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Plan":
        """Read a plan document; it has no draws, points or evidence.

        Raises:
            DataError: it is none, is damaged, or was changed after it was written.
        """
        document, _ = unsealed(text, "allometry/plan", "`allometry plan ... -o plan.json`")
        try:
            return _Document.model_validate_json(json.dumps(document)).plan()
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))[:80]
            said = f"{place}: {first['msg']}"
        except (KeyError, ValueError) as error:
            said = str(error)
        raise DataError(f"the plan document is incomplete or damaged at {said}")


def _of_law(plan: LawPlan) -> dict[str, object]:
    return {
        **{name: _interval(getattr(plan, name)) for name in NUMBERS},
        "waste_band": {str(s): [_finite(x) for x in ends] for s, ends in plan.waste_band.items()},
        "expected_waste": None if plan.expected_waste is None else _finite(plan.expected_waste),
        "wasted": _finite(plan.wasted),
        "weight": plan.weight,
        "inference": None if plan.inference is None else _of_inference(plan.inference),
    }


def _of_inference(plan: InferencePlan) -> dict[str, object]:
    """Plain numbers, and the intervals of the same names beside them."""
    given = {name: getattr(plan, name) for name in OF_INFERENCE}
    baseline = plan.baseline_flops
    return {
        "account": plan.account,
        "tokens": plan.tokens,
        **{name: _finite(interval.value) for name, interval in given.items()},
        "baseline_flops": None if baseline is None else _finite(baseline.value),
        "intervals": {
            **{name: _interval(interval) for name, interval in given.items()},
            "baseline_flops": None if baseline is None else _interval(baseline),
        },
    }


def _of_approach(approach: Approach) -> dict[str, object]:
    uncorrected = approach.n_opt_uncorrected
    return {
        **{name: _interval(getattr(approach, name)) for name in OF_APPROACH},
        "bias_predicted": approach.bias_predicted,
        "n_opt_uncorrected": None if uncorrected is None else _interval(uncorrected),
        "notes": list(approach.notes),
    }


def _interval(interval: Interval) -> dict[str, float | None]:
    value, low, high = map(_finite, interval)
    return {"value": value, "low": low, "high": high}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(value: object) -> object:
    """Dataclasses and intervals as plain values."""
    if isinstance(value, Interval):
        return _interval(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return _finite(value) if isinstance(value, float) else value


def _with_intervals(value: Any, numbers: frozenset[str]) -> Any:
    """The inverse of `_plain` up to the classes: intervals, and NaN for None among numbers."""
    if isinstance(value, dict):
        if value.keys() == {"value", "low", "high"}:
            return _Interval.model_validate(value).read()
        return {
            key: np.nan if item is None and key in numbers else _with_intervals(item, numbers)
            for key, item in value.items()
        }
    return [_with_intervals(item, numbers) for item in value] if isinstance(value, list) else value


def _numbers(part: type) -> frozenset[str]:
    """Names of the fields of a dataclass that are numbers, and never None."""
    return frozenset(f.name for f in fields(part) if f.type is float)


class _Part(BaseModel):
    """A part of a document, of exactly these types; other keys are of a later version."""

    model_config = ConfigDict(strict=True, frozen=True)


class _Interval(_Part):
    value: float | None
    low: float | None
    high: float | None

    def read(self) -> Interval:
        return Interval(*(np.nan if x is None else x for x in (self.value, self.low, self.high)))


class _Intervals(_Part):
    n_opt: _Interval
    d_opt: _Interval
    loss: _Interval
    total_flops: _Interval
    baseline_flops: _Interval | None


class _Inference(_Part):
    account: Account
    tokens: float
    intervals: _Intervals

    def read(self) -> InferencePlan:
        given, baseline = self.intervals, self.intervals.baseline_flops
        return InferencePlan(
            account=self.account,
            tokens=self.tokens,
            n_opt=given.n_opt.read(),
            d_opt=given.d_opt.read(),
            loss=given.loss.read(),
            total_flops=given.total_flops.read(),
            baseline_flops=None if baseline is None else baseline.read(),
        )


class _Law(_Part):
    n_opt: _Interval
    d_opt: _Interval
    tokens_per_param: _Interval
    compute: _Interval
    epochs: _Interval
    loss: _Interval
    loss_new_run: _Interval
    waste_band: dict[str, tuple[float | None, float | None]]
    expected_waste: float | None
    wasted: float | None
    weight: float
    inference: _Inference | None

    def read(self, name: str) -> LawPlan:
        low_high = {float(s): ends for s, ends in self.waste_band.items()}
        if missing := set(SHARES) - set(low_high):
            raise ValueError(f"laws.{name}.waste_band: no share {min(missing):g}")
        return LawPlan(
            law=name,
            **{quantity: getattr(self, quantity).read() for quantity in NUMBERS},
            waste_band={s: (_number(low), _number(high)) for s, (low, high) in low_high.items()},
            expected_waste=self.expected_waste,
            wasted=_number(self.wasted),
            weight=self.weight,
            inference=None if self.inference is None else self.inference.read(),
        )


class _Approach(_Part):
    exponent_n: _Interval
    exponent_d: _Interval
    n_opt: _Interval
    d_opt: _Interval
    bias_predicted: float | None
    n_opt_uncorrected: _Interval | None
    notes: tuple[str, ...]

    def read(self, name: str) -> Approach:
        uncorrected = self.n_opt_uncorrected
        return Approach(
            name=name,
            exponent_n=self.exponent_n.read(),
            exponent_d=self.exponent_d.read(),
            n_opt=self.n_opt.read(),
            d_opt=self.d_opt.read(),
            bias_predicted=self.bias_predicted,
            n_opt_uncorrected=None if uncorrected is None else uncorrected.read(),
            notes=self.notes,
        )


class _Disagreement(_Part):
    plan: str
    truth: str
    waste: float | None


class _Alarm(_Part):
    code: str
    message: str


class _Document(_Part):
    question: str
    counting: str
    level: float
    rows: int
    laws: dict[str, _Law]
    approaches: dict[str, _Approach | None]
    reasons: dict[str, str]
    disagreement: list[_Disagreement]
    extrapolation: dict[str, float | None]
    alarms: list[_Alarm]
    hold_out: dict[str, Any]
    other_count: dict[str, Any] | None
    countings: list[dict[str, Any]]
    equal_loss: dict[str, Any] | None
    bill: dict[str, Any] | None
    advice: list[dict[str, Any]]
    notes: tuple[str, ...]
    seconds: dict[str, float]

    def plan(self) -> Plan:
        if not self.laws:
            raise ValueError("laws: there is none")
        return Plan(
            question=self.question,
            counting=self.counting,
            laws={name: law.read(name) for name, law in self.laws.items()},
            approaches={
                name: self.reasons[name] if a is None else a.read(name)
                for name, a in self.approaches.items()
            },
            disagreement=tuple(
                Disagreement(d.plan, d.truth, _number(d.waste)) for d in self.disagreement
            ),
            extrapolation={name: _number(v) for name, v in self.extrapolation.items()},
            alarms=tuple(Alarm(a.code, a.message) for a in self.alarms),
            level=self.level,
            rows=self.rows,
            **{
                name: adapter.validate_python(_with_intervals(getattr(self, name), _numbers(part)))
                for name, (part, adapter) in _BESIDE.items()
            },
            notes=self.notes,
            seconds=self.seconds,
        )


_BESIDE: dict[str, tuple[type, TypeAdapter[Any]]] = {
    "hold_out": (Score, TypeAdapter(dict[str, Score])),
    "other_count": (OtherCount, TypeAdapter(OtherCount | None)),
    "countings": (Counted, TypeAdapter(tuple[Counted, ...])),
    "equal_loss": (EqualLoss, TypeAdapter(EqualLoss | None)),
    "bill": (Bill, TypeAdapter(Bill | None)),
    "advice": (Advice, TypeAdapter(tuple[Advice, ...])),
}


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
