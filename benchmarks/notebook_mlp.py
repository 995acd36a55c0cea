"""How fast the N-scaling notebook's 19 networks train: its own way, PyTorch at its best, and ours.

Three ways to train the same networks (784-h1-h2-10, ReLU, Adam 1e-3, batch 128, 10,000
FashionMNIST images, 79 steps an epoch with the last partial batch kept):

* `notebook_way`: what the notebook does, one network after another: `nn.Module`, `Dataset` and
  `DataLoader(shuffle=True)`, every item made from bytes through PIL as torchvision's `ToTensor`
  does; and the same with ready tensors in the loader.
* `tight_way`: one network after another, but with the images in one tensor, index tensors instead
  of a loader, the faster kind of Adam, and `torch.compile` if asked for.
* `ours`: all networks of a seed in one call of `loop.train_pack`, four seeds of the
  notebook's study in turn, a seed a processor at once, as `allometry run` makes them; and one seed
  by itself.

All draws follow the notebook's order (seed, `randperm`, model, loader), so the first two ways see
the same batches from the same start and end at the same losses.

The package puts all sizes of a seed on the same batches in an order of its own, so its losses are
comparable, not equal.

    python benchmarks/notebook_mlp.py --json speed.json

Both wall and processor seconds are taken: the package uses every core in one process, PyTorch the
number of threads that serves it best, and whoever starts one PyTorch process a core should
compare processor seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from allometry.datasets.images import load_images
from allometry.datasets.splits import ImageSubset
from allometry.engines.threads import at_once, in_threads
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.training.loop import train_pack
from allometry.training.packing.choose import make_packs
from machine import facts
from width_count_grid import matmul_rate

__all__ = ["SIZES", "Images", "main", "notebook_way", "ours", "read_images", "tight_way"]

# The notebook's `generate_hidden_configs((800, 35000), 25)`, duplicates removed.
SIZES = (
    (1, 1), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3), (7, 4), (8, 4), (9, 4), (11, 6),
    (12, 6), (15, 8), (17, 8), (20, 10), (23, 12), (27, 14), (32, 16), (37, 18), (43, 22),
)  # fmt: skip
BATCH = 128
SEEDS = 4  # of the study, for the package
N_TRAIN = 10_000
STEPS_PER_EPOCH = -(-N_TRAIN // BATCH)
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Images:
    """FashionMNIST: images float32 in [0, 1], shape ``(n, 1, 28, 28)``; labels int64, ``(n,)``;
    the training images also as the bytes they are stored as, ``(n, 28, 28)``."""

    train_bytes: Tensor
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor


@dataclass(frozen=True)
class Trained:
    """One trained network.

    Losses are mean cross-entropy in nats; `weights` are ``(out, in)``; `epoch_seconds`, shape
    ``(epochs, 2)``, are the wall and the processor time of each epoch.
    """

    test_loss: float
    test_accuracy: float
    train_loss: float
    epoch_seconds: NDArray[np.float64]
    weights: tuple[NDArray[np.float32], ...]

    @property
    def seconds_per_step(self) -> NDArray[np.float64]:
        """Wall and processor time: the median epoch, without the first where there are more."""
        warm = self.epoch_seconds[1:] if len(self.epoch_seconds) > 1 else self.epoch_seconds
        return np.median(warm, axis=0) / STEPS_PER_EPOCH


@dataclass(frozen=True)
class Pace:
    """The package on the whole pack: seconds for a step of one network, and the first call."""

    wall: float
    processor: float
    whole_call: float
    first_call: float


@dataclass(frozen=True)
class _Way:
    """A PyTorch way with its settings: `train` is called as ``train(h1, h2, epochs, seed)``."""

    name: str
    train: Callable[..., Trained]
    threads: int


class _Items(Dataset[tuple[Tensor, int]]):
    """A map-style data set whose items look like torchvision's after `ToTensor`.

    With `bytes_` the item is made as torchvision makes it at every visit: bytes to a PIL image,
    the image to a tensor, channels first, float, divided by 255. Without, it is ready.
    """

    def __init__(self, x: Tensor, y: Tensor, bytes_: Tensor | None) -> None:
        self.x = x
        self.y = y.tolist()
        self.bytes = bytes_

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if self.bytes is None:
            return self.x[index], self.y[index]
        picture = Image.fromarray(self.bytes[index].numpy())
        pixels = torch.from_numpy(np.array(picture, np.uint8, copy=True)).view(28, 28, 1)
        return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255), self.y[index]


class _Mlp(nn.Module):
    def __init__(self, h1: int, h2: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(784, h1), nn.ReLU(), nn.Linear(h1, h2), nn.ReLU(), nn.Linear(h2, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.view(-1, 784))


def read_images() -> Images:
    """FashionMNIST from the package's checked cache, as tensors; pixels divided by 255, no more."""
    images = load_images("fashion-mnist")

    def pixels(x: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(x.astype(np.float32)[:, None] / np.float32(255))

    def labels(y: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(y.astype(np.int64))

    return Images(
        torch.from_numpy(images.train_x.copy()),
        pixels(images.train_x),
        labels(images.train_y),
        pixels(images.test_x),
        labels(images.test_y),
    )


def notebook_way(
    h1: int, h2: int, epochs: int, seed: int, *, data: Images, ready: bool = False
) -> Trained:
    """Train one network as the notebook does, `DataLoader` and `ToTensor` and all.

    Args:
        ready: Hand the loader finished float tensors instead of bytes to convert at each visit,
            which the notebook does not do.
    """
    torch.manual_seed(seed)
    chosen = torch.randperm(len(data.train_y))[:N_TRAIN]
    items = _Items(data.train_x, data.train_y, None if ready else data.train_bytes)
    subset = Subset(items, chosen.tolist())
    train_loader = DataLoader(subset, batch_size=BATCH, shuffle=True)
    model = _Mlp(h1, h2)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    criterion = nn.CrossEntropyLoss()
    seconds = []
    for _ in range(epochs):
        started = _now()
        model.train()
        for x, y in train_loader:
            optimiser.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimiser.step()
        seconds.append(_now() - started)
    return _finish(model, data, chosen, seconds)


def tight_way(
    h1: int, h2: int, epochs: int, seed: int, *, data: Images, adam: str, compiled: bool = False
) -> Trained:
    """Train one network with as little around the arithmetic as PyTorch's modules allow.

    Args:
        adam: ``"fused"`` or ``"foreach"``: the implementation of the same update.
        compiled: Run the forward and backward pass through `torch.compile`.
    """
    torch.manual_seed(seed)
    chosen = torch.randperm(len(data.train_y))[:N_TRAIN]
    x, y = data.train_x[chosen].view(N_TRAIN, 784), data.train_y[chosen]
    model = _Mlp(h1, h2)
    forward = torch.compile(model.layers) if compiled else model.layers
    fused, foreach = adam == "fused", adam == "foreach"
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=fused, foreach=foreach)
    cross_entropy = nn.functional.cross_entropy
    seconds = []
    for _ in range(epochs):
        started = _now()
        for batch in _loader_order().split(BATCH):
            optimiser.zero_grad(set_to_none=True)
            cross_entropy(forward(x.index_select(0, batch)), y.index_select(0, batch)).backward()
            optimiser.step()
        seconds.append(_now() - started)
    return _finish(model, data, chosen, seconds)


def ours(epochs: int, seeds: Sequence[int]) -> Pace:
    """Time the package on all sizes of these seeds, without measures.

    A long and a short call pay for loading and compiling; then both are timed again. Their
    difference is the pace of training alone; the long one is what a user waits for.
    """

    def timed(n: int) -> NDArray[np.float64]:
        train = TrainSpec(optimizer=Adam(learning_rate=LEARNING_RATE), epochs=n, batch_size=BATCH)
        data = ImageSubset(name="fashion-mnist", n_train=N_TRAIN)
        models = [MLP(widths=(784, h1, h2, 10)) for h1, h2 in SIZES]
        packs = make_packs(
            [RunSpec(model=m, data=data, train=train, seed=seed) for seed in seeds for m in models]
        )
        threads = at_once(packs)
        started = _now()
        made = in_threads(
            packs,
            lambda p, tell: train_pack(p, {}, {}, tell),
            lambda n: None,
            lambda: False,
            threads,
        )
        assert len(list(made)) == len(packs)
        return _now() - started

    first, _, short, long = (timed(n) for n in (1 + epochs, 1, 1, 1 + epochs))
    steps = STEPS_PER_EPOCH * len(SIZES) * len(seeds)
    training = (long - short) / (epochs * steps)
    return Pace(training[0], training[1], long[0] / ((1 + epochs) * steps), first[0])


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all ways in turn, several times over; print a table and write JSON."""
    options = _options(argv)
    data = read_images()
    ways = _best_settings(data, options.seed, compiled=options.compiled)
    rivals: dict[str, list[NDArray[np.float64]]] = {way.name: [] for way in ways}
    own: list[Pace] = []
    alone: list[Pace] = []
    rates: list[float] = []
    for number in range(options.repeats):
        for way in ways:
            rivals[way.name].append(_paces(way, SIZES, 1 + options.epochs, options.seed, data))
        own.append(ours(options.our_epochs, range(options.seed, options.seed + SEEDS)))
        alone.append(ours(options.our_epochs, [options.seed]))
        rates.append(matmul_rate())
        sys.stderr.write(f"round {number + 1} of {options.repeats} done\n")
    document = _summary(rivals, (own, alone), {way.name: way.threads for way in ways}, rates)
    sys.stdout.write(_table(document))
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _now() -> NDArray[np.float64]:
    """Wall and processor seconds, shape ``(2,)``."""
    return np.array([time.perf_counter(), time.process_time()])


def _loader_order() -> Tensor:
    """The order of one epoch of `DataLoader(shuffle=True)`, from the same draws.

    The loader draws a base seed that only worker processes use; its sampler then draws the seed
    of a generator of its own.
    """
    torch.empty((), dtype=torch.int64).random_()
    seed = int(torch.empty((), dtype=torch.int64).random_())
    return torch.randperm(N_TRAIN, generator=torch.Generator().manual_seed(seed))


def _finish(
    model: _Mlp, data: Images, chosen: Tensor, seconds: list[NDArray[np.float64]]
) -> Trained:
    model.eval()
    with torch.no_grad():
        test = model(data.test_x)
        train = model(data.train_x[chosen])
        return Trained(
            test_loss=nn.functional.cross_entropy(test, data.test_y).item(),
            test_accuracy=(test.argmax(1) == data.test_y).double().mean().item(),
            train_loss=nn.functional.cross_entropy(train, data.train_y[chosen]).item(),
            epoch_seconds=np.array(seconds),
            weights=tuple(p.detach().numpy().copy() for p in model.parameters() if p.ndim == 2),
        )


def _paces(
    way: _Way, sizes: Sequence[tuple[int, int]], epochs: int, seed: int, data: Images
) -> NDArray[np.float64]:
    """Wall and processor seconds a step of each size, trained in turn; ``(sizes, 2)``."""
    torch.set_num_threads(way.threads)
    trained = (way.train(h1, h2, epochs, seed, data=data) for h1, h2 in sizes)
    return np.array([network.seconds_per_step for network in trained])


def _best_settings(data: Images, seed: int, *, compiled: bool) -> list[_Way]:
    """For each PyTorch way the number of threads and the kind of Adam that serve it best.

    A short trial over the smallest, a middle and the largest size decides; each candidate has
    three tries and is judged by the best.
    """
    threads = sorted({1, os.cpu_count() or 1})
    notebook = [_Way("notebook_way", notebook_way, n) for n in threads]
    loader = [_Way("loader, tensors ready", partial(notebook_way, ready=True), n) for n in threads]
    tight = [
        _Way(
            f"tight_way {adam}{' compiled' if compile_it else ''}",
            partial(tight_way, adam=adam, compiled=compile_it),
            n,
        )
        for adam in ("fused", "foreach")
        for compile_it in ((False, True) if compiled else (False,))
        for n in threads
    ]
    sizes = (SIZES[0], SIZES[len(SIZES) // 2], SIZES[-1])
    chosen = []
    for candidates in (notebook, loader, tight):
        trials = []
        for way in candidates:
            pace = min(_paces(way, sizes, 3, seed, data)[:, 0].mean() for _ in range(3))
            trials.append(pace)
            sys.stderr.write(f"{way.name}, {way.threads} threads: {pace * 1e6:.0f} us a step\n")
        chosen.append(candidates[int(np.argmin(trials))])
    return chosen


def _summary(
    rivals: dict[str, list[NDArray[np.float64]]],
    paces: tuple[list[Pace], list[Pace]],
    threads: dict[str, int],
    rates: list[float],
) -> dict[str, Any]:
    """Microseconds a step of one network by way and size; each round's ratio to ours."""
    own, alone = paces
    wall, processor = (np.array([getattr(p, n) for p in own]) for n in ("wall", "processor"))
    ways, ratios, processor_ratios = {}, {}, {}
    for name, rounds in rivals.items():
        table = np.array(rounds)
        mean = table.mean(axis=1)
        ways[name] = {
            "threads": threads[name],
            "by_size": {str(s): _spread(1e6 * table[:, i, 0]) for i, s in enumerate(SIZES)},
            "us_per_step": _spread(1e6 * mean[:, 0]),
            "processor_us_per_step": _spread(1e6 * mean[:, 1]),
        }
        ratios[name] = _spread(mean[:, 0] / wall)
        processor_ratios[name] = _spread(mean[:, 1] / processor)
    return {
        "schema": "allometry/benchmark/notebook_mlp/1",
        "rounds": len(own),
        "machine": facts(),
        "torch": torch.__version__,
        "ways": ways,
        "ours": {
            "us_per_step": _spread(1e6 * wall),
            "processor_us_per_step": _spread(1e6 * processor),
            "us_per_step_whole_call": _spread(np.array([1e6 * p.whole_call for p in own])),
            "us_per_step_one_seed_alone": _spread(np.array([1e6 * p.wall for p in alone])),
            "first_call_seconds": own[0].first_call,
            "useful_gflops": _spread(_useful_flop() / wall / 1e9),
            "share_of_matmul_rate": _spread(_useful_flop() / wall / np.array(rates)),
        },
        "matmul_gflops": _spread(np.array(rates) / 1e9),
        "times_faster_than": ratios,
        "times_less_processor_time_than": processor_ratios,
    }


def _useful_flop() -> float:
    """Forward and backward, of a batch, the mean over the networks; without any padding."""
    counts = [MLP(widths=(784, h1, h2, 10)).counts() for h1, h2 in SIZES]
    return BATCH * float(np.mean([c.forward_flop + c.backward_flop for c in counts]))


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    low, median, high = map(float, np.percentile(values, (0, 50, 100)))
    return {"median": median, "low": low, "high": high}


def _table(document: dict[str, Any]) -> str:
    """The summary as text: a line a size, a column a way, medians with the range of rounds."""

    def cell(s: dict[str, float], digits: int = 0) -> str:
        text = f"{s['median']:.{digits}f} [{s['low']:.{digits}f}, {s['high']:.{digits}f}]"
        return text.rjust(28)

    ways, own = document["ways"], document["ours"]
    lines = ["microseconds a step of one network: median [lowest, highest round]", "size".ljust(12)]
    lines[1] += "".join(f"{name}, {way['threads']} thr".rjust(28) for name, way in ways.items())
    lines[1] += "ours".rjust(28)
    for size in map(str, SIZES):
        lines.append(size.ljust(12) + "".join(cell(way["by_size"][size]) for way in ways.values()))
    for title, key, ratio in (
        ("mean", "us_per_step", "times_faster_than"),
        ("processor", "processor_us_per_step", "times_less_processor_time_than"),
    ):
        cells = [cell(way[key]) for way in ways.values()]
        lines.append(title.ljust(12) + "".join(cells) + cell(own[key], 1))
        lines.append("  / ours".ljust(12) + "".join(cell(document[ratio][n], 1) for n in ways))
    lines.append(f"ours, one seed by itself: {cell(own['us_per_step_one_seed_alone'], 1).strip()}")
    share, rate = own["share_of_matmul_rate"], document["matmul_gflops"]
    lines.append(
        f"ours: {cell(own['useful_gflops'])} useful GFLOP/s, {share['median']:.0%} "
        f"[{share['low']:.0%}, {share['high']:.0%}] of {cell(rate)} of 1024 x 1024 products"
    )
    return "\n".join(lines) + "\n"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", help="write the numbers to this file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4, help="timed epochs a network (79 steps)")
    parser.add_argument("--our-epochs", type=int, default=79, help="timed epochs of the pack")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--compiled", action="store_true", help="try torch.compile as well")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
