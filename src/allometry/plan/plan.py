"""Plan the run to train, from a table of runs, from fits, or from given parameters of a law."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from allometry.errors import DataError, UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.fitting.rows import left_out
from allometry.laws import Law
from allometry.plan import alarms
from allometry.plan.approaches.side_by_side import approaches
from allometry.plan.believed import SEARCHED_DRAWS, Believed
from allometry.plan.beyond.batch import advice
from allometry.plan.beyond.beside import Machines, bill, equal_loss, other_count, scores
from allometry.plan.beyond.countings import countings
from allometry.plan.beyond.data_limits import PUBLISHED, with_repeats
from allometry.plan.beyond.inference import Account, Inference, equal_quality, lifetime
from allometry.plan.budget import Budget
from allometry.plan.data import Data
from allometry.plan.design.weighing import law_weights
from allometry.plan.disagreement import disagreements
from allometry.plan.document import Evidence, Plan
from allometry.plan.frontier.conventions import Counting
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.law_plan import LawPlan, plan_of_law
from allometry.plan.runs import Runs
from allometry.stats.digits import shown
from allometry.tables.conditions import meeting
from allometry.tables.table import Table

__all__ = ["PlanOptions", "plan_of_fits", "plan_of_table", "plan_of_values"]

Serve = Callable[[Frontier], Inference]
NAMES = ("1", "2", "3", "kaplan")
NO_RUNS = "parameters of a law were given, without runs"
BESIDE = 0.9, 1.1  # factors of the best N at which the loss must not be lower
ROUNDING = 1e-12  # relative rounding of a loss


@dataclass(frozen=True)
class PlanOptions:
    """Options of a plan, apart from the budget.

    Attributes:
        cost: FLOP of a run.
        run: column that names the run of which a row is a checkpoint; approach 1 needs it.
        inference_tokens: number of tokens that the model will serve. account: how the cost of
            inference is accounted for.
        fit_where: conditions of the rows to fit; the other rows are held out and scored.
        other_n: column of another count of N, with embeddings or without.
        try_counting: further conventions under which the plan is made.
        against: a fit of another recipe, for a comparison at equal loss.
        machines: on which the run is trained, for hours and dollars.
        advise: whether to give the batch size and learning rate of published laws.
        fit: options of every fit; its level and seed are those of the plan.
    """

    cost: Cost = SIX_ND
    run: str | None = None
    inference_tokens: float | None = None
    account: Account | None = None
    fit_where: Sequence[str] = ()
    other_n: str | None = None
    try_counting: Sequence[Counting] = ()
    against: Fit | None = None
    machines: Machines | None = None
    advise: bool = False
    fit: FitOptions = field(default_factory=FitOptions)

    def __post_init__(self) -> None:
        if (self.inference_tokens is None) != (self.account is None):
            raise UsageError(
                "inference tokens need an account, and an account needs inference tokens. Accounts "
                "are lifetime (the compute pays for training and inference) and equal-quality (the "
                "loss of the best run for training alone, at the least total FLOP)"
            )


@np.errstate(all="ignore")  # values that are not finite are refused or shown as unknown
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
        laws: of N and D, the leading law first.

    Raises:
        UsageError: invalid columns, laws or options. DataError: rows that cannot be used.
    """
    options = options or PlanOptions()
    began = time.perf_counter()
    whole = Data.of_table(table, columns, options.cost, options.run)
    in_fit = meeting(whole.table, options.fit_where)
    if not in_fit.any():
        raise DataError(f"no row is left to fit: none meets {', '.join(options.fit_where)}")
    data = whole.take(in_fit)
    fits = {
        law.name: fit_with(data.table, law, data.columns, _fit_options(law, options.fit))
        for law in laws
    }
    fitted = time.perf_counter()
    data = data.used_by(next(iter(fits.values())))
    believed = {name: Believed.of_fit(fit) for name, fit in fits.items()}
    plan = _plan(believed, budget, options, data)
    if not in_fit.all():
        plan = replace(plan, hold_out=scores(fits, whole.table.take(~in_fit)))
    if options.other_n is not None:
        first = believed[plan.first.law]
        counted = other_count(data, first, options.other_n, plan.first, options.cost, options.fit)
        plan = replace(plan, other_count=counted)
        plan = replace(plan, alarms=(*plan.alarms, *alarms.of_count(counted)))
    plan = replace(plan, alarms=(*plan.alarms, *alarms.of_table(data.table, data.runs.rows)))
    if options.try_counting:
        names = [columns["N"], *filter(None, [options.other_n])]
        ways = [(way, name) for way in options.try_counting for name in names]
        compute = plan.first.compute.value
        rows = countings(table, columns, laws[0], compute, ways, options.fit)
        plan = replace(plan, countings=rows)
    return replace(plan, seconds={"fits": fitted - began, "plan": time.perf_counter() - fitted})


