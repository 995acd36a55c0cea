"""What the engines cost beside the training, and what a million runs would take.

    python benchmarks/engines.py coordinator          1,000 fake workers, fake packs, a real store
    python benchmarks/engines.py overhead local pool executor ray slurm
    python benchmarks/engines.py programs slurm       packs of a study, compiled anew and kept
    python benchmarks/engines.py plan                 a million runs of the first study

`coordinator`: the real coordinator and the real store on a disk; the workers are imagined:
each has one pack in flight and delivers real bytes in random order. The time spent making
deliveries is the workers' and is taken off; both rates are printed.

`overhead`: packs of 20 runs whose making takes no time, so all that is measured is the engine.
The first pack brings the start of processes and imports; it is printed apart. `slurm` starts
a SLURM of its own (`tests/engines/slurm_cluster.py`; root, Debian's packages).

`programs`: packs of the quick size of `mlp_parameter_scaling`, one a seed and all of one shape,
two at a time; once with JAX's cache of programs switched off and once with an empty one.

`plan`: trains one pack of the notebook size of `mlp_parameter_scaling` (on one processor with
`taskset -c 0`), measures its processor seconds and its bytes in orders, deliveries and store, and
multiplies, for workers of one processor each; the coordinator's load is against the rate that
`coordinator` measured (`--rate`).

This file is itself the study whose runs take no time: workers load it by its path.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from allometry import Study, studies
from allometry.spec import Experiment
from allometry.study import procedure_of
from allometry.training.procedure import Pack, Procedure
from allometry.training.result import RunResult
from machine import facts

PER_PACK = 20
COLUMNS = 24  # as many as a row of the first study has, nearly


class Nothing(Experiment):
    """A run that takes no time."""

    width: int


class Imagined(Procedure):
    """A row and a short trajectory that follow from the spec."""

    def packs(self, specs: Sequence[Nothing]) -> list[Pack]:
        return [Pack(tuple(specs[i : i + PER_PACK])) for i in range(0, len(specs), PER_PACK)]

    def updates(self, spec: Nothing) -> int:
        return 1

    def run(
        self, pack: Pack, measures: Any, trajectory: Any, advance: Any, checkpoints: Any = None
    ) -> list[RunResult]:
        return [made(spec) for spec in pack.specs]


def made(spec: Nothing) -> RunResult:
    row = {f"measure_{k}": (spec.width + 1) / (k + 3) for k in range(COLUMNS)}
    return RunResult(spec, "done", row, 0.01, {"loss": np.full(10, spec.width, np.float32)})


def runs(size: str, seeds: Sequence[int]) -> list[Nothing]:
    return [Nothing(width=w, seed=s) for s in seeds for w in range(PER_PACK)]


STUDY = Study(
    name="nothing", title="Nothing", question="What do the engines cost?", prediction="Little.",
    source="none", runs=runs, measures={}, analyse=lambda table: [], sizes=("quick",),
    seeds={"quick": (0,)}, procedure=Imagined(),
)  # fmt: skip


# ---- the coordinator at a thousand workers ---------------------------------------------------


class ManyPacks(Sequence[Pack]):
    """Packs made when they are asked for, so that the memory measured is the coordinator's."""

    def __init__(self, n: int, per_pack: int):
        self.n, self.per_pack = n, per_pack

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: Any) -> Any:
        if i >= self.n:
            raise IndexError(i)
        return Pack(tuple(Nothing(width=w, seed=i) for w in range(self.per_pack)))


class FakeWorkers:
    """So many workers, each with a pack in flight; some of them deliver at every look."""

    def __init__(self, workers: int):
        self.slots = workers
        self.seconds = 0.0
        self.bytes = 0
        self._draw = random.Random(0)
        self._flying: dict[str, bytes] = {}

    def submit(self, name: str, order: bytes, needs: Any) -> None:
        self._flying[name] = order

    def arrived(self, seconds: float) -> list[tuple[str, bytes]]:
        from allometry.engines.deliveries import write_delivery

        began = time.perf_counter()
        found = []
        who = self._draw.sample(list(self._flying), k=min(len(self._flying), 100))
        for name in who:
            order = self._flying.pop(name)
            specs = [
                Nothing(width=r["spec"]["width"], seed=r["spec"]["seed"])
                for r in json.loads(order)["runs"]
            ]
            data = write_delivery(order, [made(s) for s in specs], {"device": "fake"})
            self.bytes += len(order) + len(data)
            found.append((name, data))
        self.seconds += time.perf_counter() - began
        return found

    def withdraw(self) -> list[str]:
        return []

    def close(self) -> None:
        self._flying.clear()


