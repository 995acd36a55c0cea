"""A plan on the terminal: the run to train first, then what speaks for and against it."""

from math import isfinite

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from allometry.cli.terminal import show_line, stdout
from allometry.plan.design import Identified
from allometry.plan.document import Plan
from allometry.plan.next_result import NextRuns
from allometry.report import plan_in_words as words
from allometry.stats.digits import shown

__all__ = ["show_design", "show_next", "show_plan"]


def show_plan(plan: Plan) -> None:
    """The answer, the laws, the approaches, what another law would waste, and the alarms."""
    console = stdout()
    show_line(console, f"{plan.question[0].upper()}{plan.question[1:]}", "bold")
    show_line(console, words.answer_in_words(plan))
    serving, served = words.serving_rows(plan)
    rows = words.law_rows(plan)
    if served:
        rows += [words.Row(f"{serving}:", ["" for _ in plan.laws])]
        rows += [words.Row(f"  {row.name}", row.cells) for row in served]
    _show(console, [f"[{100 * plan.level:g}% intervals]", *plan.laws], rows)
    if plan.rows:
        _show(console, ["approach", *words.OF_APPROACHES], words.approach_rows(plan))
        for reason in words.reasons(plan):
            show_line(console, reason, "dim")
    if plan.disagreement:
        heads = [f"if {name} is right" for name in plan.laws]
        _show(console, ["compute wasted by the plan of", *heads], words.waste_rows(plan))
    _show(console, ["C counted as", *words.OF_COUNTINGS], words.counting_rows(plan))
    for line in [words.beyond_in_words(plan), f"Counting: {plan.counting}.",
                 *words.beside_in_words(plan), *words.notes(plan)]:  # fmt: skip
        if line:
            show_line(console, line)
    console.print()
    if not plan.alarms:
        show_line(console, "No alarm.", "bold")
    for alarm in words.alarm_rows(plan.alarms):
        show_line(console, f"! {alarm.code}: {alarm.message}", "bold yellow")


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
            f"Expected waste at the target's compute: {words.percent(made.waste_before)} now, "
            f"{words.percent(made.waste_after)} with these runs.",
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


def _show(console: Console, headings: list[str], rows: list[words.Row]) -> None:
    """A table, where it has rows."""
    if not rows:
        return
    table = _table(*headings)
    for row in rows:
        table.add_row(row.name, *row.cells)
    console.print(table)


def _table(*headings: str) -> RichTable:
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(Text(heading), overflow="fold")
    return table
