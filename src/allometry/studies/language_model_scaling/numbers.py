"""Numbers shared by the findings and figures of the study, computed once."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.plan.approaches.isoflop_bias import Exponents, predicted_bias
from allometry.plan.document import Plan
from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.means import mean
from allometry.studies.language_model_scaling.beside import (
    Fall,
    Repeats,
    falls,
    repeats_of,
)
from allometry.studies.language_model_scaling.forecast import (
    COLUMNS,
    Prediction,
    least_losses,
    plan_of,
)
from allometry.studies.language_model_scaling.grid import BYTES, SHAPES, TOKENS, model_of
from allometry.studies.language_model_scaling.rows import fitted, of_role, repeated
from allometry.studies.language_model_scaling.views import forecasts
from allometry.tables.table import Table

__all__ = ["Bias", "Counts", "Landed", "Numbers", "landed_runs"]

YARDSTICKS = ("gzip", "xz", "bytes_of_5")


@dataclass(frozen=True)
class Landed:
    """A prediction and the larger runs it was made for, which differ only in their seeds.

    Attributes:
        compute: FLOP of a run.
        factor: `compute` over the FLOP of the largest run fitted.
        losses: measured losses of the runs, in nats per token.
        made_at: time at which the prediction was stored.
        trained_at: time at which the first of the runs finished.
    """

    prediction: Prediction
    compute: float
    factor: float
    losses: tuple[float, ...]
    made_at: str
    trained_at: str

    @property
    def loss(self) -> float:
        """Mean over the runs."""
        return float(np.mean(self.losses))

    @property
    def inside(self) -> float:
        """Share of the runs whose loss is in the predicted interval."""
        of = self.prediction
        return float(np.mean([of.low <= loss <= of.high for loss in self.losses]))

    @property
    def in_time(self) -> bool:
        """Whether the prediction was stored before the first run finished."""
        return self.made_at <= self.trained_at


@dataclass(frozen=True)
class Bias:
    """Relative difference in N* between uncorrected parabolas and the parametric fit."""

    predicted: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Counts:
    """The exponent a of N ~ C^a for two ways to count N, with C = 6 N D.

    Attributes:
        total: N counts all parameters.
        body: N counts the parameters of the body.
        by_formula: `body` as predicted from `law` and the relation between both counts.
        law: chinchilla's law with all parameters counted.
    """

    total: Interval
    body: Interval
    by_formula: float
    law: Fit


@dataclass(frozen=True)
class Numbers:
    """All numbers of the findings and figures.

    Attributes:
        fitted: runs of the byte grid.
        larger: the larger runs.
        compute: FLOP of a larger run; NaN before one has finished.
        plan: the plan at `compute` from the byte grid; None before a larger run has finished.
        landed: each prediction with the larger runs it was made for.
        counts: exponents of each grid, by its vocabulary.
        falls: falls in loss on the control sources, by source.
        repeats: worth of the repeated slices, in order of epochs.
        bias: bias of the parabolas; None where approach 2 gives no plan.
        bits: bits per byte of the larger runs on `tested_bytes` bytes, mean over seeds.
        tested_bytes: number of bytes of the test part that were used.
        yardsticks: bits per byte of each compression program or model on the test part.
        fits: fits of the report, by title.
    """

    fitted: Table
    larger: Table
    compute: float
    plan: Plan | None
    landed: tuple[Landed, ...]
    counts: Mapping[int, Counts]
    falls: Mapping[str, Fall]
    repeats: Sequence[Repeats]
    bias: Bias | None
    bits: Interval
    tested_bytes: int
    yardsticks: Mapping[str, float]
    fits: Mapping[str, Fit] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Table) -> "Numbers":
        """The numbers of a table of the study's runs."""
        runs, larger = fitted(table), of_role(table, "forecast")
        landed = tuple(landed_runs(table))
        compute = float(larger["compute"][0]) if len(larger) else math.nan
        plan = plan_of(runs, compute) if len(larger) else None
        fits = {} if plan is None else _fits(plan)
        counts = {v: _counts(fitted(table, v), v) for v in (BYTES, TOKENS) if len(fitted(table, v))}
        first = larger.take([0]) if len(larger) else None
        return cls(
            fitted=runs,
            larger=larger,
            compute=compute,
            plan=plan,
            landed=landed,
            counts=counts,
            falls=falls(table),
            repeats=repeats_of(table, counts[BYTES].law) if len(repeated(table)) else (),
            bias=None if plan is None else _bias(plan, compute),
            bits=mean(larger["bits_per_byte"]) if len(larger) else NO_VALUE,
            tested_bytes=0 if first is None else int(first["tested_bytes"][0]),
            yardsticks={} if first is None else {n: float(first[n][0]) for n in YARDSTICKS},
            fits=fits,
        )


