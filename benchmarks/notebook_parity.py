"""How fast the sparse-parity notebook's loop runs: its own way, PyTorch at its best, and ours.

One step is what the notebook does each time around: 20,000 fresh samples of 10 tasks of 3 of 100
bits, forward, backward and Adam on a network 110-200-1, and the losses of all ten tasks on 1,000
fresh samples each.

* `notebook_way`: as the notebook writes it. Bits and subsets by PyTorch, tasks by NumPy, the
  one-hot a float64 matrix, ten evaluations one after another.
* `tight_way`: the same work without what PyTorch does not need: float32 throughout, tasks drawn by
  PyTorch, one evaluation of 10,000 samples, the fused kind of Adam.
* `ours`: `allometry.studies.sparse_parity`, everything in one compiled loop.

All three draw different samples of one distribution; each says what loss it ends at.

    python benchmarks/notebook_parity.py --json parity.json

The rate of useful arithmetic counts only the products with the 100 data bits: 2 x 20,000 x 100 x
200 FLOP forward, as many for the weights' gradient, and 2 x 10,000 x 100 x 200 for the evaluation,
2.0 GFLOP a step. Control bits, biases, the output layer, sampling, labels and Adam count as
nothing. It is set against XLA's own rate, in the same round, for the bare products of these shapes
(20,000 x 100 by 100 x 200, and its transpose by 20,000 x 200).
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

import jax
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from allometry.studies.sparse_parity.procedure import train
from allometry.studies.sparse_parity.spec import ParityRun
from machine import facts

__all__ = ["main", "notebook_way", "ours", "product_rate", "tight_way"]

TASKS, BITS, K, ALPHA, UNITS = 10, 100, 3, 0.4, 200
BATCH, TASK_SAMPLES, LEARNING_RATE = 20_000, 1_000, 1e-3
GFLOP = 2 * (2 * BATCH + TASKS * TASK_SAMPLES) * BITS * UNITS / 1e9


class NotebookSampler:
    """The notebook's `MultitaskSparseParity`: bits and subsets by PyTorch, tasks by NumPy."""

    def __init__(self) -> None:
        drawn = torch.rand(TASKS, BITS)
        last = torch.topk(drawn, K, largest=False)[0][:, -1:]
        self.masks = torch.where(drawn <= last, torch.tensor(1), torch.tensor(0))

    def generate_data(self, n: int, force_task: int | None = None) -> tuple[Tensor, Tensor]:
        """X float64 ``(n, 110)``, y int64 ``(n,)``."""
        x_data = torch.randint(2, (n, BITS))
        p = np.array([i ** (-(ALPHA + 1)) for i in range(1, TASKS + 1)])
        if force_task is None:
            task = np.random.choice(TASKS, size=n, p=p / sum(p))  # noqa: NPY002
        else:
            task = np.full(n, force_task)
        control = np.zeros((n, TASKS))
        control[np.arange(n), task] = 1
        x = torch.cat((torch.tensor(control), x_data.clone().detach()), dim=1)
        return x, torch.remainder(torch.sum(self.masks[task] * x_data, dim=1), 2)


class TightSampler(NotebookSampler):
    """The same distribution in float32, tasks by PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        p = torch.arange(1, TASKS + 1, dtype=torch.float64) ** -(ALPHA + 1)
        self.edges = (p.cumsum(0) / p.sum())[:-1].float()
        self.columns = self.masks.nonzero()[:, 1].view(TASKS, K)

    def draw(self, n: int, task: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """X float32 ``(n, 110)``, y float32 ``(n,)``."""
        if task is None:
            task = torch.bucketize(torch.rand(n), self.edges)
        x = torch.zeros(n, TASKS + BITS)
        x[torch.arange(n), task] = 1
        x[:, TASKS:] = torch.randint(2, (n, BITS), dtype=torch.uint8)
        y = x[:, TASKS:].gather(1, self.columns[task]).sum(1).remainder(2)
        return x, y


class TinyModel(nn.Module):
    """The notebook's network."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(TASKS + BITS, UNITS)
        self.activation = nn.ReLU()
        self.linear2 = nn.Linear(UNITS, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return self.sigmoid(self.linear2(self.activation(self.linear1(x))))


def notebook_way(steps: int) -> tuple[float, float]:
    """Seconds a step and the last loss, as the notebook writes its loop."""
    sampler, model = NotebookSampler(), TinyModel()
    optimizer, loss_func = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE), nn.BCELoss()

    def calculate_loss(x: Tensor, y: Tensor) -> Tensor:
        return loss_func(model(x.float()), y[:, None].float())

    logged: dict[str, list[float]] = {}
    began = time.perf_counter()
    for _ in range(steps):
        loss = calculate_loss(*sampler.generate_data(BATCH))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        logged.setdefault("loss", []).append(loss.item())
        for task in range(TASKS):
            x, y = sampler.generate_data(TASK_SAMPLES, force_task=task)
            with torch.no_grad():
                logged.setdefault(f"task_{task}_loss", []).append(calculate_loss(x, y).item())
    return (time.perf_counter() - began) / steps, logged["loss"][-1]


