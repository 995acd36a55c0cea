"""The compute-efficient frontier of networks trained for an epoch, in two measures of compute."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.claims.words import n_seeds
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import NO_VALUE, Interval
from allometry.tables.table import Table

__all__ = ["Frontier", "frontier_exponents", "frontier_rows", "means", "with_dropout"]

Array = NDArray[np.float64]

FEWEST = 4  # widths, and cells of a frontier, that an exponent is drawn from
MEASURES = ("compute", "notebook_compute")  # FLOP, and width x share of the images


@dataclass(frozen=True)
class Frontier:
    """Of networks trained with one dropout.

    Attributes:
        runs: how many there are. seeds: how many different ones.
        cells: means over seeds, one row a cell of width and share.
        edges: the rows of `cells` on the frontier, by measure of compute.
        lines: slope and intercept of ln test loss on ln compute along it, by measure of
            compute; none of fewer than four cells.
        exponents: `compute`, `notebook_compute` and `difference`; see `frontier_exponents`.
        law: L(N, D) of all runs; None where the grid is too small.
        along: test loss as a power of FLOP along the frontier; None of fewer than four cells.
    """

    runs: int
    seeds: int
    cells: Table
    edges: Mapping[str, Table]
    lines: Mapping[str, tuple[float, float]]
    exponents: Mapping[str, Interval]
    law: Fit | None
    along: Fit | None

    @classmethod
    def of(cls, runs: Table) -> "Frontier":
        edges = {name: frontier_rows(runs, name) for name in MEASURES}
        return cls(
            runs=len(runs),
            seeds=n_seeds(runs),
            cells=means(runs),
            edges=edges,
            lines={
                name: _line(edge[name], edge["test_loss"])
                for name, edge in edges.items()
                if len(edge) >= FEWEST
            },
            exponents=frontier_exponents(runs),
            law=_law(runs),
            along=_along(edges["compute"]),
        )

    def fits(self, suffix: str = "") -> dict[str, Fit]:
        """By name, for the report."""
        by_name = {
            f"Test loss, L(N, D){suffix}": self.law,
            f"Test loss along the frontier{suffix}": self.along,
        }
        return {name: one for name, one in by_name.items() if one is not None}


def _law(runs: Table) -> Fit | None:
    """L(N, D) of all runs, whole widths resampled; None where the grid is too small."""
    if min(len(set(runs["n_params"])), len(set(runs["n_data"]))) < FEWEST:
        return None
    columns = {"N": "n_params", "D": "n_data", "L": "test_loss"}
    return fit(runs, "chinchilla", columns, objective="squared_log", cluster=("n_params",))


def _along(edge: Table) -> Fit | None:
    if len(edge) < FEWEST:
        return None
    return fit(edge, "power", {"x": "compute", "y": "test_loss"}, objective="squared_log")


def _line(compute: Array, loss: Array) -> tuple[float, float]:
    """Slope and intercept of ln loss on ln compute."""
    slope, intercept = np.polyfit(np.log(compute), np.log(loss), 1).tolist()
    return slope, intercept


def means(runs: Table) -> Table:
    """One row a cell of width and share: its columns' means over seeds."""
    columns = ("model_size", "dataset_fraction", "n_params", "n_data", "compute",
               "notebook_compute", "test_loss")  # fmt: skip
    rows = [
        {name: float(np.mean(cell[name])) for name in columns}
        for _, cell in runs.groups("model_size", "dataset_fraction")
    ]
    return Table.from_rows(rows)


def frontier_rows(runs: Table, compute: str = "compute") -> Table:
    """The cells that no cell of as little compute beats, by rising compute."""
    cells = means(runs)
    return cells.take(_frontier(cells[compute], cells["test_loss"]))


def _frontier(compute: Array, loss: Array) -> NDArray[np.int64]:
    order = np.lexsort([loss, compute])
    best = np.minimum.accumulate(loss[order])
    first = np.ones(len(order), dtype=bool)
    first[1:] = best[1:] < best[:-1]
    return order[first]


