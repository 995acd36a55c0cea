"""The store at a million runs: opening it, deciding what is left to train, its table as CSV.

The runs are imagined (a row of ten numbers each, no arrays) but stored as real ones are,
through `Store.declare` and `Store.commit`, and read in fresh processes, whose peak memory is
reported. ``--rows`` makes it smaller, ``--json`` keeps the numbers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from allometry.datasets.splits import ImageSubset
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.store import Store
from allometry.training.result import RunResult
from machine import facts

PACK = 1000
WIDTHS = 100
SIZE = "quick"
PROVENANCE = {"allometry": "0", "device": "imagined", "when": "2026-01-01T00:00:00+00:00"}


def specs(rows: int) -> list[RunSpec]:
    train = TrainSpec(optimizer=Adam(), epochs=3)
    data = ImageSubset(name="mnist", n_train=1000)
    models = [MLP(widths=(784, 1 + width, 10)) for width in range(WIDTHS)]
    return [
        RunSpec(model=models[i % WIDTHS], data=data, train=train, seed=i // WIDTHS)
        for i in range(rows)
    ]


def result(spec: RunSpec, rng: np.random.Generator) -> RunResult:
    row = {name: float(value) for name, value in zip("abcdefgh", rng.random(8), strict=True)}
    return RunResult(spec, "done", {"n_params": 7, "test_loss": rng.random(), **row}, 0.25)


def build(path: Path, rows: int) -> dict[str, float]:
    """A store of so many runs; seconds to declare and to commit them."""
    declared = specs(rows)
    rng = np.random.default_rng(0)
    with Store(path, write=True) as store:
        began = time.perf_counter()
        store.declare("million", SIZE, "", declared)
        middle = time.perf_counter()
        for first in range(0, rows, PACK):
            store.commit([result(s, rng) for s in declared[first : first + PACK]], PROVENANCE)
        end = time.perf_counter()
    return {"declare": middle - began, "commit": end - middle}


def opening(path: Path, rows: int) -> float:
    began = time.perf_counter()
    Store(path).close()
    return time.perf_counter() - began


def deciding(path: Path, rows: int) -> float:
    """Which of the study's runs are left; the specs are there, as they are before any start."""
    declared = specs(rows)
    began = time.perf_counter()
    with Store(path) as store:
        assert store.pending(declared) == []
    return time.perf_counter() - began


def checking(path: Path, rows: int) -> float:
    """Every run re-hashed, as each start does."""
    declared = specs(rows)
    began = time.perf_counter()
    with Store(path) as store:
        assert store.check(declared) == ()
    return time.perf_counter() - began


def tabling(path: Path, rows: int) -> float:
    began = time.perf_counter()
    with Store(path) as store:
        table = store.table("million", SIZE)
    assert len(table) == rows
    table.to_csv(path.with_suffix(".csv"))
    return time.perf_counter() - began


def peak_mib() -> float:
    """Of this process alone: `getrusage` counts what its parent held when it was started."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


PARTS = {"open": opening, "resume": deciding, "check": checking, "csv": tabling}


def in_a_process(name: str, path: Path, rows: int) -> dict[str, float]:
    """Seconds and peak memory (MiB) of one part in a fresh interpreter, imports left out."""
    command = [sys.executable, __file__, "--rows", str(rows), "--part", name, "--store", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if options.part:
        seconds = PARTS[options.part](options.store, options.rows)
        print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.store or Path(folder) / "million.db"
        built = build(path, options.rows) if not path.exists() else {}
        found = {name: in_a_process(name, path, options.rows) for name in PARTS}
        size = path.stat().st_size / 2**20
    print(f"{options.rows:,} runs, {size:,.0f} MiB on disk")
    for name, seconds in built.items():
        print(f"{name:8} {seconds:8.2f} s  {options.rows / seconds:10,.0f} runs/s")
    for name, numbers in found.items():
        print(f"{name:8} {numbers['seconds']:8.2f} s  {numbers['peak_mib']:8,.0f} MiB peak")
    if options.json:
        document = {"machine": facts(), "rows": options.rows, "mib": size, "built": built, **found}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
