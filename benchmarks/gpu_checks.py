"""Whether a GPU gives what the processor gives: quick studies, packs by memory, donated buffers.

    python benchmarks/gpu_checks.py                    (or: make test-gpu)
    python benchmarks/gpu_checks.py --device cpu       (the script itself, without a GPU)

Every study's quick size is trained by `allometry run` on the device and on the processor, at the
same time in two processes, and their tables are compared run by run; studies with few updates come
first. What would take more than `--limit` seconds, or does not begin within `--seconds`, is named
as left out, and so is what needs a data set that is not here. Both processes multiply float32
matrices in full: left alone, an NVIDIA GPU rounds factors to 10 bits (TF32), a thousand times
coarser than float32.

What must hold, written down before a GPU was seen:

- text, whole numbers and yes or no: equal. They follow from the spec.
- before the first update (`..._untrained`): within 0.1%, or 0.01. One pass through a network, its
  sums in another order; an accuracy has ties.
- after training: within 5%, or 0.01, in four of five runs (one of three or four may part), and so
  the medians over the runs. Training amplifies a last digit, so single runs may part; a wrong
  gradient moves all of them.
- steps and phases of grokking, and what is counted after training: the same, in four of five runs,
  within 10% or 100 steps.
- `seconds` are not compared.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry import studies
from allometry.datasets.catalogue import find
from allometry.errors import AllometryError
from allometry.spec.variants import Changes
from allometry.store import results
from allometry.study import procedure_of
from allometry.tables.table import Table
from allometry.training.procedure import total_updates
from device import DEVICES, environment, use
from machine import facts

FULL_PRODUCTS = {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}
APART = 0.2  # share of the runs that may part
COUNTED = ("t_train", "t_test", "t_rqi", "tasks_learnt")  # after training, in whole numbers
NAMED = ("phase", "notice")  # after training, in words
SETS = ("mnist", "fashion-mnist", "gutenberg")


@dataclass(frozen=True)
class Compared:
    """A study on both sides: how many runs and columns, in words what does not hold, seconds.

    `planned` runs follow from the results of others, and may be others on the other side.
    """

    study: str
    runs: int = 0
    columns: int = 0
    planned: int = 0
    wrong: tuple[str, ...] = ()
    seconds: float = 0.0


# ---- tables ----------------------------------------------------------------------------------


def differences(ours: Table, theirs: Table) -> list[str]:
    """What does not hold of two tables of the same runs; nothing where all holds."""
    if set(ours.columns) != set(theirs.columns):
        return [f"columns {sorted(set(ours.columns) ^ set(theirs.columns))} on one side alone"]
    ours, theirs = ours.sort("run_id"), theirs.sort("run_id")
    if list(ours["run_id"]) != list(theirs["run_id"]):
        return [f"{len(ours)} and {len(theirs)} runs, not the same"]
    wrong = (_wrong(name, *(np.asarray(t[name]) for t in (ours, theirs))) for name in ours.columns)
    return [line for line in wrong if line]


def _wrong(name: str, a: NDArray[Any], b: NDArray[Any]) -> str | None:
    """What does not hold of a column."""
    n = len(a)
    may_part = math.ceil(APART * n) if n > 2 else 0
    if name == "seconds":
        return None
    if name.startswith(COUNTED):
        parted = int((np.abs(a - b) > np.maximum(100, 0.1 * np.maximum(a, b))).sum())
        return f"{name}: {parted} of {n} runs apart" if parted > may_part else None
    if a.dtype.kind != "f" or b.dtype.kind != "f":
        # A missing value is not equal to itself.
        parted = sum(x != y and not (x != x and y != y) for x, y in zip(a, b, strict=True))
        may_part = may_part if name.startswith(NAMED) else 0
        return f"{name}: {parted} of {n} runs differ" if parted > may_part else None
    start = name.endswith("_untrained")
    near = np.isclose(a, b, rtol=1e-3 if start else 0.05, atol=0.01, equal_nan=True)
    parted = int((~near).sum())
    if parted > (0 if start else may_part):
        worst = np.nanargmax(np.abs(a - b)) if np.isfinite(a - b).any() else np.argmin(near)
        return f"{name}: {parted} of {n} runs apart, {a[worst]:.6g} and {b[worst]:.6g} say"
    middle = [float(np.median(x[np.isfinite(x)])) if np.isfinite(x).any() else 0.0 for x in (a, b)]
    if not math.isclose(*middle, rel_tol=0.05, abs_tol=0.01):
        return f"{name}: medians {middle[0]:.6g} and {middle[1]:.6g}"
    return None


def lacking(name: str) -> str | None:
    """The data set that a study's quick size needs and that is not here."""
    data = {getattr(s, "data", None) for s in studies.study(name).specs("quick")}
    names = {getattr(one, "name", "") for one in data} & set(SETS)
    return next((one for one in sorted(names) if find(one) is None), None)