def frontier_exponents(runs: Table) -> Mapping[str, Interval]:
    """Exponents of test loss along the frontier, in FLOP and in width x share.

    Returns:
        `compute`, `notebook_compute` and `difference`, the first less the second, with the
        jackknife's intervals over widths and over seeds, the frontier taken again without each; NaN
        for fewer than four widths, or cells on either frontier.
    """
    grid = _grid(runs)
    by_name = grid.jackknife(_exponents) if grid else {}
    if not by_name or np.isnan(by_name["difference"].value):
        return dict.fromkeys((*MEASURES, "difference"), NO_VALUE)
    return by_name


def with_dropout(trained: Table, dropout: Table) -> Mapping[str, Interval]:
    """The same cells with and without dropout.

    Returns:
        `ratio`: geometric mean of test loss with over without; `change`: exponent of the
        frontier in FLOP with less without; with the jackknife's intervals over widths and over
        seeds. NaN where the cells differ or are too few.
    """
    without, noisy = (_grid(runs) if len(runs) else None for runs in (trained, dropout))
    by_name: Mapping[str, Interval] = {}
    if without and noisy and _places(without) == _places(noisy):
        noisy_columns = {f"{WITH_DROPOUT}{n}": c for n, c in noisy.columns.items()}
        both = Grid(without.size, without.seeds, {**without.columns, **noisy_columns})
        by_name = both.jackknife(_effect)
    if not by_name or np.isnan([interval.value for interval in by_name.values()]).any():
        return dict.fromkeys(("ratio", "change"), NO_VALUE)
    return by_name


WITH_DROPOUT = "dropout "  # before the names of columns


def _grid(runs: Table) -> Grid | None:
    """Widths by seeds, columns of each share; None for fewer than `FEWEST` whole widths.

    The widths for which every share was trained with every seed.
    """
    shares, seeds = (sorted(set(runs[n].tolist())) for n in ("dataset_fraction", "seed"))
    rows_of = {width: len(rows) for (width,), rows in runs.groups("model_size")}
    whole = [width for width, n in rows_of.items() if n == len(shares) * len(seeds)]
    if len(whole) < FEWEST:
        return None
    runs = runs.take(np.isin(runs["model_size"], whole))
    names = ("test_loss", *MEASURES)
    each = [Grid.of(runs.where(dataset_fraction=s), "model_size", names) for s in shares]
    columns = {f"{n} {k}": one.columns[n] for k, one in enumerate(each) for n in names}
    return Grid(each[0].size, each[0].seeds, columns)


def _places(grid: Grid) -> tuple[object, ...]:
    return grid.size.tolist(), grid.seeds.tolist(), list(grid.columns)


def _all_shares(curves: Curves, name: str) -> Array:
    """A quantity of every cell, ``(shares x widths,)``."""
    return np.concatenate([c for n, c in curves.columns.items() if n.rsplit(" ", 1)[0] == name])


def _exponent(curves: Curves, compute: str, prefix: str = "") -> float:
    """Slope of ln loss on ln compute along the frontier; NaN for fewer than four cells."""
    cost, loss = (_all_shares(curves, prefix + name) for name in (compute, "test_loss"))
    edge = _frontier(cost, loss)
    return _line(cost[edge], loss[edge])[0] if len(edge) >= FEWEST else float("nan")


def _exponents(curves: Curves) -> dict[str, float]:
    flop, simple = (_exponent(curves, name) for name in MEASURES)
    return {"compute": flop, "notebook_compute": simple, "difference": flop - simple}


def _effect(curves: Curves) -> dict[str, float]:
    losses = (_all_shares(curves, prefix + "test_loss") for prefix in (WITH_DROPOUT, ""))
    noisy, without = losses
    return {
        "ratio": float(np.exp(np.log(noisy / without).mean())),
        "change": _exponent(curves, "compute", WITH_DROPOUT) - _exponent(curves, "compute"),
    }
