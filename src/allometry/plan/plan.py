"""Plan the run to train: from a table of runs, from fits, or from given values of a law."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from allometry import laws as known_laws
from allometry.errors import DataError, UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.laws import Law
from allometry.plan import alarms
from allometry.plan.approaches import Approaches, approaches_of
from allometry.plan.believed import Believed
from allometry.plan.budget import Budget
from allometry.plan.cost import SIX_ND, Cost
from allometry.plan.data_limits import PUBLISHED, with_repeats
from allometry.plan.disagreement import disagreements
from allometry.plan.document import Evidence, Plan
from allometry.plan.inference import Account, Inference, equal_quality, lifetime
from allometry.plan.law_plan import LawPlan, plan_of_law
from allometry.plan.law_weights import law_weights
from allometry.plan.optimum import Frontier
from allometry.plan.runs import Runs
from allometry.tables.table import Table

__all__ = ["PlanOptions", "plan_of_fits", "plan_of_table", "plan_of_values"]

CENTRE = "chinchilla"  # the law of approach 3


@dataclass(frozen=True)
class PlanOptions:
    """How to plan, beside the budget.

    Attributes:
        cost: FLOP of a run.
        run: column that names the run a row is a checkpoint of; approach 1 needs it.
        inference_tokens: that the model will serve. account: how they are counted.
        fit: options of every fit; its level and seed are those of the plan.
    """

    cost: Cost = SIX_ND
    run: str | None = None
    inference_tokens: float | None = None
    account: Account | None = None
    fit: FitOptions = field(default_factory=FitOptions)

    def __post_init__(self) -> None:
        if (self.inference_tokens is None) != (self.account is None):
            raise UsageError(
                "inference tokens go with an account: lifetime (the compute pays for training and "
                "inference) or equal-quality (the loss of the best run for training alone, at the "
                "least FLOP in all)"
            )


def plan_of_table(
    table: Table,
    columns: Mapping[str, str],
    laws: Sequence[Law],
    budget: Budget,
    options: PlanOptions | None = None,
) -> Plan:
    """Fit each law to the runs of a table, and plan.

    Args:
        columns: N, L, and D or C or both -> column.
        laws: of N and D; the first is shown first.

    Raises:
        UsageError: columns, laws or options that do not fit. DataError: rows that cannot be used.
    """
    options = options or PlanOptions()
    began = time.perf_counter()
    runs, mapped, table = _runs(table, columns, options)
    fits = {law.name: fit_with(table, law, mapped, options.fit) for law in laws}
    fitted = time.perf_counter()
    made = approaches_of(runs, table, mapped, fits.get(CENTRE), options.cost, options.fit)
    plan = _plan(
        {name: Believed.of_fit(fit) for name, fit in fits.items()}, budget, options, runs, made
    )
    seconds = {"fits": fitted - began, "plan": time.perf_counter() - fitted}
    return replace(plan, seconds=seconds)


def plan_of_fits(
    fits: Sequence[Fit], budget: Budget, options: PlanOptions | None = None
) -> Plan:
    """Plan from fits of laws of N and D to the same runs; their rows are the runs.

    Raises:
        UsageError: no fit, two of one law, or one of other sizes than N and D.
    """
    options = options or PlanOptions()
    names = [fit.law.name for fit in fits]
    if not fits or len(set(names)) < len(names):
        raise UsageError(f"a plan needs one fit of each law, got {', '.join(names) or 'none'}")
    believed = {fit.law.name: Believed.of_fit(fit) for fit in fits}
    first, data = fits[0], fits[0].data
    table = Table({symbol: data[symbol] for symbol in (*first.law.sizes, first.law.response)})
    columns = {symbol: symbol for symbol in ("N", "D", first.law.response)}
    fit_options = replace(
        options.fit, level=first.interval.level, resamples=first.interval.resamples
    )
    options = replace(options, fit=fit_options)
    runs = Runs.of_table(table, {**columns, "L": first.law.response}, options.cost)
    centre = next((fit for fit in fits if fit.law.name == CENTRE), None)
    made = approaches_of(runs, table, columns, centre, options.cost, fit_options)
    return _plan(believed, budget, options, runs, made)


def plan_of_values(
    law: Law, values: Mapping[str, float], budget: Budget, options: PlanOptions | None = None
) -> Plan:
    """Plan from values of a law's parameters; there are no intervals."""
    return _plan({law.name: Believed.of_values(law, values)}, budget, options or PlanOptions())


