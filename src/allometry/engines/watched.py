"""Progress that is also written beside the store, where `allometry serve` reads it."""

import os
import threading
import time
from collections.abc import Sequence
from typing import Self

from allometry.engines.progress import Progress
from allometry.training.live import INTERVAL, Live, State
from allometry.training.result import RunResult

__all__ = ["Watched"]


class Watched:
    """Passes progress on to another `Progress`, and writes it beside the store.

    Args:
        progress: gets every call.
        live: where the state is written.
        declaration: study, size and variant in training.
    """

    def __init__(self, progress: Progress, live: Live, declaration: tuple[str, str, str]):
        self._progress = progress
        self._live = live
        self._declaration = declaration
        self._lock: int | None = None
        self._one_at_a_time = threading.Lock()
        self._last = 0.0

    def __enter__(self) -> Self:
        self._lock = self._live.begin()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._live.clear()
            os.close(self._lock)

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None:
        self._progress.begin(runs, stored, packs, steps)
        self._counts = (runs, packs, steps)
        self._done = self._steps_done = self._steps_before = 0
        self._draining = False
        self._since = time.monotonic()
        self._write(whenever=True)

    def advance(self, model_steps: int) -> None:
        self._progress.advance(model_steps)
        first = not self._steps_done
        self._steps_done += model_steps
        if first:  # the time before was mostly spent on loading and compiling
            self._since, self._steps_before = time.monotonic(), self._steps_done
        self._write()

    def finished(self, results: Sequence[RunResult]) -> None:
        self._progress.finished(results)
        self._done += len(results)
        self._live.remove([result.spec.run_id for result in results])
        self._write(whenever=True)

    def draining(self) -> None:
        self._progress.draining()
        self._draining = True
        self._write(whenever=True)

    def end(self) -> None:
        self._progress.end()

    def _write(self, whenever: bool = False) -> None:
        """Write the state: at most once per `INTERVAL`, except for rare events (`whenever`)."""
        with self._one_at_a_time:
            now = time.monotonic()
            if self._lock is None or (now - self._last < INTERVAL and not whenever):
                return
            self._last = now
            updates = self._steps_done - self._steps_before
            self._live.write_state(
                State(
                    *self._declaration,
                    *self._counts,
                    done=self._done,
                    steps_done=self._steps_done,
                    rate=updates / (now - self._since) if updates else None,
                    stopping=self._draining,
                    updated=time.time(),
                )
            )
