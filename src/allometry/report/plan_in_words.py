"""A plan in plain words, for screen and page: the answer, its numbers, and tables as text."""

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
UNNOTICED = 1e-6  # share wasted off the best size below which it is rounding


class Tile(NamedTuple):
    """One number of the answer: what it is, its value, and a line below; `wide` for a range."""

    name: str
    value: str
    below: str
    wide: bool = False


class Row(NamedTuple):
    """A row of a table: what it is, a text for each column."""

    name: str
    cells: list[str]


def answer_in_words(plan: Plan) -> str:
    """The first law's run in one sentence."""
    first = plan.first
    level = f"{100 * plan.level:g}%"
    interval = "" if not first.n_opt.has_ends else f" ({level} interval {_ends(first.n_opt)})"
    low, high = first.waste_band[0.05]
    band = f"sizes from {shown(low)} to {shown(high)} waste at most 5% of the compute"
    expected = first.expected_waste
    waste = "" if expected is None or not isfinite(expected) else (
        f"; since these runs leave the best size uncertain, expect {percent(expected)} to be wasted"
    )  # fmt: skip
    return (
        f"By {first.law}: train {shown(first.n_opt.value)} parameters{interval} on "
        f"{shown(first.d_opt.value)} tokens, and expect a loss of {shown(first.loss.value, 4)}. "
        f"Of the same compute, {band}{waste}."
    )


def run_in_words(plan: Plan) -> str:
    """The run to train, in as few words as there are."""
    first = plan.first
    if not (isfinite(first.n_opt.value) and isfinite(first.d_opt.value)):
        return f"{first.law} has no best run for this question."
    return f"Train {shown(first.n_opt.value)} parameters on {shown(first.d_opt.value)} tokens."


def tiles(plan: Plan) -> list[Tile]:
    """The numbers of the answer with their intervals."""
    first, level = plan.first, f"{100 * plan.level:g}%"

    def below(interval: Interval, digits: int = 3) -> str:
        if not interval.has_ends:
            return "no interval"
        if isclose(interval.low, interval.high, rel_tol=1e-9):
            return "as asked for"
        return f"{shown(interval.low, digits)} to {shown(interval.high, digits)}"

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
        made.append(Tile("waste to expect", percent(first.expected_waste),
                         "of the compute, since the best size is uncertain"))  # fmt: skip
    if not isclose(first.epochs.value, 1) and isfinite(first.epochs.value):
        made.append(Tile("epochs", shown(first.epochs.value), "passes over the unique tokens"))
    served = first.inference
    if served is not None:
        made.append(Tile(
            f"where it serves {shown(served.tokens)} tokens", f"N {shown(served.n_opt.value)}",
            f"on {shown(served.d_opt.value)} tokens, account {served.account}",
        ))  # fmt: skip
    return made


def law_rows(plan: Plan) -> list[Row]:
    """What each law plans, a column for each."""
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
    """The run where the model serves tokens: a heading, and rows; no rows where it serves none."""
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
    """Approaches that are used: exponents of N* and D*, N*, D*, bias."""
    return [
        Row(APPROACHES.get(name, name), [
            a.exponent_n.shown(), a.exponent_d.shown(), a.n_opt.shown(), a.d_opt.shown(),
            "" if a.bias_predicted is None else f"{100 * a.bias_predicted:+.1f}%, corrected",
        ])
        for name, a in plan.approaches.items() if isinstance(a, Approach)
    ]  # fmt: skip


def reasons(plan: Plan) -> list[str]:
    """Why approaches are not used, a sentence each."""
    return [
        f"Approach {APPROACHES.get(name, name)} is not used: {a.rstrip('.')}."
        for name, a in plan.approaches.items()
        if isinstance(a, str)
    ]


def waste_rows(plan: Plan) -> list[Row]:
    """What the plan of each law wastes if another is right, in the order of the laws."""
    waste = {(d.plan, d.truth): d.waste for d in plan.disagreement}
    return [
        Row(name, ["own plan" if name == other else percent(waste.get((name, other)))
                   for other in plan.laws])
        for name in plan.laws
    ]  # fmt: skip


def beyond_in_words(plan: Plan) -> str:
    """How far the plan lies beyond the runs; empty without runs."""
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
    """What was asked for beside the plan, a line each."""
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
    """A share in percent; a dash where it is not known."""
    return "\N{EN DASH}" if share is None or not isfinite(share) else f"{100 * share:.2g}%"


def _ends(interval: Interval) -> str:
    return f"{shown(interval.low)} to {shown(interval.high)}"


def _band(law: LawPlan, share: float) -> str:
    low, high = law.waste_band[share]
    return f"{shown(low)} to {shown(high)}"


def _shown(interval: Interval) -> str:
    """Value and ends; the value alone where it is given and not estimated."""
    given = isclose(interval.low, interval.high, rel_tol=1e-9)
    return (interval._replace(low=nan, high=nan) if given else interval).shown()


def _loss(interval: Interval) -> str:
    return interval.shown(lambda value: shown(value, 4))
