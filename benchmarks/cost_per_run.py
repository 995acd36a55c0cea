"""What a run costs as their number grows from 10 to 10,000: everything between question and table.

    python benchmarks/cost_per_run.py --json benchmarks/results/cost_per_run.json

A study like those of the package: perceptrons of ten widths on two moons, 260 updates
each, losses and accuracies measured before and after, a seed for every ten runs. Each number of
runs has a store of its own and seeds of its own, and pays for declaring, packing, loading,
training, measuring, committing and the table as CSV, by `allometry.run` in this process. Compiling
is paid before, by ten runs that are shown apart: it would make the first hundred look dear and
the rest look flat.

The numbers of runs take turns, several rounds; the table shows the median of the rounds. `ratio` is
to the cost of a run among 100, formed within a round. `further` is the cost of each run beyond
those of the row above: what would show a part that grows faster than the runs.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import allometry as al
from allometry import RunSpec, Study, TrainSpec
from allometry.datasets.splits import Moons
from allometry.measures import losses
from allometry.models import MLP
from allometry.spec.optimizers import Adam
from machine import facts

RUNS = (10, 100, 1000, 10_000)
WIDTHS = tuple(range(2, 22, 2))
AMONG = 100  # what the others are compared with


def study(first_seed: int) -> Study:
    train = TrainSpec(optimizer=Adam(learning_rate=1e-2), epochs=20, batch_size=32)
    data = Moons(n_samples=400)
    models = [MLP(widths=(2, width, width, 2)) for width in WIDTHS]

    def runs(size: str, seeds: Sequence[int]) -> list[RunSpec]:
        return [
            RunSpec(model=model, data=data, train=train, seed=first_seed + seed)
            for seed in seeds
            for model in models
        ]

    return Study(
        name="cost", title="Cost", question="What does a run cost?", prediction="The same.",
        source="none", runs=runs, measures={"losses": losses}, analyse=lambda table: [],
        sizes=("quick",), seeds={"quick": (0,)},
    )  # fmt: skip


def once(runs: int, first_seed: int, folder: Path) -> float:
    """Seconds for so many runs in a new store."""
    path = folder / f"{first_seed}.db"
    began = time.perf_counter()
    outcome = al.run(study(first_seed), seeds=runs // len(WIDTHS), store=path)
    outcome.table.to_csv(path.with_suffix(".csv"))
    seconds = time.perf_counter() - began
    assert (outcome.trained, outcome.pending) == (runs, 0)
    for file in folder.iterdir():
        file.unlink()
    return seconds


def measure(numbers: Sequence[int], rounds: int, folder: Path) -> dict[str, object]:
    start = once(len(WIDTHS), 0, folder)
    seed, taken = 1, {n: list[float]() for n in numbers}
    for _ in range(rounds):
        for n in numbers:
            taken[n].append(once(n, seed, folder))
            seed += n
    rows = []
    for before, n in zip((0, *numbers), numbers, strict=False):
        lower = taken.get(before, [0.0] * rounds)
        each = [s / n for s in taken[n]]
        ratio = [e / (s / AMONG) for e, s in zip(each, taken[AMONG], strict=True)]
        further = [(s - b) / (n - before) for s, b in zip(taken[n], lower, strict=True)]
        rows.append({
            "runs": n, "seconds": median(taken[n]), "ms_a_run": 1000 * median(each),
            "ratio": median(ratio), "ratio_range": [min(ratio), max(ratio)],
            "ms_each_further": 1000 * median(further),
        })  # fmt: skip
    return {"machine": facts(), "first_ten_seconds": start, "rounds": rounds, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, nargs="*", default=RUNS, help="multiples of ten")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: temporary")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        found = measure(sorted({*asked.runs, AMONG}), asked.rounds, Path(folder))
    print(f"the first ten runs, compiling: {found['first_ten_seconds']:.2f} s")
    print(f"{'runs':>7} {'seconds':>9} {'ms a run':>9} {'ratio':>7} {'range':>13} {'further':>9}")
    for row in found["rows"]:
        low, high = row["ratio_range"]
        print(
            f"{row['runs']:7,} {row['seconds']:9.2f} {row['ms_a_run']:9.2f} {row['ratio']:7.2f} "
            f"{low:6.2f}-{high:.2f} {row['ms_each_further']:9.2f}"
        )
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
