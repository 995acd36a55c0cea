"""The result of planning: the run of each law and approach, alarms, JSON both ways."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass

from allometry.fitting.sealed import sealed, unsealed
from allometry.plan.alarm import Alarm
from allometry.plan.approaches.approach import Approach
from allometry.plan.approaches.side_by_side import Approaches
from allometry.plan.believed import Believed
from allometry.plan.beyond.batch import Advice
from allometry.plan.beyond.beside import Bill, EqualLoss, OtherCount, Score
from allometry.plan.beyond.countings import Counted
from allometry.plan.disagreement import Disagreement
from allometry.plan.frontier.cost import Cost
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.law_plan import NUMBERS, InferencePlan, LawPlan
from allometry.plan.runs import Runs
from allometry.stats.interval import Interval
from allometry.tables.display import as_html, as_text

__all__ = ["Alarm", "Evidence", "Plan"]

SCHEMA = "allometry/plan/1"
BESIDE = ("hold_out", "other_count", "countings", "equal_loss", "bill", "advice")
OF_APPROACH = ("exponent_n", "exponent_d", "n_opt", "d_opt")
OF_INFERENCE = ("n_opt", "d_opt", "loss", "total_flops")


@dataclass(frozen=True, eq=False)
class Evidence:
    """The inputs of a plan. Figures need them; a document does not keep them.

    Attributes:
        believed, frontiers: of each law, by name; a frontier is for the law's values.
        cost: FLOP of a run.
        runs, approaches: None if parameters of a law were given.
    """

    believed: Mapping[str, Believed]
    frontiers: Mapping[str, Frontier]
    cost: Cost
    runs: Runs | None = None
    approaches: Approaches | None = None


@dataclass(frozen=True, repr=False)
class Plan:
    """The runs to train for a budget, by law and by approach, and reasons to doubt them.

    Attributes:
        question: the budget in words. counting: how FLOP and N are counted, in words.
        laws: name -> its plan, the leading law first.
        approaches: "1", "2", "3", "kaplan" -> its result, or the reason why it cannot be used.
        disagreement: of each ordered pair of laws.
        extrapolation: compute, n, d -> ratio of the first law's plan to the largest of the runs;
            empty without runs.
        alarms: reasons to doubt the plan.
        level: of all intervals. rows: number of runs used.
        hold_out: law -> its score on the held-out runs, if requested; as all of the following.
        other_count: what changes with another column of N. countings: the plan under other
            conventions. equal_loss: this recipe compared with another. bill: hours and dollars.
            advice: bands of batch size and learning rate.
        notes: what was done to the table, and assumptions, in words.
        seconds: time spent on fits and plan.
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

    def _digest(self) -> tuple[str, list[list[str]], list[str]]:
        """Title, a row for each law, and the alarms."""
        rows = [["law", "N", "D", "D/N", "loss", "expected waste"]]
        for name, law in self.laws.items():
            numbers = (law.n_opt, law.d_opt, law.tokens_per_param, law.loss)
            waste = "" if law.expected_waste is None else f"{100 * law.expected_waste:.2g}%"
            rows.append([name, *(number.shown() for number in numbers), waste])
        return self.question, rows, [f"{a.code}: {a.message}" for a in self.alarms]

    def __repr__(self) -> str:
        return as_text(*self._digest())

    def _repr_html_(self) -> str:
        return as_html(*self._digest())

    def __eq__(self, other: object) -> bool:
        """Whether the documents are equal apart from seconds; also for plans read from files."""
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
        """The plan document as JSON, with a seal."""
        return json.dumps(sealed(self.to_document()), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Plan":
        """Read a plan document; it has no draws, points or evidence.

        Raises:
            DataError: not a plan document, damaged, or changed after it was written.
        """
        from allometry.plan.saved import saved_fields  # imports pydantic, which no plan needs

        document, _ = unsealed(text, "allometry/plan", "`allometry plan ... -o plan.json`")
        return cls(**saved_fields(document))


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
    """Plain numbers, and under `intervals` the intervals of the same names."""
    intervals = {name: getattr(plan, name) for name in OF_INFERENCE}
    baseline = plan.baseline_flops
    return {
        "account": plan.account,
        "tokens": plan.tokens,
        **{name: _finite(interval.value) for name, interval in intervals.items()},
        "baseline_flops": None if baseline is None else _finite(baseline.value),
        "intervals": {
            **{name: _interval(interval) for name, interval in intervals.items()},
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
