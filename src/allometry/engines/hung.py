"""End workers that hang, so that the coordinator can order their packs again.

A sign of life is a unit of work done, or any output of the study. The local pool
watches its processes from outside, so it also notices stopped ones; a process on a
cluster watches itself.
"""

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["HUNG_AFTER", "now_and_then", "watched"]

HUNG_AFTER = 60.0  # minutes; a pack in training gives a sign of life every few seconds
STDERR = 2


@contextmanager
def watched(seconds: float) -> Iterator[Callable[[int], None]]:
    """End this process, with its traceback, after `seconds` without a sign of life.

    The clock is a thread in C, because the interpreter itself may hang. Use it only in
    processes that this package has started.

    Yields:
        the function to call at every sign of life.
    """

    def restart_clock() -> None:
        # The descriptor, because `sys.stderr` may be redirected.
        faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)

    restart_clock()
    try:
        yield now_and_then(restart_clock, seconds)
    finally:
        faulthandler.cancel_dump_traceback_later()


def now_and_then(tell: Callable[[], None], seconds: float) -> Callable[[int], None]:
    """A function that passes on at most one sign of life every min(1, `seconds` / 4) seconds."""
    last_sign = time.monotonic()

    def sign(units: int) -> None:
        nonlocal last_sign
        if time.monotonic() - last_sign > min(1.0, seconds / 4):
            last_sign = time.monotonic()
            tell()

    return sign
