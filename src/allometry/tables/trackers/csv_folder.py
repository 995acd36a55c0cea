"""Runs as a folder of CSV or TSV files, one per run, with a row for each step.

The step is the first of these columns that a file has: step, _step, global_step, steps, iteration,
iter, epoch; else the number of the row. Other columns of numbers are metrics; an empty cell or NaN
is a step at which the metric was not logged. A column with the same text in all rows is
configuration.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from allometry.errors import DataError
from allometry.tables.cells import holds_numbers
from allometry.tables.read import read_table
from allometry.tables.table import Table
from allometry.tables.trackers.folders import files_below
from allometry.tables.trackers.tracked import Cell, Curves, TrackedRun

__all__ = ["csv_runs", "is_csv"]

STEPS = ("step", "_step", "global_step", "steps", "iteration", "iter", "epoch")
ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def is_csv(path: Path) -> bool:
    """Whether a file has the name of a CSV or TSV file."""
    return path.name.lower().endswith(ENDINGS)


def csv_runs(source: Path) -> Iterator[TrackedRun]:
    """The runs below a folder, by the names of their files."""
    if not source.is_dir():
        raise DataError(f"{source}: a folder of CSV files, one per run, was expected")
    for path in filter(is_csv, files_below(source)):
        name = path.as_posix().removesuffix(".gz").rpartition(".")[0]
        yield _run(name, source / path)


def _run(name: str, path: Path) -> TrackedRun:
    table = read_table(path, ())
    step = next((column for column in STEPS if column in table), None)
    steps = _steps(path, table, step)
    curves, config = Curves(path), dict[str, Cell]()
    notes = list(table.notes)
    for column in table.columns:
        if column == step:
            continue
        values = table[column]
        if holds_numbers(values):
            for at, value in zip(steps, table.numbers(column, "a metric"), strict=True):
                if not np.isnan(value):
                    curves.add(column, at, value)
        elif len(texts := {text for text in values.tolist() if text is not None}) == 1:
            config[column] = texts.pop()
        elif texts:
            notes.append(f"{path}, column {column[:60]!r}: its texts differ; left out")
    return TrackedRun(name, config=config, curves=curves.curves(), notes=tuple(notes))


def _steps(path: Path, table: Table, column: str | None) -> list[float]:
    if column is None:
        return list(map(float, range(1, len(table) + 1)))
    steps = table.numbers(column, "the step")
    bad = np.flatnonzero(~np.isfinite(steps))
    if len(bad):
        raise DataError(
            f"{table.place(int(bad[0]))}, column {column!r} (the step): a number was expected"
        )
    return list(map(float, steps))