def tight_way(steps: int) -> tuple[float, float]:
    """Seconds a step and the last loss, with as little around the arithmetic as PyTorch allows."""
    sampler, model = TightSampler(), TinyModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    layers = nn.Sequential(model.linear1, model.activation, model.linear2)
    loss_func = nn.functional.binary_cross_entropy_with_logits
    forced = torch.arange(TASKS).repeat_interleave(TASK_SAMPLES)
    losses, by_task = torch.zeros(steps), torch.zeros(steps, TASKS)
    began = time.perf_counter()
    for step in range(steps):
        x, y = sampler.draw(BATCH)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_func(layers(x)[:, 0], y)
        loss.backward()
        optimizer.step()
        losses[step] = loss.detach()
        with torch.no_grad():
            x, y = sampler.draw(len(forced), forced)
            each = loss_func(layers(x)[:, 0], y, reduction="none")
            by_task[step] = each.view(TASKS, TASK_SAMPLES).mean(1)
    return (time.perf_counter() - began) / steps, float(losses[-1])


def ours(steps: int) -> tuple[float, float]:
    """Seconds a step and the last loss of the package; `steps` a multiple of 50."""
    began = time.perf_counter()
    (course,) = train([ParityRun(seed=0, steps=steps)], lambda updates: None)
    return (time.perf_counter() - began) / steps, float(course.loss[-1])


def product_rate(repeats: int = 20) -> float:
    """GFLOP/s of the bare products of one step: two forward shapes to one transposed and a half."""
    x, w, d = (
        jax.random.normal(jax.random.key(i), shape)
        for i, shape in enumerate(((BATCH, BITS), (BITS, UNITS), (BATCH, UNITS)))
    )
    forward, backward = jax.jit(lambda x, w: x @ w), jax.jit(lambda x, d: x.T @ d)

    def seconds(product: Callable[..., jax.Array], *arguments: jax.Array) -> float:
        jax.block_until_ready(product(*arguments))
        taken = []
        for _ in range(repeats):
            began = time.perf_counter()
            jax.block_until_ready(product(*arguments))
            taken.append(time.perf_counter() - began)
        return float(np.median(taken))

    one = 2 * BATCH * BITS * UNITS / 1e9
    evaluated = TASKS * TASK_SAMPLES / BATCH
    taken = (1 + evaluated) * seconds(forward, x, w) + seconds(backward, x, d)
    return (2 + evaluated) * one / taken


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all ways in turn, several times over; print a table and write JSON."""
    options = _options(argv)
    threads = {name: _best_threads(way) for name, way in WAYS.items()}
    ours(options.our_steps)  # compiles
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in (*WAYS, "ours")}
    rates = []
    for number in range(options.repeats):
        for name, way in WAYS.items():
            torch.set_num_threads(threads[name])
            rounds[name].append(way(options.steps))
        rates.append(product_rate())
        rounds["ours"].append(ours(options.our_steps))
        rates[-1] = max(rates[-1], product_rate())
        sys.stderr.write(f"round {number + 1} of {options.repeats} done\n")
    document = _summary(rounds, np.array(rates), threads)
    sys.stdout.write(_table(document))
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


WAYS: dict[str, Callable[[int], tuple[float, float]]] = {
    "notebook_way": notebook_way,
    "tight_way": tight_way,
}


def _best_threads(way: Callable[[int], tuple[float, float]]) -> int:
    """The number of threads that serves a PyTorch way best, from short trials."""
    candidates = sorted({1, os.cpu_count() or 1})
    paces = []
    for threads in candidates:
        torch.set_num_threads(threads)
        paces.append(min(way(8)[0] for _ in range(2)))
    return candidates[int(np.argmin(paces))]


def _summary(
    rounds: dict[str, list[tuple[float, float]]],
    rates: NDArray[np.float64],
    threads: dict[str, int],
) -> dict[str, Any]:
    paces = {name: np.array([seconds for seconds, _ in found]) for name, found in rounds.items()}
    own = GFLOP / paces["ours"]
    return {
        "schema": "allometry/benchmark/notebook_parity/1",
        "rounds": len(rates),
        "machine": facts(),
        "torch": torch.__version__,
        "jax": jax.__version__,
        "threads": threads,
        "ms_per_step": {name: _spread(1e3 * pace) for name, pace in paces.items()},
        "last_loss": {name: found[-1][1] for name, found in rounds.items()},
        "times_faster_than": {name: _spread(paces[name] / paces["ours"]) for name in WAYS},
        "useful_gflop_per_step": GFLOP,
        "useful_gflop_per_second": {n: _spread(GFLOP / pace) for n, pace in paces.items()},
        "product_gflop_per_second": _spread(rates),
        "share_of_product_rate": _spread(own / rates),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    low, median, high = map(float, np.percentile(values, (0, 50, 100)))
    return {"median": median, "low": low, "high": high}


def _table(document: dict[str, Any]) -> str:
    def cell(s: dict[str, float], digits: int) -> str:
        text = f"{s['median']:.{digits}f} [{s['low']:.{digits}f}, {s['high']:.{digits}f}]"
        return text.rjust(22)

    lines = ["medians [lowest, highest round]", "way".ljust(16) + "".join(
        title.rjust(22) for title in ("ms a step", "slower than ours", "useful GFLOP/s")
    )]  # fmt: skip
    for name, pace in document["ms_per_step"].items():
        ratio = document["times_faster_than"].get(name)
        lines.append(
            name.ljust(16) + cell(pace, 2) + (cell(ratio, 2) if ratio else " " * 22)
            + cell(document["useful_gflop_per_second"][name], 0)
        )  # fmt: skip
    lines.append("bare products".ljust(60) + cell(document["product_gflop_per_second"], 0))
    lines.append("ours over bare products".ljust(60) + cell(document["share_of_product_rate"], 2))
    return "\n".join(lines) + "\n"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", help="write the numbers to this file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="timed steps of a PyTorch way")
    parser.add_argument("--our-steps", type=int, default=150, help="timed steps of ours")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
