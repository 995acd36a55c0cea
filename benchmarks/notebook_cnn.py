"""How fast the cells of the CNN notebook (seed 001) train: PyTorch at its best, and ours.

A cell is a network CNN(c), one full-batch AdamW step, then loss and accuracy on training and test
images. The notebook pushes all images through at once (70 GB at c = 67); here PyTorch adds
gradients up over chunks, as the package does, and gets the chunk and the threads that a trial finds
fastest, once in its usual memory format and once with channels last. Both start from the same
weights and end at the same losses, which is checked.

The sample is every width on the first 1,875 training and 2,000 test images: 2.1 images are
evaluated for each trained on, where the 80 cells evaluate 1.8. Ways take turns within a round. A
cell of ours is timed by itself, and all of them at two seeds as `allometry run` makes them, a cell
a processor at once: that is what PyTorch's sum is set beside.

    python benchmarks/notebook_cnn.py --json speed.json
    python benchmarks/notebook_cnn.py --whole              # ours, all 80 cells, compiling included
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from allometry.datasets.splits import LeadingImages
from allometry.engines.local import LocalEngine
from allometry.engines.threads import at_once, in_threads
from allometry.spec.torch_draws import TorchDraws
from allometry.studies.cnn_size_by_data import study
from allometry.study import procedure_of
from allometry.training.procedure import Pack
from machine import facts

__all__ = ["SAMPLE", "main", "ours", "pytorch"]

SAMPLE = LeadingImages(fraction=2.0**-5, n_test=2_000)
SEED = 654
Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """How PyTorch runs: images a chunk, memory format, threads."""

    chunk: int
    channels_last: bool
    threads: int


@dataclass(frozen=True)
class Cell:
    """Seconds a cell took, and its losses after the step."""

    seconds: float
    train_loss: float
    test_loss: float


def pytorch(width: int, setting: Setting, data: Sequence[Tensor]) -> Cell:
    """One cell by PyTorch, its gradient added up over chunks."""
    torch.set_num_threads(setting.threads)
    torch.manual_seed(SEED)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(49 * width, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    if setting.channels_last:
        model = model.to(memory_format=torch.channels_last)
    train_x, train_y, test_x, test_y = data
    began = time.perf_counter()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for x, y in _chunks(train_x, train_y, setting):
        (nn.functional.cross_entropy(model(x), y, reduction="sum") / len(train_x)).backward()
    optimiser.step()
    with torch.no_grad():
        losses = [
            _mean_loss(model, *pair, setting) for pair in ((train_x, train_y), (test_x, test_y))
        ]
    return Cell(time.perf_counter() - began, *losses)


def ours(width: int) -> Cell:
    """The same cell by the study's own procedure."""
    spec = study.one_step(width, SAMPLE.fraction, SEED, SAMPLE.n_test)
    began = time.perf_counter()
    (result,) = study.STUDY.procedure.run(Pack((spec,)), {"cell": study.cell}, {}, lambda n: None)
    row = result.row
    return Cell(time.perf_counter() - began, float(row["train_loss"]), float(row["test_loss"]))


def ours_at_once() -> float:
    """Seconds for one cell of every width, the mean of two seeds made at once."""
    specs = [
        study.one_step(width, SAMPLE.fraction, seed, SAMPLE.n_test)
        for seed in (SEED, SEED + 1)
        for width in study.WIDTHS
    ]
    packs = [Pack((spec,)) for spec in specs]
    began = time.perf_counter()
    made = in_threads(
        packs,
        lambda pack, tell: study.STUDY.procedure.run(pack, {"cell": study.cell}, {}, tell),
        lambda n: None,
        lambda: False,
        at_once(packs),
    )
    assert len(list(made)) == len(packs)
    return (time.perf_counter() - began) / 2