@np.errstate(all="ignore")  # as above
def plan_of_fits(fits: Sequence[Fit], budget: Budget, options: PlanOptions | None = None) -> Plan:
    """Plan from fits of laws of N and D to the same runs; the rows of the first are the runs.

    Raises:
        UsageError: no fit, two fits of one law, or a law of other sizes than N and D.
    """
    options = options or PlanOptions()
    names = [fit.law.name for fit in fits]
    if not fits or len(set(names)) < len(names):
        raise UsageError(
            f"a plan needs exactly one fit of each law, got {', '.join(names) or 'no fit'}"
        )
    believed = {fit.law.name: Believed.of_fit(fit) for fit in fits}
    first = fits[0]
    of_first = replace(
        options.fit, level=first.interval.level, resamples=_drawn(first),
        objective=first.objective.name, delta=first.objective.delta,
    )  # fmt: skip
    options = replace(options, fit=of_first)
    return _plan(believed, budget, options, Data.of_fit(first, options.cost))


def _fit_options(law: Law, options: FitOptions) -> FitOptions:
    """Options with no more resamples than are used: 200 for a law without closed forms."""
    most = options.resamples if law.allocation is not None else SEARCHED_DRAWS
    return replace(options, resamples=min(options.resamples, most))


def _drawn(fit: Fit) -> int:
    """Number of draws of a fit."""
    return len(next(iter(fit.draws.values()), ()))


@np.errstate(all="ignore")  # as above
def plan_of_values(
    law: Law, values: Mapping[str, float], budget: Budget, options: PlanOptions | None = None
) -> Plan:
    """Plan from values of a law's parameters, without intervals."""
    return _plan({law.name: Believed.of_values(law, values)}, budget, options or PlanOptions())


def _plan(
    believed: Mapping[str, Believed], budget: Budget, options: PlanOptions, data: Data | None = None
) -> Plan:
    """The plan under each law, with the results of the approaches."""
    cost, notes, serve = options.cost, list[str](), _serve(budget, options)
    pairs = {name: _frontiers(law, budget, serve, cost, notes) for name, law in believed.items()}
    refused = {name: why for name, pair in pairs.items() if (why := _no_plan(pair[0], budget))}
    if len(refused) == len(believed):
        raise DataError(" ".join(refused.values()))
    believed = {name: law for name, law in believed.items() if name not in refused}
    fits = {name: law.fit for name, law in believed.items() if law.fit is not None}
    weights = _weights(believed, fits, data)
    frontiers = {name: pairs[name][0] for name in believed}
    plans = {
        name: plan_of_law(law, pairs[name], budget, level=options.fit.level,
                          weight=weights[name], serve=serve)
        for name, law in believed.items()
    }  # fmt: skip
    first = next(iter(plans.values()))
    beside = None
    if data is not None:
        beside = approaches(data, first.compute.value, cost, options.fit, fits)
    plan = Plan(
        question=budget.in_words(),
        counting=cost.meaning,
        laws=plans,
        approaches=beside.by_name if beside else dict.fromkeys(NAMES, NO_RUNS),
        disagreement=tuple(disagreements(plans, frontiers)),
        extrapolation={} if data is None else _extrapolation(first, data.runs),
        alarms=(),
        level=options.fit.level,
        rows=0 if data is None else len(data.runs),
        notes=tuple(dict.fromkeys([*notes, *_of_rows(fits)])),
        evidence=Evidence(believed, frontiers, cost, None if data is None else data.runs, beside),
    )
    plan = replace(plan, alarms=(*alarms.of_refused(refused), *alarms.of_plan(plan)))
    return _with_extras(plan, fits.get(first.law), options)


def _of_rows(fits: Mapping[str, Fit]) -> list[str]:
    """Notes on what the fits did to the rows of their table."""
    dropped = [left_out(fit.dropped, asked=False) for fit in fits.values()]
    return [*filter(None, dropped), *(note for fit in fits.values() for note in fit.notes)]


def _with_extras(plan: Plan, fit: Fit | None, options: PlanOptions) -> Plan:
    """The plan with hours and dollars, another recipe and published bands, as requested."""
    first, cost = plan.first, options.cost
    if options.machines is not None:
        plan = replace(plan, bill=bill(first, cost, options.machines))
    if options.against is not None:
        if fit is None:
            raise UsageError("a comparison of recipes needs runs of both, or fits to them")
        level = options.fit.level
        plan = replace(plan, equal_loss=equal_loss(fit, options.against, first, cost, level))
    if options.advise:
        bands = advice(first.n_opt.value, first.d_opt.value, first.compute.value)
        plan = replace(plan, advice=bands)
    return plan


