"""What a run shows of itself while it lasts: small files beside the store, for who watches it.

In the folder ``STORE.live``, ``run.json`` says how far the run is and every other file has losses
of the members of one pack, a line for each point as it is taken. File ``lock`` is locked by the
run: however that ends the kernel unlocks it, and what it left is not believed any more. Nothing
here is flushed to the disk, as the store has all that counts. Each file is written twice a second
at most, and of a large pack some members alone.
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
    # Specs bring pydantic, which who watches does not need.
    from allometry.spec import Experiment

__all__ = ["INTERVAL", "Curve", "Live", "PackCurves", "Point", "State"]

SCHEMA, STATE, LOCK = "allometry/live/1", "run.json", "lock"
PACKS = re.compile(r"[0-9a-f]{64}\.jsonl")
OURS = re.compile(rf"{PACKS.pattern}|run\.json|lock|new-[0-9]+")
SHOWN: Final = 48  # members of a pack
INTERVAL: Final = 0.5  # seconds between two writes of a file
LARGEST: Final = 16_000_000  # bytes that are read of a file
_KINDS = (str, str, str, int, int, int, int, int, float | None, bool, float)  # of a `State`
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Point(Protocol):
    """What is shown of a network along training."""

    @property
    def step(self) -> int: ...
    @property
    def losses(self) -> Mapping[str, float]: ...


class Curve(NamedTuple):
    """Measures of one member of a pack under way: each a list of (step, value)."""

    run_id: str
    values: Mapping[str, Sequence[tuple[float, float]]]


class State(NamedTuple):
    """How far a run is.

    Attributes:
        study, size, variant: that are trained.
        runs, packs, steps: to train in this stage: runs, packs, updates summed over the runs.
        done: of these runs, how many are stored.
        steps_done: of these updates, how many are made.
        rate: updates a second; None before there are any.
        stopping: whether it was asked to stop after the packs in flight.
        updated: when this was written, seconds since 1970.
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
    """The folder of what is shown."""

    folder: Path

    @classmethod
    def beside(cls, store: Path) -> "Live":
        """That of a store."""
        return cls(store.with_name(store.name + ".live"))

    # ---- the run that writes -----------------------------------------------------------------

    def begin(self) -> int | None:
        """Lock the folder, and clear it of what a run that was killed left.

        The lock is a new file each time, which nobody who reads can hold. Only the one writer of
        the store does this.

        Returns:
            the open file that holds the lock; None, with a warning, where it cannot be made.
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
        """How far the run is; where it cannot be written, a warning says so."""
        new = self.folder / f"new-{os.getpid()}"
        try:
            new.write_text(json.dumps({"schema": SCHEMA, **state._asdict()}))
            new.replace(self.folder / STATE)
        except OSError as error:
            self._warn(error)

    def pack(self, specs: Sequence["Experiment"]) -> "PackCurves":
        """The curves of a pack of these runs."""
        from allometry.spec import run_ids

        return PackCurves(self, run_ids(specs))

    def remove(self, done: Collection[str]) -> None:
        """Remove the curves of packs whose runs are stored, by their run_ids."""
        for path in own_files(self.folder, PACKS):
            runs = _runs_of(path)
            if runs is None or set(runs) <= set(done):
                remove(path)

    def clear(self) -> None:
        """Remove all of it."""
        for path in own_files(self.folder, OURS):
            remove(path)
        sweep(self.folder)

    def _warn(self, error: OSError) -> None:
        warn_once(
            f"cannot write into {self.folder}: {error.strerror}; `allometry serve` will not show "
            "packs under way"
        )

    # ---- who watches -------------------------------------------------------------------------

    def is_under_way(self) -> bool:
        """Whether the run that writes here is alive."""
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
        """What the run that is under way last wrote; None where there is none."""
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
        """The curves of all packs under way."""
        if not self.is_under_way():
            return []
        return [c for path in own_files(self.folder, PACKS) for c in _curves_of(path)]

    def changed(self) -> tuple[object, ...]:
        """Another value whenever a file here is written or removed."""
        files = own_files(self.folder, OURS)
        return (self.is_under_way(), *((p.name, *_stamp(p)) for p in files))


class PackCurves:
    """The curves of one pack, by the process that trains it. Several threads may have one each.

    Args:
        live: where. names: run_ids of the members.
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
        """Add the points that were not shown yet.

        Args:
            points: by place in the pack, all so far.
        """
        for place in self._shown & points.keys():
            first = self._sent.get(place, 0)
            for point in points[place][first:]:
                self._add(place, point.step, point.losses)
            self._sent[place] = len(points[place])
        self._write()

    def add(self, place: int, step: float, values: Mapping[str, Any]) -> None:
        """Add one point of one member: its values that are numbers."""
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
    """The runs of a pack; None for a file that does not say."""
    try:
        names = read_json(_read(path).partition(b"\n")[0])
    except (DataError, OSError):
        return None
    is_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if is_names else None


def _curves_of(path: Path) -> list[Curve]:
    """The curves of a pack; none of a file that is not as it should be."""
    names = _runs_of(path)
    curves: dict[int, dict[str, list[tuple[float, float]]]] = {}
    try:
        # Its last line may be half written.
        for line in _read(path).split(b"\n")[1:-1]:
            place, step, values = json.loads(line)
            for name, value in values.items():
                point = (float(step), float(value))
                curves.setdefault(place, {}).setdefault(name, []).append(point)
        return [Curve(names[place], values) for place, values in curves.items()] if names else []
    except (AttributeError, LookupError, OSError, TypeError, ValueError):
        return []
