"""A worker process of the local pool: orders come on stdin, deliveries go to stdout.

    python -m allometry.engines.pool_worker CPU,CPU... SIGN PATH [FOLDER SECONDS KEPT LIVE]

The process runs only on the named processors, imports from the folders of PATH after its own, and
saves checkpoints into FOLDER (`Checkpoints`). While it works, empty frames between the deliveries
are signs of life; several are sent within SIGN seconds. Output of the study goes to stderr. The
process ends when stdin does, even in the middle of a pack: then the coordinator is gone. Signals
that reach the whole process group (Ctrl-C, SIGTERM, a closed terminal) are ignored, because the
coordinator handles them.
"""

import faulthandler
import os
import signal
import sys
from queue import SimpleQueue
from threading import Lock, Thread
from types import FrameType
from typing import IO

from allometry.errors import DataError
from allometry.training.compile_cache import keep_programs

__all__ = ["MOST_BYTES", "main", "read_frame", "write_frame"]

LENGTH = 8  # bytes of a frame's length, little endian
MOST_BYTES = 2**32  # largest frame: four runs with arrays as large as SQLite stores (10**9 bytes)
PIECE = 2**20  # bytes read at once, so that memory is allocated for data that came, not announced


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next frame; None if the other process is gone.

    Raises:
        DataError: the announced length exceeds `MOST_BYTES`.
    """
    head = stream.read(LENGTH)
    if len(head) < LENGTH:
        return None
    size = int.from_bytes(head, "little")
    if size > MOST_BYTES:
        raise DataError(f"a frame of at most {MOST_BYTES} bytes expected, {size} are announced")
    body = bytearray()
    while len(body) < size:
        piece = stream.read(min(PIECE, size - len(body)))
        if not piece:
            return None
        body += piece
    return bytes(body)


def write_frame(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(LENGTH, "little"))
    stream.write(data)
    stream.flush()


def main() -> None:
    _leave_stopping_to_the_coordinator()
    faulthandler.enable()
    keep_programs(sweep=False)
    cpus, hung_after, path, *folder = sys.argv[1:]
    sys.path += [place for place in path.split(os.pathsep) if place not in sys.path]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    orders = os.fdopen(os.dup(0), "rb")
    deliveries = os.fdopen(os.dup(1), "wb")
    # From here on everything printed goes to stderr, the log.
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    waiting: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(orders, waiting), daemon=True).start()
    # Imported after the affinity is set, because JAX counts processors when it is loaded.
    from allometry.engines.hung import now_and_then
    from allometry.engines.work import work
    from allometry.training.checkpoints import Checkpoints

    checkpoints = Checkpoints.of_arguments(folder) if folder else None
    writing = Lock()  # a thread that the study left running may write too

    def deliver(data: bytes) -> None:
        with writing:
            write_frame(deliveries, data)

    sign = now_and_then(lambda: deliver(b""), float(hung_after))
    while True:
        deliver(work(waiting.get(), checkpoints, sign))


def _leave_stopping_to_the_coordinator() -> None:
    """Survive signals sent to the whole process group; only the coordinator acts on them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Handled, not ignored: programs that the study starts would inherit ignored signals, and the
    # study could no longer end them with SIGTERM.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _go_on)
    os.register_at_fork(after_in_child=_end_as_usual)


def _go_on(number: int, frame: FrameType | None) -> None:
    """Do nothing; the process ends when the coordinator ends, because stdin then ends."""


def _end_as_usual() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is _go_on:
            signal.signal(number, signal.SIG_DFL)


def _listen(orders: IO[bytes], waiting: "SimpleQueue[bytes]") -> None:
    while (order := read_frame(orders)) is not None:
        waiting.put(order)
    os._exit(0)


if __name__ == "__main__":
    main()
