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
    """A console that prints text literally: no markup, no emoji codes, no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make the text printable before its width is measured, so that escapes fit the cell."""
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Make all text printable, except Rich's own control segments."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))

    def print(self, *objects: Any, **options: Any) -> None:
        with on_stdout():
            super().print(*objects, **options)


def stdout() -> Console:
    """A console as wide as the terminal; without a terminal, wide enough for the tables."""
    return Screen(file=sys.stdout, width=None if sys.stdout.isatty() else 110)


def show_line(console: Console, text: str, style: str = "") -> None:
    """Print text, wrapped between words on a terminal, as one line elsewhere."""
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def show_status(console: Console, fit: Fit, of: str = "") -> None:
    """Print the status of a fit and its advice, in yellow unless the fit converged.

    Args:
        of: name of the fit, if there are several.
    """
    sound = fit.status.code == "converged"
    text = f"{of}{': ' if of else ''}{fit.status.code}: {fit.status.advice}"
    show_line(console, text, "bold" if sound else "bold yellow")


def show_findings(findings: Sequence[Finding]) -> None:
    """Print a table of claims, answers, measurements and verdicts on stdout."""
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
    """Print formula, parameters with intervals and verdicts, certificate and status on stdout.

    A status other than `converged` limits every verdict, so it is printed first.

    Args:
        predicted: predictions at the requested points.
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
    """A row for each point: prediction, interval of one new run, extrapolation distance."""
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
    """Print for each group a table of laws with errors, weights, choice and status, and notes."""
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
    """Warnings about the choice in a group: a doubtful fit, or weights that decide nothing."""
    law = group["chosen"]["law"]
    status = group["laws"][law]["status"]
    lines = [] if status["code"] == "converged" else [
        f"{law} is chosen, but its fit is {status['code']}: {status['advice']}"
    ]  # fmt: skip
    return lines + ([f"{group['cannot_tell']}."] if group["cannot_tell"] else [])


def _scores(group: Mapping[str, Any]) -> RichTable:
    """A row for each law, and one for the average of the laws if rows were held out."""
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
    """Notes on the rows of a group, and its objective with the delta used."""
    objective = group["objective"]
    delta = "" if objective["delta"] is None else f" with delta {objective['delta']:.3g}"
    unit = "" if group["measure"] == "rmsle" else "; RMSE is in units of the response"
    return [*group["notes"], f"{group['rows']} rows, {objective['name']}{delta}{unit}"]


def _error(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
