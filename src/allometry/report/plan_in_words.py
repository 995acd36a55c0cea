"""A plan in words, for terminal and page: the answer, its numbers, and tables as text."""

from collections.abc import Iterator
from math import isclose, isfinite, nan
from typing import NamedTuple

from allometry.plan.approaches.approach import Approach
from allometry.plan.document import Plan
from allometry.plan.law_plan import LawPlan
from allometry.stats.digits import shown
from allometry.stats.interval import Interval

__all__ = [
    "APPROACHES", "Row", "Tile", "answer_in_words", "approach_rows", "beside_in_words",
    "beyond_in_words", "counting_rows", "law_rows", "percent", "reasons", "run_in_words",
    "serving_rows", "tiles", "waste_rows",
]  # fmt: skip

APPROACHES = {
    "1": "1 envelope", "2": "2 IsoFLOP parabolas", "3": "3 parametric", "kaplan": "Kaplan's law",
}  # fmt: skip
UNNOTICED = 1e-6  # a smaller share of wasted compute is rounding error


class Tile(NamedTuple):
    """One number of the answer: its name, its value, and a line below; `wide` for a range."""

    name: str
    value: str
    below: str
    wide: bool = False


class Row(NamedTuple):
    """A row of a table: its name, and a text for each column."""

    name: str
    cells: list[str]


def answer_in_words(plan: Plan) -> str:
    """The first law's run in a few sentences; with inference tokens, the run for these first."""
    first, served = plan.first, plan.first.inference
    low, high = first.waste_band[0.05]
    band = f"sizes from {shown(low)} to {shown(high)} waste at most 5% of the compute"
    run = (
        f"train {_size(first.n_opt, plan.level)} on {shown(first.d_opt.value)} tokens, and expect "
        f"a loss of {shown(first.loss.value, 4)}. Of the same compute, {band}{_waste(first)}."
    )
    if served is None:
        return f"By {first.law}: {run}"
    return (
        f"By {first.law}, to serve {shown(served.tokens)} tokens ({_ACCOUNTS[served.account]}): "
        f"train {_size(served.n_opt, plan.level)} on {shown(served.d_opt.value)} tokens, and "
        f"expect a loss of {shown(served.loss.value, 4)}. For training alone: {run}"
    )


_ACCOUNTS = {
    "lifetime": "the compute pays for training and inference",
    "equal-quality": "at the loss of the best run for training alone",
}


def _size(n: Interval, level: float) -> str:
    """Number of parameters, with its interval if it was estimated."""
    interval = "" if not n.has_ends or _given(n) else f" ({100 * level:g}% interval {_ends(n)})"
    return f"{shown(n.value)} parameters{interval}"


def _waste(law: LawPlan) -> str:
    """The share of compute this run is expected to waste, and why; empty if unknown."""
    expected = law.expected_waste
    if law.wasted > UNNOTICED:
        share = law.wasted if expected is None or not isfinite(expected) else expected
        return f"; this run is off the best size, and is expected to waste {percent(share)}"
    if expected is None or not isfinite(expected):
        return ""
    return (
        f"; since these runs leave the best size uncertain, expect {percent(expected)} to be wasted"
    )


def run_in_words(plan: Plan) -> str:
    """The run to train in one short sentence."""
    first = plan.first
    if not (isfinite(first.n_opt.value) and isfinite(first.d_opt.value)):
        return f"{first.law} has no best run for this question."
    run = first.inference or first
    purpose = (
        "" if first.inference is None else f", to serve {shown(first.inference.tokens)} tokens"
    )
    return f"Train {shown(run.n_opt.value)} parameters on {shown(run.d_opt.value)} tokens{purpose}."


