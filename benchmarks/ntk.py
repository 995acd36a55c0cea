"""How fast the NTK study's printed table is made: all draws at once, and one by one by autodiff.

* `one_by_one`: what a user writes: for each draw of each cell, data and weights from
  `jax.random`, the Jacobian of the network by `jax.jacrev`, its inner products, the limit kernel
  and `eigvalsh`. The network function is compiled anew for every cell (its shapes differ), and
  called once for each draw; both are timed apart. Measured on cells drawn at random from the
  table, and scaled to all of its cells.
* `ours`: ten draws of every cell of the table through `KernelDraws` with the
  study's measures: the first call with its compilation, and again.

    python benchmarks/ntk.py --json ntk.json

Cells wider than 500 are left out of the sample, since no Jacobian of them fits this machine's
memory; ours makes them too.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from allometry.studies.ntk_depth.limit import limit_ntk
from allometry.studies.ntk_depth.printed import PRINTED
from allometry.studies.ntk_depth.procedure import KernelDraws
from allometry.studies.ntk_depth.spec import KernelDraw
from allometry.studies.ntk_depth.study import STUDY
from machine import facts

__all__ = ["TABLE", "main", "one_by_one", "ours"]

# (N, D, M, L) of everything the printed table needs.
TABLE = tuple(dict.fromkeys(cell for row in PRINTED for cell in row.cells))
WIDEST = 500  # of the sample
SAMPLE = 12
DRAWS = 10


def one_by_one(cell: tuple[int, int, int, int], draws: int) -> tuple[float, float, float]:
    """Seconds to compile a cell's function, seconds for its draws, and its mean radius."""
    n, d, m, depth = cell
    sizes = [d, *[m] * depth, 1]

    def output(weights: list[jax.Array], x: jax.Array) -> jax.Array:
        for i, w in enumerate(weights):
            x = jnp.sqrt(2 / w.shape[1]) * x @ w.T
            x = jax.nn.relu(x) if i < len(weights) - 1 else x
        return x[:, 0]

    @jax.jit
    def radius(key: jax.Array) -> jax.Array:
        keys = jax.random.split(key, len(sizes))
        x = jax.random.normal(keys[0], (n, d))
        x = x / jnp.linalg.norm(x, axis=1, keepdims=True)
        pairs = zip(keys[1:], sizes[1:], sizes[:-1], strict=True)
        weights = [jax.random.normal(k, (a, b)) for k, a, b in pairs]
        jacobian = jax.jacrev(output)(weights, x)
        ntk = sum(jnp.einsum("nij,mij->nm", j, j) for j in jacobian)
        limit = limit_ntk(jnp.where(jnp.eye(n, dtype=bool), 1.0, x @ x.T), depth)
        return m * jnp.abs(jnp.linalg.eigvalsh(ntk - limit)).max()

    keys = [jax.random.key(i) for i in range(draws)]
    began = time.perf_counter()
    compiled = radius.lower(keys[0]).compile()
    ready = time.perf_counter()
    radii = [float(compiled(key)) for key in keys]
    return ready - began, time.perf_counter() - ready, float(np.mean(radii))


