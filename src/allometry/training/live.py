"""The live state of a run: small files beside the store that the live page reads.

In the folder ``STORE.live``, ``run.json`` has the progress of the run. Every other ``.jsonl`` file
has losses of the members of one pack, one line for each measuring point. The run holds a lock on
the file ``lock``. When it ends, in any way, the kernel releases the lock, and the remaining files
are then ignored. Nothing is flushed to disk, because the store has all results. Each file is
written at most twice a second, and of a large pack only some members are written.
"""

import fcntl
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from allometry.errors import DataError
from allometry.files.own import own_files, remove, sweep, warn_once
from allometry.files.strict_json import read_json

if TYPE_CHECKING:
    # Importing specs loads pydantic, which the live page does not need.
    from allometry.spec import Experiment

__all__ = ["INTERVAL", "Curve", "Live", "PackCurves", "Point", "State"]

SCHEMA, STATE, LOCK = "allometry/live/1", "run.json", "lock"
PACKS = re.compile(r"[0-9a-f]{64}\.jsonl")
OURS = re.compile(rf"{PACKS.pattern}|run\.json|lock|new-[0-9]+")
SHOWN: Final = 48  # at most so many members of a pack are written
INTERVAL: Final = 0.5  # seconds between two writes of a file
LARGEST: Final = 16_000_000  # most bytes read of a file
_KINDS = (str, str, str, int, int, int, int, int, float | None, bool, float)  # types of a `State`
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Point(Protocol):
    """The values shown of a network along training."""

    @property
    def step(self) -> int: ...
    @property
    def losses(self) -> Mapping[str, float]: ...


class Curve(NamedTuple):
    """The curves of one member of a pack in training: name to a list of (step, value)."""

    run_id: str
    values: Mapping[str, Sequence[tuple[float, float]]]


class State(NamedTuple):
    """The progress of a run.

    Attributes:
        study, size, variant: the declaration in training.
        runs, packs, steps: totals of this stage: runs, packs, and updates summed over runs.
        done: number of these runs that are stored.
        steps_done: number of these updates that are made.
        rate: updates per second; None before the first ones.
        stopping: whether a signal has asked to stop after the packs in flight.
        updated: time of writing, in seconds since 1970.
    """

    study: str
    size: str
    variant: str
    runs: int
    packs: int
    steps: int
    done: int
    steps_done: int
    rate: float | None
    stopping: bool
    updated: float


@dataclass(frozen=True)
class Live:
    """The folder of the live state."""

    folder: Path

    @classmethod
    def beside(cls, store: Path) -> "Live":
        """The live folder of a store."""
        return cls(store.with_name(store.name + ".live"))

    # ---- the run that writes -----------------------------------------------------------------

    def begin(self) -> int | None:
        """Lock the folder, and remove the files that a killed run left.

        The lock is a new file each time, so that no reader can be holding a lock on it. Only the
        store's writer calls this.

        Returns:
            the descriptor that holds the lock; None, with a warning, if it cannot be made.
        """
        new = self.folder / f"new-{os.getpid()}"
        try:
            self.clear()
            self.folder.mkdir(exist_ok=True)
            file = os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | _FLAGS, 0o644)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.replace(self.folder / LOCK)
        except OSError as error:
            self._warn(error)
            return None
        return file

    def write_state(self, state: State) -> None:
        """Write the progress of the run; warn if that fails."""
        new = self.folder / f"new-{os.getpid()}"
        try:
            new.write_text(json.dumps({"schema": SCHEMA, **state._asdict()}))
            new.replace(self.folder / STATE)
        except OSError as error:
            self._warn(error)

    def pack(self, specs: Sequence["Experiment"]) -> "PackCurves":
        """The writer of the curves of a pack of these runs."""
        from allometry.spec import run_ids

        return PackCurves(self, run_ids(specs))

    def remove(self, done: Collection[str]) -> None:
        """Remove the curves of packs whose runs are all stored.

        Args:
            done: run_ids of stored runs.
        """
        for path in own_files(self.folder, PACKS):
            runs = _runs_of(path)
            if runs is None or set(runs) <= set(done):
                remove(path)

    def clear(self) -> None:
        """Remove all files, and the folder if it is then empty."""
        for path in own_files(self.folder, OURS):
            remove(path)
        sweep(self.folder)

    def _warn(self, error: OSError) -> None:
        warn_once(
            f"cannot write into {self.folder}: {error.strerror}; `allometry serve` will not show "
            "packs under way"
        )

    # ---- reading -----------------------------------------------------------------------------

    def is_under_way(self) -> bool:
        """Whether a run that writes here is alive."""
        try:
            file = os.open(self.folder / LOCK, os.O_RDONLY | _FLAGS)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def state(self) -> State | None:
        """The state last written by a run that is alive; None if there is none."""
        if not self.is_under_way():
            return None
        try:
            document = read_json(_read(self.folder / STATE))
        except (DataError, OSError):
            return None
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            return None
        values: list[Any] = [document.get(name) for name in State._fields]
        is_state = all(map(isinstance, values, _KINDS))
        return State(*values) if is_state else None

    def curves(self) -> list[Curve]:
        """The curves of all packs in training."""
        if not self.is_under_way():
            return []
        return [c for path in own_files(self.folder, PACKS) for c in _curves_of(path)]

    def changed(self) -> tuple[object, ...]:
        """A value that changes whenever a file here is written or removed."""
        files = own_files(self.folder, OURS)
        return (self.is_under_way(), *((p.name, *_stamp(p)) for p in files))