def updates(name: str) -> int:
    """Updates of a study's quick size: those with few come first, so that most have time."""
    study = studies.study(name)
    return total_updates(procedure_of(study), study.specs("quick"))


def both(name: str, device: str, limit: float, words: Sequence[str]) -> Compared | str:
    """A study on the device and on the processor, or why it is left out.

    Args:
        limit: seconds for both, at the same time.
        words: fields to change, ``FIELD=VALUE``.
    """
    if missing := lacking(name):
        return f"its data set is not here: allometry data get {missing}"
    with tempfile.TemporaryDirectory(prefix="allometry-gpu-") as folder:
        began = time.perf_counter()
        places = [Path(folder, side) for side in ("device", "processor")]
        running = [
            _started(name, side, place, words)
            for side, place in zip((device, "cpu"), places, strict=True)
        ]
        try:
            for process in running:
                process.wait(max(limit - (time.perf_counter() - began), 0))
        except subprocess.TimeoutExpired:
            return f"more than {limit:.0f} s"
        finally:
            for process in running:
                process.kill()
                process.wait()
        seconds = time.perf_counter() - began
        for process, place in zip(running, places, strict=True):
            if process.returncode:
                said = place.with_suffix(".err").read_text("utf-8").strip().splitlines()
                end = f"exit code {process.returncode} ({place.name}): {said[-1] if said else ''}"
                return Compared(name, wrong=(end,), seconds=seconds)
        given = dict(word.split("=", 1) for word in words)
        return _compared(name, places, given, seconds)


def _started(name: str, device: str, place: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    sets = [part for word in words for part in ("--set", word)]
    store = str(place.with_suffix(".db"))
    with place.with_suffix(".err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "allometry", "run", name, "--size", "quick", "--store", store,
             *sets],
            env={**environment(device), **FULL_PRODUCTS}, stdout=subprocess.DEVNULL, stderr=err,
        )  # fmt: skip


def _compared(name: str, places: Sequence[Path], given: Changes, seconds: float) -> Compared:
    try:
        tables = [
            results.table(name, store=p.with_suffix(".db"), size="quick", changes=given)
            for p in places
        ]
    except AllometryError as error:
        return Compared(name, wrong=(str(error),), seconds=seconds)
    declared = {spec.run_id for spec in studies.study(name).specs("quick", None, given)}
    kept = [t.take([run_id in declared for run_id in t["run_id"]]) for t in tables]
    wrong, planned = differences(*kept), len(tables[0]) - len(kept[0])
    return Compared(name, len(kept[0]), len(kept[0].columns), planned, tuple(wrong), seconds)


# ---- memory and buffers ----------------------------------------------------------------------


def packs_by_memory() -> str:
    """Packs of many perceptrons obey a memory, and the memory is the device's."""
    import jax

    from allometry.datasets.splits import Moons
    from allometry.models import MLP
    from allometry.spec import RunSpec, TrainSpec
    from allometry.spec.optimizers import Adam
    from allometry.training.packing.calibration import calibration
    from allometry.training.packing.choose import make_packs, pack_cost
    from allometry.training.packing.cost import SHARE

    machine = calibration()
    limit = (jax.devices()[0].memory_stats() or {}).get("bytes_limit")
    if jax.default_backend() == "gpu":
        assert limit, "the GPU does not say how much memory it has"
        # A calibration that was kept may be of a process that was given another share.
        assert 0.5 < machine.memory / limit < 2, (machine.memory, limit)
    train = TrainSpec(optimizer=Adam(learning_rate=1e-3), epochs=20, batch_size=128)
    specs = [
        RunSpec(model=MLP(widths=(2, w, w, 2)), data=Moons(n_samples=2000), train=train, seed=0)
        for w in range(8, 72)
    ]

    def cut(memory: float) -> list[float]:
        """Bytes of each pack of more than one, where the device has so much memory."""
        packs = make_packs(specs, replace(machine, memory=int(memory)), threads=1)
        assert sum(len(pack.specs) for pack in packs) == len(specs)
        return [pack_cost(p.specs, machine).memory for p in packs if len(p.specs) > 1]

    free = cut(machine.memory)
    assert max(free) <= SHARE * machine.memory, (max(free), machine.memory)
    small = max(free) / 2 / SHARE
    tight = cut(small)
    assert max(tight) <= SHARE * small, f"a pack of {max(tight)} bytes, {small} in all"
    assert len(tight) > len(free), f"{len(tight)} packs in little memory, {len(free)} in all of it"
    return (
        f"{machine.memory / 2**30:.1f} GiB; 64 networks in {len(free)} packs of at most "
        f"{max(free) / 2**20:.1f} MiB; with half of that for a pack in {len(tight)}"
    )


