"""From a plan document to the fields of a plan; documents with other keys or types are refused."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from allometry.errors import DataError
from allometry.plan.alarm import Alarm
from allometry.plan.approaches.approach import Approach
from allometry.plan.beyond.batch import Advice
from allometry.plan.beyond.beside import Bill, EqualLoss, OtherCount, Score
from allometry.plan.beyond.countings import Counted
from allometry.plan.beyond.inference import Account
from allometry.plan.disagreement import Disagreement
from allometry.plan.law_plan import NUMBERS, SHARES, InferencePlan, LawPlan
from allometry.stats.interval import Interval

__all__ = ["saved_fields"]


def saved_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the plan in a document, by name, without draws, points or evidence.

    Raises:
        DataError: a missing key, or a value of the wrong type.
    """
    try:
        return _Document.model_validate_json(json.dumps(document)).fields()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))[:80]
        damage = f"{place}: {first['msg']}"
    except (KeyError, ValueError) as error:
        damage = str(error)
    raise DataError(f"the plan document is incomplete or damaged at {damage}")


def _with_intervals(value: Any, numbers: frozenset[str]) -> Any:
    """The inverse of `document._plain`, up to dataclasses: intervals, and NaN for None."""
    if isinstance(value, dict):
        if value.keys() == {"value", "low", "high"}:
            return _Interval.model_validate(value).read()
        return {
            key: np.nan if item is None and key in numbers else _with_intervals(item, numbers)
            for key, item in value.items()
        }
    return [_with_intervals(item, numbers) for item in value] if isinstance(value, list) else value


def _numbers(part: type) -> frozenset[str]:
    """Names of the fields of a dataclass that are numbers and never None."""
    return frozenset(f.name for f in fields(part) if f.type is float)


class _Part(BaseModel):
    """A part of a document, with exactly these types; other keys come from a later version."""

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
        intervals, baseline = self.intervals, self.intervals.baseline_flops
        return InferencePlan(
            account=self.account,
            tokens=self.tokens,
            n_opt=intervals.n_opt.read(),
            d_opt=intervals.d_opt.read(),
            loss=intervals.loss.read(),
            total_flops=intervals.total_flops.read(),
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

    def fields(self) -> dict[str, Any]:
        if not self.laws:
            raise ValueError("laws: at least one is needed")
        return dict(
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
