"""Runs in the folder ``mlruns`` of MLflow: a folder per experiment, in it a folder per run.

A file of ``metrics`` has a line for each value: time in milliseconds, value, step. A file of
``params`` is the value. ``meta.yaml`` has name, state and whether the run was deleted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.files.foreign import read_bytes
from allometry.tables.trackers.folders import files_below
from allometry.tables.trackers.mappings import read_mapping
from allometry.tables.trackers.mlflow import parameter, status_of
from allometry.tables.trackers.tracked import Cell, Curves, TrackedRun

__all__ = ["META", "mlflow_folder_runs"]

META = "meta.yaml"
LARGEST_METRIC, LARGEST_PARAMETER = 100_000_000, 1_000_000  # bytes
STATES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}  # RunStatus


def mlflow_folder_runs(source: Path) -> Iterator[TrackedRun]:
    """The runs that were not deleted, in the order in which they were started."""
    files: dict[Path, list[Path]] = {}
    metas: dict[Path, dict[str, Any]] = {}
    for path in files_below(source):
        if path.name == META and ".trash" not in path.parts:
            metas[path.parent] = read_mapping(source / path)
        else:
            place = next((i for i, p in enumerate(path.parts) if p in ("metrics", "params")), None)
            if place is not None:
                files.setdefault(Path(*path.parts[:place]), []).append(path)
    runs = [(folder, meta) for folder, meta in metas.items() if "run_id" in meta]
    runs.sort(key=lambda entry: (_start(source / entry[0], entry[1]), entry[0]))
    for folder, meta in runs:
        if meta.get("lifecycle_stage") != "deleted":
            experiment = metas.get(folder.parent, {}).get("name")
            name = None if experiment is None else str(experiment)
            yield _run(source, folder, meta, name, files.get(folder, []))


def _start(folder: Path, meta: dict[str, Any]) -> float:
    start = meta.get("start_time") or 0
    if not isinstance(start, int | float):
        raise DataError(f"{folder / META}: start_time, a number, was expected, got {start!r:.60}")
    return start


def _run(
    source: Path, folder: Path, meta: dict[str, Any], experiment: Cell, files: list[Path]
) -> TrackedRun:
    curves, config = Curves(source / folder), dict[str, Cell]()
    for path in files:
        kind, *names = path.relative_to(folder).parts
        name = "/".join(names)
        if kind == "params":
            config[name] = parameter(_text(source / path, LARGEST_PARAMETER))
            continue
        for number, line in enumerate(_text(source / path, LARGEST_METRIC).splitlines(), start=1):
            curves.add(name, *_point(source / path, number, line))
    run_id, state = str(meta["run_id"]), meta.get("status")
    return TrackedRun(
        str(meta.get("run_name") or run_id),
        status_of(STATES.get(state, str(state)) if isinstance(state, int) else str(state)),
        {"run_id": run_id, "experiment": experiment},
        config,
        curves.curves(),
    )


def _point(path: Path, number: int, line: str) -> tuple[float, float]:
    """Step and value of a line."""
    words = line.split()
    try:
        return (float(words[2]) if len(words) == 3 else 0.0), float(words[1])
    except (IndexError, ValueError):
        raise DataError(
            f"{path}, line {number}: time, value and step were expected, got {line[:60]!r}"
        ) from None


def _text(path: Path, limit: int) -> str:
    try:
        return read_bytes(path, limit).decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{path}: text in UTF-8 was expected") from None
