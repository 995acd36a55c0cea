"""Packs in threads of this process, one for each processor: a program of small arrays leaves
processors idle, another beside it does not.

Compiled programs run outside Python's lock and share one set of worker threads, so two
at once take little longer than one where neither fills the machine. For which procedures:
`allometry.training.procedure.Concurrent`.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TypeVar

from allometry.training.procedure import Pack

__all__ = ["at_once", "in_threads"]

MOST = 4  # at once: beyond, Python's lock is what they wait for, and a pool of processes is better
PATIENCE = 5.0  # seconds for threads nobody waits for to come to an end

T = TypeVar("T")


def at_once(packs: Sequence[Pack], processors: int) -> int:
    """How many to make at once: one a processor where JAX computes on them, else one."""
    import jax  # takes a second, which a finished study does not need

    return min(len(packs), processors, MOST) if jax.default_backend() == "cpu" else 1


class _Abandoned(BaseException):
    """Ends a thread whose result nobody waits for; no `except Exception` holds it up."""


def in_threads(
    packs: Sequence[Pack],
    make: Callable[[Pack, Callable[[int], None]], T],
    advance: Callable[[int], None],
    stop: Callable[[], bool],
    threads: int,
) -> Iterator[T]:
    """What `make` gives for each pack, in the order they come in.

    Args:
        make: gets a pack, and whom to tell of units of work done.
        advance: told by one thread at a time.
        stop: when true, what has been started is finished and no more started.

    Raises:
        Exception: what `make` raises; the others are then left at their next sign of life.
    """
    waiting, running = deque(packs), set[threading.Thread]()
    done: SimpleQueue[tuple[threading.Thread, T | None, BaseException | None]] = SimpleQueue()
    abandoned, one_at_a_time = threading.Event(), threading.Lock()

    def tell(units: int) -> None:
        if abandoned.is_set():
            raise _Abandoned
        with one_at_a_time:
            advance(units)

    def work(pack: Pack) -> None:
        made, error = None, None
        try:
            made = make(pack, tell)
        except BaseException as caught:
            error = caught
        done.put((threading.current_thread(), made, error))

    try:
        while True:
            while waiting and len(running) < threads and not stop():
                thread = threading.Thread(target=work, args=(waiting.popleft(),), daemon=True)
                running.add(thread)
                thread.start()
            if not running:
                return
            thread, made, error = done.get()
            running.remove(thread)
            if error is not None:
                raise error
            yield made  # type: ignore[misc]
    finally:
        abandoned.set()
        for thread in running:
            thread.join(PATIENCE)