def coordinator(total: int, per_pack: int, workers: int, folder: Path) -> dict[str, Any]:
    from allometry.engines.coordinator import Coordinator
    from allometry.store import Store

    # The module under the name by which orders find it, as a study file is loaded.
    mine = studies.study(Path(__file__))
    fakes = FakeWorkers(workers)
    packs = ManyPacks(total // per_pack, per_pack)
    engine = Coordinator(lambda: fakes, "fake")
    path = folder / f"c{per_pack}.db"
    committing, commits, memory, stored = 0.0, 0, [], 0
    began = time.perf_counter()
    with Store(path, write=True) as store:
        for finished in engine.run(packs, mine, lambda n: None, lambda: False):
            at = time.perf_counter()
            stored += store.commit(finished.results, finished.provenance)
            committing += time.perf_counter() - at
            commits += 1
            memory.append(_rss())
    wall = time.perf_counter() - began
    assert stored == total // per_pack * per_pack, stored
    own = wall - fakes.seconds
    return {
        "workers": workers, "runs": stored, "per_pack": per_pack, "commits": commits,
        "runs_per_second": stored / own, "runs_per_second_with_workers": stored / wall,
        "commit_share": committing / own, "mib_at_a_tenth": memory[len(memory) // 10],
        "mib_at_the_end": memory[-1], "bytes_per_run_on_the_wire": fakes.bytes / stored,
        "store_bytes_per_run": path.stat().st_size / stored,
    }  # fmt: skip


def _rss() -> float:
    """MiB of memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


# ---- overhead of each engine -----------------------------------------------------------------


def engines(folder: Path) -> dict[str, Any]:
    """Name to a function that makes the engine with two workers."""
    from allometry.engines.executor import ExecutorEngine
    from allometry.engines.local import LocalEngine
    from allometry.engines.ray import RayEngine
    from allometry.engines.slurm import SlurmEngine

    return {
        "local": LocalEngine,
        "pool": lambda: LocalEngine(workers=2),
        "executor": lambda: ExecutorEngine(ThreadPoolExecutor(2), 4),
        "ray": lambda: RayEngine(2, address="local"),
        "slurm": lambda: SlurmEngine(folder=folder / "shared"),
    }


PACKS = {"local": 2000, "pool": 2000, "executor": 2000, "ray": 1000, "slurm": 60}


def overhead(name: str, folder: Path) -> dict[str, Any]:
    from allometry.store import Store

    mine = studies.study(Path(__file__))
    n = PACKS[name]
    specs = mine.specs("quick", n)
    engine = engines(folder)[name]()
    packs = procedure_of(mine).packs(specs)
    began = time.perf_counter()
    first, stored = 0.0, 0
    with Store(folder / f"{name}.db", write=True) as store:
        for finished in engine.run(packs, mine, lambda units: None, lambda: False):
            stored += store.commit(finished.results, finished.provenance)
            first = first or time.perf_counter() - began
    total = time.perf_counter() - began
    assert stored == n * PER_PACK, (name, stored)
    return {
        "engine": name, "packs": n, "start_seconds": first,
        "milliseconds_per_pack": 1000 * (total - first) / (n - 1),
    }  # fmt: skip


def with_slurm(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.engines.slurm_cluster import Cluster

    (folder / "slurm").mkdir()
    cluster = Cluster(folder / "slurm")
    missing = cluster.missing()
    if missing:
        sys.exit(f"slurm: {missing}")
    try:
        cluster.start()
        os.environ.update(cluster.environment)
        yield
    finally:
        cluster.stop()


# ---- compiled programs kept on disk ------------------------------------------------------------


def programs(name: str, n: int, folder: Path) -> dict[str, Any]:
    """Seconds a pack, two at a time, of workers that compile every program and that share them."""
    mine = studies.study("mlp_parameter_scaling")
    (folder / "programs").mkdir()
    ways = {
        "anew": {"JAX_ENABLE_COMPILATION_CACHE": "false"},
        "kept": {"JAX_COMPILATION_CACHE_DIR": str(folder / "programs")},
    }
    found: dict[str, Any] = {"engine": name, "packs": n}
    for way, settings in ways.items():
        before = dict(os.environ)
        os.environ.update(settings)
        try:
            engine = engines(folder)[name]()
            packs = procedure_of(mine).packs(mine.specs("quick", n))
            began = time.perf_counter()
            made = [r for f in engine.run(packs, mine, lambda units: None, lambda: False)
                    for r in f.results]  # fmt: skip
            assert len(made) == sum(len(pack.specs) for pack in packs), f"{way}: {len(made)} runs"
            found[f"seconds_per_pack_{way}"] = (time.perf_counter() - began) / len(packs)
        finally:
            os.environ.clear()
            os.environ.update(before)
    return found


# ---- a million runs --------------------------------------------------------------------------


def plan(total: int, rate: float, folder: Path) -> dict[str, Any]:
    from allometry.engines.orders import Orders
    from allometry.engines.work import work
    from allometry.store import Store

    mine = studies.study("mlp_parameter_scaling")
    (pack,) = procedure_of(mine).packs(mine.specs("notebook", 1))
    order = Orders(mine).write(pack)
    # Processor seconds, so that what else runs on the machine does not count.
    began = time.process_time()
    delivery = work(order)
    seconds = time.process_time() - began
    from allometry.engines.deliveries import read_delivery

    read = read_delivery(delivery, order, pack)
    size = _store_bytes(Store, read, pack, mine, folder)
    n = len(pack.specs)
    packs = -(-total // n)
    table = []
    for workers in (2, 16, 256, 1000):
        hours = seconds * packs / workers / 3600
        per_second = total / (hours * 3600)
        table.append({
            "workers": workers, "hours": hours, "runs_per_second": per_second,
            "coordinator_load": per_second / rate,
            "wire_bytes_per_second": per_second * (len(order) + len(delivery)) / n,
        })  # fmt: skip
    return {
        "runs": total, "runs_per_pack": n, "packs": packs, "seconds_per_pack": seconds,
        "core_hours": seconds * packs / 3600,
        "order_bytes": len(order), "delivery_bytes": len(delivery), "store_bytes_per_run": size,
        "store_gib": size * total / 2**30, "coordinator_rate": rate, "plan": table,
    }  # fmt: skip


def _store_bytes(store_class: Any, read: Any, pack: Pack, mine: Study, folder: Path) -> float:
    """Of a run that is declared and stored: the results of one pack under 200 seeds."""
    path = folder / "size.db"
    with store_class(path, write=True) as store:
        specs = []
        for seed in range(200):
            copies = [
                RunResult(r.spec.model_copy(update={"seed": seed}), r.status, r.row, r.seconds,
                          r.trajectories)
                for r in read.results
            ]  # fmt: skip
            store.commit(copies, read.provenance)
            specs += [r.spec for r in copies]
        store.declare(mine.name, "notebook", "", specs)
    return path.stat().st_size / len(specs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("coordinator", "overhead", "programs", "plan"))
    parser.add_argument("engines", nargs="*", help="local, pool, executor, ray, slurm")
    parser.add_argument("--runs", type=int, help="default 200,000, or a million to plan")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--per-pack", type=int, nargs="*", default=[1, 19])
    parser.add_argument("--rate", type=float, default=7300.0, help="runs/s a coordinator commits")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: temporary")
    parser.add_argument("--json", type=Path, help="write what was measured here too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as made_here:
        folder = Path(made_here)
        if asked.what == "coordinator":
            n = asked.runs or 200_000
            found: Any = [coordinator(n, k, asked.workers, folder) for k in asked.per_pack]
        elif asked.what in ("overhead", "programs"):
            found = []
            for name in asked.engines or ["local", "pool", "executor"]:
                slurm = with_slurm(folder) if name == "slurm" else iter(())
                next(slurm, None)
                overheads = asked.what == "overhead"
                found.append(overhead(name, folder) if overheads else programs(name, 16, folder))
                next(slurm, None)
        else:
            found = plan(asked.runs or 1_000_000, asked.rate, folder)
    print(json.dumps(found, indent=1))
    if asked.json:
        document = {"machine": facts(), asked.what: found}
        asked.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
