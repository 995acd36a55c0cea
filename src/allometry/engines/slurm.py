"""Training of packs in SLURM jobs, submitted as arrays through submitit (extra ``slurm``).

Orders and deliveries are files in a folder that all nodes share. They are named by their
SHA-256 and renamed into place when complete:

    orders/ORDER.json          runs to train
    deliveries/ORDER-DELIVERY  their results, until the coordinator has read them
    jobs/                      submitit's scripts and logs

A job that is preempted or requeued trains its pack again. The pack of a job that is
cancelled, or whose node dies, is ordered again. A delivery that arrives while no
coordinator runs is read by the next one. submitit writes its calls with pickle; they contain
only the name of a function of this package, the name of an order, and texts. Pickles that
submitit writes back are never read.
"""

import errno
import hashlib
import math
import os
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Any
from uuid import uuid4

from allometry.engines.coordinator import Coordinator, Lost
from allometry.engines.hung import HUNG_AFTER, watched
from allometry.engines.pool_worker import MOST_BYTES
from allometry.engines.resources import Needs, asking
from allometry.engines.time_limits import (
    asked_minutes,
    at_the_limit,
    late_in_words,
    may_be_late,
)
from allometry.engines.work import LOG_CHARACTERS, THREADS, pin_threads
from allometry.errors import UnavailableError, UsageError
from allometry.files.durable import written
from allometry.files.own import warn_once
from allometry.training.compile_cache import keep_programs

__all__ = ["SlurmEngine", "make"]

ARRAY = 1000  # jobs in flight, and in an array: SLURM's MaxArraySize is 1001 unless changed
GATHER = 10.0  # seconds that orders wait for others to share an array with
LOOK = 5.0  # seconds between queries of the queue; one call covers all jobs
GRACE = 30.0  # seconds for a delivery to appear on a network file system after its job has ended
FAILED_QUERIES = 20  # consecutive failed queries of the queue before giving up
HASH = 64


