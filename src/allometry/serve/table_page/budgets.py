"""The plan at many computes, for the slider, by the first law of the plan and its resamples."""

from typing import Any

import numpy as np

from allometry.laws import Array
from allometry.plan.budget import Budget
from allometry.plan.document import Plan
from allometry.plan.law_plan import numbers_of_run
from allometry.stats.digits import shown
from allometry.stats.interval import Interval

__all__ = ["budgets", "default_compute"]

POINTS, SEARCHED_POINTS = 41, 6  # steps for laws with closed forms; for others, which need searches
BEYOND, DEFAULT = 100.0, 10.0  # largest and default compute, in largest computes of the runs
DIGITS = 3
OF_A_STEP = ("n_opt", "d_opt", "tokens_per_param", "loss", "loss_new_run")


def default_compute(compute: Array) -> float:
    """The compute to plan if none was chosen, from the compute of the runs (rows,)."""
    return _rounded(DEFAULT * float(compute.max()))


def _steps(compute: Array, chosen: float, *, closed: bool) -> list[float]:
    """Computes in ascending order, from the smallest run to a hundred times the largest.

    Args:
        compute: compute of the runs, (rows,). chosen: a compute to include.
        closed: whether the law has closed forms; without, fewer steps are made.
    """
    low, high = float(compute.min()), BEYOND * float(compute.max())
    grid = np.geomspace(low, high, POINTS if closed else SEARCHED_POINTS)
    return sorted({*map(_rounded, grid.tolist()), chosen})


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def budgets(plan: Plan, chosen: float) -> list[dict[str, Any]]:
    """The run that the plan's first law gives at each of many computes: numbers and text.

    Args:
        chosen: a compute to include.
    """
    evidence = plan.evidence
    assert evidence is not None and evidence.runs is not None  # the plan was made from a table
    believed = evidence.believed[plan.first.law]
    frontiers = evidence.frontiers[plan.first.law], believed.drawn(evidence.cost)
    compute, closed = evidence.runs.compute, frontiers[0].split is not None
    largest = float(compute.max())
    return [
        {
            "compute": step,
            "planned": step == chosen,
            "beyond": step > largest,
            **{n: _plain(numbers[n]) for n in OF_A_STEP},
            "text": _in_words(step, numbers, largest, plan.level),
        }
        for step in _steps(compute, chosen, closed=closed)
        for numbers in [numbers_of_run(believed, frontiers, Budget(step), plan.level)]
    ]


def _plain(interval: Interval) -> dict[str, float | None]:
    """An interval as in a plan document."""
    return {
        name: float(value) if np.isfinite(value) else None
        for name, value in interval._asdict().items()
    }


def _in_words(
    compute: float, numbers: dict[str, Interval], largest: float, level: float
) -> dict[str, str]:
    """The texts that the page shows beside the slider."""

    def texts(name: str, digits: int = 3) -> list[str]:
        i = numbers[name]
        ends = f"{shown(i.low, digits)} to {shown(i.high, digits)}" if i.has_ends else "no interval"
        return [shown(i.value, digits), ends]

    (n, n_ends), (d, d_ends) = texts("n_opt"), texts("d_opt")
    loss, loss_ends = texts("loss", 4)
    factor = compute / largest
    where = (
        f"{shown(factor)} times the largest run: extrapolated"
        if factor > 1
        else "within the compute of the runs"
    )
    return {
        "compute": f"{shown(compute)} FLOP", "where": where, "level": f"{100 * level:g}%",
        "n": n, "n_ends": n_ends, "d": d, "d_ends": d_ends, "loss": loss, "loss_ends": loss_ends,
    }  # fmt: skip