def _runs(
    table: Table, columns: Mapping[str, str], options: PlanOptions
) -> tuple[Runs, dict[str, str], Table]:
    """The runs, the columns of the laws' symbols, and the table with D where it had none."""
    runs = Runs.of_table(table, columns, options.cost, options.run)
    mapped = {symbol: columns[symbol] for symbol in columns if symbol != "C"}
    if "D" not in mapped:
        d = np.full(len(table), np.nan)
        d[runs.rows] = runs.d
        mapped["D"] = "D"
        table = table.with_column("D", d)
    return runs, mapped, table


def _plan(
    believed: Mapping[str, Believed],
    budget: Budget,
    options: PlanOptions,
    runs: Runs | None = None,
    made: Approaches | None = None,
) -> Plan:
    """The plan of laws that are believed, beside what the approaches give."""
    level, notes = options.fit.level, list[str]()
    weights = dict.fromkeys(believed, 1 / len(believed))
    fits = {name: b.fit for name, b in believed.items() if b.fit is not None}
    if runs is not None and len(fits) == len(believed) > 1:
        weights = law_weights(fits, runs)
    frontiers, plans = {}, {}
    for name, law in believed.items():
        pair = _frontiers(law, budget, options.cost, notes)
        frontiers[name] = pair[0]
        plans[name] = plan_of_law(
            law, pair, budget, level=level, weight=weights[name], serve=_serve(budget, options)
        )
    first = next(iter(plans.values()))
    at = made.at(first.compute.value) if made is not None else {}
    pairs = disagreements(plans, frontiers)
    evidence = Evidence(believed, frontiers, options.cost, runs, made)
    plan = Plan(
        question=budget.in_words(),
        counting=options.cost.meaning,
        laws=plans,
        approaches=at,
        disagreement=tuple(pairs),
        extrapolation={} if runs is None else _extrapolation(first, runs),
        alarms=(),
        level=level,
        rows=0 if runs is None else len(runs),
        notes=tuple(dict.fromkeys([*notes, *(made.notes if made else ())])),
        evidence=evidence,
    )
    return replace(plan, alarms=tuple(alarms.of_plan(plan)))


def _frontiers(
    law: Believed, budget: Budget, cost: Cost, notes: list[str]
) -> tuple[Frontier, Frontier | None]:
    """The law under its values and its draws; of repeated data where those are too few."""
    pair = law.frontier(cost, {}), law.drawn(cost, {})
    if budget.unique_data is None or not budget.repeats:
        return pair
    best = budget.decide(pair[0])
    if best.d[0] <= budget.unique_data:
        return pair
    lives = PUBLISHED.data.value, PUBLISHED.parameters.value
    notes.append(
        f"Repeated data lose worth by published half-lives, R_D {lives[0]:.4g} and R_N "
        f"{lives[1]:.3g}: an assumption, not a result of these runs ({PUBLISHED.source})."
    )
    limited, drawn = (
        f and with_repeats(f, budget.unique_data, *lives) for f in law.thinned(pair)
    )
    assert limited is not None
    return limited, drawn


def _serve(budget: Budget, options: PlanOptions) -> "Serve | None":
    tokens, account = options.inference_tokens, options.account
    if tokens is None:
        return None
    if account == "lifetime":
        if budget.compute is None:
            raise UsageError("the lifetime account needs a compute, which pays for both")
        compute = budget.compute
        return lambda frontier: lifetime(frontier, compute, tokens)
    if budget.compute is None and budget.target_loss is None:
        raise UsageError("the equal-quality account needs a compute or a target loss")
    return lambda frontier: equal_quality(
        frontier, tokens, compute=budget.compute, loss=budget.target_loss
    )


def _extrapolation(first: LawPlan, runs: Runs) -> dict[str, float]:
    return {
        "compute": first.compute.value / float(runs.compute.max()),
        "n": first.n_opt.value / float(runs.n.max()),
        "d": first.d_opt.value / float(runs.d.max()),
    }