class SlurmEngine(Coordinator):
    """Trains packs in jobs of a SLURM cluster.

    sbatch's environment variables set further options and override those here:
    `SBATCH_PARTITION`, `SBATCH_ACCOUNT`, `SBATCH_TIMELIMIT`.

    Args:
        workers: number of jobs in the queue at once, running or waiting.
        folder: folder that this machine and the nodes share.
        cpus: processors of a job, which is its number of threads. None for the number by the
            cost model (`needs_of`), at most that of the largest node.
        gpus: GPUs of a job. None for one if this machine trains on a GPU, else for 0.
        minutes: time limit of a job, unless `SBATCH_TIMELIMIT` is set.
        hung_after: minutes without a sign of life after which a job ends itself (`watched`).
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        folder: str | Path = "allometry-slurm",
        cpus: int | None = None,
        gpus: int | None = None,
        minutes: int = 60,
        hung_after: float = HUNG_AFTER,
    ):
        _submitit()
        place = Path(folder).expanduser().resolve()
        limit = asked_minutes(minutes)
        super().__init__(
            lambda: _Jobs(place, workers or ARRAY, limit, hung_after), "slurm", asking(cpus, gpus)
        )


def make(folder: str, name: str, hung_after: float, late: str) -> None:
    """The function that a job runs: read the file of an order, write the file of a delivery.

    Args:
        folder: folder of the engine. name: SHA-256 of the order.
        hung_after: minutes. late: the message if the job reaches its time limit.
    """
    # SLURM passes on the coordinator's environment, but the node may have another processor.
    keep_programs(sweep=False)
    from allometry.engines.work import work

    pin_threads(os.environ, int(os.environ.get("SLURM_CPUS_PER_TASK", "1")))
    file = _order_file(Path(folder), name)
    if not file.exists():
        return  # delivered before this job was requeued
    order = file.read_bytes()
    if hashlib.sha256(order).hexdigest() != name:
        raise ValueError(f"order {name[:12]} does not match its SHA-256")
    with watched(60 * hung_after) as sign, at_the_limit(_submitit(), late):
        delivery = work(order, sign=sign)
    digest = hashlib.sha256(delivery).hexdigest()
    _put(_deliveries(Path(folder)) / f"{name}-{digest}", delivery)


class _Jobs:
    """The coordinator's workers: jobs in the queue."""

    def __init__(self, folder: Path, workers: int, minutes: int, hung_after: float):
        submitit = _submitit()
        self._minutes = minutes
        self._hung_after = hung_after
        self.slots = workers
        self._folder = folder
        for part in (folder / "orders", _deliveries(folder), folder / "jobs"):
            part.mkdir(parents=True, exist_ok=True)
        # A unique name, different from those of other users' jobs and of other runs.
        self._title = f"allometry-{uuid4().hex[:8]}"
        try:
            self._executor = submitit.SlurmExecutor(folder=folder / "jobs")
        except RuntimeError as error:
            raise UnavailableError(f"engine slurm: {error}") from error
        self._node_limits = _largest_node()
        self._gathered: dict[str, Needs] = {}  # order to its needs
        self._since = 0.0
        self._jobs: dict[str, Any] = {}  # order to submitit job
        self._ended: dict[str, float] = {}  # order to the time its job was first missing
        self._looked = 0.0
        self._withdrew = -LOOK
        self._failed_queries = 0

    def submit(self, name: str, order: bytes, needs: Needs) -> None:
        _put(_order_file(self._folder, name), order)
        if warning := may_be_late(needs, self._minutes):
            warn_once(warning)
        if not self._gathered:
            self._since = time.monotonic()
        self._gathered[name] = needs

    def arrived(self, seconds: float) -> Sequence[tuple[str, bytes | Lost]]:
        until = time.monotonic() + seconds
        while True:
            answers = [*self._delivered(), *self._lost()]
            self._send()
            if answers or time.monotonic() >= until:
                return answers
            time.sleep(seconds / 4)

    def withdraw(self) -> Sequence[str]:
        unsent, self._gathered = self._gathered, {}
        waiting: list[str] = []
        if time.monotonic() - self._withdrew > LOOK:
            self._withdrew = time.monotonic()
            states = self._queue() or {}
            waiting = [n for n, job in self._jobs.items() if states.get(job.job_id) == "PENDING"]
        if waiting:
            # With the state, because a job that has begun meanwhile must continue.
            _call("scancel", "--state=PENDING", *(self._jobs.pop(n).job_id for n in waiting))
        return [*unsent, *waiting]

    def close(self) -> None:
        if self._jobs:
            _call("scancel", f"--name={self._title}")

    def _send(self) -> None:
        """Submit the gathered orders if they are many or old, or if no job is in the queue."""
        are_many = len(self._gathered) >= max(1, min(self.slots, ARRAY) // 4)
        are_old = time.monotonic() - self._since > GATHER
        if not self._gathered or not (are_many or are_old or not self._jobs):
            return
        # All jobs of an array have the same needs; the other orders follow at the next call.
        needs = next(iter(self._gathered.values()))
        names = [name for name, other in self._gathered.items() if other == needs][:ARRAY]
        late = [late_in_words(self._gathered.pop(name), self._minutes) for name in names]
        self._executor.update_parameters(
            job_name=self._title, time=self._minutes, array_parallelism=ARRAY,
            **_as_there_is(needs, *self._node_limits),
        )  # fmt: skip
        try:
            jobs = self._executor.map_array(
                make, [str(self._folder)] * len(names), names, [self._hung_after] * len(names), late
            )
        except (subprocess.CalledProcessError, OSError) as error:
            raise UnavailableError(f"engine slurm: sbatch refused: {_message(error)}") from error
        except _submitit().core.utils.FailedJobError as error:
            raise UnavailableError(f"engine slurm: sbatch refused: {error}") from error
        self._jobs.update(zip(names, jobs, strict=True))
        self._looked = time.monotonic()

    def _delivered(self) -> list[tuple[str, bytes | Lost]]:
        """Read and remove deliveries of known orders, including those made for an earlier run."""
        answers: list[tuple[str, bytes | Lost]] = []
        known = self._jobs.keys() | self._gathered.keys()
        for file in list(_deliveries(self._folder).iterdir()):
            name, _, digest = file.name.partition("-")
            if name not in known or len(digest) != HASH:
                continue
            answer = _delivery(file, digest)
            if answer is None:
                continue
            answers.append((name, answer))
            file.unlink(missing_ok=True)
            if not isinstance(answer, Lost):
                _order_file(self._folder, name).unlink(missing_ok=True)
            self._forget(name)
        return answers

    def _forget(self, name: str) -> None:
        self._jobs.pop(name, None)
        self._ended.pop(name, None)
        self._gathered.pop(name, None)

    def _lost(self) -> list[tuple[str, bytes | Lost]]:
        """Orders whose jobs have left the queue without a delivery."""
        if not self._jobs or time.monotonic() - self._looked < LOOK:
            return []
        states, now = self._queue(), time.monotonic()
        if states is None:
            return []
        lost: list[tuple[str, bytes | Lost]] = []
        for name, job in list(self._jobs.items()):
            if job.job_id in states:
                self._ended.pop(name, None)
            elif now - self._ended.setdefault(name, now) > GRACE:
                lost.append((name, Lost(f"SLURM job {job.job_id} ended early", _log(job))))
                self._forget(name)
        return lost

    def _queue(self) -> dict[str, str] | None:
        """State of each job in the queue by its id; None if squeue does not answer.

        submitit's watcher is not used: it needs ``sacct``, which many clusters do not run.
        """
        self._looked = time.monotonic()
        line = "%i %T"
        output = _call("squeue", "--noheader", "--array", f"--name={self._title}", "--format", line)
        if output is None:
            self._failed_queries += 1
            if self._failed_queries >= FAILED_QUERIES:
                raise UnavailableError(
                    "engine slurm: squeue does not answer; finished runs are stored and jobs "
                    "continue: run the same study again when it answers"
                )
            return None
        self._failed_queries = 0
        return dict(line.split() for line in output.split("\n") if line.strip())


def _as_there_is(needs: Needs, cpus: int, mebibytes: int) -> dict[str, Any]:
    """submitit's options for these needs, limited to the largest node; SLURM refuses more."""
    threads = min(max(1, math.floor(needs.cpus)), cpus)
    memory = None
    if needs.memory is not None:
        memory = f"{min(needs.memory >> 20, mebibytes)}M"
    return {
        "cpus_per_task": threads,
        "mem": memory,
        "gpus_per_node": math.ceil(needs.gpus) or None,
        # PYTHONSAFEPATH: libraries must not import files of the job's folder as modules.
        "setup": [*(f"export {name}={threads}" for name in THREADS), "export PYTHONSAFEPATH=1"],
    }


def _largest_node() -> tuple[int, int]:
    """The largest number of processors and MiB of memory of a node in the partitions."""
    partition = os.environ.get("SBATCH_PARTITION")
    options = [f"--partition={partition}"] if partition else []
    output = _call("sinfo", "--noheader", "--exact", "--format=%c %m", *options)
    # If nodes differ, sinfo adds a plus sign to the smallest number.
    lines = [line for line in (output or "").split("\n") if line.strip()]
    sizes = [[int(word.rstrip("+")) for word in line.split()] for line in lines]
    if not sizes:
        raise UnavailableError(
            f"engine slurm: sinfo names no nodes{f' in {partition}' if partition else ''}"
        )
    return max(cpus for cpus, _ in sizes), max(memory for _, memory in sizes)


def _call(*words: str) -> str | None:
    """The output of a command; None if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout if done.returncode == 0 else None


def _message(error: Exception) -> str:
    output = getattr(error, "stderr", None) or getattr(error, "output", None) or str(error)
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else str(output)


def _log(job: Any) -> str:
    ends = []
    for path in (job.paths.stdout, job.paths.stderr):
        with _regular(path) as file:
            if file is not None:
                file.seek(max(0, _size(file) - LOG_CHARACTERS))
                ends.append(file.read(LOG_CHARACTERS))
    return b"".join(ends).decode("utf-8", "replace")[-LOG_CHARACTERS:]


def _delivery(path: Path, digest: str) -> bytes | Lost | None:
    """The delivery in a file whose name contains its SHA-256; None if it is no regular file."""
    with _regular(path) as file:
        if file is None:
            return None
        size = _size(file)
        if size > MOST_BYTES:
            return Lost(f"a delivery of at most {MOST_BYTES} bytes expected, it has {size}")
        data = file.read(size)
    if hashlib.sha256(data).hexdigest() != digest:
        return Lost("a delivery does not match its name")
    return data


@contextmanager
def _regular(path: Path) -> Iterator[IO[bytes] | None]:
    """Open a regular file for reading; None for anything else, such as a link or a pipe.

    None also if the file is missing: another coordinator may have removed it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        yield None
        return
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        yield None
        return
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _order_file(folder: Path, name: str) -> Path:
    return folder / "orders" / f"{name}.json"


def _deliveries(folder: Path) -> Path:
    return folder / "deliveries"


def _put(path: Path, data: bytes) -> None:
    """Write a file that is complete as soon as it appears under its name."""
    with written(path) as part:
        part.write_bytes(data)


def _submitit() -> ModuleType:
    try:
        import submitit
    except ImportError as error:
        raise UsageError("engine slurm needs submitit: pip install 'allometry[slurm]'") from error
    module: ModuleType = submitit
    return module