class PackCurves:
    """Writes the curves of one pack, in the process that trains it; threads use one each.

    Args:
        live: the folder. names: run_ids of the members.
    """

    def __init__(self, live: Live, names: Sequence[str]):
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        self._path = live.folder / f"{digest}.jsonl"
        self._warn = live._warn
        self._names = names
        step = max(1, -(-len(names) // SHOWN))
        self._shown = frozenset(range(0, len(names), step))
        self._sent: dict[int, int] = {}
        self._lines: list[str] = []
        self._begun = False
        self._last = time.monotonic()

    def show(self, points: Mapping[int, Sequence[Point]]) -> None:
        """Add the points that have not been written yet.

        Args:
            points: all points so far, by place in the pack.
        """
        for place in self._shown & points.keys():
            first = self._sent.get(place, 0)
            for point in points[place][first:]:
                self._add(place, point.step, point.losses)
            self._sent[place] = len(points[place])
        self._write()

    def add(self, place: int, step: float, values: Mapping[str, Any]) -> None:
        """Add one point of one member; values that are not numbers are left out."""
        if place in self._shown:
            self._add(place, step, values)
            self._write()

    def _add(self, place: int, step: float, values: Mapping[str, Any]) -> None:
        numbers = {n: float(v) for n, v in values.items() if isinstance(v, int | float)}
        finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
        self._lines.append(json.dumps([place, float(step), finite]))

    def _write(self) -> None:
        if not self._lines or time.monotonic() - self._last < INTERVAL:
            return
        self._last = time.monotonic()
        head = [] if self._begun else [json.dumps(self._names)]
        mode = os.O_APPEND if self._begun else os.O_CREAT | os.O_TRUNC
        try:
            with os.fdopen(os.open(self._path, os.O_WRONLY | mode | _FLAGS, 0o644), "w") as file:
                file.write("".join(f"{line}\n" for line in (*head, *self._lines)))
        except OSError as error:
            self._warn(error)
        self._begun = True
        self._lines.clear()


# ---- files -----------------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | _FLAGS), "rb") as file:
        return file.read(LARGEST)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:  # removed meanwhile
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _runs_of(path: Path) -> list[str] | None:
    """The run_ids of a pack, from the first line of its file; None if the line is invalid."""
    try:
        names = read_json(_read(path).partition(b"\n")[0])
    except (DataError, OSError):
        return None
    is_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if is_names else None


def _curves_of(path: Path) -> list[Curve]:
    """The curves in the file of a pack; empty if the file is invalid."""
    names = _runs_of(path)
    curves: dict[int, dict[str, list[tuple[float, float]]]] = {}
    try:
        # The last line may be incomplete.
        for line in _read(path).split(b"\n")[1:-1]:
            place, step, values = json.loads(line)
            for name, value in values.items():
                point = (float(step), float(value))
                curves.setdefault(place, {}).setdefault(name, []).append(point)
        return [Curve(names[place], values) for place, values in curves.items()] if names else []
    except (AttributeError, LookupError, OSError, TypeError, ValueError):
        return []
