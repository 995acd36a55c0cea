"""The loss of `toy_model_nn.ipynb` as PyTorch computes it again, nineteen times.

The notebook's loop (`notebook_grokking`) on one thread, its rounding changed and nothing else: once
as it stands, once without vector instructions, and seventeen times with the start of one row of the
decoder's second matrix moved by one unit in the last place. How far these lie apart is how far a
repetition may lie from the notebook's print.

    python benchmarks/notebook_grokking_reruns.py src/allometry/studies/grokking/torch_reruns.csv

A line of the file is a run: what was changed, the loss at epochs 0, 100, ... 2,900 with the
notebook's eight decimals, and what it came to after 10,000 epochs (five minutes on one core).
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

EPOCHS, LAST = 10_000, 2_900  # of the notebook, and the epoch of its last loss that is known
AS_IT_STANDS, NO_VECTORS = "none", "no vector instructions"
MOVED = tuple(range(0, 170, 10))  # rows of the decoder's second matrix, 200 x 200


def rerun(moved: int | None) -> dict[str, str]:
    """One run of the notebook's loop; a row of the decoder's second matrix moved, or none."""
    import torch

    from notebook_grokking import _Ready

    torch.set_num_threads(1)
    ready, learnt = _Ready(), dict[str, int]()
    losses, now = dict[str, str](), dict[str, float]()
    if moved is not None:
        with torch.no_grad():
            row = ready.decoder.l2.weight[moved]
            row.copy_(torch.nextafter(row, torch.full_like(row, torch.inf)))
    for epoch in range(EPOCHS):
        loss, train, test, rqi = ready.epoch(ready.rqi_at_once)
        if epoch % 100 == 0 and epoch <= LAST:
            losses[f"{epoch}"] = f"{loss:.8f}"
        now = {"train": train, "test": test, "rqi": rqi}
        for name, bound in (("train", 0.9), ("test", 0.9), ("rqi", 0.99)):
            if now[name] >= bound:
                learnt.setdefault(name, epoch)
    times = {f"t_{name}": f"{learnt.get(name, EPOCHS - 1)}" for name in now}
    return {**losses, **times, **{name: f"{value:.6f}" for name, value in now.items()}}


def main(path: Path) -> None:
    """Every run in a process of its own, into a file."""
    changes = [(AS_IT_STANDS, "", {}), (NO_VECTORS, "", {"ATEN_CPU_CAPABILITY": "default"})]
    changes += [(f"row {row} moved", f"{row}", {}) for row in MOVED]
    rows = []
    for change, moved, settings in changes:
        said = subprocess.run(
            [sys.executable, __file__, "--one", moved],
            env=os.environ | settings, check=True, capture_output=True, text=True,
        )  # fmt: skip
        rows.append({"changed": change} | json.loads(said.stdout))
        sys.stderr.write(f"{change} done\n")
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(json.dumps(rerun(int(sys.argv[2]) if sys.argv[2] else None)))
    else:
        main(Path(sys.argv[1]))
