"""Training of packs in threads of this process.

One program on small arrays does not use all processors, so several packs run at once: one for each
processor, but more than four only if the calibration finds that faster. Compiled programs run
outside Python's lock and share one set of worker threads. Two at once take little longer than one
if neither uses the whole machine. `Procedure.concurrent` says which packs allow it.
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

PATIENCE = 5.0  # seconds to wait for an abandoned thread to end

T = TypeVar("T")


def at_once(packs: Sequence[Pack], machine: "Calibration | None" = None) -> int:
    """How many packs to train at once: at most as many as the calibration found best.

    Args:
        machine: measured rates of a machine; None for those of this machine.
    """
    if len(packs) < 2:
        return len(packs)
    # The import takes a second, which a finished study does not need.
    from allometry.training.packing.calibration import calibration

    return min(len(packs), (machine or calibration()).threads)


def in_threads(
    packs: Sequence[Pack],
    make: Callable[[Pack, Callable[[int], None]], T],
    advance: Callable[[int], None],
    stop: Callable[[], bool],
    threads: int,
) -> Iterator[T]:
    """Call `make` for each pack in threads, and yield results in the order they finish.

    Args:
        packs: the packs.
        make: called with a pack and with a function that it calls with units of work done.
        advance: called with units of work, by one thread at a time.
        stop: once it returns True, started packs are finished and no others started.
        threads: largest number of packs at once.

    Raises:
        Exception: any exception of `make`; the other threads end at their next sign of life.
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
    """Ends a thread whose result is no longer needed; `except Exception` does not catch it."""


class _Team(Generic[T]):
    """Threads that train one pack each, and the queue of their results.

    Attributes:
        running: threads whose result has not been taken from the queue.
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
        """Train a pack in a new thread."""
        thread = threading.Thread(target=self._work, args=(pack,), daemon=True)
        self.running.add(thread)
        thread.start()

    def next_result(self) -> T:
        """Wait for the next thread to end, and return its result.

        Raises:
            Exception: the exception that ended the thread.
        """
        thread, result = self._done.get()
        self.running.remove(thread)
        if isinstance(result, BaseException):
            raise result
        return result

    def abandon(self) -> None:
        """End the running threads at their next sign of life; wait up to `PATIENCE` for each."""
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
