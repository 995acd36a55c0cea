"""A plan as a value: the runs each law and approach would train, alarms, JSON both ways."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from allometry.errors import DataError
from allometry.fitting.sealed import sealed, unsealed
from allometry.plan.alarms import Alarm
from allometry.plan.approach import Approach
from allometry.plan.disagreement import Disagreement
from allometry.plan.law_plan import LawPlan
from allometry.stats.interval import Interval

__all__ = ["SCHEMA", "Plan"]

SCHEMA = "allometry/plan/1"
QUANTITIES = ("n_opt", "d_opt", "tokens_per_param", "compute", "epochs", "loss", "loss_new_run")


@dataclass(frozen=True)
class Plan:
    """The runs to train at a budget, by law and by approach, and what speaks against them.

    Attributes:
        question: the budget in words.
        counting: the convention by which FLOP and N are counted, in words.
        laws: name -> its plan; the first is the one that is shown first.
        approaches: "1", "2", "3", "kaplan" -> what it gives, or the reason why it cannot be used.
        disagreement: of each ordered pair of laws.
        extrapolation: compute, n, d -> the first law's plan over the largest of the runs; empty
            where there are no runs.
        alarms: in the order of their weight.
        level: of all intervals. rows: runs that were used.
        notes: what was done to the table, and assumptions, in words.
    """

    question: str
    counting: str
    laws: dict[str, LawPlan]
    approaches: dict[str, Approach | str]
    disagreement: tuple[Disagreement, ...]
    extrapolation: dict[str, float]
    alarms: tuple[Alarm, ...]
    level: float
    rows: int
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def first(self) -> LawPlan:
        """The plan of the first law."""
        return next(iter(self.laws.values()))

    def to_document(self) -> dict[str, object]:
        """The plan document: plain values only; a number that is not finite is None."""
        first = self.first.inference
        return {
            "schema": SCHEMA,
            "question": self.question,
            "counting": self.counting,
            "level": self.level,
            "rows": self.rows,
            "laws": {name: _law(plan) for name, plan in self.laws.items()},
            "inference": first and _inference(first),
            "approaches": {
                name: None if isinstance(a, str) else _approach(a)
                for name, a in self.approaches.items()
            },
            "reasons": {n: a for n, a in self.approaches.items() if isinstance(a, str)},
            "disagreement": [
                {"plan": d.plan, "truth": d.truth, "waste": _finite(d.waste)}
                for d in self.disagreement
            ],
            "extrapolation": {name: _finite(v) for name, v in self.extrapolation.items()},
            "alarms": [{"code": a.code, "message": a.message} for a in self.alarms],
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
        }

    def to_json(self, indent: int | None = None) -> str:
        """The plan document as JSON, sealed."""
        return json.dumps(sealed(self.to_document()), indent=indent, allow_nan=False)