def landed_runs(table: Table) -> Iterator[Landed]:
    """Each stored prediction with the finished larger runs it was made for."""
    runs = fitted(table)
    rows = {row["run_id"]: row for row in of_role(table, "forecast")}
    most = float(runs["compute"].max()) if len(runs) else math.nan
    for plan in forecasts(table):
        finished = [run_id for run_id in plan.runs if run_id in rows and run_id in plan.trained_at]
        if not finished:
            continue
        compute = rows[finished[0]]["compute"]
        losses = tuple(rows[run_id]["test_loss"] for run_id in finished)
        trained_at = min(plan.trained_at[run_id] for run_id in finished)
        for fields in plan.predicted["predictions"]:
            prediction = Prediction(**fields)
            yield Landed(prediction, compute, compute / most, losses, plan.made_at, trained_at)


def _fits(plan: Plan) -> dict[str, Fit]:
    """The fits of the report, by title."""
    assert plan.evidence is not None
    fits = {f"Test loss, {n}": b.fit for n, b in plan.evidence.believed.items() if b.fit}
    if not isinstance(plan.approaches["2"], str):
        fits["Least losses of the parabolas"] = least_losses(plan)
    return fits


def _exponent(runs: Table, column: str) -> tuple[Interval, Fit]:
    """The exponent a of N ~ C^a by chinchilla's law with N from this column, and the fit."""
    law_fit = fit(runs, "chinchilla", {"N": column, "D": "tokens", "L": COLUMNS["L"]})
    a = law_fit.derived["a"]
    return Interval(a.value, a.low, a.high), law_fit


def _counts(runs: Table, vocabulary: int) -> Counts:
    total, law_fit = _exponent(runs, "n_params")
    body, _ = _exponent(runs, "n_params_body")
    return Counts(total, body, _by_formula(law_fit, runs, vocabulary), law_fit)


def _by_formula(law_fit: Fit, runs: Table, vocabulary: int) -> float:
    """The predicted exponent of N_body in 6 N_body D along the law's compute-optimal frontier.

    Derived as by Pearce and Song (2406.12907, section 3): the slope between the least and the
    largest compute. N* and D* are those of the law of all parameters, and N_body is interpolated
    at N* between the shapes of the study, in logarithms.
    """
    values = law_fit.values
    ends = np.array([runs["compute"].min(), runs["compute"].max()])
    total = 1 / (values["alpha"] + values["beta"])
    scale = (values["alpha"] * values["A"] / (values["beta"] * values["B"])) ** total
    n_opt = scale * (ends / 6) ** (values["beta"] * total)
    d_opt = ends / 6 / n_opt
    parts = [model_of(shape, vocabulary).parts() for shape in SHAPES]
    all_n = np.log([sum(part) for part in parts])
    n_body = np.exp(np.interp(np.log(n_opt), all_n, np.log([part.body for part in parts])))
    return float(np.diff(np.log(n_body))[0] / np.diff(np.log(n_body * d_opt))[0])


def _bias(plan: Plan, compute: float) -> Bias | None:
    """The bias of N* at `compute` FLOP; None where approach 2 gives no plan.

    Approach 2 is not corrected here, because C is measured. The prediction uses the exponents of
    the parametric fit and the offsets of the runs from its best size at each budget.
    """
    second, evidence = plan.approaches["2"], plan.evidence
    assert evidence is not None and evidence.approaches is not None
    parabolas = evidence.approaches.isoflop
    if isinstance(second, str) or parabolas is None:
        return None
    law_fit, frontier = evidence.believed["chinchilla"].fit, evidence.frontiers["chinchilla"]
    assert law_fit is not None
    used = [budget for budget in parabolas.budgets if not budget.reason]
    budgets = np.array([budget.compute for budget in used])
    best = [float(frontier.at(budget).n[0]) for budget in budgets]
    offsets = [np.log(b.n[b.kept] / n) for b, n in zip(used, best, strict=True)]
    predicted = predicted_bias(Exponents.of_fit(law_fit), offsets, budgets, compute)
    n_opt = plan.laws["chinchilla"].n_opt.value
    return Bias(predicted.n, *(end / n_opt - 1 for end in second.n_opt))
