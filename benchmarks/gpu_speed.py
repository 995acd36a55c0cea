"""How fast packs train on a GPU: the 19 x 80 workload and an IsoFLOP grid, beside vmap by hand.

    python benchmarks/gpu_speed.py --json gpu.json          (or: make bench-gpu)
    python benchmarks/gpu_speed.py --device cpu --tiny      (the script itself, without a GPU)

19 x 80: the N-scaling notebook's 19 perceptrons, batches of 128 from 10,000 images (made up here:
their pace does not depend on what they show), 80 epochs. By hand they are padded to the widest, so
that one vmap takes all of them. IsoFLOP: byte models of three sizes with four learning rates each,
all trained for the same FLOP; by hand there is one vmap for each size. `jax.vmap` is a compiled
scan whose state is donated; `torch.func` is vmap of grad with torch.compile and fused Adam, on the
same device, where PyTorch is installed.

A step is an update of one network. Ways take turns within a round; ratios are formed within it.
Useful FLOP are those of `Model.counts`, without padding; the product rates they are compared with
are those of square matrices in the same precision, measured in every round. In float32 an NVIDIA
GPU multiplies in TF32 unless told otherwise, both in training and in that product.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from device import DEVICES, use
from machine import facts

if TYPE_CHECKING:  # its models load JAX, which must be told the device first
    from gpu_work import Group, Scale, Workload

PRECISIONS: tuple[Literal["float32", "bfloat16"], ...] = ("float32", "bfloat16")


# ---- the ways --------------------------------------------------------------------------------


def ours(work: Workload, precision: str, less: float) -> Callable[[], float]:
    """Seconds of all updates by packs: a training of all of them less one of the share `less`.

    What both pay for, loading and the tests at the end, is out; of each the best of three counts.
    """
    from allometry.engines.threads import at_once, in_threads
    from allometry.training.loop import train_pack
    from allometry.training.packing.choose import make_packs
    from allometry.training.procedure import Pack

    whole = work.specs(precision, 1.0)
    places = {id(spec): k for k, spec in enumerate(whole)}
    cut = [[places[id(spec)] for spec in pack.specs] for pack in make_packs(whole)]

    def seconds(share: float) -> float:
        specs = work.specs(precision, share)
        packs = [Pack(tuple(specs[k] for k in part)) for part in cut]
        began = time.perf_counter()
        made = in_threads(
            packs, lambda pack, tell: train_pack(pack, {}, {}, tell, untrained=False),
            lambda n: None, lambda: False, at_once(packs),
        )  # fmt: skip
        assert len(list(made)) == len(packs)
        return time.perf_counter() - began

    shares = (1.0, less) if less else (1.0,)

    def pace() -> float:
        best = [min(seconds(share) for _ in range(3)) for share in shares]
        long, short = (*best, 0.0)[:2]
        if long <= short:
            raise SystemExit(
                f"{work.name} in {precision}: {long:.3f} s for all updates, {short:.3f} s for "
                f"{less:.0%} of them: too little work to be timed here, make `Scale` larger"
            )
        return (long - short) / (1 - less)

    pace()  # compiled before
    return pace


def jax_vmap(work: Workload, precision: str, at_least: float) -> Callable[[], float]:
    """Seconds of all updates by one compiled scan for each group of equal networks."""
    import jax
    import jax.numpy as jnp
    import optax

    from allometry.spec.torch_draws import TorchDraws

    kind = jnp.dtype(precision)
    adam = optax.adam(1e-3)

    def epoch_of(group: Group) -> Callable[[], None]:
        one = group.model.init(TorchDraws(0))
        params = {n: jnp.stack([jnp.asarray(a)] * group.count) for n, a in one.items()}
        symbols = group.y.ndim == 3
        x, y = jnp.asarray(group.x, jnp.float32 if symbols else kind), jnp.asarray(group.y)

        def loss(params: Any, x: Any, y: Any) -> Any:
            outputs = group.model.apply(jax.tree.map(lambda a: a.astype(kind), params), x)
            each = optax.softmax_cross_entropy_with_integer_labels(outputs.astype(jnp.float32), y)
            return each.mean()

        def step(state: Any, batch: Any) -> Any:
            params, moments = state
            slope = jax.vmap(jax.grad(loss), in_axes=(0, None, None))(params, *batch)
            move, moments = adam.update(slope, moments)
            return (optax.apply_updates(params, move), moments), None

        scan = jax.jit(lambda state: jax.lax.scan(step, state, (x, y))[0], donate_argnums=0)
        state = scan((params, adam.init(params)))

        def epoch() -> None:
            nonlocal state
            state = jax.block_until_ready(scan(state))

        return epoch

    return _paced([(g, epoch_of(g)) for g in work.groups], at_least)


def torch_vmap(work: Workload, precision: str, device: str, at_least: float) -> Callable[[], float]:
    """Seconds of all updates by `torch.func` with `torch.compile`, the same groups."""
    import torch
    from torch import nn
    from torch.func import functional_call, grad, stack_module_state, vmap

    from gpu_torch import module_of

    place = torch.device("cuda" if device == "gpu" else "cpu")
    kind = getattr(torch, precision)
    torch.set_float32_matmul_precision("high")  # TF32, which JAX uses by default

    def epoch_of(group: Group) -> Callable[[], None]:
        modules = [module_of(group.model) for _ in range(group.count)]
        params = {
            n: p.detach().to(place).requires_grad_()
            for n, p in stack_module_state(modules)[0].items()
        }
        buffers = {n: b.to(place) for n, b in modules[0].named_buffers()}
        shape = module_of(group.model).to("meta")
        symbols = group.y.ndim == 3
        x = torch.from_numpy(group.x).to(place, torch.int64 if symbols else kind)
        y = torch.from_numpy(group.y).to(place, torch.int64)
        adam = torch.optim.Adam(params.values(), lr=1e-3, fused=True)

        def loss(params: Any, x: Any, y: Any) -> Any:
            cast = {n: p.to(kind) for n, p in params.items()}
            outputs = functional_call(shape, (cast, buffers), (x,)).float()
            return nn.functional.cross_entropy(outputs.flatten(0, -2), y.flatten())

        slopes = torch.compile(vmap(grad(loss), in_dims=(0, None, None)))

        def epoch() -> None:
            for batch, labels in zip(x, y, strict=True):
                with torch.no_grad():
                    slope = slopes({n: p.detach() for n, p in params.items()}, batch, labels)
                for name, p in params.items():
                    p.grad = slope[name]
                adam.step()
            if place.type == "cuda":
                torch.cuda.synchronize()

        epoch()
        return epoch

    return _paced([(g, epoch_of(g)) for g in work.groups], at_least)


def _paced(
    epochs: Sequence[tuple[Group, Callable[[], None]]], at_least: float
) -> Callable[[], float]:
    """Seconds of all updates of all groups, from a few epochs of each."""

    def seconds() -> float:
        whole = 0.0
        for group, epoch in epochs:
            began, n = time.perf_counter(), 0
            while n == 0 or time.perf_counter() - began < at_least:
                epoch()
                n += 1
            whole += group.updates * (time.perf_counter() - began) / (n * len(group.x))
        return whole

    return seconds


def product_rate(size: int, precision: str, at_least: float) -> float:
    """FLOP a second of square products, one after another in one program, the best call."""
    import jax
    import jax.numpy as jnp

    a = jnp.asarray(np.random.default_rng(0).random((size, size)) / size, precision)
    n = 8
    chain = jax.jit(lambda a, b: jax.lax.fori_loop(0, n, lambda i, b: a @ b, b))
    chain(a, a).block_until_ready()
    times: list[float] = []
    while sum(times) < at_least or len(times) < 3:
        began = time.perf_counter()
        chain(a, a).block_until_ready()
        times.append(time.perf_counter() - began)
    return n * 2 * float(size) ** 3 / min(times)


# ---- all of it -------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all ways in turn, several rounds; print a table and write JSON."""
    options = _options(argv)
    kind = use(options.device)
    from gpu_work import TINY, Scale, byte_models, perceptrons

    scale, began = TINY if options.tiny else Scale(), time.perf_counter()
    torch = None if importlib.util.find_spec("torch") else "PyTorch is not installed here"
    cells: list[dict[str, Any]] = []
    left_out: list[str] = [torch] if torch else []
    for make in (perceptrons, byte_models):
        work = make(scale)
        for precision in PRECISIONS:
            if time.perf_counter() - began > options.seconds:
                left_out.append(f"{work.name} in {precision}: no time left")
                continue
            ways = {"ours": ours(work, precision, scale.less)}
            ways["jax.vmap"] = jax_vmap(work, precision, scale.seconds)
            if not torch:
                note = _torch(ways, work, precision, options.device, scale.seconds)
                left_out += [note] if note else []
            cells.append(_cell(work, precision, ways, scale))
            print(_line(cells[-1]), flush=True)
    left_out = list(dict.fromkeys(left_out))
    print(*(f"LEFT OUT {what}" for what in left_out), f"device: {kind}", sep="\n")
    print(f"{time.perf_counter() - began:.0f} s")
    if options.json:
        document = {
            "schema": "allometry/benchmark/gpu_speed/1", "device": kind, "machine": facts(),
            "rounds": scale.rounds, "tiny": options.tiny, "cells": cells, "left_out": left_out,
        }  # fmt: skip
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _torch(
    ways: dict[str, Callable[[], float]], work: Workload, precision: str, device: str, least: float
) -> str | None:
    """Add PyTorch's way; why it is left out, where its compiler fails on this machine."""
    import torch

    if device == "gpu" and not torch.cuda.is_available():
        return "PyTorch: its build here has no CUDA"
    try:
        ways["torch.func"] = torch_vmap(work, precision, device, least)
    except Exception as error:  # the compiler's own, of many kinds: reported, not hidden
        return f"torch.func, {work.name} in {precision}: {str(error).strip().splitlines()[0]}"
    return None


