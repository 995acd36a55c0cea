"""How fast the grokking notebook's run trains: its own loop in PyTorch, and ours.

Three ways to make the same epochs (decoder 1-200-200-10 on all 45 training questions, Adam, the
test questions, both accuracies by nearest template, RQI over 70 parallelograms):

* `notebook_way`: `toy_model_nn.ipynb` as it stands, RQI in a Python loop at every epoch.
* `tight_way`: the same in PyTorch with RQI as one array operation and nothing kept back: what a
  careful user would write.
* `ours`: `allometry.studies.grokking.train_runs`, for one run and for 100 cells of a phase diagram.

All follow the notebook's draws, so the losses agree; the benchmark checks that they do.

    python benchmarks/notebook_grokking.py --json speed.json

PyTorch gets the number of threads that a trial finds fastest; the notebook's loop is also shown
with as many as PyTorch takes when nobody says otherwise, which is how the notebook runs. Ours is
timed as the difference of a long and a short call, so loading and compiling are left out; the first
call is shown as well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from allometry.studies.grokking.algebra import coefficients
from allometry.studies.grokking.phases_published import RATES
from allometry.studies.grokking.procedure import train_runs
from allometry.studies.grokking.spec import ToyModel
from allometry.studies.grokking.start import draw_start
from allometry.studies.grokking.task import addition_task
from machine import facts
from width_count_grid import matmul_rate

__all__ = ["main", "notebook_way", "ours", "tight_way"]

SEED = 4
# An epoch's products: all 55 questions forward, and twice as much for the gradient.
FLOP = 3 * 2 * 55 * (1 * 200 + 200 * 200 + 200 * 10)
Paces = NDArray[np.float64]


class _Net(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.l1, self.l2, self.l3 = nn.Linear(n_in, 200), nn.Linear(200, 200), nn.Linear(200, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.l3(torch.tanh(self.l2(torch.tanh(self.l1(x)))))


class _Ready:
    """Everything the notebook has before its loop."""

    def __init__(self) -> None:
        task, start = addition_task(10), draw_start(ToyModel(seed=SEED))
        torch.manual_seed(SEED)
        encoder, self.decoder = _Net(10, 1), _Net(1, 10)
        self.train = start.train
        self.test = np.array(sorted(set(range(55)) - set(start.train.tolist())))
        self.pairs, self.answer = task.pairs, task.answer
        self.templates = torch.tensor(start.templates, requires_grad=True)
        inputs = torch.tensor(start.inputs, requires_grad=True)
        self.latent = nn.Parameter(encoder(inputs).clone())
        self.optimizers = (
            torch.optim.Adam([self.latent], lr=1e-4),
            torch.optim.AdamW(self.decoder.parameters(), lr=1e-3, weight_decay=0),
        )
        self.labels = self.templates[task.answer[start.train]].detach()
        self.corners = [
            frozenset({tuple(pair[:2]), tuple(pair[2:])}) for pair in task.corners.tolist()
        ]
        self.rows = torch.tensor(coefficients(task), dtype=torch.float32)

    def outputs(self, which: NDArray[np.int64]) -> Tensor:
        pairs = self.pairs[which]
        return self.decoder(self.latent[pairs[:, 0]] + self.latent[pairs[:, 1]])

    def accuracy(self, outputs: Tensor, which: NDArray[np.int64]) -> float:
        far = torch.sum((outputs.unsqueeze(1) - self.templates.unsqueeze(0)) ** 2, dim=2)
        return float(np.mean(torch.argmin(far, dim=1).detach().numpy() == self.answer[which]))

    def rqi_in_a_loop(self) -> float:
        scaled = self.latent / torch.std(self.latent, dim=0).unsqueeze(dim=0)
        closed = []
        for k in range(len(self.corners)):
            (i, j), (m, n) = self.corners[k]
            gap = scaled[i] + scaled[j] - scaled[m] - scaled[n]
            if torch.mean(gap**2) < 0.01:
                closed.append(k)
        return len(closed) / len(self.corners)

    def rqi_at_once(self) -> float:
        with torch.no_grad():
            gap = self.rows @ (self.latent / self.latent.std(dim=0))
            return float((gap.square().mean(dim=1) < 0.01).float().mean())

    def epoch(self, rqi: Callable[[], float]) -> tuple[float, float, float, float]:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        train, test = self.outputs(self.train), self.outputs(self.test)
        loss = torch.mean((train - self.labels) ** 2)
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        right = self.accuracy(train, self.train), self.accuracy(test, self.test)
        return loss.item(), *right, rqi()


def _loop(epochs: int, *, at_once: bool) -> tuple[float, list[float]]:
    """Seconds an epoch, the first five left out, and the losses."""
    ready, losses = _Ready(), []
    rqi = ready.rqi_at_once if at_once else ready.rqi_in_a_loop
    for epoch in range(epochs + 5):
        if epoch == 5:
            began = time.perf_counter()
        losses.append(ready.epoch(rqi)[0])
    return (time.perf_counter() - began) / epochs, losses


def notebook_way(epochs: int) -> tuple[float, list[float]]:
    """Seconds an epoch of the notebook's own loop, and its losses."""
    return _loop(epochs, at_once=False)


