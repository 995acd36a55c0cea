"""The compute-efficient frontier of networks trained for one epoch, in two measures of compute."""

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

FEWEST = 4  # least number of widths, and of cells on a frontier, for an exponent
MEASURES = ("compute", "notebook_compute")  # FLOP, and width x share of the images


@dataclass(frozen=True)
class Frontier:
    """The frontier of the networks trained with one dropout rate.

    Attributes:
        runs: number of runs.
        seeds: number of different seeds.
        cells: means over seeds, one row per cell of width and share.
        edges: the rows of `cells` on the frontier, by measure of compute.
        lines: slope and intercept of ln test loss on ln compute along the frontier, by measure of
            compute; a measure with fewer than four cells on its frontier is left out.
        exponents: `compute`, `notebook_compute` and `difference`; see `frontier_exponents`.
        law: L(N, D) fitted to all runs; None if the grid is too small.
        along: test loss as a power of FLOP along the frontier; None for fewer than four cells.
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
        """The frontier of these runs."""
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
        """The fits by the title they have in the report."""
        by_name = {
            f"Test loss, L(N, D){suffix}": self.law,
            f"Test loss along the frontier{suffix}": self.along,
        }
        return {name: fitted for name, fitted in by_name.items() if fitted is not None}


def _law(runs: Table) -> Fit | None:
    """L(N, D) fitted to all runs, with widths as the resampled units; None if too few."""
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
    """One row per cell of width and share: the means of its columns over seeds."""
    columns = ("model_size", "dataset_fraction", "n_params", "n_data", "compute",
               "notebook_compute", "test_loss")  # fmt: skip
    rows = [
        {name: float(np.mean(cell[name])) for name in columns}
        for _, cell in runs.groups("model_size", "dataset_fraction")
    ]
    return Table.from_rows(rows)


def frontier_rows(runs: Table, compute: str = "compute") -> Table:
    """The cells with a lower loss than every cell of less compute, in order of compute."""
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

    Intervals are from a jackknife over widths and over seeds. The frontier is determined again
    for each width or seed left out.

    Returns:
        `compute`, `notebook_compute` and `difference`, which is the first minus the second. NaN
        for fewer than four widths, or fewer than four cells on either frontier.
    """
    grid = _grid(runs)
    by_name = grid.jackknife(_exponents) if grid else {}
    if not by_name or np.isnan(by_name["difference"].value):
        return dict.fromkeys((*MEASURES, "difference"), NO_VALUE)
    return by_name


def with_dropout(trained: Table, dropout: Table) -> Mapping[str, Interval]:
    """The effect of dropout on the same cells.

    Intervals are from a jackknife over widths and over seeds.

    Returns:
        `ratio`: geometric mean of the test loss with dropout over that without; `change`: exponent
        of the frontier in FLOP with dropout minus that without. NaN if the cells of both differ or
        are too few.
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


WITH_DROPOUT = "dropout "  # prefix of column names


def _grid(runs: Table) -> Grid | None:
    """Widths by seeds, with columns for each share; None for fewer than `FEWEST` widths.

    Only widths for which every share was trained with every seed are taken.
    """
    shares, seeds = (sorted(set(runs[n].tolist())) for n in ("dataset_fraction", "seed"))
    rows_of = {width: len(rows) for (width,), rows in runs.groups("model_size")}
    whole = [width for width, n in rows_of.items() if n == len(shares) * len(seeds)]
    if len(whole) < FEWEST:
        return None
    runs = runs.take(np.isin(runs["model_size"], whole))
    names = ("test_loss", *MEASURES)
    grids = [Grid.of(runs.where(dataset_fraction=s), "model_size", names) for s in shares]
    columns = {f"{n} {k}": grid.columns[n] for k, grid in enumerate(grids) for n in names}
    return Grid(grids[0].size, grids[0].seeds, columns)


def _places(grid: Grid) -> tuple[object, ...]:
    return grid.size.tolist(), grid.seeds.tolist(), list(grid.columns)


def _all_shares(curves: Curves, name: str) -> Array:
    """The values of one quantity in all cells, ``(shares x widths,)``."""
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
