"""A plan on the terminal: the run to train first, then what speaks for and against it."""

from collections.abc import Iterable
from math import isclose, isfinite, nan

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from allometry.cli.terminal import show_line, stdout
from allometry.plan.approach import Approach
from allometry.plan.design import Identified
from allometry.plan.document import Plan
from allometry.plan.law_plan import LawPlan
from allometry.plan.next_runs import NextRuns
from allometry.stats.digits import shown
from allometry.stats.interval import Interval

__all__ = ["show_design", "show_next", "show_plan"]

APPROACHES = {
    "1": "1 envelope", "2": "2 IsoFLOP parabolas", "3": "3 parametric", "kaplan": "Kaplan's law",
}  # fmt: skip


def show_plan(plan: Plan) -> None:
    """The answer, the laws, the approaches, what another law would waste, and the alarms."""
    console = stdout()
    show_line(console, f"{plan.question[0].upper()}{plan.question[1:]}", "bold")
    show_line(console, answer_in_words(plan))
    console.print(_laws(plan))
    if plan.rows:
        _show_approaches(console, plan)
    _show_disagreement(console, plan)
    _show_countings(console, plan)
    for line in _context(plan):
        show_line(console, line)
    _show_alarms(console, plan)


def answer_in_words(plan: Plan) -> str:
    """The first law's run in one sentence."""
    first = plan.first
    level = f"{100 * plan.level:g}%"
    interval = "" if not first.n_opt.has_ends else f" ({level} {_ends(first.n_opt)})"
    low, high = first.waste_band[0.05]
    band = f"sizes from {shown(low)} to {shown(high)} waste at most 5% of the compute"
    waste = "" if first.expected_waste is None else (
        f"; for what these runs leave open, expect {100 * first.expected_waste:.2g}% to be wasted"
    )  # fmt: skip
    return (
        f"By {first.law}: train {shown(first.n_opt.value)} parameters{interval} on "
        f"{shown(first.d_opt.value)} tokens, and expect a loss of {shown(first.loss.value, 4)}. "
        f"Of the same compute, {band}{waste}."
    )


def _ends(interval: Interval) -> str:
    return f"interval {shown(interval.low)} to {shown(interval.high)}"


def show_next(made: NextRuns) -> None:
    """The runs, what they are expected to tell, and other ways to spend the budget."""
    console = stdout()
    show_line(console, f"Runs to make for {shown(made.budget)} FLOP, to tell {made.target}", "bold")
    table = _table("N, parameters", "D, tokens", "D/N", "FLOP", "why")
    for run in made.runs:
        table.add_row(shown(run.n), shown(run.d), shown(run.d / run.n), shown(run.cost), run.reason)
    console.print(table)
    table = _table("", made.target, "standard deviation", "runs", "FLOP")
    ways = {"now": made.before, "with these runs": made.after, **made.baselines}
    for name, expected in ways.items():
        table.add_row(
            name.replace("_", " "), shown(expected.value), shown(expected.sd), str(expected.runs),
            shown(expected.cost),
        )  # fmt: skip
    console.print(table)
    if made.waste_before is not None:
        show_line(
            console,
            f"Expected waste at the target's compute: {_percent(made.waste_before)} now, "
            f"{_percent(made.waste_after)} with these runs.",
        )
    show_line(console, made.stop.sentence)
    for note in made.notes:
        show_line(console, note if note.endswith(".") else f"{note}.", "dim")


def show_design(made: Identified) -> None:
    """What runs can tell of each parameter and decision."""
    console = stdout()
    show_line(
        console,
        f"What {made.rows} runs tell under {made.law}, if ln L scatters by {shown(made.noise)}",
        "bold",
    )
    table = _table("", "standard deviation")
    for name, sd in made.parameters.items():
        table.add_row(name, "not identified" if not isfinite(sd) else shown(sd))
    for name, sd in made.decisions.items():
        table.add_row(name, "not identified" if not isfinite(sd) else shown(sd))
    console.print(table)
    show_line(
        console,
        f"{made.ratios} distinct D/N. Coverage of D/N, V_K = {shown(made.coverage)}; condition of "
        f"the design {shown(made.condition_scaled)}.",
    )
    for note in made.notes:
        show_line(console, f"{note[0].upper()}{note[1:]}.", "yellow")


def _laws(plan: Plan) -> RichTable:
    """A column for each law."""
    table = _table(f"[{100 * plan.level:g}% intervals]", *plan.laws)
    laws = list(plan.laws.values())
    rows: list[tuple[str, list[str]]] = [
        ("N, parameters", [_shown(law.n_opt) for law in laws]),
        ("D, tokens", [_shown(law.d_opt) for law in laws]),
        ("D/N", [_shown(law.tokens_per_param) for law in laws]),
        ("C, FLOP", [_shown(law.compute) for law in laws]),
        ("epochs", [_shown(law.epochs) for law in laws]),
        ("loss", [_loss(law.loss) for law in laws]),
        ("loss of a new run", [_loss(law.loss_new_run) for law in laws]),
        *((f"at most {100 * share:g}% wasted", [_band(law, share) for law in laws])
          for share in laws[0].waste_band),
        ("expected waste", [_percent(law.expected_waste) for law in laws]),
    ]  # fmt: skip
    if any(law.wasted > 1e-6 for law in laws):
        rows.append(("wasted off the best size", [_percent(law.wasted) for law in laws]))
    if len(laws) > 1:
        rows.append(("weight", [f"{law.weight:.2f}" for law in laws]))
    for name, serving in _serving(laws):
        rows.append((name, serving))
    for name, cells in rows:
        table.add_row(name, *cells)
    return table