def _cell(
    work: Workload, precision: str, ways: dict[str, Callable[[], float]], scale: Scale
) -> dict[str, Any]:
    rounds = [{name: pace() for name, pace in ways.items()} for _ in range(scale.rounds)]
    rates = [product_rate(scale.product, precision, scale.seconds) for _ in rounds]
    seconds = {name: np.array([r[name] for r in rounds]) for name in ways}
    own = seconds.pop("ours")
    return {
        "workload": work.name,
        "precision": precision,
        "us_per_step": {
            n: _spread(1e6 * s / work.steps) for n, s in {"ours": own, **seconds}.items()
        },
        "times_faster_than": {n: _spread(s / own) for n, s in seconds.items()},
        "product_tflops": _spread(np.array(rates) / 1e12),
        "share_of_product_rate": _spread(work.flop / own / np.array(rates)),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    low, median, high = map(float, np.percentile(values, (0, 50, 100)))
    return {"median": median, "low": low, "high": high}


def _line(cell: dict[str, Any]) -> str:
    def shown(s: dict[str, float]) -> str:
        return f"{s['median']:.4g} [{s['low']:.4g}, {s['high']:.4g}]"

    times = ", ".join(f"{n} {shown(s)}" for n, s in cell["us_per_step"].items())
    ratios = ", ".join(f"{n} {shown(s)}" for n, s in cell["times_faster_than"].items())
    return (
        f"{cell['workload']}, {cell['precision']}: us a step {times}; "
        f"their time to ours: {ratios}; ours has "
        f"{shown(cell['share_of_product_rate'])} of the product rate, "
        f"{shown(cell['product_tflops'])} TFLOP/s"
    )


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", choices=DEVICES, default="gpu")
    parser.add_argument("--tiny", action="store_true", help="a few steps: its figures say nothing")
    parser.add_argument("--seconds", type=float, default=360, help="after them nothing is begun")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
