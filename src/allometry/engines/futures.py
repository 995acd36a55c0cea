"""Workers with an interface ``submit(order) -> Future``: a pool, Ray, Dask, any executor."""

import time
from collections.abc import Callable, Collection, Sequence
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
    """Workers that return a future for each order.

    Args:
        submit: function from an order and its needs to the future of a delivery; if the future
            has an exception, the pack is lost.
        slots: function that returns the number of orders to keep in flight; it may change.
        close: called once at the end.
        recall: whether only futures that have not started can be cancelled. This holds for
            Python's executors; Ray and Dask also cancel running ones.
        look: called whenever deliveries are looked for.
        silent: function from the names of the orders in flight to those whose host no longer
            responds. Their futures may never end, so they are given up.
        limit: seconds a future may run until its order is given up; None for no limit.
    """

    def __init__(
        self,
        submit: Callable[[bytes, Needs], "Future[bytes]"],
        slots: Callable[[], int],
        close: Callable[[], None],
        *,
        recall: bool,
        look: Callable[[], None] = lambda: None,
        silent: Callable[[Collection[str]], Collection[str]] = lambda names: (),
        limit: float | None = None,
    ):
        self._submit = submit
        self._slots = slots
        self._close = close
        self._recall = recall
        self._look = look
        self._silent = silent
        self._limit = limit
        self._begun: dict[str, float] = {}  # order to the time it was first seen running
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
                f"the executor takes no more work ({error}); finished runs are stored: start it "
                "again and run the same study"
            ) from error
        self._flying[name] = future
        future.add_done_callback(lambda done: self._done.put((name, done)))

    def arrived(self, seconds: float) -> Sequence[tuple[str, bytes | Lost]]:
        self._look()
        answers = self._overdue() + self._on_silent_hosts()
        try:
            answers += self._taken(*self._done.get(timeout=seconds))
            # Only the deliveries that are in the queue now; later ones are for the next call.
            for _ in range(self._done.qsize()):
                answers += self._taken(*self._done.get_nowait())
        except Empty:
            return answers
        return answers

    def withdraw(self) -> Sequence[str]:
        if not self._recall:
            return []
        return [name for name, future in self._flying.items() if future.cancel()]

    def close(self) -> None:
        for future in self._flying.values():
            future.cancel()
        self._close()

    def _overdue(self) -> list[tuple[str, bytes | Lost]]:
        """Give up the orders that have run for too long."""
        overdue: list[tuple[str, bytes | Lost]] = []
        if self._limit is None:
            return overdue
        now = time.monotonic()
        for name, future in list(self._flying.items()):
            begun = self._begun.setdefault(name, now) if future.running() else now
            if now - begun > self._limit:
                reason = f"no delivery {self._limit / 60:g} minutes after start"
                overdue.append(self._given_up(name, reason))
        return overdue

    def _on_silent_hosts(self) -> list[tuple[str, bytes | Lost]]:
        names = self._silent(self._flying) if self._flying else ()
        return [self._given_up(name, "its host is silent") for name in names]

    def _given_up(self, name: str, reason: str) -> tuple[str, bytes | Lost]:
        """Stop waiting for an order. If its delivery still arrives, it is accepted."""
        future = self._flying[name]
        self._forget(name)
        future.cancel()
        return name, Lost(reason)

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
            return []  # was already reported as lost
        if error is None:
            return [(name, Lost("the pack was cancelled"))]
        reason = str(error) if isinstance(error, Died) else f"{type(error).__name__}: {error}"
        return [(name, Lost(reason.split("\n")[0], getattr(error, "log", str(error))))]
