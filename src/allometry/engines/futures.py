"""Workers behind ``submit(order) -> Future``: a pool, Ray, Dask, any executor."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from allometry.engines.coordinator import Lost
from allometry.engines.resources import Needs
from allometry.errors import UnavailableError

__all__ = ["Died", "Futures"]


class Died(Exception):
    """A worker process ended in the middle of a pack."""

    def __init__(self, reason: str, log: str):
        super().__init__(reason)
        self.log = log


class Futures:
    """Keeps the futures of what was submitted.

    Args:
        submit: an order, and what it needs, to the future of a delivery; what that raises is
            a lost pack.
        slots: how many orders to have in flight, asked again and again.
        close: called once at the end.
        look: called again and again while nothing comes in.
        limit: seconds a future may run until its order is given up; None for ever.
        recall: does a future that lets itself be cancelled mean that nobody has begun?
            With Python's own executors it does; Ray and Dask cancel what is running too.
    """

    def __init__(
        self,
        submit: Callable[[bytes, Needs], "Future[bytes]"],
        slots: Callable[[], int],
        close: Callable[[], None],
        *,
        recall: bool,
        look: Callable[[], None] = lambda: None,
        limit: float | None = None,
    ):
        self._submit = submit
        self._slots = slots
        self._close = close
        self._recall = recall
        self._look = look
        self._limit = limit
        self._begun: dict[str, float] = {}  # order to when it was first seen to run
        self._flying: dict[str, Future[bytes]] = {}
        self._done: SimpleQueue[tuple[str, Future[bytes]]] = SimpleQueue()

    @property
    def slots(self) -> int:
        return self._slots()

    def submit(self, name: str, order: bytes, needs: Needs) -> None:
        try:
            future = self._submit(order, needs)
        except RuntimeError as error:
            raise UnavailableError(
                f"the executor takes no more work ({error}); what came in is stored: start it "
                "again and run the same study"
            ) from error
        self._flying[name] = future
        future.add_done_callback(lambda done: self._done.put((name, done)))

    def arrived(self, seconds: float) -> Sequence[tuple[str, bytes | Lost]]:
        self._look()
        found = self._overdue()
        try:
            found += self._taken(*self._done.get(timeout=seconds))
            # No more than were in flight: what comes meanwhile is for the next time.
            for _ in range(self._done.qsize()):
                found += self._taken(*self._done.get_nowait())
        except Empty:
            return found
        return found

    def withdraw(self) -> Sequence[str]:
        if not self._recall:
            return []
        return [name for name, future in self._flying.items() if future.cancel()]

    def close(self) -> None:
        for future in self._flying.values():
            future.cancel()
        self._close()

    def _overdue(self) -> list[tuple[str, bytes | Lost]]:
        """Orders that have run for too long; what still comes of them is as good as any."""
        found: list[tuple[str, bytes | Lost]] = []
        if self._limit is None:
            return found
        now = time.monotonic()
        for name, future in list(self._flying.items()):
            begun = self._begun.setdefault(name, now) if future.running() else now
            if now - begun > self._limit:
                self._forget(name)
                future.cancel()
                found.append((name, Lost(f"no delivery {self._limit / 60:g} minutes after start")))
        return found

    def _forget(self, name: str) -> None:
        del self._flying[name]
        self._begun.pop(name, None)

    def _taken(self, name: str, future: "Future[bytes]") -> list[tuple[str, bytes | Lost]]:
        given_up = self._flying.get(name) is not future
        if not given_up:
            self._forget(name)
        error = None if future.cancelled() else future.exception()
        if not future.cancelled() and error is None:
            return [(name, future.result())]
        if given_up:
            return []  # reported when it was
        if error is None:
            return [(name, Lost("the pack was cancelled"))]
        reason = str(error) if isinstance(error, Died) else f"{type(error).__name__}: {error}"
        return [(name, Lost(reason.split("\n")[0], getattr(error, "log", str(error))))]