def tiles(plan: Plan) -> list[Tile]:
    """The numbers of the answer with their intervals."""
    first, level = plan.first, f"{100 * plan.level:g}%"

    def below(interval: Interval, digits: int = 3) -> str:
        if not interval.has_ends:
            return "no interval"
        if _given(interval):
            return "as asked for"
        return f"{shown(interval.low, digits)} to {shown(interval.high, digits)}"

    served = first.inference
    if served is not None:
        ratio = shown(served.d_opt.value / served.n_opt.value)
        alone = f"on {shown(first.d_opt.value)} tokens, loss {shown(first.loss.value, 4)}"
        return [
            Tile("N, parameters", shown(served.n_opt.value), below(served.n_opt)),
            Tile("D, tokens", shown(served.d_opt.value), below(served.d_opt)),
            Tile("D/N, tokens for each parameter", ratio, f"account {served.account}"),
            Tile("loss expected", shown(served.loss.value, 4), below(served.loss, 4)),
            Tile("FLOP in all", shown(served.total_flops.value), below(served.total_flops)),
            Tile("for training alone", f"N {shown(first.n_opt.value)}", alone, wide=True),
        ]
    low, high = first.waste_band.get(0.05, (nan, nan))
    made = [
        Tile("N, parameters", shown(first.n_opt.value), below(first.n_opt)),
        Tile("D, tokens", shown(first.d_opt.value), below(first.d_opt)),
        Tile("D/N, tokens for each parameter", shown(first.tokens_per_param.value),
             below(first.tokens_per_param)),
        Tile("loss expected", shown(first.loss.value, 4), below(first.loss, 4)),
    ]  # fmt: skip
    if first.loss_new_run.has_ends:
        new = first.loss_new_run
        made.append(Tile("a new run measures", f"{shown(new.low, 4)} to {shown(new.high, 4)}",
                         f"{level} of such runs"))  # fmt: skip
    made.append(Tile("sizes that waste at most 5%", f"{shown(low)} to {shown(high)}",
                     "parameters, for the same compute", wide=True))  # fmt: skip
    if first.expected_waste is not None and isfinite(first.expected_waste):
        why = "this run is off the best size" if first.wasted > UNNOTICED else (
            "the best size is uncertain"
        )  # fmt: skip
        made.append(Tile("waste to expect", percent(first.expected_waste),
                         f"of the compute, since {why}"))  # fmt: skip
    if not isclose(first.epochs.value, 1) and isfinite(first.epochs.value):
        made.append(Tile("epochs", shown(first.epochs.value), "passes over the unique tokens"))
    return made


def law_rows(plan: Plan) -> list[Row]:
    """The plan of each law, one column for each."""
    laws = list(plan.laws.values())
    rows = [
        Row("N, parameters", [_shown(law.n_opt) for law in laws]),
        Row("D, tokens", [_shown(law.d_opt) for law in laws]),
        Row("D/N", [_shown(law.tokens_per_param) for law in laws]),
        Row("C, FLOP", [_shown(law.compute) for law in laws]),
        Row("epochs", [_shown(law.epochs) for law in laws]),
        Row("loss", [_loss(law.loss) for law in laws]),
        Row("loss of a new run", [_loss(law.loss_new_run) for law in laws]),
        *(Row(f"at most {100 * share:g}% wasted", [_band(law, share) for law in laws])
          for share in laws[0].waste_band),
        Row("expected waste", [percent(law.expected_waste) for law in laws]),
    ]  # fmt: skip
    if any(law.wasted > UNNOTICED for law in laws):
        rows.append(Row("wasted off the best size", [percent(law.wasted) for law in laws]))
    if len(laws) > 1:
        rows.append(Row("weight", [f"{law.weight:.2f}" for law in laws]))
    return rows


def serving_rows(plan: Plan) -> tuple[str, list[Row]]:
    """The run for training and inference: a heading, and rows; no rows without inference."""
    served = [law.inference for law in plan.laws.values() if law.inference is not None]
    if not served or len(served) < len(plan.laws):
        return "", []
    saved = [
        percent(1 - p.total_flops.value / p.baseline_flops.value) if p.baseline_flops else ""
        for p in served
    ]
    rows = [
        Row("N, parameters", [_shown(p.n_opt) for p in served]),
        Row("D, tokens", [_shown(p.d_opt) for p in served]),
        Row("loss", [_loss(p.loss) for p in served]),
        Row("FLOP in all", [_shown(p.total_flops) for p in served]),
    ]
    if any(saved):
        rows.append(Row("saved", saved))
    return f"serving {shown(served[0].tokens)} tokens, {served[0].account}", rows


def approach_rows(plan: Plan) -> list[Row]:
    """The approaches used, with exponents of N* and D*, N*, D* and bias."""
    return [
        Row(APPROACHES.get(name, name), [
            a.exponent_n.shown(), a.exponent_d.shown(), a.n_opt.shown(), a.d_opt.shown(),
            "" if a.bias_predicted is None else f"{100 * a.bias_predicted:+.1f}%, corrected",
        ])
        for name, a in plan.approaches.items() if isinstance(a, Approach)
    ]  # fmt: skip


