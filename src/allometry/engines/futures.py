"""Workers behind ``submit(order) -> Future``: a pool, Ray, Dask, any executor."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from allometry.engines.coordinator import Lost
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
        submit: order to future of a delivery; what the future raises is a lost pack.
        slots: how many orders to have in flight, asked again and again.
        close: called once at the end.
        recall: does a future that lets itself be cancelled mean that nobody has begun?
            With Python's own executors it does; Ray and Dask cancel what is running too.
    """

    def __init__(
        self,
        submit: Callable[[bytes], "Future[bytes]"],
        slots: Callable[[], int],
        close: Callable[[], None],
        *,
        recall: bool,
    ):
        self._submit = submit
        self._slots = slots
        self._close = close
        self._recall = recall
        self._flying: dict[str, Future[bytes]] = {}
        self._done: SimpleQueue[tuple[str, Future[bytes]]] = SimpleQueue()

    @property
    def slots(self) -> int:
        return self._slots()

    def submit(self, name: str, order: bytes) -> None:
        try:
            future = self._submit(order)
        except RuntimeError as error:
            raise UnavailableError(
                f"the executor takes no more work ({error}); what came in is stored: start it "
                "again and run the same study"
            ) from error
        self._flying[name] = future
        future.add_done_callback(lambda done: self._done.put((name, done)))

    def arrived(self, seconds: float) -> Sequence[tuple[str, bytes | Lost]]:
        found: list[tuple[str, bytes | Lost]] = []
        try:
            found.append(self._taken(*self._done.get(timeout=seconds)))
            # No more than were in flight: what comes meanwhile is for the next time.
            for _ in range(self._done.qsize()):
                found.append(self._taken(*self._done.get_nowait()))
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

    def _taken(self, name: str, future: "Future[bytes]") -> tuple[str, bytes | Lost]:
        if self._flying.get(name) is future:
            del self._flying[name]
        if future.cancelled():
            return name, Lost("the pack was cancelled")
        error = future.exception()
        if error is None:
            return name, future.result()
        reason = str(error) if isinstance(error, Died) else f"{type(error).__name__}: {error}"
        return name, Lost(reason.split("\n")[0], getattr(error, "log", str(error)))
