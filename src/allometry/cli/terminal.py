"""The terminal: tables of findings and fits."""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text

from allometry.cli.output import on_stdout
from allometry.errors import printable
from allometry.findings import MARKS, Finding, Verdict
from allometry.fitting.document import Fit
from allometry.fitting.predictions import Prediction
from allometry.report.fit_in_words import certificate_lines, estimate_rows, summary_of_fit
from allometry.stats.digits import shown, shown_interval, warranted

__all__ = [
    "show_comparison",
    "show_findings",
    "show_fit",
    "show_line",
    "show_status",
    "stdout",
]

COLOURS: Mapping[Verdict, str] = {"agrees": "green", "disagrees": "red", "undecided": "yellow"}


class Screen(Console):
    """A console on which text is text: no markup, no codes of emoji, nothing that steers it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """What cells are measured by, so that they are wide enough for what is written out."""
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Everything that is printed passes here; control segments are those of the console."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))

    def print(self, *objects: Any, **options: Any) -> None:
        with on_stdout():
            super().print(*objects, **options)


def stdout() -> Console:
    """A console as wide as the terminal; where there is none, wide enough for the tables."""
    return Screen(file=sys.stdout, width=None if sys.stdout.isatty() else 110)


def show_line(console: Console, text: str, style: str = "") -> None:
    """One sentence or more: wrapped between words on a terminal, in one line elsewhere."""
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def show_status(console: Console, fit: Fit, of: str = "") -> None:
    """The status of a fit and its advice: in yellow where it limits what stands below it.

    Args:
        of: what was fitted, where there are several fits.
    """
    sound = fit.status.code == "converged"
    text = f"{of}{': ' if of else ''}{fit.status.code}: {fit.status.advice}"
    show_line(console, text, "bold" if sound else "bold yellow")


def show_findings(findings: Sequence[Finding]) -> None:
    """A table of claims, measurements and verdicts, and the answer under each, on stdout."""
    if not findings:
        return
    console = stdout()
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_lines=False)
    table.add_column("verdict", no_wrap=True)
    table.add_column("claim, and what was found", overflow="fold", ratio=1)
    table.add_column("measured [95% interval]", max_width=26)
    for finding in findings:
        table.add_row(
            Text(f"{MARKS[finding.verdict]} {finding.verdict}", style=COLOURS[finding.verdict]),
            Text(finding.claim, style="bold").append(f"\n{finding.answer}\n", style="not bold"),
            Text(finding.shown),
        )
    console.print(table)


def show_fit(fit: Fit, predicted: Sequence[Prediction] = ()) -> None:
    """Formula, parameters with intervals and verdicts, certificate and status, on stdout.

    A status other than `converged` limits every verdict, so it comes first.

    Args:
        predicted: at the points that were asked for.
    """
    console, sound = stdout(), fit.status.code == "converged"
    if not sound:
        show_status(console, fit)
        console.print()
    show_line(console, f"{fit.formula}   ({summary_of_fit(fit)})", "bold")
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False)
    for heading in (
        "parameter",
        f"value [{fit.interval.level:.0%} interval]",
        "verdict",
        "meaning",
    ):
        table.add_column(heading, overflow="fold")
    for row in estimate_rows(fit):
        style = "" if row.sure else "yellow"
        table.add_row(row.name, row.shown, Text(row.verdict, style=style), row.meaning)
    console.print(table)
    if predicted:
        console.print(_predictions(fit, predicted))
    for line in certificate_lines(fit):
        show_line(console, line)
    if sound:
        show_status(console, fit)


def _predictions(fit: Fit, predicted: Sequence[Prediction]) -> RichTable:
    """A row for each point: the law, one new run, and how far outside the fitted sizes."""
    level = f"{fit.interval.level:.0%} interval"
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False)
    response = fit.law.response
    for heading in ("at", f"{response} [{level}]", "one new run", "extrapolation"):
        table.add_column(heading, overflow="fold")
    for point in predicted:
        digits = max(4, warranted(point.mean, point.low, point.high))
        table.add_row(
            ", ".join(f"{name} = {size:.6g}" for name, size in point.sizes.items()),
            shown_interval(point.mean, point.low, point.high, digits),
            ""
            if math.isnan(point.run_low)
            else f"[{shown(point.run_low, digits)}, {shown(point.run_high, digits)}]",
            point.distance(),
        )
    return table


def show_comparison(document: Mapping[str, Any]) -> None:
    """A table of laws for each group: errors, weight, choice, status of each fit; and notes."""
    console = stdout()
    for place, group in enumerate(document["groups"]):
        if place:
            console.print()
        title = ", ".join(f"{name} = {value}" for name, value in group["by"].items())
        if title:
            console.print(Text(title, style="italic"))
        if group["chosen"] is None:
            show_line(console, f"not compared: {group['reason']}")
            continue
        for line in _reservations(group):
            show_line(console, line, "bold yellow")
        console.print(_scores(group))
        for line in _group_notes(group):
            show_line(console, f"{line}.")
    for note in document["notes"]:
        show_line(console, f"{note}.")


def _reservations(group: Mapping[str, Any]) -> list[str]:
    """What limits the choice in a group: the fit of the chosen law, weights that do not decide."""
    law = group["chosen"]["law"]
    status = group["laws"][law]["status"]
    lines = [] if status["code"] == "converged" else [
        f"{law} is chosen, but its fit is {status['code']}: {status['advice']}"
    ]  # fmt: skip
    return lines + ([f"{group['cannot_tell']}."] if group["cannot_tell"] else [])


def _scores(group: Mapping[str, Any]) -> RichTable:
    """A row for each law, and one for their average where rows were set aside."""
    measure = group["measure"]
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False)
    averaged = group["averaged"][f"extrapolation_{measure}"]
    tests = {
        f"{heading} {measure.upper()}": f"{test}_{measure}"
        for heading, test in (("extrapolation", "extrapolation"), ("back-test", "backtest"))
        if any(score[f"{test}_{measure}"] is not None for score in group["laws"].values())
    }
    for heading in ("law", *tests, "weight", "fit", ""):
        table.add_column(heading)
    for name, score in group["laws"].items():
        shown = [_error(score[test]) for test in tests.values()]
        status = score["status"]["code"] if score["status"] else "-"
        remark = "chosen" if name == group["chosen"]["law"] else score["reason"]
        style = "" if status == "converged" else "yellow"
        table.add_row(name, *shown, f"{score['weight']:.3f}", Text(status, style=style), remark)
    if averaged is not None:
        table.add_row("averaged", _error(averaged))
    return table


def _group_notes(group: Mapping[str, Any]) -> list[str]:
    """On the rows of a group, and the objective where its delta comes from the residuals."""
    objective = group["objective"]
    delta = "" if objective["delta"] is None else f" with delta {objective['delta']:.3g}"
    unit = "" if group["measure"] == "rmsle" else "; RMSE is in units of the response"
    return [*group["notes"], f"{group['rows']} rows, {objective['name']}{delta}{unit}"]


def _error(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
