"""Two users' studies, each beside the same in a tight PyTorch loop.

`docs/examples/width_by_rate.py` and `docs/examples/teacher_data.py`, as `allometry run` makes them.

* `theirs`: one network after another: examples in tensors, batches by index tensors drawn
  beforehand, the loss's own function, no loader and no scheduler object. Each kind of network has
  the number of threads and the kind of optimiser, fused or foreach, that a trial finds fastest.
* `command`: `allometry run STUDY --store NEW` in a process of its own, from its start to its end:
  imports, data, compiled programs read from the disk, training, losses before and after, the
  store, the analysis. Theirs is the training and the losses at the end: not importing PyTorch, not
  reading the data. The first command, which compiles, is shown apart.
* `steady`: an update of one network, all packs at once; a long training less a short one.

Both ways start from the same numbers and see the same batches, so their losses at the end must
agree; if they do not, nothing is reported.

    python benchmarks/two_users.py --json two_users.json

The ways take turns within a round, and ratios are formed within a round: of wall seconds and of
processor seconds, which other people's work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import allometry as al
from allometry.datasets.batches import shared_order
from allometry.engines.threads import at_once, in_threads
from allometry.processors import processors
from allometry.spec import RunSpec
from allometry.spec.optimizers import SGD
from allometry.spec.torch_draws import TorchDraws
from allometry.training.loop import train_pack, updates
from allometry.training.packing.choose import make_packs
from allometry.training.procedure import Pack
from machine import facts
from notebook_mlp import _now, _spread

__all__ = ["main"]

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
STUDIES = ("width_by_rate", "teacher_data")
TRIAL = 30  # updates of a trial
SHORT, LONG = 0.2, 0.6  # of the runs' length: their difference is the pace of training alone
AGREE = 0.05  # of the logarithm of the test loss, typical and mean difference


@dataclass(frozen=True)
class Way:
    """How PyTorch trains a kind of network."""

    threads: int
    fused: bool


@dataclass
class Job:
    """A run in tensors, all drawn before the clock starts: the start, the batches, the rates."""

    spec: RunSpec
    examples: tuple[Tensor, Tensor, Tensor, Tensor]
    start: list[Tensor]
    batches: list[Tensor]
    rates: list[float]


def jobs_of(specs: Sequence[RunSpec]) -> list[Job]:
    """The runs of a study; equal data are one copy."""
    loaded: dict[Any, tuple[tuple[Tensor, ...], TorchDraws]] = {}
    orders: dict[Any, list[Tensor]] = {}
    jobs = []
    for spec in specs:
        if (spec.data, spec.seed) not in loaded:
            draws = TorchDraws(spec.seed)
            split = spec.data.prepare(draws)
            train_x, test_x = (x.reshape(len(x), -1) for x in (split.train_x, split.test_x))
            arrays = (train_x, split.train_y, test_x, split.test_y)
            loaded[spec.data, spec.seed] = tuple(map(_tensor, arrays)), draws
        examples, draws = loaded[spec.data, spec.seed]
        n, train = spec.data.n_used, spec.train
        steps = train.updates(n)
        order = (n, spec.seed, train.batch_size, steps)
        if order not in orders:
            orders[order] = _batches(*order)
        start = [torch.from_numpy(a.copy()) for a in spec.model.init(draws.copy()).values()]
        factors = train.schedule.factors(np.arange(steps), steps)
        rates = (train.optimizer.learning_rate * factors).tolist()
        jobs.append(Job(spec, examples, start, orders[order], rates))  # type: ignore[arg-type]
    return jobs


def theirs(job: Job, way: Way) -> float:
    """Train one network; its test loss."""
    network, loss = trained(job, way, len(job.batches))
    _, _, test_x, test_y = job.examples
    with torch.no_grad():
        return loss(network(test_x), test_y).item()


def trained(
    job: Job, way: Way, steps: int
) -> tuple[nn.Sequential, Callable[[Tensor, Tensor], Tensor]]:
    """The network after so many updates, and its loss."""
    torch.set_num_threads(way.threads)
    x, y, _, _ = job.examples
    network = _network(job)
    rule = job.spec.train.optimizer
    sgd = isinstance(rule, SGD)
    kind = partial(torch.optim.SGD, momentum=rule.momentum) if sgd else torch.optim.Adam
    optimizer = kind(
        network.parameters(), lr=rule.learning_rate, fused=way.fused, foreach=not way.fused
    )
    (group,) = optimizer.param_groups
    loss = nn.functional.cross_entropy if y.dtype == torch.int64 else nn.functional.mse_loss
    scheduled = len(set(job.rates)) > 1
    for batch, rate in zip(job.batches[:steps], job.rates[:steps], strict=True):
        if scheduled:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss(network(x.index_select(0, batch)), y.index_select(0, batch)).backward()
        optimizer.step()
    return network, loss


def best_ways(jobs: Sequence[Job]) -> dict[Any, Way]:
    """The fastest way for each kind of network, by the best of three short trials."""
    threads = sorted({1, len(processors())})
    ways = [Way(n, fused) for n in threads for fused in (True, False)]
    chosen = {}
    for job in {job.spec.model: job for job in jobs}.values():
        seconds = dict.fromkeys(ways, np.inf)
        for _ in range(3):
            for way in ways:
                began = time.perf_counter()
                trained(job, way, TRIAL)
                seconds[way] = min(seconds[way], time.perf_counter() - began)
        chosen[job.spec.model] = min(ways, key=lambda way: seconds[way])
    return chosen


def command(study: Path, folder: Path, number: int) -> tuple[NDArray[np.float64], al.Table]:
    """Wall and processor seconds of `allometry run`, and the table it stored."""
    store = folder / f"{study.stem}{number}.db"
    words = [sys.executable, "-m", "allometry", "run", str(study), "--store", str(store)]
    before, began = _children(), time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, env=_environment(folder))
    taken = np.array([time.perf_counter() - began, _children() - before])
    return taken, al.table(study, store=store)


def training(specs: Sequence[RunSpec], share: float) -> tuple[NDArray[np.float64], int]:
    """Wall and processor seconds of all packs at once, and the updates that they make.

    Args:
        share: of their length that the runs are trained.
    """
    packs = [Pack(tuple(_shorter(s, share) for s in p.specs)) for p in make_packs(specs)]
    began = _now()
    made = in_threads(
        packs,
        lambda pack, tell: train_pack(pack, {}, {}, tell, untrained=False),
        lambda n: None,
        lambda: False,
        at_once(packs),
    )
    assert len(list(made)) == len(packs)
    return _now() - began, sum(updates(spec) for pack in packs for spec in pack.specs)


def steady(specs: Sequence[RunSpec]) -> NDArray[np.float64]:
    """Wall and processor seconds of an update of one network."""
    (short, few), (long, many) = (training(specs, share) for share in (SHORT, LONG))
    return (long - short) / (many - few)


def measure(name: str, rounds: int, folder: Path) -> dict[str, Any]:
    """A study both ways, several rounds."""
    study = EXAMPLES / f"{name}.py"
    specs: list[Any] = list(al.study(study).specs("quick"))
    jobs = jobs_of(specs)
    ways = best_ways(jobs)
    first, _ = command(study, folder, 0)
    training(specs, SHORT)  # compiles what the longer one needs too
    rows: list[dict[str, NDArray[np.float64]]] = []
    for number in range(1, rounds + 1):
        whole, table = command(study, folder, number)
        began = _now()
        losses = [theirs(job, ways[job.spec.model]) for job in jobs]
        torch_whole = _now() - began
        difference = agreement(specs, losses, table)
        rows.append({"command": whole, "steady": steady(specs), "theirs": torch_whole})
        seconds = {key: values.tolist() for key, values in rows[-1].items()}
        sys.stderr.write(f"{name}, round {number}, load {os.getloadavg()[0]:.1f}: {seconds}\n")
    by_name = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    made = sum(map(updates, specs))
    return {
        "study": name,
        "runs": len(specs),
        "updates": made,
        "packs": [len(pack.specs) for pack in make_packs(specs)],
        "ways": {str(model.widths): vars(way) for model, way in ways.items()},
        "first_command_seconds": float(first[0]),
        "differences": difference,
        **{
            key: {"wall": _spread(values[:, 0]), "processor": _spread(values[:, 1])}
            for key, values in by_name.items()
        },
        "times_faster": {
            kind: {
                "command": _spread(by_name["theirs"][:, i] / by_name["command"][:, i]),
                "steady": _spread(by_name["theirs"][:, i] / made / by_name["steady"][:, i]),
            }
            for i, kind in enumerate(("wall", "processor"))
        },
    }


def agreement(
    specs: Sequence[RunSpec], losses: Sequence[float], table: al.Table
) -> dict[str, float]:
    """How far both ways' test losses are apart, as logarithms: the median, and the means.

    Raises:
        SystemExit: they are further apart than `AGREE`.
    """
    own = dict(zip(table["run_id"].tolist(), table["test_loss"].tolist(), strict=True))
    ratio = np.log([loss / own[spec.run_id] for spec, loss in zip(specs, losses, strict=True)])
    apart = {
        "typical": float(np.median(abs(ratio))),
        "largest": float(abs(ratio).max()),
        "mean": float(abs(ratio.mean())),
    }
    if not max(apart["typical"], apart["mean"]) <= AGREE:
        raise SystemExit(f"the losses do not agree, so the two ways do not do the same: {apart}")
    return apart


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the studies; print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--study", choices=STUDIES, action="append", help="this one alone")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = [measure(n, asked.rounds, Path(folder)) for n in asked.study or STUDIES]
    document = {
        "schema": "allometry/benchmark/two_users/1",
        "rounds": asked.rounds,
        "machine": facts(),
        "torch": torch.__version__,
        "load": os.getloadavg()[0],
        "studies": found,
    }
    sys.stdout.write(_table(document))
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _tensor(array: NDArray[Any]) -> Tensor:
    """A copy; class labels as PyTorch wants them."""
    whole = np.issubdtype(array.dtype, np.integer)
    return torch.from_numpy(array.astype(np.int64 if whole else np.float32))


def _batches(n: int, seed: int, size: int, steps: int) -> list[Tensor]:
    """The batches that the package draws, as index tensors."""
    passes = -(-steps // -(-n // size))
    orders = (torch.from_numpy(shared_order(seed, epoch, n)) for epoch in range(passes))
    return [batch for order in orders for batch in order.split(size)][:steps]


def _network(job: Job) -> nn.Sequential:
    widths = job.spec.model.widths
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter, start in zip(network.parameters(), job.start, strict=True):
            parameter.copy_(start)
    return network


def _shorter(spec: RunSpec, share: float) -> RunSpec:
    field = "epochs" if spec.train.epochs else "steps"
    length = round(share * getattr(spec.train, field))
    return spec.model_copy(update={"train": spec.train.model_copy(update={field: length})})


def _environment(folder: Path) -> dict[str, str]:
    """Compiled programs are kept in a folder of this benchmark, empty at the first command."""
    return {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "programs")}


def _children() -> float:
    """Processor seconds of ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(document: dict[str, Any]) -> str:
    def shown(spread: dict[str, float], digits: int = 1) -> str:
        numbers = (f"{spread[key]:.{digits}f}" for key in ("median", "low", "high"))
        return "{} [{}, {}]".format(*numbers)

    machine = document["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cpus']} processors; PyTorch {document['torch']}; median "
        f"[range] of {document['rounds']} rounds; load at the end {document['load']:.1f}"
    ]
    for s in document["studies"]:
        us = {k: 1e6 * v for k, v in s["steady"]["wall"].items()}
        rival = {k: 1e6 * v / s["updates"] for k, v in s["theirs"]["wall"].items()}
        faster = s["times_faster"]
        lines += [
            f"{s['study']}: {s['runs']} runs, {s['updates']:,} updates; packs of "
            f"{' '.join(map(str, s['packs']))}",
            f"  PyTorch          {shown(s['theirs']['wall'])} s, {shown(rival)} us an update",
            f"  allometry run    {shown(s['command']['wall'])} s; "
            f"the first time, compiling, {s['first_command_seconds']:.1f} s",
            f"  steady           {shown(us)} us an update of one network",
            f"  times faster     command {shown(faster['wall']['command'])}, "
            f"steady {shown(faster['wall']['steady'])}",
            f"  by processor s   command {shown(faster['processor']['command'])}, "
            f"steady {shown(faster['processor']['steady'])}",
            f"  test losses      typically {s['differences']['typical']:.1e} apart, "
            f"their mean {s['differences']['mean']:.1e}",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
