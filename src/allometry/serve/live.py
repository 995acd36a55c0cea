"""The current content of a store, and the progress of the run that writes it."""

import hashlib
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from allometry.errors import AllometryError, UsageError, in_one_line
from allometry.store import Store, StudyStatus
from allometry.store.declarations import Key
from allometry.store.log import LOG
from allometry.store.place import resolved
from allometry.tables.table import Table
from allometry.training.live import Curve, Live, State

__all__ = ["Entry", "Now", "Watch"]


KEPT: Final = 2  # studies whose sample of runs is kept


class Entry(NamedTuple):
    """The progress of one size of one study.

    Attributes:
        slug: name of its page, made of plain characters of its names and a digest of them, so that
            no text of a store is used as a path.
        state: state of the run that trains it now; None if none does.
    """

    slug: str
    status: StudyStatus
    state: State | None

    @property
    def key(self) -> Key:
        return self.status[:3]

    @property
    def runs_under_way(self) -> float:
        """The work done on runs that are not stored yet, in units of runs."""
        if self.state is None or not self.state.steps:
            return 0.0
        # The store may be ahead of the state that the run last wrote.
        stored = max(self.state.done, self.state.runs - self.status.pending)
        trained = self.state.runs * self.state.steps_done / self.state.steps
        return min(max(0.0, trained - stored), float(self.status.pending))

    @property
    def seconds_left(self) -> float | None:
        """Time until all runs of this stage are trained at the rate so far; None if unknown."""
        if self.state is None or not self.state.rate:
            return None
        left = (self.state.steps - self.state.steps_done) / self.state.rate
        return max(0.0, left - max(0.0, time.time() - self.state.updated))


class Now(NamedTuple):
    """The result of a reading.

    Attributes:
        entries: entries by slug, sorted by name; those in training come first.
        error: why the store cannot be read; empty if it can.
        curves: curves of packs in training.
        version: a text that changes whenever anything else here changes.
    """

    entries: Mapping[str, Entry] = {}
    error: str = ""
    curves: tuple[Curve, ...] = ()
    version: str = ""


class Watch:
    """Reads a store whenever it has been written, and keeps the last reading.

    Each reading opens the file for reading, takes no lock, and ends before the page is made.

    Args:
        store: the SQLite file; it need not exist yet.
    """

    def __init__(self, store: str | Path):
        self.store = resolved(store)
        self.now = Now()
        self.seconds = 0.0  # duration of the last reading
        self._live = Live.beside(self.store)
        self._reading = threading.Lock()
        self._sampling = threading.Lock()
        self._samples: dict[Key, tuple[tuple[object, ...], Table]] = {}
        self._stamp: tuple[object, ...] | None = None
        self._counts: list[StudyStatus] = []
        self._error = ""

    def refresh(self) -> Now:
        """Read what has changed since the last reading; may be called from any thread."""
        with self._reading:
            began, stamp = time.perf_counter(), self._stamps()
            if stamp != self._stamp:
                self._counts, self._error = self._counted()
                # The stamp from before the reading: a change meanwhile is found the next time.
                self._stamp = stamp
            state = self._live.state()
            curves = tuple(self._live.curves()) if state else ()
            running = repr((state, *((c.run_id, _last(c)) for c in curves)))
            version = hashlib.sha256(f"{stamp} {running} {self._error}".encode()).hexdigest()[:16]
            if version != self.now.version:
                entries = {e.slug: e for e in _entries(self._counts, state)}
                self.now = Now(entries, self._error, curves, version)
            self.seconds = time.perf_counter() - began
            return self.now

    def sample(self, key: Key, most: int) -> Table:
        """At most `most` of the stored runs; cached until the store is written.

        Raises:
            AllometryError: as `Reader.sample`.
        """
        with self._sampling:
            stamp = self._stamps()
            kept = self._samples.get(key)
            if kept is None or kept[0] != stamp:
                with Store(self.store) as opened:
                    kept = (stamp, opened.sample(*key, most))
                self._samples.pop(key, None)
                self._samples[key] = kept
                for old in list(self._samples)[:-KEPT]:
                    del self._samples[old]
            return kept[1]

    def table(self, key: Key) -> Table:
        """All stored runs; errors as of `Reader.table`."""
        with Store(self.store) as opened:
            return opened.table(*key)

    def _stamps(self) -> tuple[object, ...]:
        log = self.store.with_name(self.store.name + LOG)
        return (_stamp(self.store), _stamp(log))

    def _counted(self) -> tuple[list[StudyStatus], str]:
        try:
            with Store(self.store) as opened:
                return opened.counts(), ""
        except UsageError:
            return [], f"There is no store {self.store.name} yet: a run will make it."
        except AllometryError as error:
            return [], in_one_line(error)


def slug(key: Key) -> str:
    """The name of the page of a key (study, size, variant); equal keys have equal names."""
    words = "-".join(filter(None, (re.sub(r"[^A-Za-z0-9_]+", "-", part)[:60] for part in key)))
    return f"{words}-{hashlib.sha256(repr(key).encode('utf-8', 'replace')).hexdigest()[:8]}"


def _entries(counts: list[StudyStatus], state: State | None) -> list[Entry]:
    entries = [
        Entry(slug(status[:3]), status, state if state and status[:3] == state[:3] else None)
        for status in counts
    ]
    return sorted(entries, key=lambda entry: entry.state is None)


def _stamp(path: Path) -> tuple[int, ...]:
    """A value that changes whenever a file is written; equal for empty and missing files.

    The two must be equal because the first reader of a store makes an empty log.
    """
    try:
        status = path.stat()
    except OSError:
        return ()
    if not status.st_size:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _last(curve: Curve) -> int:
    return sum(map(len, curve.values.values()))
