"""How fast K equal networks train, few wide to many narrow: ours, one by one, vmapped.

The networks are 784-w-w/2-10, ReLU, Adam 1e-3, batch 128, FashionMNIST, all on the same batches.
The number of first-layer units is 4,096 in every cell of the grid but the last (512 x 4: 2,048).

* `ours`: `packing.make_packs` and `loop.train_pack`, a pack a processor at once, as
  `allometry run` makes them.
* `PyTorch loop`: one network after another, index tensors, fused Adam, whatever number of threads
  is faster; one network is timed and multiplied by K.
* `JAX loop`: one network after another, each a compiled scan; likewise.
* `PyTorch vmap`: `torch.func.vmap` over stacked parameters, `torch.compile` where it works.
* `JAX vmap`: one compiled scan of a vmapped step.

    python benchmarks/width_count_grid.py --json grid.json

The ways take turns within a round. What loads, compiles and measures is left out everywhere.
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
import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from allometry.datasets.splits import ImageSubset
from allometry.engines.threads import at_once, in_threads
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.spec.torch_draws import TorchDraws
from allometry.training.loop import train_pack
from allometry.training.packing.choose import make_packs
from allometry.training.procedure import Pack
from machine import facts

__all__ = ["GRID", "main", "matmul_rate"]

GRID = ((16, 256), (32, 128), (64, 64), (128, 32), (256, 16), (512, 4))
BATCH, N_TRAIN, STEPS, RATE = 128, 10_000, 79, 1e-3


def widths(w: int) -> tuple[int, ...]:
    return (784, w, w // 2, 10)


def matmul_rate(size: int = 1024) -> float:
    """FLOP a second of square float32 products in XLA, the best of many."""
    a = jnp.asarray(np.random.default_rng(0).random((size, size), np.float32))
    product = jax.jit(lambda a: a @ a)
    return 2 * size**3 / _best(lambda: product(a).block_until_ready(), 1.0)


def ours(w: int, k: int) -> tuple[Callable[[], float], str]:
    """Seconds a step of all networks, and the packs that were chosen."""
    train = TrainSpec(optimizer=Adam(learning_rate=RATE), epochs=4, batch_size=BATCH)
    data = ImageSubset(name="fashion-mnist", n_train=N_TRAIN)
    # Packs are chosen for a run of the notebook's length, 80 epochs.
    long = train.model_copy(update={"epochs": 80})
    models = [MLP(widths=widths(w), init_scale=1 + 1e-6 * i) for i in range(k)]
    packs = make_packs([RunSpec(model=m, data=data, train=long, seed=0) for m in models])

    def timed(epochs: int) -> float:
        few = train.model_copy(update={"epochs": epochs})
        short = [
            Pack(tuple(s.model_copy(update={"train": few}) for s in pack.specs)) for pack in packs
        ]
        began = time.perf_counter()
        made = in_threads(
            short,
            lambda pack, tell: train_pack(pack, {}, {}, tell, untrained=False),
            lambda n: None,
            lambda: False,
            at_once(short),
        )
        assert len(list(made)) == len(packs)
        return time.perf_counter() - began

    timed(1)

    def pace() -> float:
        # A long call less a short one: what loads and evaluates is in both.
        return (timed(1 + train.epochs) - timed(1)) / (train.epochs * STEPS)

    return pace, "+".join(str(len(pack.specs)) for pack in packs)


def torch_loop(w: int, k: int, x: Any, y: Any, index: Any) -> Callable[[], float]:
    x, y, index = torch.tensor(x), torch.tensor(y).long(), torch.tensor(index).long()
    model = _module(w)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)

    def epoch() -> None:
        for batch in index:
            optimiser.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()

    def pace() -> float:
        seconds = []
        for threads in sorted({1, os.cpu_count() or 1}):
            torch.set_num_threads(threads)
            seconds.append(_best(epoch, 0.2))
        return k * min(seconds) / STEPS

    return pace


def torch_vmap(w: int, k: int, x: Any, y: Any, index: Any, compiled: bool) -> Callable[[], float]:
    x, y, index = torch.tensor(x), torch.tensor(y).long(), torch.tensor(index).long()
    torch.set_num_threads(os.cpu_count() or 1)
    params, _ = stack_module_state([_module(w) for _ in range(k)])
    shape = _module(w).to("meta")
    params = {n: p.detach().requires_grad_() for n, p in params.items()}
    optimiser = torch.optim.Adam(params.values(), lr=RATE, fused=True)

    def loss(p: Any, x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(functional_call(shape, p, (x,)), y)

    gradients = vmap(grad(loss), in_dims=(0, None, None))
    gradients = torch.compile(gradients) if compiled else gradients

    def epoch() -> None:
        for batch in index:
            with torch.no_grad():
                found = gradients({n: p.detach() for n, p in params.items()}, x[batch], y[batch])
            for name, p in params.items():
                p.grad = found[name]
            optimiser.step()

    return lambda: _best(epoch, 0.2) / STEPS


def jax_scan(w: int, k: int, x: Any, y: Any, index: Any, copies: int) -> Callable[[], float]:
    """A compiled scan of `copies` vmapped networks, as often as it takes for k."""
    model, optimiser = MLP(widths=widths(w)), optax.adam(RATE)
    one = model.init(TorchDraws(0))
    params = {n: jnp.stack([jnp.asarray(a)] * copies) for n, a in one.items()}
    x, y, index = jnp.asarray(x), jnp.asarray(y), jnp.asarray(index)

    def loss(p: Any, x: Any, y: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(model.apply(p, x), y).mean()

    def step(state: Any, batch: Any) -> Any:
        params, moments = state
        g = jax.vmap(jax.grad(loss), in_axes=(0, None, None))(params, x[batch], y[batch])
        move, moments = optimiser.update(g, moments)
        return (optax.apply_updates(params, move), moments), None

    scan = jax.jit(lambda s: jax.lax.scan(step, s, index)[0], donate_argnums=0)
    state = scan((params, optimiser.init(params)))

    def epoch() -> None:
        nonlocal state
        state = jax.block_until_ready(scan(state))

    return lambda: k / copies * _best(epoch, 0.2) / STEPS


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every cell in turns, several rounds; print a table and write JSON."""
    options = _options(argv)
    split = ImageSubset(name="fashion-mnist", n_train=N_TRAIN).load(TorchDraws(0))
    index = np.random.default_rng(0).integers(0, N_TRAIN, (STEPS, BATCH))
    data = (np.asarray(split.train_x).reshape(N_TRAIN, 784), np.asarray(split.train_y), index)
    rates, cells = [matmul_rate()], []
    for w, k in GRID:
        if options.only and w not in options.only:
            continue
        own, packs = ours(w, k)
        ways: dict[str, Callable[[], float]] = {
            "ours": own,
            "PyTorch loop": torch_loop(w, k, *data),
            "JAX loop": jax_scan(w, k, *data, 1),
            "JAX vmap": jax_scan(w, k, *data, k),
        }
        ways["PyTorch vmap"], note = _vmapped(w, k, data)
        rounds = [{name: pace() for name, pace in ways.items()} for _ in range(options.repeats)]
        rates.append(matmul_rate())
        cells.append(_cell(w, k, packs, rounds) | {"note": note})
        cells[-1]["share_of_matmul_rate"] = (
            cells[-1]["useful_gflops"]["median"] * 1e9 / float(np.median(rates[-2:]))
        )
        ratio = cells[-1]["times_faster"]["median"]
        sys.stderr.write(f"{w} x {k}: {ratio:.2f} times {cells[-1]['best_rival']}\n")
    cells = _merged(cells, options.json)
    document = _summary(cells, rates, options.repeats)
    sys.stdout.write(_table(document))
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _vmapped(w: int, k: int, data: Any) -> tuple[Callable[[], float], str]:
    """PyTorch's vmap, compiled if that works here, and the reason if not."""
    pace = torch_vmap(w, k, *data, compiled=True)
    try:
        pace()
    except Exception as error:  # the compiler's own, of many kinds: reported, not hidden
        note = f"torch.compile failed here: {str(error).strip().splitlines()[0]}"
        return torch_vmap(w, k, *data, compiled=False), note
    return pace, ""


