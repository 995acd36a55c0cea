"""What comes of choosing runs: the runs, what they are expected to tell, and the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from allometry.plan.verdict import Stop

__all__ = ["Expected", "NextRun", "NextRuns"]

SCHEMA = "allometry/next/1"


@dataclass(frozen=True)
class NextRun:
    """A run to make: parameters, tokens, FLOP, and why."""

    n: float
    d: float
    cost: float
    reason: str


@dataclass(frozen=True)
class Expected:
    """A target: its value, the standard deviation to expect, and of a batch its cost and runs.

    ln N* of `ln_n_opt`; the loss of `loss`; of `waste` the share of compute wasted, its mean and
    its standard deviation; of `law` the weight of the leading law and the root of the sum over
    laws of w (1 - w).
    """

    value: float
    sd: float
    cost: float = 0.0
    runs: int = 0


@dataclass(frozen=True)
class NextRuns:
    """What to run next, and what to expect of it.

    Attributes:
        target: as typed. budget: FLOP given. spent: FLOP of the runs.
        runs: in the order they were chosen.
        before, after: what is known of the target without and with the runs, by linear theory.
        baselines: other ways to spend the budget: name -> the same.
        waste_before, waste_after: expected share of the target's compute that is wasted; None
            where the target has no compute.
        stop: whether a run beyond these is worth its cost.
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
            "baselines": {
                name: {"sd": _number(e.sd), "cost": e.cost, "runs": e.runs}
                for name, e in self.baselines.items()
            },
            "expected_waste": {"before": self.waste_before, "after": self.waste_after},
            "stop": self.stop.to_document(),
            "weights": dict(self.weights),
            "notes": list(self.notes),
        }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
