"""How fast a grid of byte models trains: PyTorch eager, PyTorch compiled, and ours, in one run.

Seven decoder-only transformers (bodies of 3e3 to 1e5 parameters, 256 tokens, windows of 128, batch
16), AdamW with decay, clipping, warm-up and cosine. PyTorch trains them one after another in a
tight loop over index tensors, with scaled_dot_product_attention and fused AdamW, on the number
of threads that a trial finds fastest; compiled with torch.compile it is timed after compiling.
Ours are made as `allometry run` makes them, compiled before too: a model a processor at once, or
one after another ("ours alone"), each divided among the processors. All ways begin with the same
weights and see the same batches; they must end at the same test loss.

    python benchmarks/language_model.py --json speed.json
    python benchmarks/language_model.py --no-compiled
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from allometry.datasets import Data, Split
from allometry.datasets.batches import shared_order
from allometry.engines.threads import at_once, in_threads
from allometry.measures import losses
from allometry.models import LanguageModel
from allometry.models.language_model import state_dict
from allometry.processors import processors
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import AdamW
from allometry.spec.schedules import Cosine
from allometry.spec.torch_draws import TorchDraws
from allometry.training.dividing import ask_for_devices
from allometry.training.loop import train_pack
from allometry.training.procedure import Pack
from machine import facts

VOCABULARY, CONTEXT, BATCH, STEPS, SEED, D_HEAD = 256, 128, 16, 24, 0, 16
RATE, DECAY, CLIP, WARMUP = 3e-3, 0.1, 1.0, 4
N_TRAIN, N_TEST = BATCH * STEPS, 4
SHAPES = ((16, 1), (16, 2), (32, 1), (32, 2), (32, 3), (48, 2), (64, 2))  # width, layers
LARGE = 3e4  # parameters of a body whose FLOP rate is looked at by itself

Seconds = NDArray[np.float64]


class Bytes(Data):
    """Windows of a random chain over the bytes in which a byte nearly gives the next one."""

    @property
    def n_data(self) -> int:
        return N_TRAIN

    def load(self, draws: TorchDraws) -> Split:
        random = np.random.default_rng(0)
        n = N_TRAIN + N_TEST
        tokens = [random.integers(0, VOCABULARY, n)]
        for _ in range(CONTEXT):
            tokens.append((5 * tokens[-1] + random.integers(0, 8, n)) % VOCABULARY)
        windows = np.stack(tokens, axis=1)
        x, y = windows[:, :-1].astype(np.float32), windows[:, 1:].astype(np.int32)
        return Split(x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:], y[N_TRAIN:])

    def prepare(self, draws: TorchDraws) -> Split:
        split = self.load(draws)
        for array in split[:4]:
            array.setflags(write=False)
        return split


MODELS = [
    LanguageModel(
        vocabulary=VOCABULARY, context=CONTEXT, d_model=d, n_layers=n, d_head=D_HEAD, d_mlp=4 * d
    )
    for d, n in SHAPES
]
TRAIN = TrainSpec(
    optimizer=AdamW(learning_rate=RATE, weight_decay=DECAY, decays="weights"),
    schedule=Cosine(warmup=WARMUP), clip_norm=CLIP, steps=STEPS, batch_size=BATCH,
    measure_examples=0,
)  # fmt: skip
SPECS = [RunSpec(model=model, data=Bytes(), train=TRAIN, seed=SEED) for model in MODELS]


# ---- PyTorch ---------------------------------------------------------------------------------


class Layer(nn.Module):
    def __init__(self, d: int):
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.RMSNorm(d, eps=1e-5), nn.RMSNorm(d, eps=1e-5)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.mix = nn.Linear(d, d, bias=False)
        self.inner = nn.Linear(d, 4 * d, bias=False)
        self.outer = nn.Linear(4 * d, d, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, t, d = x.shape
        heads = self.qkv(self.attention_norm(x)).view(b, t, 3, d // D_HEAD, D_HEAD)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        query, key = (turned(part, cos, sin) for part in (query, key))
        gathered = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.mix(gathered.transpose(1, 2).reshape(b, t, d))
        return x + self.outer(F.gelu(self.inner(self.mlp_norm(x))))


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Transformer(nn.Module):
    def __init__(self, model: LanguageModel):
        super().__init__()
        d = model.d_model
        self.embedding = nn.Embedding(VOCABULARY, d)
        self.layers = nn.ModuleList(Layer(d) for _ in range(model.n_layers))
        self.final_norm = nn.RMSNorm(d, eps=1e-5)
        self.head = nn.Linear(d, VOCABULARY, bias=False)
        start = state_dict(model.init(TorchDraws(SEED)))
        self.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in start.items()})
        turns = torch.outer(torch.arange(CONTEXT), 1e4 ** (-torch.arange(0, D_HEAD, 2) / D_HEAD))
        self.register_buffer("cos", turns.cos(), persistent=False)
        self.register_buffer("sin", turns.sin(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        return self.head(self.final_norm(x))


def pytorch(
    model: LanguageModel, threads: int, wrapped: Callable[[nn.Module], Any] = lambda module: module
) -> tuple[float, float]:
    """Seconds of the updates of one model, and its test loss after them."""
    torch.set_num_threads(threads)
    module = Transformer(model)
    network = wrapped(module)
    split = Bytes().load(TorchDraws(SEED))
    x, y, test_x, test_y = (torch.from_numpy(a.astype(np.int64)) for a in split[:4])
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim == 1]
    groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, weight_decay=DECAY, fused=True)
    order = torch.from_numpy(shared_order(SEED, 0, N_TRAIN))
    began = time.perf_counter()
    for step in range(STEPS):
        past = (step - WARMUP) / (STEPS - WARMUP)
        factor = (step + 1) / WARMUP if step < WARMUP else (1 + math.cos(math.pi * past)) / 2
        for group in optimiser.param_groups:
            group["lr"] = RATE * factor
        rows = order[step * BATCH : (step + 1) * BATCH]
        loss = F.cross_entropy(network(x[rows]).flatten(0, 1), y[rows].flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), CLIP)
        optimiser.step()
    seconds = time.perf_counter() - began
    with torch.no_grad():
        return seconds, F.cross_entropy(module(test_x).flatten(0, 1), test_y.flatten()).item()


def best_threads() -> int:
    """Threads that train the middle model soonest, the better of two tries each."""
    middle = MODELS[len(MODELS) // 2]
    seconds = {
        threads: min(pytorch(middle, threads)[0] for _ in range(2))
        for threads in sorted({1, len(processors())})
    }
    return min(seconds, key=seconds.__getitem__)


# ---- ours ------------------------------------------------------------------------------------


def ours(specs: Sequence[RunSpec], *, together: bool) -> tuple[float, list[float]]:
    """Seconds of training and testing these models, and their test losses."""
    packs = [Pack((spec,), divided=not together) for spec in specs]
    test_losses: dict[int, float] = {}

    def make(pack: Pack, tell: Callable[[int], None]) -> None:
        (result,) = train_pack(pack, {"losses": losses}, {}, tell, untrained=False)
        test_losses[id(pack.specs[0])] = float(result.row["test_loss"])  # type: ignore[union-attr]

    threads = at_once(packs) if together else 1
    began = time.perf_counter()
    list(in_threads(packs, make, lambda n: None, lambda: False, threads))
    return time.perf_counter() - began, [test_losses[id(spec)] for spec in specs]


def matrix_rate() -> float:
    """FLOP a second of float32 products of 1,024 x 1,024 in XLA, the best of twenty."""
    a = jax.numpy.ones((1024, 1024))
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        product(a).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return 2 * 1024**3 / min(seconds)


# ---- the table -------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all ways in turn, several times over; print a table and write JSON."""
    options = _options(argv)
    ask_for_devices()
    ways: dict[str, Callable[[LanguageModel], tuple[float, float]]] = {}
    threads = {"eager": best_threads()}
    ways["eager"] = lambda model: pytorch(model, threads["eager"])
    if not options.no_compiled:
        # New modules of the same shapes are served by what was compiled for the first.
        torch._dynamo.config.recompile_limit = 64
        ways["compiled"] = lambda model: pytorch(model, threads["eager"], torch.compile)
    ours(SPECS, together=False)
    ours(SPECS, together=True)
    by_way: dict[str, list[list[float]]] = {way: [] for way in (*ways, "ours alone")}
    together, rates = [], []
    for way in ways.values():
        for model in MODELS:
            way(model)
    for k in range(options.repeats):
        ends = []
        for name, way in ways.items():
            made = [way(model) for model in MODELS]
            by_way[name].append([seconds for seconds, _ in made])
            ends.append([loss for _, loss in made])
        made = [ours([spec], together=False) for spec in SPECS]
        by_way["ours alone"].append([seconds for seconds, _ in made])
        seconds, test_losses = ours(SPECS, together=True)
        together.append(seconds)
        rates.append(matrix_rate())
        for end in ends:
            assert np.allclose(end, test_losses, atol=5e-3), (end, test_losses)
        sums = {name: round(sum(rounds[-1]), 2) for name, rounds in by_way.items()}
        sys.stderr.write(f"round {k + 1}: {sums}, ours at once {seconds:.2f} s\n")
    document = _summary(
        {name: np.array(rounds) for name, rounds in by_way.items()},
        np.array(together), np.array(rates), threads["eager"],
    )  # fmt: skip
    sys.stdout.write(_table(document))
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _summary(
    seconds: dict[str, Seconds], together: Seconds, rates: Seconds, threads: int
) -> dict[str, Any]:
    """Seconds ``(rounds, models)`` of each way one by one, and ``(rounds,)`` of ours at once."""
    counts = [model.counts() for model in MODELS]
    flop = np.array([BATCH * STEPS * (c.forward_flop + c.backward_flop) for c in counts])
    bodies = [model.parts().body for model in MODELS]
    large = np.array(bodies) >= LARGE
    alone = seconds["ours alone"]
    return {
        "schema": "allometry/benchmark/language_model/1",
        "rounds": len(together),
        "machine": facts(),
        "load_before": os.getloadavg()[2],
        "torch": torch.__version__,
        "jax": jax.__version__,
        "torch_threads": threads,
        "bodies": bodies,
        "milliseconds_a_step": {
            way: [_spread(1e3 * of / STEPS) for of in values.T] for way, values in seconds.items()
        },
        "seconds": {way: _spread(values.sum(axis=1)) for way, values in seconds.items()},
        "seconds_at_once": _spread(together),
        "times_faster_at_once": {
            way: _spread(values.sum(axis=1) / together) for way, values in seconds.items()
        },
        "matrix_gflops": _spread(rates / 1e9),
        "useful_share_at_once": _spread(flop.sum() / together / rates),
        "useful_share_of_large_bodies_alone": _spread(
            flop[large].sum() / alone[:, large].sum(axis=1) / rates
        ),
        "most_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def _spread(values: Seconds) -> dict[str, float]:
    low, median, high = map(float, np.percentile(values, (0, 50, 100)))
    return {"median": median, "low": low, "high": high}


def _table(document: dict[str, Any]) -> str:
    def cell(s: dict[str, float], digits: int = 2) -> str:
        return f"{s['median']:.{digits}f} [{s['low']:.{digits}f}, {s['high']:.{digits}f}]".rjust(24)

    steps = document["milliseconds_a_step"]
    lines = ["milliseconds a step, compiled before: median [lowest, highest round]"]
    lines.append("body".ljust(10) + "".join(way.rjust(24) for way in steps))
    for k, body in enumerate(document["bodies"]):
        lines.append(f"{body:<10,}" + "".join(cell(of[k]) for of in steps.values()))
    lines.append("s in all".ljust(10) + "".join(cell(s) for s in document["seconds"].values()))
    lines.append("s in all, ours a model a processor at once" + cell(document["seconds_at_once"]))
    lines += [
        f"ours at once: {cell(times, 1).strip()} times as fast as {way}"
        for way, times in document["times_faster_at_once"].items()
    ]
    machine = document["machine"]
    large = document["useful_share_of_large_bodies_alone"]
    lines += [
        f"{machine['cpu']}, {machine['cpus']} processors; PyTorch on "
        f"{document['torch_threads']} threads; most memory {document['most_memory_gib']:.2f} GiB",
        f"products of 1,024 x 1,024: {cell(document['matrix_gflops'], 0).strip()} GFLOP/s; useful "
        f"share of this at once {cell(document['useful_share_at_once']).strip()}, of bodies of "
        f"{LARGE:,.0f} and more alone {cell(large).strip()}",
    ]
    return "\n".join(lines) + "\n"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", help="write the numbers to this file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-compiled", action="store_true", help="leave torch.compile out")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