def tight_way(epochs: int) -> tuple[float, list[float]]:
    """The same with RQI in one array operation."""
    return _loop(epochs, at_once=True)


def ours(cells: int, epochs: int) -> float:
    """Seconds an epoch of one cell: a long call less a short one, both compiled before."""

    def timed(n: int) -> float:
        rates = [(r, d) for r in RATES for d in RATES][:cells] if cells > 1 else [(1e-4, 1e-3)]
        specs = [ToyModel(seed=SEED, eta_repr=r, eta_dec=d, epochs=n) for r, d in rates]
        began = time.perf_counter()
        train_runs(specs)
        return time.perf_counter() - began

    return (timed(1 + epochs) - timed(1)) / (epochs * cells)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the ways in turn, several times over; print a table and write JSON."""
    options = _options(argv)
    began = time.perf_counter()
    (course,) = train_runs([ToyModel(seed=SEED, epochs=50)])
    first_call = time.perf_counter() - began
    default = torch.get_num_threads()
    threads = _best_threads()
    ways = ("as_it_stands", "notebook", "tight", "one", "diagram")
    paces: dict[str, list[float]] = {name: [] for name in ways}
    rates: list[float] = []
    for number in range(options.repeats):
        torch.set_num_threads(default)
        paces["as_it_stands"].append(notebook_way(options.epochs)[0])
        torch.set_num_threads(threads)
        pace, losses = notebook_way(options.epochs)
        np.testing.assert_allclose(losses[:50], course.loss[: len(losses[:50])], rtol=1e-6)
        paces["notebook"].append(pace)
        paces["tight"].append(tight_way(4 * options.epochs)[0])
        paces["one"].append(ours(1, options.our_epochs))
        paces["diagram"].append(ours(100, options.our_epochs // 20))
        rates.append(matmul_rate())
        sys.stderr.write(f"round {number + 1} of {options.repeats} done\n")
    measured = {name: np.array(pace) for name, pace in paces.items()}
    document = _summary(measured, (threads, default), first_call, np.array(rates))
    sys.stdout.write(_table(document))
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _best_threads() -> int:
    found = {}
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        found[threads] = notebook_way(40)[0]
    return min(found, key=found.__getitem__)


def _summary(
    paces: dict[str, Paces], threads: tuple[int, int], first_call: float, rates: Paces
) -> dict[str, Any]:
    """Milliseconds an epoch of one cell, and each round's ratio to ours."""
    return {
        "schema": "allometry/benchmark/notebook_grokking/1",
        "rounds": len(paces["one"]),
        "machine": facts(),
        "torch": torch.__version__,
        "torch_threads": threads[0],
        "torch_threads_by_default": threads[1],
        "ms_per_epoch": {name: _spread(1e3 * pace) for name, pace in paces.items()},
        "first_call_seconds": first_call,
        "matmul_gflops": _spread(rates / 1e9),
        "gflops": {n: _spread(FLOP / paces[n] / 1e9) for n in ("one", "diagram")},
        "share_of_matmul_rate": {n: _spread(FLOP / paces[n] / rates) for n in ("one", "diagram")},
        "times_faster_than_notebook": {
            name: _spread(paces["notebook"] / paces[name]) for name in ("tight", "one", "diagram")
        },
        "times_faster_than_tight": {
            name: _spread(paces["tight"] / paces[name]) for name in ("one", "diagram")
        },
    }


def _spread(values: Paces) -> dict[str, float]:
    low, median, high = map(float, np.percentile(values, (0, 50, 100)))
    return {"median": median, "low": low, "high": high}


def _table(document: dict[str, Any]) -> str:
    names = {
        "as_it_stands": f"notebook, PyTorch's {document['torch_threads_by_default']} threads",
        "notebook": f"notebook, best: {document['torch_threads']} thread(s)",
        "tight": "PyTorch, RQI at once",
        "one": "ours, one run",
        "diagram": "ours, 100 cells",
    }
    lines = ["milliseconds an epoch of one cell: median [lowest, highest round]"]
    for name, title in names.items():
        pace = document["ms_per_epoch"][name]
        line = f"{title:32}{pace['median']:9.3f} [{pace['low']:.3f}, {pace['high']:.3f}]"
        ratio = document["times_faster_than_notebook"].get(name)
        if ratio:
            line += f"{ratio['median']:9.0f} times [{ratio['low']:.0f}, {ratio['high']:.0f}]"
        lines.append(line)
    for name in ("one", "diagram"):
        rate, share = document["gflops"][name], document["share_of_matmul_rate"][name]
        lines.append(
            f"{names[name]}: {rate['median']:.0f} GFLOP/s in products, {share['median']:.0%} of "
            f"{document['matmul_gflops']['median']:.0f} of 1024 x 1024 products"
        )
    lines.append(f"first call of ours, compiling: {document['first_call_seconds']:.1f} s")
    return "\n".join(lines) + "\n"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", help="write the numbers to this file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100, help="timed epochs of the notebook")
    parser.add_argument("--our-epochs", type=int, default=4_000)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
