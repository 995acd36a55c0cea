"""Runs in the event files of TensorBoard: every folder with event files is a run.

Scalars are read, as numbers or as tensors of one number, and the hyperparameters of the HPARAMS
tab. `SummaryWriter.add_hparams` writes these into a subfolder of the run's folder, named by the
time; where there is exactly one such folder, it is taken for a part of the run.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.tables.trackers.events import Event, event_of
from allometry.tables.trackers.folders import files_below
from allometry.tables.trackers.protobuf import Malformed
from allometry.tables.trackers.records import CutShort, records
from allometry.tables.trackers.tracked import Curves, TrackedRun

__all__ = ["is_event_file", "tensorboard_runs"]

OF_HPARAMS = re.compile(r"\d{9,}(\.\d+)?")  # seconds since 1970, as `str(time.time())` gives them


def is_event_file(path: Path) -> bool:
    """Whether a file has the name of an event file."""
    return "tfevents" in path.name


def tensorboard_runs(source: Path) -> Iterator[TrackedRun]:
    """The runs below a folder, or of one file, by their folders."""
    if not source.is_dir():
        yield _run(source.parent.resolve().name, [source])
        return
    files: dict[Path, list[Path]] = {}
    for path in filter(is_event_file, files_below(source)):
        files.setdefault(path.parent, []).append(source / path)
    parts = _hparams_folders(files)
    for folder in sorted(files.keys() - parts.values()):
        paths = files[folder] + (files[parts[folder]] if folder in parts else [])
        name = folder.as_posix() if folder.parts else source.resolve().name
        yield _run(name, paths)


def _hparams_folders(files: dict[Path, list[Path]]) -> dict[Path, Path]:
    """Folder of a run to the one that `add_hparams` made in it."""
    by_run: dict[Path, list[Path]] = {}
    for folder in files:
        if OF_HPARAMS.fullmatch(folder.name) and folder.parent in files:
            by_run.setdefault(folder.parent, []).append(folder)
    return {run: folders[0] for run, folders in by_run.items() if len(folders) == 1}


def _run(name: str, paths: list[Path]) -> TrackedRun:
    curves = Curves(paths[0])
    config: dict[str, Any] = {}
    status, notes = None, []
    for path in paths:
        for record in records(path):
            if isinstance(record, CutShort):
                notes.append(
                    f"{path} ends inside a record at byte {record.at:,}, as it does while it is "
                    "written or where its program was killed; the records before it were read"
                )
                continue
            event = _event(path, *record)
            if event.restarts:
                curves.drop_from(event.step)
            for tag, value in event.scalars:
                curves.add(tag, event.step, value)
            config |= event.hyperparameters or {}
            status = event.end or status
    return TrackedRun(name, status, config=config, curves=curves.curves(), notes=tuple(notes))


def _event(path: Path, at: int, content: bytes) -> Event:
    try:
        return event_of(content)
    except (Malformed, ValueError, TypeError) as error:
        raise DataError(f"{path}, byte {at:,}: an event was expected: {error}") from None