def whole() -> None:
    """All 80 cells in this process, from a cold start: seconds and the most memory used."""
    began = time.perf_counter()
    engine, specs = LocalEngine(), study.STUDY.specs("notebook")
    packs = procedure_of(study.STUDY).packs(specs)
    made = list(engine.run(packs, study.STUDY, lambda n: None, lambda: False))
    assert sum(len(finished.results) for finished in made) == 80
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(f"80 cells: {time.perf_counter() - began:.0f} s, at most {peak:.2f} GiB\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both in turn, several times over; print a table and write JSON."""
    options = _options(argv)
    if options.whole:
        whole()
        return
    data = _tensors()
    settings = [_best_setting(data, channels_last) for channels_last in (False, True)]
    for width in study.WIDTHS:
        two = ours(width)
        for one in (pytorch(width, setting, data) for setting in settings):
            assert abs(one.train_loss - two.train_loss) < 5e-4, (width, one, two)
            assert abs(one.test_loss - two.test_loss) < 5e-4, (width, one, two)
    ours_at_once()
    rounds, together = [], []
    for k in range(options.repeats):
        rounds.append(
            [
                [*(pytorch(w, setting, data).seconds for setting in settings), ours(w).seconds]
                for w in study.WIDTHS
            ]
        )
        together.append(ours_at_once())
        sums = ", ".join(f"{total:.2f}" for total in np.sum(rounds[-1], axis=0))
        sys.stderr.write(f"round {k + 1}: {sums} s one by one, ours at once {together[-1]:.2f} s\n")
    document = _summary(np.array(rounds), np.array(together), settings)
    sys.stdout.write(_table(document))
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _tensors() -> list[Tensor]:
    train_x, train_y, test_x, test_y, *_ = SAMPLE.load(TorchDraws(0))
    return [
        torch.from_numpy(train_x[:, None].copy()), torch.from_numpy(train_y.astype(np.int64)),
        torch.from_numpy(test_x[:, None].copy()), torch.from_numpy(test_y.astype(np.int64)),
    ]  # fmt: skip


def _chunks(x: Tensor, y: Tensor, setting: Setting) -> Any:
    form = torch.channels_last if setting.channels_last else torch.contiguous_format
    for one, labels in zip(x.split(setting.chunk), y.split(setting.chunk), strict=True):
        yield one.contiguous(memory_format=form), labels


def _mean_loss(model: nn.Module, x: Tensor, y: Tensor, setting: Setting) -> float:
    total = right = 0.0
    for one, labels in _chunks(x, y, setting):
        logits = model(one)
        total += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        right += (logits.argmax(1) == labels).sum().item()
    assert right <= len(x)
    return total / len(x)


def _best_setting(data: Sequence[Tensor], channels_last: bool) -> Setting:
    """The fastest over three widths, each candidate judged by the better of two tries."""
    few = [part[:500] for part in data]
    tried = {}
    for chunk in (25, 50, 100, 250):
        for threads in sorted({1, os.cpu_count() or 1}):
            setting = Setting(chunk, channels_last, threads)
            tries = [sum(pytorch(w, setting, few).seconds for w in (6, 23, 67)) for _ in range(2)]
            tried[setting] = min(tries)
            sys.stderr.write(f"{setting}: {tried[setting]:.2f} s\n")
    return min(tried, key=tried.__getitem__)


WAYS = ("pytorch", "pytorch_channels_last", "ours")


def _summary(seconds: Seconds, together: Seconds, settings: Sequence[Setting]) -> dict[str, Any]:
    """Seconds ``(rounds, widths, ways)`` one by one, and ``(rounds,)`` of ours at once."""
    total = seconds.sum(axis=1)
    return {
        "schema": "allometry/benchmark/notebook_cnn/2",
        "rounds": len(seconds),
        "machine": facts(),
        "torch": torch.__version__,
        "pytorch_settings": [setting.__dict__ for setting in settings],
        "sample": "every width, 1,875 training and 2,000 test images",
        "seconds": {
            str(width): {way: _spread(seconds[:, i, j]) for j, way in enumerate(WAYS)}
            for i, width in enumerate(study.WIDTHS)
        },
        "total": {way: _spread(total[:, j]) for j, way in enumerate(WAYS)},
        "ours_at_once": _spread(together),
        "times_faster": {
            f"{how} than {way}": _spread(total[:, j] / own)
            for how, own in (("at once", together), ("one by one", total[:, 2]))
            for j, way in enumerate(WAYS[:2])
        },
    }


def _spread(values: Seconds) -> dict[str, float]:
    low, median, high = map(float, np.percentile(values, (0, 50, 100)))
    return {"median": median, "low": low, "high": high}


def _table(document: dict[str, Any]) -> str:
    def cell(s: dict[str, float]) -> str:
        return f"{s['median']:.3f} [{s['low']:.3f}, {s['high']:.3f}]".rjust(26)

    lines = ["seconds a cell, compiled before: median [lowest, highest round]"]
    lines.append("width".ljust(8) + "".join(way.rjust(26) for way in WAYS))
    rows = {**document["seconds"], "all": document["total"]}
    lines += [f"{n:8}" + "".join(cell(row[way]) for way in WAYS) for n, row in rows.items()]
    lines.append("all, ours a cell a processor at once".ljust(60) + cell(document["ours_at_once"]))
    lines += [
        f"ours {name}: {r['median']:.1f} [{r['low']:.1f}, {r['high']:.1f}] times as fast"
        for name, r in document["times_faster"].items()
    ]
    return "\n".join(lines) + "\n"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", help="write the numbers to this file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--whole", action="store_true", help="only time ours on all 80 cells")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
