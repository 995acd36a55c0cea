"""The victim: a process that forks children, each running a small study it may not survive.

Started once, so that a child costs a fork and no imports. Jobs come on stdin, one JSON
document a line; for each it answers ``pid N``, waits for ``go`` and lets the child run. At
``reap`` it waits for the child and answers ``exit STATUS``, the exit code or minus the
signal: until then the number is the child's, alive or dead, and can be killed. The child
writes to a log what it starts and what was acknowledged to it: the oracle of the tests. A job
with a ``command`` is a command line of ours instead.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from allometry.cli import main
from allometry.engines.progress import Silent
from allometry.errors import AllometryError
from allometry.run import run
from allometry.spec import RunSpec
from allometry.training.result import RunResult
from tests.store.cases import Imagined, study


class Log(Silent):
    """Append-only and unbuffered: what is written survives the writer."""

    def __init__(self, path: str):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, word: str, run_ids: Sequence[str]) -> None:
        os.write(self._file, (" ".join((word, *run_ids)) + "\n").encode())

    def start(self, pack: Sequence[RunSpec]) -> None:
        self.write("start", [spec.run_id for spec in pack])

    def finished(self, results: Sequence[RunResult]) -> None:
        self.write("stored", [result.spec.run_id for result in results])


def sweep(job: dict[str, Any]) -> int:
    """Run the study to its end; 0, or the exit code of what stopped it."""
    if "file_bytes" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_bytes"],) * 2)
    log = Log(job["log"])

    def before(pack: Sequence[RunSpec]) -> None:
        log.start(pack)
        time.sleep(job["pause"])

    try:
        tiny = study(job["runs"], 1, job["pack"])
        run(tiny, store=job["store"], engine=Imagined(before), progress=log)
    except AllometryError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def command(arguments: Sequence[str]) -> int:
    """A command of ours, in this process; its exit code."""
    try:
        main(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)


def _child(job: dict[str, Any], gate: int) -> int:
    os.read(gate, 1)
    with Path(job["log"] + ".err").open("a") as said:
        sys.stderr = said
        if "command" not in job:
            return sweep(job)
        sys.stdout = said  # that of the parent has the answers
        return command(job["command"])


def serve() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        gate, opener = os.pipe()
        pid = os.fork()
        if pid == 0:
            os._exit(_child(job, gate))
        sys.stdout.write(f"pid {pid}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        os.write(opener, b"g")
        os.close(opener)
        os.close(gate)
        sys.stdin.readline()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"exit {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
