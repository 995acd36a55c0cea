"""Worker processes on this machine, each on its own processors; one that dies is replaced."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import IO

from allometry.engines.futures import Died, Futures
from allometry.engines.hung import HUNG_AFTER
from allometry.engines.pool_worker import read_frame, write_frame
from allometry.engines.resources import Needs
from allometry.engines.work import LOG_CHARACTERS, pin_threads
from allometry.errors import DataError
from allometry.processors import processors
from allometry.training.checkpoints import Checkpoints

__all__ = ["pool"]

WORKER = "allometry.engines.pool_worker"
TRACEBACK_SECONDS = 3.0  # for a hung process to write where it is
LAST_SECONDS = 3.0  # for a process that has closed its pipes to end by itself


def pool(
    workers: int, checkpoints: Checkpoints | None = None, hung_after: float = HUNG_AFTER
) -> Futures:
    """Worker processes among which the processors are divided; each starts with its first order.

    Args:
        workers: number of processes.
        checkpoints: where the processes save checkpoints, on this machine.
        hung_after: minutes without a sign of life until a process is ended (`watched`).
    """
    folder = checkpoints.arguments() if checkpoints else []
    processes = _Processes(
        [
            _Process(cpus, _gpu(i), folder, 60 * hung_after)
            for i, cpus in enumerate(_shares(processors(), workers))
        ]
    )
    return Futures(
        processes.submit,
        lambda: workers,
        processes.close,
        recall=True,
        look=processes.end_hung,
    )


def _shares(cpus: list[int], workers: int) -> list[list[int]]:
    """Processors of each worker: equal shares of at least one; with too few, they are reused."""
    share = max(1, len(cpus) // workers)
    return [[cpus[(i * share + k) % len(cpus)] for k in range(share)] for i in range(workers)]


def _gpu(worker: int) -> str | None:
    """The GPU of a worker: devices of CUDA_VISIBLE_DEVICES in turn; None if it names none."""
    devices = [d for d in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if d]
    return devices[worker % len(devices)] if devices else None


class _Processes:
    """The processes of a pool; for each order in work, a thread waits for its process."""

    def __init__(self, processes: "list[_Process]"):
        self._processes = processes
        self._threads = ThreadPoolExecutor(len(processes))  # they only wait on pipes
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        for process in processes:
            self._idle.put(process)

    def submit(self, order: bytes, needs: Needs) -> "Future[bytes]":
        """The delivery of an order, by the first process that is idle; all are alike."""
        return self._threads.submit(self._ask, order)

    def end_hung(self) -> None:
        """End the processes that have given no sign of life for too long."""
        for process in self._processes:
            process.end_if_hung()

    def close(self) -> None:
        """End all processes at once."""
        for process in self._processes:
            process.close()
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.release()

    def _ask(self, order: bytes) -> bytes:
        process = self._idle.get()
        try:
            return process.ask(order)
        finally:
            self._idle.put(process)


class _Process:
    """One worker process, started with its first order and again after it has died."""

    def __init__(self, cpus: list[int], gpu: str | None, checkpoints: list[str], hung_after: float):
        self._hung_after = hung_after  # seconds
        self._heard: float | None = None  # the last sign of life; None without an order
        self._ended_for = ""  # why this object ended the process
        # The search path of this process, for what the study imports from outside its folder.
        path = os.pathsep.join(str(folder or Path.cwd()) for folder in sys.path)
        self._arguments = [",".join(map(str, cpus)), str(hung_after), path, *checkpoints]
        self._environment = dict(os.environ)
        pin_threads(self._environment, len(cpus))
        if gpu is not None:
            self._environment["CUDA_VISIBLE_DEVICES"] = gpu
        self._child: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._closed = False
        self._starting = Lock()

    def ask(self, order: bytes) -> bytes:
        """The delivery of an order.

        Raises:
            Died: the process died or was ended.
        """
        child = self._running()
        assert child.stdin is not None and child.stdout is not None and self._log is not None
        self._log.truncate(0)
        delivery: bytes | None = b""
        try:
            self._heard = time.monotonic()
            write_frame(child.stdin, order)
            while delivery == b"":
                delivery = read_frame(child.stdout)
                self._heard = time.monotonic()
        except BrokenPipeError:
            delivery = None
        except DataError as error:
            delivery, self._ended_for = None, str(error)
            child.kill()
        finally:
            self._heard = None
        if delivery is None:
            self._child = None
            raise self._death(child)
        return delivery

    def end_if_hung(self) -> None:
        """End the process if it has given no sign of life for too long; its order is lost.

        It first gets SIGABRT, on which it writes its traceback (`faulthandler`). A stopped process
        cannot do so, and is killed `TRACEBACK_SECONDS` seconds later.
        """
        child, heard = self._child, self._heard
        if child is None or heard is None:
            return
        silent = time.monotonic() - heard
        if silent > self._hung_after and not self._ended_for:
            self._ended_for = (
                f"no sign of life for {self._hung_after / 60:g} minutes (any output or yield of a "
                "study is one; see --hung-after)"
            )
            child.send_signal(signal.SIGABRT)
        elif silent > self._hung_after + TRACEBACK_SECONDS:
            child.kill()

    def close(self) -> None:
        """End the process at once; in a thread that waits for it, `Died` is raised."""
        with self._starting:
            self._closed = True
            if self._child is not None:
                self._child.kill()

    def release(self) -> None:
        """Close pipes and log, once no thread waits for the process."""
        if self._child is not None:
            self._death(self._child)

    def _running(self) -> "subprocess.Popen[bytes]":
        with self._starting:
            if self._closed:
                raise Died("the pool was closed", "")
            if self._child is None:
                self._log = _nameless_log()
                self._child = subprocess.Popen(  # noqa: S603
                    # -P: libraries must not import files of the current folder as modules.
                    [sys.executable, "-P", "-m", WORKER, *self._arguments],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
                    env=self._environment,
                )  # fmt: skip
            return self._child

    def _death(self, child: "subprocess.Popen[bytes]") -> Died:
        for stream in (child.stdin, child.stdout):
            assert stream is not None
            stream.close()
        try:
            code = child.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        how = f"died: exit code {code}" if code >= 0 else f"died: {signal.Signals(-code).name}"
        if self._ended_for:
            how = f"was ended: {self._ended_for}"
        self._ended_for = ""
        assert self._log is not None
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - LOG_CHARACTERS))
        log = self._log.read(LOG_CHARACTERS).decode("utf-8", "replace")
        self._log.close()
        return Died(f"the worker process {how}", log)


def _nameless_log() -> IO[bytes]:
    """A file without a name; it vanishes with the last process that has it open."""
    log = tempfile.TemporaryFile()  # noqa: SIM115
    # In append mode, so that after a truncation writing continues at the start of the file.
    flags = fcntl.fcntl(log.fileno(), fcntl.F_GETFL)
    fcntl.fcntl(log.fileno(), fcntl.F_SETFL, flags | os.O_APPEND)
    return log