def _weights(
    believed: Mapping[str, Believed], fits: Mapping[str, Fit], data: Data | None
) -> dict[str, float]:
    """Weight of each law, by how well it predicts the larger runs; equal weights without runs."""
    if data is None or len(fits) < len(believed):
        return dict.fromkeys(believed, 1 / len(believed))
    return law_weights(fits, data.runs)


def _no_plan(frontier: Frontier, budget: Budget) -> str:
    """Why a law plans no run with its parameters, in words; empty if it plans one."""
    best = budget.decide(frontier)
    numbers = [float(x[0]) for x in (best.n, best.d, best.compute, best.loss)]
    if not all(0 < x < np.inf for x in numbers):
        n, d, _, loss = map(shown, numbers)
        return (
            f"Law {frontier.law.name} plans no run with these parameters: for "
            f"{budget.in_words()}, it gives N {n}, D {d} and a loss of {loss}."
        )
    least = frontier.at(best.compute)
    for factor in BESIDE:
        n_beside = factor * least.n
        loss_beside = frontier.loss_at(n_beside, frontier.cost.tokens(n_beside, best.compute))
        if loss_beside[0] < least.loss[0] * (1 - ROUNDING):
            return (
                f"Law {frontier.law.name} has no best size with its values at "
                f"{shown(numbers[2])} FLOP: its loss does not rise to both sides of one."
            )
    return ""


def _frontiers(
    law: Believed, budget: Budget, serve: Serve | None, cost: Cost, notes: list[str]
) -> tuple[Frontier, Frontier | None]:
    """The frontiers of a law for its values and its draws, with repeated data if needed."""
    frontier, drawn = law.frontier(cost), law.drawn(cost)
    if drawn is not None and drawn.split is None:
        notes.append(
            f"Intervals of {law.law.name} use {drawn.draws} resamples, since each needs a search."
        )
    unique = budget.unique_data
    if "U" in law.law.sizes:
        if unique is None:
            raise UsageError(f"law {law.law.name} needs the number of unique tokens (unique_data)")
        drawn = None if drawn is None else with_repeats(law.searched(cost), unique)
        return with_repeats(frontier, unique), drawn
    if unique is None or not _most_tokens(frontier, budget, serve) > unique * (1 + 1e-9):
        return frontier, drawn
    if not budget.repeats:
        raise UsageError(
            f"the run needs {shown(_most_tokens(frontier, budget, serve))} tokens, more than the "
            f"{shown(unique)} unique ones: allow repeats, or give a compute alone"
        )
    lives = PUBLISHED.data, PUBLISHED.parameters
    notes.append(
        f"Repeated data lose value by assumed half-lives, R_D {shown(lives[0].value)} and R_N "
        f"{shown(lives[1].value)} ({PUBLISHED.source}); these runs do not test them."
    )
    few = None if drawn is None else law.searched(cost)
    limited = (
        None if f is None else with_repeats(f, unique, *(life.value for life in lives))
        for f in (frontier, few)
    )
    first, second = limited
    assert first is not None
    return first, second


def _most_tokens(frontier: Frontier, budget: Budget, serve: Serve | None) -> float:
    """The larger of D of the run to train and D of the run that also serves tokens."""
    tokens = budget.decide(frontier).d[0]
    return float(tokens if serve is None else np.fmax(tokens, serve(frontier).d_opt[0]))


def _serve(budget: Budget, options: PlanOptions) -> Serve | None:
    """The function that plans the run with inference; None if the model serves no tokens."""
    tokens, account, compute = options.inference_tokens, options.account, budget.compute
    if tokens is None:
        return None
    if budget.size is not None or budget.tokens_per_parameter is not None:
        raise UsageError(
            "with inference the plan chooses the size: give a compute or a target loss, without a "
            "size or tokens per parameter"
        )
    if account == "lifetime":
        if compute is None:
            raise UsageError(
                "the lifetime account needs a compute, which pays for training and inference"
            )
        return lambda frontier: lifetime(frontier, compute, tokens)
    if compute is None and budget.target_loss is None:
        raise UsageError("the equal-quality account needs a compute or a target loss")
    return lambda frontier: equal_quality(
        frontier, tokens, compute=compute, loss=budget.target_loss
    )


def _extrapolation(first: LawPlan, runs: Runs) -> dict[str, float]:
    return {
        "compute": first.compute.value / float(runs.compute.max()),
        "n": first.n_opt.value / float(runs.n.max()),
        "d": first.d_opt.value / float(runs.d.max()),
    }