def _merged(cells: list[dict[str, Any]], path: str | None) -> list[dict[str, Any]]:
    """The cells measured now, and before them in the file those that were not."""
    file = Path(path) if path else None
    before = json.loads(file.read_text())["cells"] if file and file.exists() else []
    now = {cell["width"] for cell in cells}
    kept = [cell for cell in before if cell["width"] not in now]
    return sorted([*kept, *cells], key=lambda cell: cell["width"])


def _module(w: int) -> nn.Module:
    sizes = widths(w)
    return nn.Sequential(
        nn.Linear(sizes[0], sizes[1]), nn.ReLU(), nn.Linear(sizes[1], sizes[2]), nn.ReLU(),
        nn.Linear(sizes[2], sizes[3]),
    )  # fmt: skip


def _best(call: Callable[[], Any], at_least: float) -> float:
    """Seconds of the fastest of the calls made in `at_least` seconds, three or more."""
    call()
    times: list[float] = []
    while sum(times) < at_least or len(times) < 3:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def _cell(w: int, k: int, packs: str, rounds: list[dict[str, float]]) -> dict[str, Any]:
    times = {name: np.array([r[name] for r in rounds]) for name in rounds[0]}
    rivals = {name: float(np.median(t)) for name, t in times.items() if name != "ours"}
    best = min(rivals, key=lambda name: rivals[name])
    counts = MLP(widths=widths(w)).counts()
    flop = k * BATCH * (counts.forward_flop + counts.backward_flop)
    return {
        "width": w,
        "count": k,
        "packs": packs,
        "us_per_step": {name: _spread(1e6 * t) for name, t in times.items()},
        "best_rival": best,
        "times_faster": _spread(times[best] / times["ours"]),
        "useful_gflops": _spread(flop / times["ours"] / 1e9),
    }


