"""A worker process of the local pool: orders come on stdin, deliveries go to stdout.

    python -m allometry.engines.pool_worker CPU,CPU... SIGN PATH [FOLDER SECONDS]

It runs on the named processors alone, imports from the folders of PATH after its own, and saves
checkpoints into FOLDER (`Checkpoints`). While it works, empty frames between the deliveries are
signs of life, a few within SIGN seconds. What a study prints goes to stderr. The process ends
when stdin does, also in the middle of a pack: then the coordinator is gone.
"""

import faulthandler
import os
import signal
import sys
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO

from allometry.training.compile_cache import keep_programs

__all__ = ["main", "read_frame", "write_frame"]

LENGTH = 8  # bytes of a frame's length, little endian


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next frame; None when the other process is gone."""
    head = stream.read(LENGTH)
    size = int.from_bytes(head, "little")
    body = stream.read(size) if len(head) == LENGTH else b""
    return body if len(head) == LENGTH and len(body) == size else None


def write_frame(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(LENGTH, "little"))
    stream.write(data)
    stream.flush()


def main() -> None:
    # Ctrl-C in a terminal reaches every process; only the coordinator acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    keep_programs(sweep=False)
    cpus, hung_after, path, *folder = sys.argv[1:]
    sys.path += [place for place in path.split(os.pathsep) if place not in sys.path]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    orders = os.fdopen(os.dup(0), "rb")
    deliveries = os.fdopen(os.dup(1), "wb")
    # From here on everything printed goes to the log.
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    waiting: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(orders, waiting), daemon=True).start()
    # After the affinity is set: JAX counts processors when it is loaded.
    from allometry.engines.hung import now_and_then
    from allometry.engines.work import work
    from allometry.training.checkpoints import Checkpoints

    checkpoints = Checkpoints.of_arguments(folder) if folder else None
    writing = Lock()  # a thread that the study left running may write, too

    def deliver(data: bytes) -> None:
        with writing:
            write_frame(deliveries, data)

    sign = now_and_then(lambda: deliver(b""), float(hung_after))
    while True:
        deliver(work(waiting.get(), checkpoints, sign))


def _listen(orders: IO[bytes], waiting: "SimpleQueue[bytes]") -> None:
    while (order := read_frame(orders)) is not None:
        waiting.put(order)
    os._exit(0)


if __name__ == "__main__":
    main()
