"""Packs made on a Ray cluster, as Ray Core tasks (extra ``ray``).

Ray places tasks by the processors and GPUs they ask for, and starts nodes where
its autoscaler may. The coordinator orders a task again whose worker or node is lost,
and has to know of losses anyway; so Ray's own retries are off.
A Ray cluster runs the code of whoever reaches it: keep it in a network you trust.
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
# Packs in flight for each that can run: the next is at hand when one is done, and the autoscaler
# sees a queue.
AHEAD = 1.25


class RayEngine(Coordinator):
    """Makes packs on a Ray cluster: the one that is running, or one started here.

    Args:
        workers: packs to run at once in a cluster started here, and to have in flight;
            None for as many as there is room for in the cluster.
        cpus: processors a pack takes; it trains with so many threads. None for what the
            cost model says of each pack (`needs_of`), at most those of the largest node.
        gpus: GPUs a pack takes; a fraction shares one. None for what the cost model says.
        address: of the cluster; None for `RAY_ADDRESS`, one on this machine, or a new one.
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
        self._share = math.inf  # processors of a pack, where they are shared out
        super().__init__(self._connect, "ray", asking(cpus, gpus))

    def _connect(self) -> Futures:
        ray = _ray()
        starts_ray = not ray.is_initialized()
        if starts_ray:
            self._init(ray)
        task = ray.remote(_work)
        nodes = _Cached(ray.nodes)

        def submit(order: bytes, needs: Needs) -> "Future[bytes]":
            given = _as_there_is(needs, nodes(), self._share)
            threads = max(1, math.floor(given["num_cpus"]))
            placed = task.options(**given, max_retries=0)
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
                # So many packs at once, whatever the cost model says of each.
                self._share = self._cpus or max(1, len(processors()) // self._workers)
                cpus = math.ceil(self._workers * self._share)
            with warnings.catch_warnings():
                # JAX warns of forks; what Ray forks here becomes another program at once.
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
    """The answer of a call, asked again after `LOOK` seconds."""

    def __init__(self, ask: Callable[[], Any]):
        self._ask = ask
        self._at = -math.inf

    def __call__(self) -> Any:
        if time.monotonic() - self._at > LOOK:
            self._at, self._answer = time.monotonic(), self._ask()
        return self._answer


class _Hosts:
    """Which orders lie with a host that Ray has given up.

    Ray notices a host that is silent, its cable pulled say, by heartbeats, but waits for the tasks
    there for minutes more. So each worker notes with Ray's head where it makes an order.
    """

    def __init__(self, nodes: Callable[[], Sequence[Mapping[str, Any]]]):
        self._nodes = nodes
        self._dead = self._dead_now()

    def silent(self, names: Collection[str]) -> list[str]:
        """Those of these orders whose host was given up since the last call."""
        dead = self._dead_now()
        new, self._dead = dead - self._dead, dead
        return [name for name in names if new and _noted_host(name) in new]

    def _dead_now(self) -> set[str]:
        return {node["NodeID"] for node in self._nodes() if not node["Alive"]}


@contextmanager
def _noted(order: bytes) -> Iterator[None]:
    """Note, in a worker, on which host an order is made while it is."""
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
    """How Ray's workers look for modules: beside the script, as this process does.

    Ray itself adds the current folder, before all others: any file in it that is named like a
    module of a library would run there.
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
    """Ray's options for these needs, at most what the largest node has: Ray waits for larger ones.

    Where there is no node yet, the autoscaler is assumed to start one that is large enough.
    """
    given = {"num_cpus": float(min(needs.cpus, share)), "num_gpus": needs.gpus}
    if needs.memory is not None:
        given["memory"] = float(needs.memory)
    working = [n["Resources"] for n in nodes if n["Alive"] and n["Resources"].get("CPU")]
    for name, resource in (("num_cpus", "CPU"), ("memory", "memory")):
        if working and name in given:
            most = max(node.get(resource, 0.0) for node in working)
            given[name] = min(given[name], most)
    return given


def _work(order: bytes, threads: int, hung_after: float) -> bytes:
    """Run an order in a Ray worker; `hung_after` in seconds."""
    from allometry.engines.work import pin_threads, work

    pin_threads(os.environ, threads)
    keep_programs(sweep=False)
    with _noted(order), watched(hung_after) as sign:
        return work(order, sign=sign)


def _ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
    try:
        import ray
    except ImportError as error:
        raise UsageError("engine ray needs Ray: pip install 'allometry[ray]'") from error
    module: ModuleType = ray
    return module
