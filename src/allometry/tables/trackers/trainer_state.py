"""Runs of the Trainer of Hugging Face transformers, by the ``trainer_state.json`` it writes.

A run is a folder; of its checkpoints (``checkpoint-500``) the one with the most steps counts, which
has the whole history. Metrics are what the history logs. The configuration is a few numbers of the
file and the content of ``config.json`` beside it, under names such as ``model.hidden_size``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.files.foreign import is_file, read_bytes
from allometry.files.strict_json import read_json
from allometry.tables.trackers.folders import files_below
from allometry.tables.trackers.tracked import FINISHED, Curves, TrackedRun

__all__ = ["STATE", "json_object", "trainer_runs"]

STATE = "trainer_state.json"
CHECKPOINT = re.compile(r"checkpoint-\d+")
LARGEST = 100_000_000  # bytes
CONFIG = ("max_steps", "num_train_epochs", "train_batch_size")
RESULTS = ("global_step", "total_flos", "num_input_tokens_seen", "best_metric")


def trainer_runs(source: Path) -> Iterator[TrackedRun]:
    """The runs below a folder, or that of one file."""
    if not source.is_dir():
        path = source.resolve()
        yield _run(_folder(path.parent).name, source, json_object(source))
        return
    runs: dict[Path, list[Path]] = {}
    for path in files_below(source):
        if path.name == STATE:
            runs.setdefault(_folder(path.parent), []).append(source / path)
    for folder, paths in sorted(runs.items()):
        latest = max(((path, json_object(path)) for path in paths), key=_steps)
        name = folder.as_posix() if folder.parts else _folder(source.resolve()).name
        yield _run(name, *latest)


def _folder(folder: Path) -> Path:
    """The folder of a run, given that or one of its checkpoints."""
    return folder.parent if CHECKPOINT.fullmatch(folder.name) else folder


def _steps(entry: tuple[Path, dict[str, Any]]) -> int:
    path, state = entry
    steps = state.get("global_step")
    if not isinstance(steps, int):
        raise DataError(f"{path}: global_step, a whole number, was expected, got {steps!r}")
    return steps


def _run(name: str, path: Path, state: dict[str, Any]) -> TrackedRun:
    history = state.get("log_history")
    if not isinstance(history, list) or not all(isinstance(entry, dict) for entry in history):
        raise DataError(f"{path}: log_history, a list of objects, was expected")
    curves = Curves(path)
    for place, entry in enumerate(history):
        for metric, value in entry.items():
            if metric != "step" and isinstance(value, int | float):
                curves.add(metric, _step(path, place, entry), float(value))
    steps, most = _steps((path, state)), state.get("max_steps")
    ended = any("train_runtime" in entry for entry in history)  # logged once, at the end
    done = ended or (isinstance(most, int) and steps >= most > 0)
    config: dict[str, Any] = {name: state[name] for name in CONFIG if name in state}
    beside = path.with_name("config.json")
    if is_file(beside):
        config["model"] = json_object(beside)
    along = curves.curves()
    results = {name: state[name] for name in RESULTS if name in state and name not in along}
    return TrackedRun(name, FINISHED if done else "unfinished", {}, config, along, results)


def _step(path: Path, place: int, entry: dict[str, Any]) -> float:
    step = entry.get("step")
    if not isinstance(step, int | float):
        raise DataError(f"{path}, entry {place + 1} of log_history: a step was expected")
    return step


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        DataError: it is not a JSON object, or larger than what is read.
    """
    try:
        value = read_json(read_bytes(path, LARGEST), any_number=True)
    except DataError as error:
        raise error if str(path) in str(error) else DataError(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: a JSON object was expected, got {type(value).__name__}")
    return value
