"""Optional parts of a plan: money, held-out runs, other recipes, other counts of N."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.plan.believed import Believed
from allometry.plan.beyond.counting import Counts, other_column
from allometry.plan.beyond.hold_out import hold_out
from allometry.plan.beyond.money import Peak, Rate, dollars, hours
from allometry.plan.beyond.recipes import speedup
from allometry.plan.data import Data
from allometry.plan.frontier.cost import Cost
from allometry.plan.law_plan import LawPlan
from allometry.stats.interval import Interval
from allometry.tables.table import Table

__all__ = ["Bill", "EqualLoss", "Machines", "OtherCount", "Score", "bill", "equal_loss",
           "other_count", "scores"]  # fmt: skip


@dataclass(frozen=True)
class Machines:
    """The accelerators on which a run is trained.

    Attributes:
        peak: of one accelerator. mfu: model FLOP utilisation, the share of the peak that the
            model's FLOP reach. count: number of accelerators.
        price: dollars per hour of one; None for a bill without dollars.
    """

    peak: Peak
    mfu: float
    count: int = 1
    price: float | None = None


@dataclass(frozen=True)
class Bill:
    """Hours and dollars for training the planned run; dollars is None without a price."""

    hours: Interval
    dollars: Interval | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """Errors of a law on held-out runs, to which it was not fitted.

    Attributes:
        rows: number of held-out runs. mape: mean absolute relative error. rmsle: root mean squared
            difference of logs. r_squared: NaN if their losses do not vary.
        covered: share of them within the interval of a new run; None without resamples.
        beyond: largest held-out N D over the largest fitted one.
    """

    rows: int
    mape: float
    rmsle: float
    r_squared: float
    covered: Interval | None
    beyond: float


@dataclass(frozen=True)
class EqualLoss:
    """Compute of another recipe over that of these runs' recipe, at equal loss.

    Attributes:
        speedup: this ratio, with its interval over pairs of resamples. loss: at which it holds.
        compute, other_compute: FLOP that this and the other recipe need.
        faster: share of the draws with a ratio above 1.
    """

    speedup: Interval
    loss: float
    compute: float
    other_compute: float
    faster: float


@dataclass(frozen=True)
class OtherCount:
    """Effect of taking N from another column, with embeddings counted or not.

    Attributes:
        column: the other column. n_opt: N* of its plan for the same compute, in the count of the
            first column.
        exponent_n: of N* in compute, in the count of the other column.
        waste: share of compute that the other column's plan wastes if the law in the first
            column is right. waste_of_first: the same with the columns exchanged.
    """

    column: str
    n_opt: float
    exponent_n: float
    waste: float
    waste_of_first: float


def bill(plan: LawPlan, cost: Cost, machines: Machines) -> Bill:
    """Hours and dollars of a planned run."""
    ends = np.array(plan.compute)
    time = Interval(*map(float, hours(ends, machines.count, machines.peak, machines.mfu)))
    notes = tuple(filter(None, [machines.peak.note]))
    if machines.price is None:
        return Bill(time, None, notes)
    rate = Rate(machines.price, machines.peak, machines.mfu)
    n, d = np.array([plan.n_opt.value]), np.array([plan.d_opt.value])
    scale = float(dollars(cost, n, d, rate).training[0]) / plan.compute.value
    return Bill(time, Interval(*(float(scale * end) for end in ends)), notes)


def scores(fits: Mapping[str, Fit], held_out: Table) -> dict[str, Score]:
    """The score of each law on the runs that were held out."""
    scored = {}
    for name, fit in fits.items():
        score = hold_out(fit, held_out)
        sizes = fit.data["N"] * fit.data["D"]
        held = held_out.take(score.rows)
        columns = fit.columns
        beyond = held.numbers(columns["N"], "N") * held.numbers(columns["D"], "D")
        scored[name] = Score(
            len(score.rows), score.mape, score.rmsle, score.r_squared, score.coverage,
            float(beyond.max() / sizes.max()),
        )  # fmt: skip
    return scored


def equal_loss(fit: Fit, other: Fit, plan: LawPlan, cost: Cost, level: float) -> EqualLoss:
    """One recipe compared with another, at the loss of the other at the plan's compute."""
    compared = speedup(other, fit, compute=plan.compute.value, cost=cost, level=level)
    other_compute, compute = compared.compute
    return EqualLoss(compared.value, compared.loss, compute, other_compute, compared.faster)


def other_count(
    data: Data, believed: Believed, column: str, plan: LawPlan, cost: Cost, options: FitOptions
) -> OtherCount:
    """Fit the same law with N from another column, and plan the same compute.

    Args:
        column: of the other count; the larger of the two counts is taken as that with embeddings.

    Raises:
        UsageError: no such column. DataError: inconsistent counts.
    """
    table, columns = data.table, {**data.columns, "N": column}
    other = fit_with(table, believed.law, columns, FitOptions(
        objective=options.objective, delta=options.delta, starts=options.starts, resamples=0,
        where=options.where, drop_largest=options.drop_largest, seed=options.seed,
    ))  # fmt: skip
    first, second = believed.frontier(cost), Believed.of_fit(other).frontier(cost)
    first_n = table.numbers(data.columns["N"], "N")
    other_n = table.numbers(column, "N")
    is_total = bool(np.nanmedian(first_n) > np.nanmedian(other_n))
    counts = Counts.of_rows(*((first_n, other_n) if is_total else (other_n, first_n)))
    compute = plan.compute.value
    changed = (
        other_column(first, second, counts, compute)
        if is_total
        else other_column(second, first, counts, compute)
    )
    planned_n = second.at(compute).n
    converted = counts.to_total(planned_n) if is_total else counts.to_body(planned_n)
    waste, back = changed.waste_of_body, changed.waste_of_total
    if not is_total:
        waste, back = back, waste
    low, high = (second.at(c).n[0] for c in (compute / 10, compute))
    return OtherCount(
        column, float(converted[0]), float(np.log10(high / low)), float(waste[0]), float(back[0])
    )
