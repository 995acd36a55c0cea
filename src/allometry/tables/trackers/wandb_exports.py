"""Runs that a user exported from Weights & Biases: its table of runs as CSV, or as JSON.

The CSV is what the export button of the table of runs writes: a row per run, with the columns Name
and State, its configuration and one value of each metric. JSON is an array of objects, or an object
per line, with ``name`` and, as objects, ``config`` and ``summary``: a ``pandas.DataFrame`` of what
`wandb.Api().runs` gives, written by ``to_json(orient="records")``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from allometry.errors import DataError
from allometry.files.foreign import read_bytes
from allometry.files.strict_json import read_json
from allometry.tables.read import read_table
from allometry.tables.trackers.tracked import TrackedRun
from allometry.tables.trackers.wandb import numbers_in, plain_values

__all__ = ["wandb_csv_runs", "wandb_json_runs"]

LARGEST = 100_000_000  # bytes
ABOUT = {"ID": "run_id", "Notes": "notes", "User": "user", "Tags": "tags", "Created": "created"}


def wandb_csv_runs(source: Path) -> Iterator[TrackedRun]:
    """The rows of an exported table of runs."""
    table = read_table(source, ())
    if "Name" not in table:
        raise DataError(
            f"{source}: a table of runs exported from W&B was expected, with a column Name, got "
            f"{', '.join(table.columns[:8])}; a table of your own needs no import: `allometry fit` "
            "and `plan` read it as it is"
        )
    states = table["State"].tolist() if "State" in table else None
    others = [name for name in table.columns if name not in ("Name", "State", *ABOUT)]
    for place, row in enumerate(table):
        about = {ABOUT[name]: row[name] for name in ABOUT if name in row}
        name = row["Name"]
        yield TrackedRun(
            str(place + 1) if _missing(name) else str(name),
            None if states is None else str(states[place]).lower(),
            about,
            summary={column: row[column] for column in others},
            notes=table.notes if place == 0 else (),
        )


def _missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and np.isnan(cell))


def wandb_json_runs(source: Path) -> Iterator[TrackedRun]:
    """The objects of an exported array, or of lines."""
    content = read_bytes(source, LARGEST)
    for place, entry in enumerate(_objects(source, content), start=1):
        if not isinstance(entry, dict):
            raise DataError(
                f"{source}, run {place}: an object was expected, got {str(entry)[:40]!r}"
            )
        config, summary = entry.get("config", {}), entry.get("summary", {})
        if not isinstance(config, dict) or not isinstance(summary, dict):
            raise DataError(
                f"{source}, run {place}: config and summary were expected as objects; write them "
                'with to_json(orient="records"), not as texts'
            )
        state = entry.get("state")
        about = {"run_id": entry["id"]} if isinstance(entry.get("id"), str) else {}
        yield TrackedRun(
            str(entry.get("name") or entry.get("id") or place),
            None if state is None else str(state),
            about,
            plain_values(config),
            summary=numbers_in(summary),
        )


def _objects(source: Path, content: bytes) -> Iterator[Any]:
    try:
        if content.lstrip()[:1] == b"[":
            yield from read_json(content, any_number=True)
            return
        for line in content.splitlines():
            if line.strip():
                yield read_json(line, any_number=True)
    except DataError as error:
        raise DataError(f"{source}: runs as JSON were expected: {error}") from None
