"""A plan on the terminal: first the run to train, then the evidence for and against it."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from allometry.cli.terminal import show_line, stdout
from allometry.plan.design.identified import Identified
from allometry.plan.document import Plan
from allometry.report.plan_in_words import (
    Row,
    answer_in_words,
    approach_rows,
    beside_in_words,
    beyond_in_words,
    counting_rows,
    law_rows,
    percent,
    reasons,
    serving_rows,
    waste_rows,
)
from allometry.stats.digits import shown

if TYPE_CHECKING:
    # Its import loads pydantic, which a plan does not need.
    from allometry.plan.design.next_result import NextRuns

__all__ = ["show_design", "show_next", "show_plan"]


def show_plan(plan: Plan) -> None:
    """Show the answer, the laws, the approaches, the waste under other laws, and the alarms."""
    console = stdout()
    show_line(console, f"{plan.question[0].upper()}{plan.question[1:]}", "bold")
    show_line(console, answer_in_words(plan))
    level = f"[{100 * plan.level:g}% intervals]"
    served, serving = serving_rows(plan)
    laws = [*law_rows(plan), *([Row(f"{served}:", ["" for _ in plan.laws])] if serving else [])]
    laws += [row._replace(name=f"  {row.name}") for row in serving]
    _show_rows(console, (level, *plan.laws), laws)
    if plan.rows:
        columns = ("approach", "N* ~ C^", "D* ~ C^", "N*", "D*", "bias")
        _show_rows(console, columns, approach_rows(plan))
        for reason in reasons(plan):
            show_line(console, reason, "dim")
    if plan.disagreement:
        truths = (f"if {name} is right" for name in plan.laws)
        _show_rows(console, ("compute wasted by the plan of", *truths), waste_rows(plan))
    headings = ("C counted as", "N from", "N* ~ C^", "D* ~ C^", "N*", "D*", "loss")
    _show_rows(console, headings, counting_rows(plan))
    for line in _context(plan):
        show_line(console, line)
    _show_alarms(console, plan)


def show_next(design: "NextRuns") -> None:
    """Show the runs, their expected precision, and other ways to spend the budget."""
    console = stdout()
    show_line(
        console, f"Runs to make for {shown(design.budget)} FLOP, to tell {design.target}", "bold"
    )
    table = _table("N, parameters", "D, tokens", "D/N", "FLOP", "why")
    for run in design.runs:
        table.add_row(shown(run.n), shown(run.d), shown(run.d / run.n), shown(run.cost), run.reason)
    console.print(table)
    table = _table("", design.target, "standard deviation", "runs", "FLOP")
    ways = {"now": design.before, "with these runs": design.after, **design.baselines}
    for name, expected in ways.items():
        table.add_row(
            name.replace("_", " "), shown(expected.value), shown(expected.sd), str(expected.runs),
            shown(expected.cost),
        )  # fmt: skip
    console.print(table)
    if design.waste_before is not None:
        show_line(
            console,
            f"Expected waste at the target's compute: {percent(design.waste_before)} now, "
            f"{percent(design.waste_after)} with these runs.",
        )
    if len(design.weights) > 1:
        laws = ", ".join(f"{name} {weight:.2f}" for name, weight in design.weights.items())
        show_line(
            console, f"Weights of the laws, by how well they predict the costliest runs: {laws}."
        )
    show_line(console, design.stop.sentence)
    for note in design.notes:
        show_line(console, note if note.endswith(".") else f"{note}.", "dim")


def show_design(identified: Identified) -> None:
    """Show how precisely runs determine each parameter and decision."""
    console = stdout()
    show_line(
        console,
        f"What {identified.rows} runs tell under {identified.law}, if ln L scatters by "
        f"{shown(identified.noise)}",
        "bold",
    )
    table = _table("", "standard deviation")
    for name, sd in identified.parameters.items():
        table.add_row(name, "not identified" if not isfinite(sd) else shown(sd))
    for name, sd in identified.decisions.items():
        table.add_row(name, "not identified" if not isfinite(sd) else shown(sd))
    console.print(table)
    show_line(
        console,
        f"{identified.ratios} distinct D/N. Coverage of D/N, V_K = {shown(identified.coverage)}; "
        f"condition of the design {shown(identified.condition_scaled)}.",
    )
    for note in identified.notes:
        show_line(console, f"{note[0].upper()}{note[1:]}.", "yellow")


def _context(plan: Plan) -> Iterable[str]:
    """Extrapolation, counting and notes, one line each."""
    if beyond := beyond_in_words(plan):
        yield beyond
    yield f"Counting: {plan.counting}."
    yield from beside_in_words(plan)
    for note in plan.notes:
        yield note if note.endswith(".") else f"{note}."


def _show_rows(console: Console, headings: Iterable[str], rows: Sequence[Row]) -> None:
    """Show a table if it has rows."""
    if not rows:
        return
    table = _table(*headings)
    for row in rows:
        table.add_row(row.name, *row.cells)
    console.print(table)


def _show_alarms(console: Console, plan: Plan) -> None:
    console.print()
    if not plan.alarms:
        show_line(console, "No alarm.", "bold")
    for alarm in plan.alarms:
        show_line(console, f"! {alarm.code}: {alarm.message}", "bold yellow")


def _table(*headings: str) -> RichTable:
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(Text(heading), overflow="fold")
    return table
