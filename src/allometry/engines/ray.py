"""Training of packs on a Ray cluster, as Ray Core tasks (extra ``ray``).

Ray places tasks by the processors and GPUs they request, and its autoscaler may start nodes.
If a worker or node is lost, the coordinator orders the pack again. It needs to know of losses
anyway, so Ray's own retries are off.
A Ray cluster runs the code of anyone who can connect to it: keep it in a network you trust.
"""

import hashlib
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from allometry.engines.coordinator import Coordinator
from allometry.engines.futures import Futures
from allometry.engines.hung import HUNG_AFTER, watched
from allometry.engines.resources import Needs, asking
from allometry.errors import UsageError
from allometry.processors import processors
from allometry.training.compile_cache import keep_programs

__all__ = ["RayEngine"]

LOOK = 5.0  # seconds for which the list of nodes is reused
# Packs in flight for each that can run. More than one, so that the next is at hand when one is
# done, and the autoscaler sees a queue.
AHEAD = 1.25


class RayEngine(Coordinator):
    """Trains packs on a Ray cluster: a running one, or one started on this machine.

    Args:
        workers: number of packs in flight, and at once in a cluster started here; None for as
            many as the cluster has room for.
        cpus: processors of a pack, which is its number of threads. None for the number by the
            cost model (`needs_of`), at most that of the largest node.
        gpus: GPUs of a pack; a fraction shares one. None for the number by the cost model.
        address: address of the cluster; None for `RAY_ADDRESS`, a cluster running on this
            machine, or a new one.
        hung_after: minutes without a sign of life after which a worker ends itself (`watched`).
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        cpus: float | None = None,
        gpus: float | None = None,
        address: str | None = None,
        hung_after: float = HUNG_AFTER,
    ):
        _ray()
        self._workers = workers
        self._address = address
        self._hung_after = hung_after
        self._cpus = cpus
        self._share = math.inf  # upper limit of a pack's processors in a cluster started here
        super().__init__(self._connect, "ray", asking(cpus, gpus))

    def _connect(self) -> Futures:
        ray = _ray()
        starts_ray = not ray.is_initialized()
        if starts_ray:
            self._init(ray)
        task = ray.remote(_work)
        nodes = _Cached(ray.nodes)

        def submit(order: bytes, needs: Needs) -> "Future[bytes]":
            options = _as_there_is(needs, nodes(), self._share)
            threads = max(1, math.floor(options["num_cpus"]))
            placed = task.options(**options, max_retries=0)
            future: Future[bytes] = placed.remote(order, threads, 60 * self._hung_after).future()
            return future

        close = ray.shutdown if starts_ray else lambda: None
        silent = _Hosts(nodes).silent
        return Futures(submit, self._slots(ray), close, recall=False, silent=silent)

    def _init(self, ray: ModuleType) -> None:
        quiet: dict[str, object] = {
            "log_to_driver": False, "logging_level": "error", "job_config": _job(),
        }  # fmt: skip
        try:
            ray.init(address=self._address or "auto", **quiet)
        except ConnectionError:
            if self._address or os.environ.get("RAY_ADDRESS"):
                raise
            cpus = None
            if self._workers:
                # `workers` packs must fit at once, whatever the cost model says.
                self._share = self._cpus or max(1, len(processors()) // self._workers)
                cpus = math.ceil(self._workers * self._share)
            with warnings.catch_warnings():
                # JAX warns of forks, but the processes that Ray forks here call exec at once.
                warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called")
                ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)

    def _slots(self, ray: ModuleType) -> Callable[[], int]:
        def slots() -> int:
            if self._workers:
                return self._workers
            cpus = float(ray.cluster_resources().get("CPU", 0.0))
            return math.ceil(AHEAD * cpus / max(self._cpus or 1, 0.01)) + 1

        return slots


class _Cached:
    """The result of a call, cached for `LOOK` seconds."""

    def __init__(self, ask: Callable[[], Any]):
        self._ask = ask
        self._at = -math.inf

    def __call__(self) -> Any:
        if time.monotonic() - self._at > LOOK:
            self._at, self._answer = time.monotonic(), self._ask()
        return self._answer


class _Hosts:
    """Finds orders on hosts that Ray regards as dead.

    Ray notices by heartbeats that a host no longer responds, for example after a network failure,
    but waits for its tasks for minutes more. So each worker notes in Ray's key-value store on
    which host it runs an order.
    """

    def __init__(self, nodes: Callable[[], Sequence[Mapping[str, Any]]]):
        self._nodes = nodes
        self._dead = self._dead_now()

    def silent(self, names: Collection[str]) -> list[str]:
        """The orders whose host was marked dead since the last call."""
        dead = self._dead_now()
        new, self._dead = dead - self._dead, dead
        return [name for name in names if new and _noted_host(name) in new]

    def _dead_now(self) -> set[str]:
        return {node["NodeID"] for node in self._nodes() if not node["Alive"]}


@contextmanager
def _noted(order: bytes) -> Iterator[None]:
    """In a worker: note the host of an order while the order runs."""
    from ray.experimental import internal_kv

    key = _note(hashlib.sha256(order).hexdigest())
    host = _ray().get_runtime_context().get_node_id()
    internal_kv._internal_kv_put(key, host.encode(), overwrite=True)
    try:
        yield
    finally:
        internal_kv._internal_kv_del(key)


def _noted_host(name: str) -> str | None:
    from ray.experimental import internal_kv

    host: bytes | None = internal_kv._internal_kv_get(_note(name))
    return host.decode() if host is not None else None


def _note(name: str) -> bytes:
    job = _ray().get_runtime_context().get_job_id()
    return f"allometry/{job}/{name}".encode()


def _job() -> Any:
    """Ray's job options: workers search for modules beside the script, as this process does.

    By default Ray puts the current folder before all others, so that a file in it with the name
    of a library's module would be imported instead of the library.
    """
    from ray.job_config import JobConfig

    class Job(JobConfig):  # type: ignore[misc]
        def _runtime_env_has_working_dir(self) -> bool:
            return True  # then Ray adds none

    beside = str(Path(sys.argv[0]).resolve().parent)
    return Job(_py_driver_sys_path=[beside] if beside in sys.path else [])


def _as_there_is(
    needs: Needs, nodes: Sequence[Mapping[str, Any]], share: float = math.inf
) -> dict[str, float]:
    """Ray's options for these needs, limited to the largest node; Ray would wait for a larger one.

    Without any node, the autoscaler is assumed to start one that is large enough.
    """
    options = {"num_cpus": float(min(needs.cpus, share)), "num_gpus": needs.gpus}
    if needs.memory is not None:
        options["memory"] = float(needs.memory)
    working = [n["Resources"] for n in nodes if n["Alive"] and n["Resources"].get("CPU")]
    for name, resource in (("num_cpus", "CPU"), ("memory", "memory")):
        if working and name in options:
            most = max(node.get(resource, 0.0) for node in working)
            options[name] = min(options[name], most)
    return options


def _work(order: bytes, threads: int, hung_after: float) -> bytes:
    """Run an order in a Ray worker; `hung_after` in seconds."""
    from allometry.engines.work import pin_threads, work

    pin_threads(os.environ, threads)
    keep_programs(sweep=False)
    with _noted(order), watched(hung_after) as sign:
        return work(order, sign=sign)


def _ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage statistics are sent
    try:
        import ray
    except ImportError as error:
        raise UsageError("engine ray needs Ray: pip install 'allometry[ray]'") from error
    module: ModuleType = ray
    return module
