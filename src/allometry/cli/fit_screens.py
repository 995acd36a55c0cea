"""Terminal tables of several fits: of groups, without single rows, under other choices."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from allometry.cli.terminal import show_line, show_status, stdout
from allometry.errors import printable
from allometry.fitting.document import Fit
from allometry.fitting.groups import GroupFits, SharedFit
from allometry.fitting.intervals import Estimate
from allometry.fitting.printed import with_zero_floors
from allometry.report.fit_in_words import estimate_rows, summary_of_fit
from allometry.stats.digits import shown, shown_interval

__all__ = ["show_groups", "show_influence", "show_multiverse"]

NAN = float("nan")
FEW = 3  # at most so many quantities fit with their intervals on one line
MOST_DIFFERENCES, MOST_LEFT_OUT = 20, 10  # on a terminal; --json has all
DIFFERENCES = {
    "different": "different",
    "not_distinguished": "not distinguished",
    "not_identified": "not compared: not identified in one or both",
    "not_converged": "not compared: one or both fits did not converge",
    "no_interval": "no interval taken",
}


def show_groups(groups: GroupFits) -> None:
    """Print a row for each group, differences between groups, and shared parameters."""
    console, fits = stdout(), groups.fits
    columns = ", ".join(f"{s} = {c}" for s, c in next(iter(fits.values())).columns.items())
    doubtful = {g: fit for g, fit in fits.items() if fit.status.code != "converged"}
    for group, fit in doubtful.items():
        show_status(console, fit, f"{', '.join(groups.by)} {group}")
    if doubtful:
        console.print()
    show_line(console, f"{groups.law.formula}   ({columns})", "bold")
    names = _names(groups)
    console.print(_wide(groups) if len(names) <= FEW else _long(groups))
    for group, reason in groups.refused.items():
        show_line(console, f"{', '.join(groups.by)} {group} was not fitted: {reason}.", "yellow")
    if groups.left_out:
        show_line(console, f"Rows without a value of {', '.join(groups.by)}: {groups.left_out}.")
    if groups.differences:
        _show_differences(console, groups)
    if groups.shared is not None:
        _show_shared(console, groups.shared)
    _notes(console, [note for fit in fits.values() for note in fit.notes])


def _names(groups: GroupFits) -> list[str]:
    """Names of parameters and derived quantities; every group has the same."""
    fit = next(iter(groups.fits.values()))
    return [*fit.parameters, *fit.derived]


def _wide(groups: GroupFits) -> RichTable:
    """A table with a row for each group, for few quantities."""
    names = _names(groups)
    table = _table(", ".join(groups.by), "rows", *names, "status")
    for group, fit in groups.fits.items():
        estimates = with_zero_floors(
            fit.law, fit.parameters | fit.derived, fit.data[fit.law.response]
        )
        cells = [_estimate(e) for e in estimates.values()]
        table.add_row(group, str(fit.rows), *cells, _status(fit.status.code))
    for group in groups.refused:
        table.add_row(group, "", *("" for _ in names), Text("not fitted", style="yellow"))
    return table


def _long(groups: GroupFits) -> RichTable:
    """A table with a row for each quantity of each group, for many quantities."""
    level = f"{100 * groups.level:g}%"
    table = _table(", ".join(groups.by), "rows", "", f"value [{level} interval]", "verdict")
    for group, fit in groups.fits.items():
        first = [group, str(fit.rows)]
        for row in estimate_rows(fit):
            verdict = Text(row.verdict, style="" if row.sure else "yellow")
            table.add_row(*first, row.name, row.shown, verdict)
            first = ["", ""]
        table.add_section()
    for group in groups.refused:
        table.add_row(group, "", "", "", Text("not fitted", style="yellow"))
    return table


def _show_differences(console: Console, groups: GroupFits) -> None:
    level = f"{100 * groups.level:g}%"
    table = _table("parameter", ", ".join(groups.by), f"difference [{level} interval]", "")
    for d in groups.differences[:MOST_DIFFERENCES]:
        style = "bold" if d.verdict == "different" else ""
        verdict = Text(DIFFERENCES[d.verdict], style=style)
        pair = f"{d.first} \N{MINUS SIGN} {d.second}"
        table.add_row(d.parameter, pair, shown_interval(d.value, d.low, d.high), verdict)
    console.print(table)
    if any(d.verdict == "not_distinguished" for d in groups.differences[:MOST_DIFFERENCES]):
        show_line(console, "Not distinguished: the interval of the difference contains 0.")
    if len(groups.differences) > MOST_DIFFERENCES:
        more = len(groups.differences) - MOST_DIFFERENCES
        show_line(console, f"{more} more: --json has all.")
    pairs = len(groups.fits) * (len(groups.fits) - 1) // 2
    each = f"Intervals are at {level} for each pair, not corrected for {pairs} pairs. "
    show_line(console, f"{each if pairs > 1 else ''}Groups are assumed to be independent.")


def _show_shared(console: Console, shared: SharedFit) -> None:
    fit, names = shared.fit, ", ".join(shared.names)
    console.print()
    if fit.status.code != "converged":
        show_status(console, fit, f"With {names} shared")
        console.print()
    show_line(console, f"With {names} shared: {fit.formula}", "bold")
    table = _table("parameter", f"value [{100 * fit.interval.level:g}% interval]", "meaning")
    meanings = {**{p.name: p.meaning for p in fit.law.parameters}, **fit.law.meanings}
    for name, estimate in {**fit.parameters, **fit.derived}.items():
        table.add_row(name, _estimate(estimate), meanings.get(name, ""))
    console.print(table)
    test = shared.test
    if test is None:
        show_line(console, f"Whether {names} may be shared was not tested: {shared.reason}.")
        return
    answer = (
        f"the groups differ in {names}"
        if test.p < 1 - fit.interval.level
        else f"no difference between the groups in {names} is detected"
    )
    show_line(
        console,
        f"F test of {names} shared: F({test.parameters}, {test.rows}) = {shown(test.f)}, "
        f"p = {shown(test.p, 2)}: {answer}.",
        "bold",
    )


def show_influence(fit: Fit, document: Mapping[str, Any]) -> None:
    """Print the fit to all rows, and fits without a row or group, the most influential first."""
    console, whole, rows = stdout(), document["all_rows"], document["without"]
    what = document["leave_out"]
    if fit.status.code != "converged":
        show_status(console, fit)
        console.print()
    show_line(console, f"{fit.formula}   ({summary_of_fit(fit)})", "bold")
    table = _table("left out", "shift", "moves most", *whole, "")
    table.add_row("nothing", "", "", *(shown(v, 4) for v in whole.values()), "", end_section=True)
    for row in rows[:MOST_LEFT_OUT]:
        cells = [
            Text(shown(row[name], 4), style="bold" if name == row["moved"] else "")
            for name in whole
        ]
        table.add_row(
            _left_out(row, what),
            f"{row['shift']:.2f}" if row["moved"] else "",
            row["moved"],
            *cells,
            "" if row["converged"] else Text("not converged", style="yellow"),
        )
    console.print(table)
    if len(rows) > MOST_LEFT_OUT:
        smaller = ", each with a smaller shift" if rows[0]["moved"] else ""
        rest = f"{len(rows) - MOST_LEFT_OUT} more{smaller}"
        show_line(console, f"{rest}: --json has all.")
    show_line(console, "Shift: the largest change of a number, in its bootstrap standard errors.")
    show_line(console, _strongest(rows[0], what), "bold")
    _notes(console, fit.notes)


def _left_out(row: Mapping[str, Any], column: str | None) -> str:
    """The omitted row by its place in the file, or the omitted group by its value."""
    if column is None:
        return str(row["place"]).rpartition(", ")[2]
    value = row["left_out"]
    return f"{column} = {value:g}" if isinstance(value, float) else f"{column} = {value}"


def _strongest(row: Mapping[str, Any], column: str | None) -> str:
    thing = "row" if column is None else f"value of {column}"
    if not row["moved"]:
        return "Without intervals there are no standard errors to measure shifts: use --resamples."
    if row["shift"] < 1:
        return f"No {thing} moves any number by a standard error or more."
    return (
        f"Without {_left_out(row, column)}, {row['moved']} changes by {row['shift']:.1f} "
        "standard errors."
    )


def show_multiverse(document: Mapping[str, Any]) -> None:
    """Print a row for each combination of choices, and the range of every quantity."""
    console, fits = stdout(), document["fits"]
    show_line(console, document["formula"], "bold")
    names = [name.removesuffix("_low") for name in fits[0] if name.endswith("_low")]
    everywhere = set.intersection(*(set(fit["dropped"].split(", ")) for fit in fits)) - {"none"}
    mappings = len({fit["counting"] for fit in fits}) > 1
    table = _table("choices", "rows", *names)
    for column in table.columns[1:]:
        column.no_wrap = True
    for fit in fits:
        estimates = [
            shown_interval(fit[n], fit[f"{n}_low"], fit[f"{n}_high"])
            if len(names) <= FEW
            else shown(fit[n])
            for n in names
        ]
        table.add_row(_choices(fit, everywhere, mappings), str(fit["rows"]), *estimates)
    console.print(table)
    if everywhere:
        show_line(console, f"Rows left out of every fit: {', '.join(sorted(everywhere))}.")
    table = _table("", "smallest value", "largest value", "lowest end of interval", "highest")
    for name in names:
        ends = [
            extreme((fit[name + end] for fit in fits if np.isfinite(fit[name + end])), default=NAN)
            for end, extreme in (("", min), ("", max), ("_low", min), ("_high", max))
        ]
        table.add_row(name, *(shown(end, 4) for end in ends))
    show_line(console, f"Over these {len(fits)} fits, values and ends of their intervals:")
    console.print(table)
    _notes(console, document["notes"])


def _choices(fit: Mapping[str, Any], everywhere: set[str], mappings: bool) -> Text:
    """Objective, columns and rows of one fit, and its status unless it converged.

    Args:
        everywhere: rules for rows that all fits share. mappings: whether fits differ in columns.
    """
    rules = [r for r in fit["dropped"].split(", ") if r not in everywhere | {"none"}]
    delta = f" {fit['delta']:g}" if fit["delta"] else ""
    lines = [f"{fit['objective']}{delta}", *([fit["counting"]] if mappings else []), *rules]
    text = Text(printable("\n".join(lines)))  # printable now, so that its width is right
    if fit["status"] != "converged":
        text.append(f"\n{fit['status']}", style="yellow")
    return text


def _table(*headings: str) -> RichTable:
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _estimate(e: Estimate) -> Text:
    """Value and interval, and the verdict unless the parameter is identified."""
    if e.verdict == "fixed":
        return Text(f"{shown(e.value)} fixed")
    text = shown_interval(e.value, e.low, e.high)
    if e.verdict in ("identified", "no_interval"):
        return Text(text)
    return Text(f"{text}\n{e.verdict.replace('_', ' ')}", style="yellow")


def _status(code: str) -> Text:
    return Text(code, style="" if code == "converged" else "yellow")


def _notes(console: Console, notes: Iterable[str]) -> None:
    for note in dict.fromkeys(notes):
        show_line(console, note if note.endswith(".") else f"{note}.")