def ours(cells: Sequence[tuple[int, int, int, int]], draws: int) -> tuple[float, dict[Any, float]]:
    """Seconds for all draws of all cells, measures taken, and the mean radius of each."""
    specs = [
        KernelDraw(n_points=n, d_in=d, width=m, depth=depth, seed=seed)
        for n, d, m, depth in cells
        for seed in range(draws)
    ]
    procedure = KernelDraws()
    began = time.perf_counter()
    packs = procedure.packs(specs)
    results = [r for p in packs for r in procedure.run(p, STUDY.measures, {}, lambda n: None)]
    seconds = time.perf_counter() - began
    radii: dict[Any, list[Any]] = {}
    for r in results:
        key = tuple(r.row[name] for name in ("n_points", "d_in", "width", "depth"))
        radii.setdefault(key, []).append(r.row["spectral_radius"])
    return seconds, {key: float(np.mean(values)) for key, values in radii.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both in turn, several times over; print a table and write JSON."""
    options = _options(argv)
    narrow = [cell for cell in TABLE if cell[2] <= WIDEST]
    chosen = np.random.default_rng(0).choice(len(narrow), SAMPLE, replace=False)
    cells = [narrow[i] for i in sorted(chosen)]
    first, radii = ours(TABLE, DRAWS)
    rounds, own, means = [], [], {}
    for number in range(options.repeats):
        each = {cell: one_by_one(cell, DRAWS) for cell in cells}
        rounds.append([(compiling, drawing) for compiling, drawing, _ in each.values()])
        own.append(ours(TABLE, DRAWS)[0])
        means = {str(c): {"theirs": each[c][2], "ours": radii[c]} for c in cells}
        sys.stderr.write(f"round {number + 1} of {options.repeats} done\n")
    document = _summary(cells, np.array(rounds), np.array(own), first, means)
    sys.stdout.write(_table(document))
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _summary(
    cells: Sequence[Any], rounds: np.ndarray, own: np.ndarray, first: float, radii: dict[str, Any]
) -> dict[str, Any]:
    """Seconds of the sample by cell, of the whole table, and ratios with their range over rounds.

    Args:
        rounds: seconds compiling and drawing, (rounds, cells, 2). own: (rounds,).
    """
    scale = len(TABLE) / len(cells)
    compiling, drawing = scale * rounds.sum(1).T
    return {
        "schema": "allometry/benchmark/ntk/2",
        "rounds": len(own),
        "draws_a_cell": DRAWS,
        "cells": {"table": len(TABLE), "sample": len(cells)},
        "machine": facts(),
        "jax": jax.__version__,
        "one_by_one_seconds": {
            "table_compiling": _spread(compiling),
            "table_drawing": _spread(drawing),
            "by_cell": {
                str(c): {"compiling": _spread(rounds[:, i, 0]), "drawing": _spread(rounds[:, i, 1])}
                for i, c in enumerate(cells)
            },
        },
        "ours_seconds": {"again": _spread(own), "first_call": first},
        "times_faster": {
            "both with compiling": _spread((compiling + drawing) / first),
            "both compiled": _spread(drawing / own),
        },
        "mean_radius": radii,
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    low, median, high = map(float, np.percentile(values, (0, 50, 100)))
    return {"median": median, "low": low, "high": high}


def _table(document: dict[str, Any]) -> str:
    """The summary as text: a line a cell, medians with the range of rounds."""

    def cell(s: dict[str, float], digits: int = 3) -> str:
        return f"{s['median']:.{digits}f} [{s['low']:.{digits}f}, {s['high']:.{digits}f}]".rjust(24)

    theirs, own = document["one_by_one_seconds"], document["ours_seconds"]
    lines = [
        f"seconds for {DRAWS} draws of a cell, one by one: median [lowest, highest round]",
        "(N, D, M, L)".ljust(20) + "compiling".rjust(24) + "drawing".rjust(24),
    ]
    for name, seconds in theirs["by_cell"].items():
        lines.append(name.ljust(20) + cell(seconds["compiling"]) + cell(seconds["drawing"]))
    whole = theirs["table_compiling"], theirs["table_drawing"]
    name = f"all {document['cells']['table']} cells"
    lines.append(name.ljust(20) + cell(whole[0], 0) + cell(whole[1], 0))
    lines.append(f"ours, all cells at once: {cell(own['again'], 1).strip()} s")
    lines.append(f"  the first call, with its compilation: {own['first_call']:.1f} s")
    for name, ratio in document["times_faster"].items():
        lines.append(f"times faster, {name}: {cell(ratio, 1).strip()}")
    return "\n".join(lines) + "\n"


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", help="write the numbers to this file")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
