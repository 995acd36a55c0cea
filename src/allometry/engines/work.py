"""The work of every worker: from an order to a delivery, both as bytes."""

import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import cache
from io import TextIOBase
from typing import TextIO

from allometry.engines import check_made
from allometry.engines.deliveries import fail, write_delivery
from allometry.engines.orders import read_order
from allometry.errors import in_one_line
from allometry.study import procedure_of
from allometry.training.checkpoints import Checkpoints
from allometry.training.dividing import ask_for_devices
from allometry.training.phases import (
    count_compiling,
    kept_seconds,
    phase,
    seconds_of_thread,
)
from allometry.training.result import RunFailure, RunResult

__all__ = ["LOG_CHARACTERS", "pin_threads", "work"]

Made = RunResult | RunFailure
LOG_CHARACTERS = 8000  # last characters kept of a failed pack's output, with its traceback
# NPROC is XLA's (`DefaultThreadPoolSize` in xla/pjrt/utils.cc).
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")


def work(
    order: bytes,
    checkpoints: Checkpoints | None = None,
    sign: Callable[[int], None] = lambda units: None,
) -> bytes:
    """Train the runs of an order and return a delivery.

    An exception is also returned as a delivery, with its traceback and the output before it.
    Only if the process dies is there no delivery.

    Args:
        order: bytes from `Orders.write`.
        checkpoints: where to save checkpoints; None for nowhere.
        sign: called at every sign of life with the units of work done, or 0 for output.
    """
    with _tail_of_output(sign) as tail:
        try:
            before = seconds_of_thread()
            with phase("load"):
                study, pack = read_order(order)
            procedure = procedure_of(study)
            count_compiling()
            ask_for_devices()
            with phase("train"):
                made = procedure.run(pack, study.measures, study.trajectory, sign, checkpoints)
            results = _with_output(check_made(made, pack.specs), tail.text)
            return write_delivery(order, results, {**_provenance(), **kept_seconds(before)})
        except Exception as error:
            log = (tail.text + traceback.format_exc())[-LOG_CHARACTERS:]
            return fail(order, in_one_line(error), log)


def _with_output(made: Iterable[Made], output: str) -> list[Made]:
    """Put the output before the log of each failure."""
    return [
        replace(one, log=(output + one.log)[-LOG_CHARACTERS:])
        if isinstance(one, RunFailure)
        else one
        for one in made
    ]


def pin_threads(environment: MutableMapping[str, str], threads: int) -> None:
    """Set the number of threads of numerical libraries loaded later, and let JAX share a GPU."""
    environment.update(dict.fromkeys(THREADS, str(threads)))
    # By default JAX reserves three quarters of a GPU's memory, so workers could not share it.
    environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


@cache
def _provenance() -> dict[str, object]:
    # Imports JAX.
    from allometry.engines.provenance import collect

    return collect()


class _Tail(TextIOBase):
    """A stream that passes text on and remembers its end."""

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
def _tail_of_output(sign: Callable[[int], None]) -> Iterator[_Tail]:
    """The end of the output to stdout and stderr, for the report of a failure."""
    tail = _Tail(sys.stderr, sign)
    # The streams belong to the process: two threads would restore each other's streams.
    if threading.current_thread() is not threading.main_thread():
        yield tail
        return
    with redirect_stdout(tail), redirect_stderr(tail):
        yield tail
