"""Packs in threads of this process.

One program on small arrays does not use all processors, so several packs run at once: one for each
processor, and more than four where the calibration finds that they get more done. Compiled programs
run outside Python's lock and share one set of worker threads. Two at once take little longer than
one where neither uses the whole machine. `Procedure.concurrent` says which packs allow it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from allometry.training.procedure import Pack

if TYPE_CHECKING:
    from allometry.training.packing.calibration import Calibration

__all__ = ["at_once", "in_threads"]

PATIENCE = 5.0  # seconds that abandoned threads have to end

T = TypeVar("T")


def at_once(packs: Sequence[Pack], machine: "Calibration | None" = None) -> int:
    """How many packs to make at once: at most as many as the calibration says.

    Args:
        machine: its rates; None for those of this machine.
    """
    if len(packs) < 2:
        return len(packs)
    # Takes a second, which a finished study does not need.
    from allometry.training.packing.calibration import calibration

    return min(len(packs), (machine or calibration()).threads)


def in_threads(
    packs: Sequence[Pack],
    make: Callable[[Pack, Callable[[int], None]], T],
    advance: Callable[[int], None],
    stop: Callable[[], bool],
    threads: int,
) -> Iterator[T]:
    """The result of `make` for each pack, in the order they come in.

    Args:
        packs: to be made.
        make: called with a pack and a function to be told of units of work done.
        advance: told of units of work, by one thread at a time.
        stop: when true, packs that have been started are finished and no more are started.
        threads: most packs at once.

    Raises:
        Exception: what `make` raises; the other threads end at their next sign of life.
    """
    team, waiting = _Team(make, advance), deque(packs)
    try:
        while True:
            while waiting and len(team.running) < threads and not stop():
                team.start(waiting.popleft())
            if not team.running:
                return
            yield team.next_result()
    finally:
        team.abandon()


class _Abandoned(BaseException):
    """Ends a thread whose result nobody waits for; `except Exception` in a study lets it pass."""


class _Team(Generic[T]):
    """Threads that make one pack each, and the queue of their results.

    Attributes:
        running: threads whose result has not been taken.
    """

    def __init__(
        self, make: Callable[[Pack, Callable[[int], None]], T], advance: Callable[[int], None]
    ):
        self.running: set[threading.Thread] = set()
        self._make = make
        self._advance = advance
        self._done: SimpleQueue[tuple[threading.Thread, T | BaseException]] = SimpleQueue()
        self._abandoned = threading.Event()
        self._one_at_a_time = threading.Lock()

    def start(self, pack: Pack) -> None:
        """Make a pack in a thread of its own."""
        thread = threading.Thread(target=self._work, args=(pack,), daemon=True)
        self.running.add(thread)
        thread.start()

    def next_result(self) -> T:
        """Wait for the next thread to end.

        Raises:
            Exception: that of the thread.
        """
        thread, result = self._done.get()
        self.running.remove(thread)
        if isinstance(result, BaseException):
            raise result
        return result

    def abandon(self) -> None:
        """Have the running threads end at their next sign of life; wait a little for them."""
        self._abandoned.set()
        for thread in self.running:
            thread.join(PATIENCE)

    def _work(self, pack: Pack) -> None:
        result: T | BaseException
        try:
            result = self._make(pack, self._tell)
        except BaseException as error:
            result = error
        self._done.put((threading.current_thread(), result))

    def _tell(self, units: int) -> None:
        if self._abandoned.is_set():
            raise _Abandoned
        with self._one_at_a_time:
            self._advance(units)
