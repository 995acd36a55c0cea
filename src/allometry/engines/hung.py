"""Workers that get nowhere: ended, so that whoever ordered the pack can order it anew.

A sign of life is a unit of work done, or anything the study writes. The local pool
watches its processes from outside, and so notices those that are stopped, too; a
process on a cluster watches itself.
"""

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["HUNG_AFTER", "now_and_then", "watched"]

HUNG_AFTER = 60.0  # minutes; what trains in packs gives a sign every few seconds
STDERR = 2


@contextmanager
def watched(seconds: float) -> Iterator[Callable[[int], None]]:
    """End this process, saying where it was, after so many seconds without a sign of life.

    By a clock that needs nothing of the interpreter, which may be what hangs. For
    processes of our own alone.

    Yields:
        what is to be told of signs of life.
    """

    def wind() -> None:
        # The descriptor: what is written through `sys.stderr` may be redirected.
        faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)

    wind()
    try:
        yield now_and_then(wind, seconds)
    finally:
        faulthandler.cancel_dump_traceback_later()


def now_and_then(tell: Callable[[], None], seconds: float) -> Callable[[int], None]:
    """Passes signs of life on: one a second at most, or four within `seconds`."""
    told = time.monotonic()

    def sign(units: int) -> None:
        nonlocal told
        if time.monotonic() - told > min(1.0, seconds / 4):
            told = time.monotonic()
            tell()

    return sign
