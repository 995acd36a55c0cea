"""Export of stored runs to files that other programs read: TensorBoard's event files."""

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError
from allometry.files.durable import written
from allometry.files.foreign import expanded
from allometry.store.store import Store
from allometry.tables.frames import real_arrays
from allometry.tables.table import Table
from allometry.tables.trackers import events
from allometry.tables.trackers.records import framed
from allometry.tables.trackers.tracked import Cell, flat

__all__ = ["FORMATS", "Exported", "export_runs"]

FORMATS = ("tensorboard",)
MOST_NUMBERS = 100  # an array with more numbers at each point is not written
NAMED = 12  # characters of a run_id in folder names, if they are unique; else the whole run_id
ABOUT = ("run_id", "study", "seed", "status", "excluded_because")


class Exported(NamedTuple):
    """The result of an export.

    Attributes:
        folder: has a folder for each run. runs: number of runs.
        left_out: names of trajectories that were not written, because they are complex or have
            more than 100 numbers at each point.
    """

    folder: Path
    runs: int
    left_out: tuple[str, ...]


def export_runs(
    table: Table,
    folder: str | Path,
    *,
    store: str | Path = "allometry.db",
    to: str = "tensorboard",
) -> Exported:
    """Write the runs of a study as TensorBoard event files, one folder for each run.

    Trajectories become scalars with their names, at the steps of the trajectory ``step``, or
    counted from 0 if the run has no such trajectory. Numbers of the table become ``table/NAME``
    at the last step. The spec, with dotted names, and the texts of the table become
    hyperparameters. All numbers are doubles. The store keeps no times of points, so all points
    have the time of the export.

    Args:
        table: a table from `allometry.table`. folder: a new or empty folder.
        store: the store of the runs. to: the format, ``tensorboard``.

    Raises:
        UsageError: the folder has files, the format is unknown, or a run is not in the store.
        DataError: a stored run is damaged.
    """
    if to not in FORMATS:
        raise UsageError(f"to: one of {', '.join(FORMATS)} was expected, got {to!r}")
    place = expanded(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(f"{place} is not an empty folder: name a new one, to keep runs separate")
    names = _folders(table["run_id"].tolist())
    left_out: dict[str, None] = {}
    with Store(store) as opened:
        for row in table:
            run_id = row["run_id"]
            config = flat(opened.path, opened.spec(run_id))
            arrays = table.trajectories.get(run_id, {})
            small = {name: array for name, array in arrays.items() if _is_written(array)}
            left_out |= dict.fromkeys(arrays.keys() - small.keys())
            path = place / names[run_id] / f"events.out.tfevents.{int(time.time()):010d}.allometry"
            path.parent.mkdir(parents=True, exist_ok=True)
            with written(path) as part, part.open("wb") as file:
                file.writelines(map(framed, _events(row, config, small)))
    return Exported(place, len(table), tuple(sorted(left_out)))


def _folders(run_ids: list[str]) -> dict[str, str]:
    short = {run_id[:NAMED] for run_id in run_ids}
    return {run_id: run_id[:NAMED] if len(short) == len(run_ids) else run_id for run_id in run_ids}


def _is_written(array: NDArray[Any]) -> bool:
    return array.dtype.kind != "c" and math.prod(array.shape[1:]) <= MOST_NUMBERS


def _events(
    row: Mapping[str, Any], config: Mapping[str, Cell], arrays: Mapping[str, NDArray[Any]]
) -> Iterator[bytes]:
    """The messages of a run's event file."""
    now = time.time()
    yield events.version(now)
    texts = {name: value for name, value in row.items() if isinstance(value, str) or name in ABOUT}
    yield events.hyperparameters({**config, **texts}, now)
    measured = arrays.get("step", np.arange(0))
    last = 0
    for name, values in real_arrays(arrays):
        if name == "step":
            continue
        is_known = measured.ndim == 1 and len(measured) == len(values)
        steps = measured if is_known else np.arange(len(values))
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            last = max(last, int(step))
            yield events.scalar(name, float(value), int(step), now)
    for name, value in row.items():
        if name not in ABOUT and isinstance(value, int | float):
            yield events.scalar(f"table/{name}", float(value), last, now)
    yield events.session_end(now, success=row.get("status") == "done")
