"""Training of packs by an executor like those of `concurrent.futures`, such as Dask's."""

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Protocol

from allometry.engines.coordinator import Coordinator
from allometry.engines.futures import Futures
from allometry.engines.work import work

__all__ = ["ExecutorEngine"]


class Executor(Protocol):
    """The method that an executor must have."""

    def submit(self, call: Callable[[bytes], bytes], order: bytes, /) -> "Future[bytes]": ...


class ExecutorEngine(Coordinator):
    """Trains packs with an executor that you provide; it is not shut down afterwards.

    Its workers need this package and, for a study of your own, its file at the same
    path. If a worker dies and the executor breaks (as `ProcessPoolExecutor` does), the run
    ends; results that arrived before are stored.

    Args:
        executor: anything with ``submit(function, argument) -> Future``.
        workers: number of orders in flight.
        hung_after: minutes an order may run until it is given up and ordered again. The hung
            worker itself continues, because only its owner can end it. None for no limit.
    """

    def __init__(self, executor: Executor, workers: int = 64, *, hung_after: float | None = None):
        recall = isinstance(executor, ThreadPoolExecutor | ProcessPoolExecutor)

        def start() -> Futures:
            return Futures(
                lambda order, needs: executor.submit(work, order),
                lambda: workers,
                lambda: None,
                recall=recall,
                limit=None if hung_after is None else 60 * hung_after,
            )

        super().__init__(start, "executor")
