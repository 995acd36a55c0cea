"""Time the fitter where others were timed: 4,500 starts and 4,000 resamples, 72 curves.

    python benchmarks/fit_speed.py [FOLDER OF REFERENCE DATA]

SciPy's grid and an autograd bootstrap took about 308 s + 490 s for the first, a
batched NumPy BFGS 11.2 s + 6.9 s, a naive vmapped JAX BFGS 87 s + 16 s (one core).
"""

import subprocess
import sys
import time
from pathlib import Path

COLD = """
from allometry.fitting.files import fit_file
made = fit_file({path!r}, "chinchilla", {{"N": "Model Size", "C": "Training FLOP", "L": "loss"}},
                drop_largest={{"L": 5}}, starts=4500, resamples=4000)
made.to_json()
"""


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/reference")
    path = str(folder / "epoch_chinchilla/svg_extracted_data.csv")
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", COLD.format(path=path)], check=True)
    print(f"cold process, 4,500 starts + 4,000 resamples: {time.perf_counter() - began:.2f} s")

    from allometry.fitting.compare import compare
    from allometry.fitting.files import fit_file
    from allometry.tables.read import read_table

    for _ in range(2):
        began = time.perf_counter()
        made = fit_file(
            path,
            "chinchilla",
            {"N": "Model Size", "C": "Training FLOP", "L": "loss"},
            drop_largest={"L": 5},
            starts=4500,
            resamples=4000,
        )
    took = time.perf_counter() - began
    print(f"warm: {took:.2f} s {made.seconds}; objective {made.objective.value:.13f}")
    print(f"  {made.certificate.best_basin_share:.0%} of starts, {made.status.advice}")

    table = read_table(folder / "google_revisiting/benchmark.vision.csv")
    began = time.perf_counter()
    groups = compare(
        table,
        {"x": "Seen Examples", "y": "Loss"},
        ["m1", "m2", "m3", "m4", "bnsl1"],
        fit_where=["Training==1"],
        by=["Domain", "Task", "Model"],
        backtest=False,
    )
    print(f"{len(groups)} curves, five laws: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