def _summary(cells: list[dict[str, Any]], rates: list[float], rounds: int) -> dict[str, Any]:
    ratios = [cell["times_faster"]["median"] for cell in cells]
    return {
        "schema": "allometry/benchmark/width_count_grid/1",
        "rounds": rounds,
        "machine": facts(),
        "torch": torch.__version__,
        "jax": jax.__version__,
        "note": next((cell["note"] for cell in cells if cell["note"]), ""),
        "matmul_gflops": _spread(np.array(rates) / 1e9),
        "cells": cells,
        "geometric_mean": float(np.exp(np.mean(np.log(ratios)))),
        "lowest": min(ratios),
    }


def _spread(values: Any) -> dict[str, float]:
    low, median, high = map(float, np.percentile(values, (0, 50, 100)))
    return {"median": median, "low": low, "high": high}


def _table(document: dict[str, Any]) -> str:
    names = list(document["cells"][0]["us_per_step"])
    lines = ["microseconds a step of all networks, medians; ratio of the best other way to ours"]
    lines.append("w x K".ljust(10) + "".join(n.rjust(14) for n in names) + "   ratio [range]")
    for c in document["cells"]:
        times = "".join(f"{c['us_per_step'][n]['median']:14.0f}" for n in names)
        r = c["times_faster"]
        ratio = f"   {r['median']:.2f} [{r['low']:.2f}, {r['high']:.2f}]"
        share = f"  {c['useful_gflops']['median']:.0f} GFLOP/s, {c['share_of_matmul_rate']:.0%}"
        lines.append(f"{c['width']} x {c['count']}".ljust(10) + times + ratio + share)
        lines.append(f"          packs {c['packs']}")
    m = document["matmul_gflops"]
    lines.append(
        f"geometric mean {document['geometric_mean']:.2f}, lowest {document['lowest']:.2f}; "
        f"matrix products of 1024: {m['median']:.0f} [{m['low']:.0f}, {m['high']:.0f}] GFLOP/s"
    )
    return "\n".join([*lines, *([document["note"]] if document["note"] else [])]) + "\n"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", help="write the numbers to this file")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--only", type=int, action="append", help="a width; the other cells stay as in the file"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
