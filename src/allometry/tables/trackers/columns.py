"""The table of tracked runs: a row per run, its configuration and its metrics as columns."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from allometry.errors import DataError, UsageError
from allometry.tables.cells import beyond_64_bits_note
from allometry.tables.limits import check_columns, check_gaps
from allometry.tables.table import Table
from allometry.tables.trackers.options import Rule
from allometry.tables.trackers.tracked import FINISHED, Cell, TrackedRun, flat
from allometry.tables.trackers.values import check_metrics, reduced

__all__ = ["table_of"]

MOST_RUNS = 100_000


class _Row(NamedTuple):
    """The cells of a run: about the run itself, its configuration, and its metrics."""

    about: dict[str, Cell]
    config: dict[str, Cell]
    metrics: dict[str, Cell]


def table_of(
    source: Path,
    runs: Iterable[TrackedRun],
    value: Rule,
    values: Mapping[str, Rule],
    *,
    unfinished: bool,
) -> Table:
    """The table of the runs that are finished, or of all.

    Raises:
        DataError: there are none, or more than are read.
        UsageError: `values` names a metric that no run has, or a rule is given for a source that
            keeps one value of each metric.
    """
    rows: list[_Row] = []
    left_out: Counter[str] = Counter()
    notes: list[str] = []
    curves: dict[str, None] = {}
    for run in runs:
        notes += run.notes
        if run.status not in (None, FINISHED) and not unfinished:
            left_out[str(run.status)] += 1
            continue
        curves |= dict.fromkeys(run.curves)
        rows.append(_row(source, run, value, values))
        if len(rows) > MOST_RUNS:
            raise DataError(f"{source} has more than the {MOST_RUNS:,} runs that are read")
    if not rows:
        raise DataError(_none(source, left_out))
    if (value != "last" or values) and not curves:
        raise UsageError(
            f"{source} keeps one value of each metric, and none along training: leave --value out"
        )
    check_metrics(values, curves)
    if left_out:
        notes.append(f"{source}: {_counted(left_out)} left out")
    return _table(source, rows, notes)


def _row(source: Path, run: TrackedRun, value: Rule, values: Mapping[str, Rule]) -> _Row:
    about = {"run": run.name, **run.about}
    if run.status is not None:
        about["status"] = run.status
    metrics: dict[str, Cell] = {
        name: reduced(curve, values.get(name, value)) for name, curve in run.curves.items()
    }
    return _Row(about, flat(source, run.config), {**flat(source, run.summary), **metrics})


def _none(source: Path, left_out: Counter[str]) -> str:
    if not left_out:
        return f"{source}: no run was found in it"
    return f"{source}: no run in it is finished ({_counted(left_out)}); --unfinished takes them too"


def _counted(states: Counter[str]) -> str:
    total = sum(states.values())
    listed = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"{total} unfinished run{'s' * (total > 1)} ({listed})"


def _table(source: Path, rows: list[_Row], notes: list[str]) -> Table:
    """The columns. A name that several kinds share goes to the run's own, else to the metric."""
    about, config, metrics = (dict.fromkeys(n for row in rows for n in row[i]) for i in range(3))
    names: dict[str, tuple[int, str]] = {name: (0, name) for name in about}
    for kind, prefix, inner in ((2, "metric", metrics), (1, "config", config)):
        for name in inner:
            column = _inert(name) if _inert(name) not in names else f"{prefix}.{_inert(name)}"
            if column in names:
                raise DataError(f"{source}: two columns would be called {column[:60]!r}")
            names[column] = (kind, name)
    ordered = sorted(names.items(), key=lambda entry: entry[1][0])
    check_columns(source, len(names))
    check_gaps(source, len(rows), len(names), sum(len(part) * 8 for row in rows for part in row))
    columns: dict[str, list[Any]] = {}
    places = range(1, len(rows) + 1)
    for column, (kind, name) in ordered:
        columns[column] = [_cell(row[kind].get(name)) for row in rows]
        notes += beyond_64_bits_note(source, column, columns[column], places, "row")
    return Table(columns, notes=notes)


def _inert(name: str) -> str:
    """The name in the form that the header of a CSV file can have."""
    return " ".join(_text(name).split()) or "(no name)"


def _cell(value: Cell) -> Cell:
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    """The text with NUL written out, as a text table may not have NUL."""
    return text.replace("\0", r"\x00")