def _serving(laws: list[LawPlan]) -> list[tuple[str, list[str]]]:
    """Rows of the run where the model serves tokens."""
    plans = [law.inference for law in laws]
    first = plans[0]
    if first is None:
        return []
    served = [p for p in plans if p is not None]
    head = f"serving {shown(first.tokens)} tokens, {first.account}:"
    saved = [
        _percent(1 - p.total_flops.value / p.baseline_flops.value) if p.baseline_flops else ""
        for p in served
    ]
    return [
        (head, ["" for _ in served]),
        ("  N, parameters", [_shown(p.n_opt) for p in served]),
        ("  D, tokens", [_shown(p.d_opt) for p in served]),
        ("  loss", [_loss(p.loss) for p in served]),
        ("  FLOP in all", [_shown(p.total_flops) for p in served]),
        *([("  saved", saved)] if any(saved) else []),
    ]


def _show_approaches(console: Console, plan: Plan) -> None:
    table = _table("approach", "N* ~ C^", "D* ~ C^", "N*", "D*", "bias")
    reasons = []
    for name, approach in plan.approaches.items():
        if not isinstance(approach, Approach):
            reasons.append(f"Approach {APPROACHES[name]} is not used: {approach}.")
            continue
        bias = "" if approach.bias_predicted is None else (
            f"{100 * approach.bias_predicted:+.2g}%, corrected"
        )  # fmt: skip
        table.add_row(
            APPROACHES[name], approach.exponent_n.shown(), approach.exponent_d.shown(),
            approach.n_opt.shown(), approach.d_opt.shown(), bias,
        )  # fmt: skip
    if len(table.rows):
        console.print(table)
    for reason in reasons:
        show_line(console, reason.replace("..", "."), "dim")


def _show_disagreement(console: Console, plan: Plan) -> None:
    if not plan.disagreement:
        return
    names = list(plan.laws)
    table = _table("compute wasted by the plan of", *(f"if {name} is right" for name in names))
    waste = {(d.plan, d.truth): d.waste for d in plan.disagreement}
    for name in names:
        cells = ["-" if name == other else _percent(waste.get((name, other))) for other in names]
        table.add_row(name, *cells)
    console.print(table)


def _show_countings(console: Console, plan: Plan) -> None:
    if not plan.countings:
        return
    table = _table("C counted as", "N from", "N* ~ C^", "D* ~ C^", "N*", "D*", "loss")
    for way in plan.countings:
        cells = (way.exponent_n, way.exponent_d, way.n_opt, way.d_opt)
        table.add_row(way.flops, way.n_column, *map(shown, cells), shown(way.loss, 4))
    console.print(table)


def _context(plan: Plan) -> Iterable[str]:
    """Counting, extrapolation and notes, a line each."""
    if plan.extrapolation:
        factors = ", ".join(
            f"{name} {shown(plan.extrapolation[key])}"
            for key, name in (("compute", "C"), ("n", "N"), ("d", "D"))
            if key in plan.extrapolation
        )
        yield f"Beyond the {plan.rows} runs, times the largest: {factors}."
    yield f"Counting: {plan.counting}."
    yield from _beside(plan)
    for note in plan.notes:
        yield note if note.endswith(".") else f"{note}."


def _beside(plan: Plan) -> Iterable[str]:
    """What was asked for beside the plan, a line each."""
    for name, score in plan.hold_out.items():
        covered = "" if score.covered is None else (
            f", {score.covered.value:.0%} of them within the interval of a new run"
        )  # fmt: skip
        yield (
            f"Held out: {name} predicts {score.rows} runs, up to {shown(score.beyond)} times the "
            f"largest N D fitted, with a mean error of {100 * score.mape:.2g}%{covered}."
        )
    if plan.other_count is not None:
        other = plan.other_count
        yield (
            f"With N from {other.column}: N* ~ C^{shown(other.exponent_n)}, and a plan of "
            f"{shown(other.n_opt)} parameters in the count used here, which wastes "
            f"{_percent(other.waste)}."
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


def _show_alarms(console: Console, plan: Plan) -> None:
    console.print()
    if not plan.alarms:
        show_line(console, "No alarm.", "bold")
    for alarm in plan.alarms:
        show_line(console, f"! {alarm.code}: {alarm.message}", "bold yellow")


def _band(law: LawPlan, share: float) -> str:
    low, high = law.waste_band[share]
    return f"{shown(low)} to {shown(high)}"


def _shown(interval: Interval) -> str:
    """Value and ends; the value alone where it is given and not estimated."""
    given = isclose(interval.low, interval.high, rel_tol=1e-9)
    return (interval._replace(low=nan, high=nan) if given else interval).shown()


def _loss(interval: Interval) -> str:
    return interval.shown(lambda value: shown(value, 4))


def _percent(share: float | None) -> str:
    return "-" if share is None or not isfinite(share) else f"{100 * share:.2g}%"


def _table(*headings: str) -> RichTable:
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(Text(heading), overflow="fold")
    return table