def donated_buffers() -> str:
    """The three programs that train take over the buffers of the state that they are given."""
    from allometry.datasets.splits import Moons
    from allometry.models import MLP
    from allometry.spec import RunSpec, TrainSpec
    from allometry.spec.optimizers import Adam
    from allometry.studies.grokking import procedure as grokking
    from allometry.studies.grokking.spec import ToyModel
    from allometry.studies.sparse_parity import procedure as parity
    from allometry.studies.sparse_parity.spec import ParityRun
    from allometry.training import loop
    from allometry.training.procedure import Pack

    train = TrainSpec(optimizer=Adam(learning_rate=1e-3), epochs=2, batch_size=128)
    pack = Pack(
        tuple(
            RunSpec(model=MLP(widths=(2, w, w, 2)), data=Moons(n_samples=400), train=train, seed=0)
            for w in (8, 16)
        )
    )
    toy = ToyModel(seed=0, epochs=20)
    task = ParityRun(seed=0, steps=50, n_tasks=4, n_bits=8, k=2, width=8, batch_size=32)
    counts = [
        donating(loop, "update", 1, lambda: loop.train_pack(pack, {}, {})),
        donating(grokking, "train_chunk", 2, lambda: grokking.train_runs([toy])),
        donating(parity.program, "stretch", 1, lambda: parity.train([task], lambda updates: None)),
    ]
    return "buffers handed over: {} of packs, {} of grokking, {} of parity".format(*counts)


def donating(module: Any, name: str, place: int, call: Callable[[], object]) -> int:
    """Buffers of the argument at a place that a function of a module was given and deleted.

    JAX warns where a donated buffer could not be used for a result; here that is an error.
    """
    import jax

    function, counts = getattr(module, name), []

    def watched(*arguments: Any) -> Any:
        leaves = [a for a in jax.tree.leaves(arguments[place]) if isinstance(a, jax.Array)]
        out = function(*arguments)
        kept = sum(not leaf.is_deleted() for leaf in leaves)
        assert not kept, f"{name}: {kept} of {len(leaves)} buffers of the state were copied"
        counts.append(len(leaves))
        return out

    setattr(module, name, watched)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*donated buffers")
            call()
    finally:
        setattr(module, name, function)
    assert counts, f"{name} was not called"
    return sum(counts)


# ---- all of it -------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Make all checks; 1 where one does not hold."""
    options = _options(argv)
    began = time.perf_counter()
    kind = use(options.device)
    print(f"device: {kind}; {json.dumps(facts())}")
    failed = []
    for check in (packs_by_memory, donated_buffers):
        try:
            print(f"{check.__name__}: {check()}", flush=True)
        except AssertionError as error:
            failed.append(f"{check.__name__}: {error}")
            print(f"FAILED {failed[-1]}", flush=True)
    compared: list[Compared] = []
    left_out: dict[str, str] = {}
    for name in options.studies or sorted(studies.names(), key=updates):
        left = options.seconds - (time.perf_counter() - began)
        end = "no time left" if left < 1 else both(
            name, options.device, min(options.limit, left), options.set or ()
        )  # fmt: skip
        if isinstance(end, str):
            left_out[name] = end
            print(f"LEFT OUT {name}: {end}", flush=True)
            continue
        compared.append(end)
        failed += [f"{name}: {line}" for line in end.wrong]
        state = "FAILED" if end.wrong else "equal"
        planned = f" ({end.planned} more, planned from these, not compared)" if end.planned else ""
        said = f"{end.runs} runs{planned}, {end.columns} columns, {end.seconds:.0f} s"
        print(f"{state} {name}: {said}", *end.wrong, sep="\n  ", flush=True)
    print(
        f"{len(compared)} studies compared, {len(left_out)} left out, {len(failed)} failures, "
        f"{time.perf_counter() - began:.0f} s"
    )
    if options.json:
        document = {
            "schema": "allometry/benchmark/gpu_checks/1", "device": kind, "machine": facts(),
            "studies": [asdict(d) for d in compared], "left_out": left_out, "failed": failed,
        }  # fmt: skip
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if failed else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", choices=DEVICES, default="gpu")
    parser.add_argument(
        "--studies", nargs="*", metavar="STUDY", choices=studies.names(),
        help="default: every shipped one",
    )  # fmt: skip
    parser.add_argument("--set", action="append", metavar="FIELD=VALUE", help="as of allometry run")
    parser.add_argument("--seconds", type=float, default=450, help="for all of it")
    parser.add_argument("--limit", type=float, default=90, help="seconds for one study")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
