"""Stored runs as files that other programs read: TensorBoard's event files."""

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
MOST_NUMBERS = 100  # at each point, of one array
NAMED = 12  # characters of a run_id in the name of a folder; the whole where two begin so
ABOUT = ("run_id", "study", "seed", "status", "excluded_because")


class Exported(NamedTuple):
    """What was written.

    Attributes:
        folder: with a folder for each run. runs: how many.
        left_out: names of trajectories that are of complex numbers, or of more than 100 numbers a
            point.
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
    """Write the runs of a study as event files of TensorBoard, a folder each.

    Trajectories become scalars by their names, at the steps of the trajectory ``step``, or counted
    from 0 where a run has none. Numbers of the table become ``table/NAME`` at the last step. The
    spec, with dotted names, and the texts of the table become hyperparameters. All numbers are
    doubles. The store keeps no time of a point: all have the time of the export.

    Args:
        table: from `allometry.table`. folder: new, or empty.
        store: that the runs are in. to: the format, ``tensorboard``.

    Raises:
        UsageError: the folder has files, the format is unknown, or a run is not in the store.
        DataError: a stored run is damaged.
    """
    if to not in FORMATS:
        raise UsageError(f"to: one of {', '.join(FORMATS)} was expected, got {to!r}")
    place = expanded(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(f"{place} is no empty folder: name a new one, so that no runs are mixed")
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
    """The messages of the file of a run."""
    now = time.time()
    yield events.version(now)
    texts = {name: value for name, value in row.items() if isinstance(value, str) or name in ABOUT}
    yield events.hyperparameters({**config, **texts}, now)
    given = arrays.get("step", np.arange(0))
    last = 0
    for name, values in real_arrays(arrays):
        if name == "step":
            continue
        known = given.ndim == 1 and len(given) == len(values)
        steps = given if known else np.arange(len(values))
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            last = max(last, int(step))
            yield events.scalar(name, float(value), int(step), now)
    for name, value in row.items():
        if name not in ABOUT and isinstance(value, int | float):
            yield events.scalar(f"table/{name}", float(value), last, now)
    yield events.session_end(now, success=row.get("status") == "done")
