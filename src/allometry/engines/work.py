"""The work itself, wherever it is done: an order in, a delivery out, both bytes."""

import sys
import threading
import traceback
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from io import TextIOBase
from typing import TextIO

from allometry.engines.deliveries import fail, write_delivery
from allometry.engines.orders import read_order
from allometry.study import procedure_of
from allometry.training.checkpoints import Checkpoints, keeping

__all__ = ["LOG_CHARACTERS", "pin_threads", "work"]

LOG_CHARACTERS = 8000  # of what a failed pack wrote: a traceback and the lines before it
# NPROC is XLA's (`DefaultThreadPoolSize` in xla/pjrt/utils.cc).
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")


def work(
    order: bytes,
    checkpoints: Checkpoints | None = None,
    sign: Callable[[int], None] = lambda units: None,
) -> bytes:
    """Make the runs of an order.

    What goes wrong comes back as a delivery too, with its traceback and what was
    written before; only the death of the process does not.

    Args:
        order: as `Orders.write` gave it.
        checkpoints: where packs under way are kept; None for nowhere.
        sign: told of signs of life: units of work done, or 0 for something written.
    """
    with _last_words(sign) as said:
        try:
            study, pack = read_order(order)
            procedure = keeping(procedure_of(study), checkpoints)
            results = procedure.run(pack, study.measures, study.trajectory, sign)
            return write_delivery(order, results, _provenance())
        except Exception as error:
            log = (said.text + traceback.format_exc())[-LOG_CHARACTERS:]
            return fail(order, f"{type(error).__name__}: {error}".split("\n")[0], log)


def pin_threads(environment: MutableMapping[str, str], threads: int) -> None:
    """Ask numerical libraries loaded later for so many threads, and JAX to share a GPU."""
    environment.update(dict.fromkeys(THREADS, str(threads)))
    # JAX takes three quarters of a GPU at its first use, which several workers cannot.
    environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


@cache
def _provenance() -> dict[str, object]:
    # Brings JAX.
    from allometry.engines.provenance import collect

    return collect()


class _Tail(TextIOBase):
    """Passes text on and remembers the end of it."""

    def __init__(self, through: TextIO, sign: Callable[[int], None]):
        self.text = ""
        self._through = through
        self._sign = sign

    def write(self, text: str) -> int:
        self._sign(0)
        self.text = (self.text + text)[-LOG_CHARACTERS:]
        return self._through.write(text)

    def flush(self) -> None:
        self._through.flush()


@contextmanager
def _last_words(sign: Callable[[int], None]) -> Iterator[_Tail]:
    """What is written to stdout and stderr, remembered in case of failure."""
    tail = _Tail(sys.stderr, sign)
    # The streams belong to the whole process: two threads would put back each other's.
    if threading.current_thread() is not threading.main_thread():
        yield tail
        return
    with redirect_stdout(tail), redirect_stderr(tail):
        yield tail
