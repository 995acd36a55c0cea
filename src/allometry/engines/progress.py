"""Whoever is told how far a run of a study is, and the signals that ask it to stop."""

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
# Seconds in which a second signal is the first one again: `timeout` sends it to the process and
# then to its group, and a shell passes on the end of its terminal, of which the kernel told too.
SAME = 0.5

_log = logging.getLogger(__name__)  # warnings go to stderr unless a program says otherwise


class Progress(Protocol):
    """Told how far a run of a study is."""

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None:
        """Before training: runs to train, those stored already, packs and updates to come."""
        ...

    def advance(self, model_steps: int) -> None:
        """Optimiser updates made, summed over the runs of a pack."""
        ...

    def finished(self, results: Sequence[RunResult]) -> None:
        """A pack is stored: it is on disk and will not be trained again."""
        ...

    def draining(self) -> None:
        """Asked to stop: the pack in flight is finished and stored first."""
        ...

    def end(self) -> None:
        """Always last, also after an error."""
        ...


class Silent:
    """Progress nobody watches. Only that it stops is said, as a warning of `logging`."""

    def begin(self, runs: int, stored: int, packs: int, steps: int) -> None: ...
    def advance(self, model_steps: int) -> None: ...
    def finished(self, results: Sequence[RunResult]) -> None: ...
    def end(self) -> None: ...

    def draining(self) -> None:
        _log.warning("stopping after the pack in flight; once more stops at once")


class Drain:
    """The first signal asks to stop after the pack in flight, a later one stops at once.

    Those are SIGINT (Ctrl-C), SIGTERM (systemd, a batch system, ``timeout``) and SIGHUP (the
    terminal was closed).

    Args:
        advance: told of updates made.
        draining: told once that no more packs are started.
    """

    def __init__(self, advance: Callable[[int], None], draining: Callable[[], None]):
        self.signal = 0
        self._advance = advance
        self._draining = draining
        self._told = False
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Python delivers signals to the main thread alone. One that is ignored
        # stays so: that is how a shell keeps Ctrl-C from its background jobs, and nohup works.
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
        # Workers elsewhere say only that they still work.
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
    """Have what is written to a terminal that is gone go nowhere, for it would end the run."""
    for stream in (1, 2):
        try:
            is_device = stat.S_ISCHR(os.fstat(stream).st_mode)
        except OSError:  # closed
            continue
        if is_device and not os.isatty(stream):  # a terminal that is gone is none any more
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)
