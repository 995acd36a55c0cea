"""Runs in the SQLite file that Trackio keeps for a project.

Trackio keeps no state of a run: all runs count as finished. The texts ``NaN`` and ``Infinity``,
for numbers that JSON lacks, are read as numbers.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.files.strict_json import read_json
from allometry.tables.trackers.database import Database, reading
from allometry.tables.trackers.tracked import Curves, TrackedRun

__all__ = ["TRACKIO_TABLES", "trackio_runs"]

TRACKIO_TABLES = {
    "metrics": "run_name step metrics timestamp",
    "configs": "run_name config",
}
NOT_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def trackio_runs(source: Path) -> Iterator[TrackedRun]:
    """The runs, in the order of their first metric.

    A run is identified by its id, or by its name in files of versions without ids.
    """
    with reading(source, "an SQLite file of a project of Trackio") as database:
        key = "run_id" if "run_id" in database.tables["metrics"] else "run_name"
        order = f"SELECT {key}, max(run_name) FROM metrics GROUP BY {key} ORDER BY min(id)"  # noqa: S608
        for run, name in list(database.rows(order)):
            yield TrackedRun(
                name,
                about={"run_id": run} if key == "run_id" else {},
                config=_config(database, key, run),
                curves=_curves(database, key, run).curves(),
            )


def _config(database: Database, key: str, run: str) -> dict[str, Any]:
    """The configuration, without what Trackio adds under names with ``_`` before them."""
    query = f"SELECT config FROM configs WHERE {key} = ?"  # noqa: S608
    for (text,) in database.rows(query, run):
        values = _object(database.path, text)
        return {name: value for name, value in values.items() if not name.startswith("_")}
    return {}


def _curves(database: Database, key: str, run: str) -> Curves:
    curves = Curves(database.path)
    query = f"SELECT step, metrics FROM metrics WHERE {key} = ? ORDER BY timestamp, id"  # noqa: S608
    for step, text in database.rows(query, run):
        for name, value in _object(database.path, text).items():
            number = NOT_JSON.get(value, value) if isinstance(value, str) else value
            if isinstance(number, int | float):
                curves.add(name, step, float(number))
    return curves


def _object(path: Path, text: str | bytes) -> dict[str, Any]:
    try:
        value = read_json(text, any_number=True)
    except DataError as error:
        raise DataError(f"{path}: JSON was expected in a cell: {error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: a JSON object was expected in a cell, got {str(value)[:60]!r}")
    return value
