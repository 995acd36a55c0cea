"""Runs of Weights & Biases on this machine: folders with a ``run-ID.wandb``, or ``files`` alone.

The file of a run has its whole history. Where it is missing, the *files* that W&B shows for a run
are read: ``wandb-summary.json``, which has one value of each metric, and ``config.yaml``. Names
that begin with ``_`` are W&B's own (time, step, machine) and left out.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from allometry.errors import DataError
from allometry.files.foreign import is_file
from allometry.files.strict_json import read_json
from allometry.tables.trackers.folders import files_below
from allometry.tables.trackers.mappings import read_mapping
from allometry.tables.trackers.protobuf import Malformed, fields, signed
from allometry.tables.trackers.records import CutShort
from allometry.tables.trackers.tracked import FINISHED, Curves, TrackedRun, flat
from allometry.tables.trackers.trainer_state import json_object
from allometry.tables.trackers.wandb_log import log_records

__all__ = ["SUMMARY", "numeric", "plain_values", "wandb_runs"]

SUMMARY = "wandb-summary.json"
HISTORY, OF_SUMMARY, CONFIG, RUN, EXIT = 2, 3, 5, 17, 18  # fields of Record
KEY, NESTED_KEY, VALUE = 1, 2, 16  # of an item of history, configuration and summary
NOT_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def wandb_runs(source: Path) -> Iterator[TrackedRun]:
    """The runs below a folder, by its name; or that of one file."""
    if not source.is_dir():
        yield _of_log(source) if source.suffix == ".wandb" else _of_files(source.parent)
        return
    paths = files_below(source)
    logs = [path for path in paths if path.suffix == ".wandb"]
    for path in logs:
        yield _of_log(source / path)
    for path in paths:
        if path.name == SUMMARY and path.parent.parent not in {log.parent for log in logs}:
            yield _of_files(source / path.parent)


def _of_files(folder: Path) -> TrackedRun:
    """A run of which only the folder ``files`` exists."""
    run = folder.resolve()
    name = run.parent.name if run.name == "files" else run.name
    path = folder / "config.yaml"
    entries = read_mapping(path) if is_file(path) else {}
    config = {
        key: entry["value"]
        for key, entry in entries.items()
        if isinstance(entry, dict) and "value" in entry
    }
    return TrackedRun(
        name, config=plain_values(config), summary=numbers_in(json_object(folder / SUMMARY))
    )


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not W&B's own."""
    return {key: value for key, value in values.items() if not key.startswith("_")}


def numbers_in(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A summary without W&B's own values, media and lists; ``NaN`` and ``Infinity`` as numbers."""
    kept = {}
    for key, value in plain_values(summary).items():
        if not (isinstance(value, dict) and "_type" in value) and not isinstance(value, list):
            kept[key] = numeric(value)
    return kept


def numeric(value: Any) -> Any:
    """The value; for the texts ``NaN`` and ``Infinity``, numbers that JSON lacks, the number."""
    return NOT_JSON.get(value, value) if isinstance(value, str) else value


class _Log:
    """What the records of a run say."""

    def __init__(self, path: Path):
        self.path = path
        self.curves = Curves(path)
        self.about: dict[str, str] = {}
        self.config: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.status = "unfinished"

    def add(self, record: bytes) -> None:
        for number, value in fields(record):
            if not isinstance(value, bytes):
                continue
            if number == HISTORY:
                self._add_history(value)
            elif number == OF_SUMMARY:
                self.summary |= self._items(value, 1)
            elif number == CONFIG:
                self.config |= self._items(value, 1)
            elif number == EXIT:
                self.status = "failed" if dict(fields(value)).get(1) else FINISHED
            elif number == RUN:
                self._add_run(value)

    def _add_run(self, record: bytes) -> None:
        for number, value in fields(record):
            if number == 4 and isinstance(value, bytes):
                self.config |= self._items(value, 1)
            elif number in (1, 3, 8) and isinstance(value, bytes):
                self.about[{1: "run_id", 3: "experiment", 8: "name"}[number]] = value.decode()

    def _add_history(self, record: bytes) -> None:
        items = self._items(record, 1)
        for number, message in fields(record):
            if number == 2 and isinstance(message, bytes):
                step = dict(fields(message)).get(1, 0)
                items["_step"] = signed(step) if isinstance(step, int) else 0
        at = items.get("_step")
        if not isinstance(at, int | float):
            raise Malformed("a history without its step")
        for name, value in flat(self.path, numbers_in(items)).items():
            if isinstance(value, int | float):
                self.curves.add(name, at, float(value))

    def _items(self, record: bytes, number: int) -> dict[str, Any]:
        """The items in this field of a record, nested names as mappings in mappings."""
        values: dict[str, Any] = {}
        for field, item in fields(record):
            if field == number and isinstance(item, bytes):
                names, value = self._item(item)
                inner = values
                for name in names[:-1]:
                    inner = inner.setdefault(name, {})
                    if not isinstance(inner, dict):
                        raise Malformed(f"{name[:60]!r} is a value and has values")
                inner[names[-1]] = value
        return values

    def _item(self, item: bytes) -> tuple[list[str], Any]:
        pairs = [(number, value) for number, value in fields(item) if isinstance(value, bytes)]
        nested = [value.decode() for number, value in pairs if number == NESTED_KEY]
        last = dict(pairs)
        names = nested or [last.get(KEY, b"").decode()]
        return names, read_json(last.get(VALUE, b"null"), any_number=True)


def _of_log(path: Path) -> TrackedRun:
    log = _Log(path)
    notes = []
    for record in log_records(path):
        if isinstance(record, CutShort):
            notes.append(
                f"{path} ends inside a record at byte {record.at:,}, as it does while the run is "
                "under way or where it was killed; the records before it were read"
            )
            continue
        at, content = record
        try:
            log.add(content)
        except (Malformed, ValueError, TypeError, DataError) as error:
            raise DataError(
                f"{path}, byte {at:,}: a record of wandb was expected: {error}"
            ) from None
    name = log.about.pop("name", "") or log.about.get("run_id", path.stem)
    curves = log.curves.curves()
    summary = {k: v for k, v in flat(path, numbers_in(log.summary)).items() if k not in curves}
    return TrackedRun(
        name, log.status, log.about, plain_values(log.config), curves, summary, tuple(notes)
    )
