"""Packs made on a Ray cluster, as Ray Core tasks (extra ``ray``).

Ray places tasks by the processors and GPUs they ask for, and starts nodes where
its autoscaler may. The coordinator orders a task again whose worker or node is lost,
and has to know of losses anyway; so Ray's own retries are off.
A Ray cluster runs the code of whoever reaches it: keep it in a network you trust.
"""

import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
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
        return Futures(submit, self._slots(ray), close, recall=False)

    def _init(self, ray: ModuleType) -> None:
        quiet: dict[str, object] = {"log_to_driver": False, "logging_level": "error"}
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
    with watched(hung_after) as sign:
        return work(order, sign=sign)


def _ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
    try:
        import ray
    except ImportError as error:
        raise UsageError("engine ray needs Ray: pip install 'allometry[ray]'") from error
    module: ModuleType = ray
    return module