def reasons(plan: Plan) -> list[str]:
    """Why other approaches are not used, one sentence each."""
    return [
        f"Approach {APPROACHES.get(name, name)} is not used: {a.rstrip('.')}."
        for name, a in plan.approaches.items()
        if isinstance(a, str)
    ]


def waste_rows(plan: Plan) -> list[Row]:
    """The compute that the plan of each law wastes if another law is right."""
    waste = {(d.plan, d.truth): d.waste for d in plan.disagreement}
    return [
        Row(name, ["own plan" if name == other else percent(waste.get((name, other)))
                   for other in plan.laws])
        for name in plan.laws
    ]  # fmt: skip


def beyond_in_words(plan: Plan) -> str:
    """How far the plan extrapolates beyond the runs; empty without runs."""
    if not plan.extrapolation:
        return ""
    factors = ", ".join(
        f"{name} {shown(plan.extrapolation[key])} times"
        for key, name in (("compute", "C"), ("n", "N"), ("d", "D"))
    )
    return f"The plan over the largest of the {plan.rows} runs: {factors}."


def counting_rows(plan: Plan) -> list[Row]:
    """The plan under other conventions: column of N, exponents of N* and D*, N*, D*, loss."""
    return [
        Row(way.flops, [
            way.n_column, *map(shown, (way.exponent_n, way.exponent_d, way.n_opt, way.d_opt)),
            shown(way.loss, 4),
        ])
        for way in plan.countings
    ]  # fmt: skip


def beside_in_words(plan: Plan) -> Iterator[str]:
    """Further results that were asked for with the plan, one line each."""
    for name, score in plan.hold_out.items():
        covered = "" if score.covered is None else (
            f"; {score.covered.value:.0%} of them lie in the interval of a new run"
        )  # fmt: skip
        yield (
            f"Held out: {name} predicts {score.rows} runs, up to {shown(score.beyond)} times the "
            f"largest compute fitted, with a mean error of {100 * score.mape:.2g}%{covered}."
        )
    if plan.other_count is not None:
        other = plan.other_count
        yield (
            f"With N from {other.column}: N* ~ C^{shown(other.exponent_n)}, and a plan of "
            f"{shown(other.n_opt)} parameters in the count used here, which wastes "
            f"{percent(other.waste)}."
        )
    if plan.equal_loss is not None:
        equal = plan.equal_loss
        yield (
            f"At a loss of {shown(equal.loss, 4)} this recipe needs {shown(equal.compute)} FLOP "
            f"and the other {shown(equal.other_compute)}: a speedup of {equal.speedup.shown()}."
        )
    if plan.bill is not None:
        dollars = plan.bill.dollars
        price = "" if dollars is None else f", {_shown(dollars)} dollars"
        yield f"Training takes {_shown(plan.bill.hours)} hours{price}."
        yield from (f"{note[0].upper()}{note[1:]}." for note in plan.bill.notes)
    for band in plan.advice:
        yield (
            f"{band.quantity[0].upper()}{band.quantity[1:]} from {shown(band.low)} to "
            f"{shown(band.high)} ({band.unit}) by {band.source}, fitted to {band.recipe}."
        )


def percent(share: float | None) -> str:
    """A share in percent; a dash if it is unknown."""
    return (
        "\N{EN DASH}"
        if share is None or not isfinite(share)
        else f"{100 * share:.{2 if share < 0.995 else 3}g}%"
    )


def _given(interval: Interval) -> bool:
    """Whether the value was given and not estimated: then both ends are equal."""
    return isclose(interval.low, interval.high, rel_tol=1e-9)


def _ends(interval: Interval) -> str:
    return f"{shown(interval.low)} to {shown(interval.high)}"


def _band(law: LawPlan, share: float) -> str:
    low, high = law.waste_band[share]
    return f"{shown(low)} to {shown(high)}"


def _shown(interval: Interval) -> str:
    """Value and ends; only the value if it was given and not estimated."""
    return (interval._replace(low=nan, high=nan) if _given(interval) else interval).shown()


def _loss(interval: Interval) -> str:
    return interval.shown(lambda value: shown(value, 4))
