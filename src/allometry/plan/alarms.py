"""Alarms of a plan: the rules, codes and messages of reasons to doubt it."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from allometry.laws import Array
from allometry.plan.alarm import Alarm
from allometry.plan.approaches.approach import Approach
from allometry.plan.approaches.isoflop import IsoFlop
from allometry.plan.approaches.isoflop_quality import Quality
from allometry.plan.believed import Believed
from allometry.plan.beyond.beside import OtherCount
from allometry.plan.design.identified import FEWEST_RATIOS, coverage, distinct_ratios
from allometry.plan.disagreement import Disagreement
from allometry.plan.document import Plan
from allometry.plan.frontier.cost import Cost
from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.waste import wasted
from allometry.plan.law_plan import LawPlan
from allometry.plan.published import PUBLISHED
from allometry.plan.runs import Runs
from allometry.stats.digits import shown
from allometry.stats.interval import Interval
from allometry.tables.table import Table

__all__ = ["of_count", "of_plan", "of_refused", "of_table"]

FAR = 10.0  # times the largest compute: Delphi and Farseer predict at 10 to 30 times theirs
TWICE = 2.0  # C over 6 N D: attention and head of small models give 1.5 (Porian et al. 2406.19146)
WIDE = 10.0  # high / low of N* above which the runs do not determine the size to train
COSTLY = 0.05  # share of compute that the plan of one law wastes under another
NOTICEABLE = 0.01  # share of compute wasted because of rounding or another way of counting
USUAL_RATIOS = 1.0, 1e5  # D/N: 2401.00448 trains at 10 to 10 000, Porian et al. beyond
SAME = 1e-6  # relative difference of sizes below which they are equal up to rounding
TOKENIZER = re.compile(r"tokeni[sz]er|vocab", re.IGNORECASE)
NARROW = 0.1  # coefficient of variation of (D/N)^-beta; 0.04 for D/N 18 and 22, 0.25 for 10 and 40
DESCRIBES = 0.02  # median |ln(predicted/measured)|; rounded coefficients give 0.018 on their runs


def of_plan(plan: Plan) -> Iterator[Alarm]:
    """Every alarm of a plan, alarms on the data first; none for a plan read from a document."""
    evidence = plan.evidence
    if evidence is None:
        return
    first = plan.first
    believed = evidence.believed[first.law]
    if min(first.n_opt.value, first.d_opt.value) < 1:
        yield Alarm(
            "less_than_one",
            f"The plan is {shown(first.n_opt.value)} parameters and {shown(first.d_opt.value)} "
            "tokens, less than one of the two: check the units of the compute, N and D.",
        )
    if evidence.runs is not None:
        yield from _of_runs(evidence.runs, believed, first, evidence.cost)
    else:
        for name, law in evidence.believed.items():
            yield from _of_values(law, plan.laws[name], evidence.frontiers[name])
    free = _free(believed, evidence.frontiers[first.law])
    for name, law in evidence.believed.items():
        yield from _of_fit(plan.laws[name], law)
    yield from _of_laws(plan.disagreement)
    yield from _of_approaches(
        {
            name: a
            for name, a in plan.approaches.items()
            if isinstance(a, Approach) and name != "kaplan"
        },
        free,
    )
    if evidence.approaches is not None and evidence.approaches.isoflop is not None:
        yield from _of_budgets(evidence.approaches.isoflop)
    if evidence.runs is not None and _is_best(first, free):
        yield from _of_published(evidence.runs, first, free)


def _free(believed: Believed, frontier: Frontier) -> Frontier:
    """The law without a limit on unique data, as in the approaches and in publications."""
    return frontier if "U" in believed.law.sizes else believed.frontier(frontier.cost)


def _is_best(plan: LawPlan, free: Frontier) -> bool:
    """Whether the run is the best at its compute: no given size, D/N or data limit changed it."""
    best = float(free.at(plan.compute.value).n[0])
    return math.isclose(plan.n_opt.value, best, rel_tol=SAME)


def of_refused(refused: Mapping[str, str]) -> Iterator[Alarm]:
    """Alarms for laws that have no best size, name -> reason."""
    for reason in refused.values():
        yield Alarm("no_best_size", reason)


def of_count(other: OtherCount) -> Iterator[Alarm]:
    """Alarm if another count of N leads to another run."""
    waste = max(other.waste, other.waste_of_first)
    if waste > NOTICEABLE:
        yield Alarm(
            "counting",
            f"With N from column {other.column} the plan is {shown(other.n_opt)} parameters in the "
            f"count used here: one of the two plans wastes {_percent(waste)}. Decide which "
            "parameters N counts, and count them in the same way in every run.",
        )


def _of_runs(runs: Runs, believed: Believed, plan: LawPlan, cost: Cost) -> Iterator[Alarm]:
    """Alarms on where the plan lies relative to the runs, and on what their D/N identify."""
    factor = plan.compute.value / float(runs.compute.max())
    if factor > FAR:
        yield Alarm(
            "far_extrapolation",
            f"The plan needs {shown(factor)} times the compute of the largest run. The intervals "
            "are valid only if the law's form holds that far; train a run in between and score its "
            "forecast.",
        )
    below = plan.compute.value / float(runs.compute.min())
    if below < 1 / FAR:
        yield Alarm(
            "far_extrapolation",
            f"The plan has {shown(below)} times the compute of the smallest run. Check that the "
            "compute is in FLOP, and that N and D of the runs are not in millions or billions.",
        )
    counted = float(np.median(cost.compute(runs.n, runs.d) / runs.compute))
    if not 1 / TWICE < counted < TWICE:
        yield Alarm(
            "compute_column",
            f"The column of C has {shown(1 / counted)} times the FLOP that the convention "
            f"{cost.name} gives for N and D of the runs. The plan uses the convention: give the "
            "compute by this convention, or choose the convention measured.",
        )
    ratios = runs.d / runs.n
    middle = float(np.median(ratios))
    if not USUAL_RATIOS[0] <= middle <= USUAL_RATIOS[1]:
        yield Alarm(
            "unusual_ratio",
            f"The median D/N of the runs is {shown(middle)}. Check that N and D are not swapped "
            "and have the same unit, not for example millions and billions.",
        )
    ratio = plan.tokens_per_param.value
    if not ratios.min() / 1.05 <= ratio <= ratios.max() * 1.05:
        yield Alarm(
            "ratio_outside_data",
            f"The plan has D/N {shown(ratio)}, but D/N of the runs lies between "
            f"{shown(ratios.min())} and {shown(ratios.max())}.",
        )
    rays = distinct_ratios(ratios)
    if rays < FEWEST_RATIOS:
        yield Alarm(
            "few_ratios",
            f"The runs have {rays} distinct D/N. With fewer than {FEWEST_RATIOS} even a wrong law "
            "fits without residuals, so lack of fit cannot be seen. Add runs at another D/N.",
        )
    split = believed.frontier(cost).split
    if split is not None:
        beta = float(split.beta[0])
        spread = math.sqrt(coverage(ratios, beta)) / float(np.mean(ratios**-beta))
        if spread < NARROW:
            yield Alarm(
                "one_ratio",
                f"D/N varies too little (coefficient of variation of (D/N)^-beta {spread:.2g}): "
                "only the loss along this ratio is identified, not how to split compute.",
            )


def _of_fit(plan: LawPlan, believed: Believed) -> Iterator[Alarm]:
    """Alarms from the status of the fit, and on the interval of its best size."""
    name, fit = plan.law, believed.fit
    if fit is not None and fit.status.code != "converged":
        yield Alarm(
            "fit_status", f"{name}: {fit.status.code.replace('_', ' ')}. {fit.status.advice}"
        )
    if fit is not None and fit.certificate.active_bounds:
        bounds = ", ".join(fit.certificate.active_bounds)
        yield Alarm("at_bound", f"{name}: {bounds} is at a bound of the search.")
    if plan.n_opt.has_ends and _factor(plan.n_opt) > WIDE:
        yield Alarm(
            "wide_interval",
            f"{name}: the interval of the best N spans a factor of "
            f"{shown(_factor(plan.n_opt))}: these runs do not determine which size to train.",
        )


def _of_laws(disagreements: Sequence[Disagreement]) -> Iterator[Alarm]:
    """Alarm if the plan of one law wastes much compute under another."""
    costly = [d for d in disagreements if not d.waste <= COSTLY]
    if costly:
        worst = max(costly, key=lambda d: d.waste if math.isfinite(d.waste) else math.inf)
        yield Alarm(
            "laws_disagree",
            f"If {worst.truth} is right, the plan of {worst.plan} wastes "
            f"{_percent(worst.waste)} of its compute. The choice of law matters more than the "
            "intervals show.",
        )


def _of_approaches(approaches: Mapping[str, Approach], frontier: Frontier) -> Iterator[Alarm]:
    """Alarms if approaches plan different sizes, or if a bias exceeds half an interval."""
    for first, second in combinations(approaches, 2):
        a, b = approaches[first].n_opt, approaches[second].n_opt
        apart = a.high < b.low or b.high < a.low
        wastes = [
            float(wasted(frontier, approach.n_opt.value, approach.d_opt.value)[0])
            for approach in (approaches[first], approaches[second])
        ]
        waste = max(wastes)
        if apart or waste > COSTLY:
            yield Alarm(
                "approaches_disagree",
                f"Approaches {first} and {second} give N* {shown(a.value)} and {shown(b.value)}; "
                f"their intervals {'do not overlap' if apart else 'overlap'}. If "
                f"{frontier.law.name} is right, one of the two wastes {_percent(waste)}. "
                f"{_ASSUMES[first]} {_ASSUMES[second]}",
            )
    for name, approach in approaches.items():
        bias, interval = approach.bias_predicted, approach.n_opt
        if bias is None or not interval.has_ends:
            continue
        if abs(np.log1p(bias)) > np.log(_factor(interval)) / 2:
            yield Alarm(
                "approach2_bias",
                f"Approach {name} is biased by {_percent(bias)} in N*, more than half its "
                "interval; the number shown is corrected for the bias.",
            )


_ASSUMES = {
    "1": "Approach 1 assumes that each checkpoint is as good as the end of a run.",
    "2": "Approach 2 assumes that the loss is a parabola in ln N, and N* a power of C.",
    "3": "Approach 3 assumes that the law's form is right everywhere.",
}


def _of_budgets(isoflop: IsoFlop) -> Iterator[Alarm]:
    """Alarm on budgets with enough sizes for a parabola that approach 2 could not use."""
    curves = [b for b in isoflop.budgets if len(np.unique(b.n)) >= Quality().fewest]
    unused = [budget for budget in curves if budget.reason]
    if unused:
        worst = "; ".join(f"{shown(b.compute)} FLOP: {b.reason}" for b in unused[:3])
        yield Alarm(
            "budgets_left_out",
            f"Approach 2 leaves out {len(unused)} of {len(curves)} budgets ({worst}).",
        )


def of_table(table: Table, rows: NDArray[np.intp]) -> Iterator[Alarm]:
    """Alarm on models with different tokenizers, if a column names them or their vocabulary.

    Args:
        rows: positions of the runs that were used.
    """
    for name in table.columns:
        if TOKENIZER.search(name) and len(set(map(str, table[name][rows].tolist()))) > 1:
            yield Alarm(
                "tokenizers",
                f"Column {name} differs between runs. A loss per token of one tokenizer cannot be "
                "compared with that of another: use a loss per byte, or fit each tokenizer "
                "separately.",
            )


def _of_values(believed: Believed, plan: LawPlan, frontier: Frontier) -> Iterator[Alarm]:
    """Alarms on given parameters: they have no intervals, and may be rounded."""
    yield Alarm(
        "no_interval",
        f"{plan.law}: its parameters were given without the runs they come from, so there are no "
        "intervals.",
    )
    waste = _rounding_waste(believed, plan, frontier)
    if waste > NOTICEABLE and _is_best(plan, _free(believed, frontier)):
        yield Alarm(
            "rounded_coefficients",
            f"{plan.law}: the exponents have few digits. Their rounding changes the best size so "
            f"much that this plan may waste {_percent(waste)}; use the unrounded coefficients.",
        )


def _of_published(runs: Runs, plan: LawPlan, frontier: Frontier) -> Iterator[Alarm]:
    """Alarms on published coefficients that describe these runs but plan another size."""
    for published in PUBLISHED:
        law = Believed.of_values(published.law, published.values).frontier(frontier.cost)
        predicted = law.loss(runs.n, runs.d)[0]
        if float(np.median(np.abs(np.log(predicted / runs.loss)))) > DESCRIBES:
            continue
        best = law.at(plan.compute.value)
        waste = float(wasted(frontier, best.n, best.d)[0])
        size = plan.n_opt
        if waste > NOTICEABLE and not (size.has_ends and size.low <= best.n[0] <= size.high):
            yield Alarm(
                "published_conflict",
                f"{published.name} give N* {shown(float(best.n[0]))} and D/N "
                f"{shown(float(best.tokens_per_parameter[0]))}; under the fit to these runs that "
                f"wastes {_percent(waste)}.",
            )


def _rounding_waste(believed: Believed, plan: LawPlan, frontier: Frontier) -> float:
    """The largest share that the plan wastes if one exponent is off by half its last digit."""
    exponents = [n for n in believed.law.names if believed.law.kind(n) == "exponent"]
    worst = 0.0
    for name in exponents:
        for sign in (-1, 1):
            moved = np.array([believed.values[name] + sign * _half_digit(believed.values[name])])
            other = replace(frontier, values={**frontier.values, name: moved})
            share: Array = wasted(other, plan.n_opt.value, plan.d_opt.value)
            worst = max(worst, float(share[0]))
    return worst


def _half_digit(value: float) -> float:
    """Half a unit in the last digit that a number is written with."""
    digits = repr(float(value))
    front, _, exponent = digits.partition("e")
    places = len(front.partition(".")[2])
    return 0.5 * 10.0 ** (int(exponent or 0) - places)


def _factor(interval: Interval) -> float:
    """Ratio of the ends; infinite if the lower one is 0."""
    return float(np.divide(interval.high, interval.low))


def _percent(share: float) -> str:
    return (
        f"{100 * share:.{2 if share < 0.995 else 3}g}%"
        if math.isfinite(share)
        else "an unknown share"
    )
