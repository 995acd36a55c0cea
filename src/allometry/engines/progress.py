"""The progress of a study's run, and the signals that ask it to stop."""

import logging
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from allometry.training.result import RunResult

__all__ = ["Drain", "Progress", "Silent"]

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a system, a closed terminal
# Seconds in which a second signal counts as a copy of the first. `timeout` signals the process and
# then its group; when a terminal is closed, both the shell and the kernel send SIGHUP.
SAME = 0.5

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise


class Progress(Protocol):
    """Is notified of the progress of a study's run."""

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None:
        """Called before training: runs to train, runs already stored, packs and updates to come."""
        ...

    def advance(self, model_steps: int) -> None:
        """Called with the number of further optimiser updates, summed over runs."""
        ...

    def finished(self, results: Sequence[RunResult]) -> None:
        """Called when results are stored: they are on disk and will not be trained again."""
        ...

    def draining(self) -> None:
        """Called once after a signal to stop: packs in flight are finished and stored first."""
        ...

    def end(self) -> None:
        """Called last, also after an error."""
        ...


class Silent:
    """Shows nothing, except a warning of `logging` when a signal stops training."""

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None: ...
    def advance(self, model_steps: int) -> None: ...
    def finished(self, results: Sequence[RunResult]) -> None: ...
    def end(self) -> None: ...

    def draining(self) -> None:
        _log.warning("stopping after the pack in flight; once more stops at once")


class Drain:
    """Handles signals: the first asks to stop after the packs in flight, a second stops at once.

    The signals are SIGINT (Ctrl-C), SIGTERM (systemd, a batch system, ``timeout``) and SIGHUP (the
    terminal was closed).

    Args:
        advance: called with the number of further updates.
        draining: called once after the first signal.

    Attributes:
        signal: number of the first signal; 0 before.
    """

    def __init__(self, advance: Callable[[int], None], draining: Callable[[], None]):
        self.signal = 0
        self._advance = advance
        self._draining = draining
        self._told = False
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Python delivers signals only to the main thread. An ignored signal stays ignored: shells
        # keep Ctrl-C from background jobs this way, and nohup relies on it.
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def asked(self) -> bool:
        return self.signal != 0

    def advance(self, model_steps: int) -> None:
        # An engine calls with 0 while its workers have finished nothing.
        if model_steps:
            self._advance(model_steps)
        if self.signal and not self._told:
            self._told = True
            self._draining()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_terminal()
        if not self.signal:
            self.signal, self._at = number, time.monotonic()
        elif time.monotonic() - self._at > SAME:
            raise KeyboardInterrupt


def _leave_terminal() -> None:
    """Redirect output to a closed terminal to the null device; writing to it would raise."""
    for stream in (1, 2):
        try:
            is_device = stat.S_ISCHR(os.fstat(stream).st_mode)
        except OSError:  # closed
            continue
        if is_device and not os.isatty(stream):  # a closed terminal no longer counts as a terminal
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)
