"""The compute-efficient frontier of networks trained for an epoch, in two measures of compute."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.resample import bootstrap
from allometry.tables.table import Table

__all__ = ["Frontier", "frontier_exponents", "frontier_rows", "means", "with_dropout"]

Array = NDArray[np.float64]

FEWEST = 4  # widths, and cells of a frontier, that an exponent is drawn from
MEASURES = ("compute", "notebook_compute")  # FLOP, and width x share of the images


@dataclass(frozen=True)
class Frontier:
    """Of networks trained with one dropout.

    Attributes:
        runs: how many there are.
        cells: means over seeds, one row a cell of width and share.
        edges: the rows of `cells` on the frontier, by measure of compute.
        lines: slope and intercept of ln test loss on ln compute along it, by measure of
            compute; none of fewer than four cells.
        exponents: `compute`, `notebook_compute` and `difference`; see `frontier_exponents`.
        law: L(N, D) of all runs; None where the grid is too small.
        along: test loss as a power of FLOP along the frontier; None of fewer than four cells.
    """

    runs: int
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
        `compute`, `notebook_compute` and `difference`, the first less the second; NaN for
        fewer than four cells on either frontier. Widths are resampled, and within each cell its
        seeds, and the frontier is taken of each resample.
    """

    def statistics(cells: _Cells) -> dict[str, float]:
        exponents = cells.exponents(MEASURES)
        return exponents | {"difference": exponents["compute"] - exponents["notebook_compute"]}

    cells = _Cells.of(runs)
    if cells is None or np.isnan(statistics(cells)["difference"]):
        return dict.fromkeys((*MEASURES, "difference"), NO_VALUE)
    by_name = bootstrap(cells, statistics, cells.resample)
    # The frontier takes minima, which resampling moves: an interval may leave its value out.
    return {name: interval.with_value_inside() for name, interval in by_name.items()}


def with_dropout(trained: Table, dropout: Table) -> Mapping[str, Interval]:
    """The same cells with and without dropout.

    Returns:
        `ratio`: geometric mean of test loss with over without; `change`: exponent of the
        frontier in FLOP with less without. The same widths are resampled for both. NaN where
        the cells differ or are too few.
    """
    no_value = dict.fromkeys(("ratio", "change"), NO_VALUE)
    if not (len(trained) and len(dropout)):
        return no_value
    without, noisy = _Cells.of(trained), _Cells.of(dropout)
    if without is None or noisy is None or without.shapes != noisy.shapes:
        return no_value
    both = (without, noisy)
    if np.isnan(list(_effect(both).values())).any():
        return no_value

    def resample(rng: np.random.Generator) -> tuple[_Cells, _Cells]:
        widths = rng.integers(0, len(both[0].loss), len(both[0].loss))
        return both[0].resample(rng, widths), both[1].resample(rng, widths)

    by_name = bootstrap(both, _effect, resample)
    return {name: interval.with_value_inside() for name, interval in by_name.items()}


def _effect(both: "tuple[_Cells, _Cells]") -> dict[str, float]:
    """Of cells without dropout and with it."""
    without, noisy = (cells.exponents(("compute",))["compute"] for cells in both)
    return {
        "ratio": float(np.exp(np.log(both[1].mean / both[0].mean).mean())),
        "change": noisy - without,
    }


@dataclass(frozen=True)
class _Cells:
    """Test losses of each width, ``(shares, seeds)``, and what each cell costs, ``(shares,)``."""

    loss: tuple[Array, ...]
    cost: tuple[Mapping[str, Array], ...]

    @classmethod
    def of(cls, runs: Table) -> "_Cells | None":
        """The widths for which every share was trained with every seed; None for too few widths."""
        seeds, shares = (sorted(set(runs[n].tolist())) for n in ("seed", "dataset_fraction"))
        loss, cost = [], []
        ordered = runs.sort("model_size", "dataset_fraction", "seed")
        for _, rows in ordered.groups("model_size"):
            if len(rows) == len(seeds) * len(shares):
                loss.append(rows["test_loss"].reshape(len(shares), len(seeds)))
                cost.append({n: rows[n].reshape(len(shares), -1)[:, 0] for n in MEASURES})
        return cls(tuple(loss), tuple(cost)) if len(loss) >= FEWEST else None

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [loss.shape for loss in self.loss]

    @property
    def mean(self) -> Array:
        return np.concatenate([loss.mean(axis=1) for loss in self.loss])

    def resample(
        self, rng: np.random.Generator, widths: NDArray[np.int64] | None = None
    ) -> "_Cells":
        """Widths resampled (or those given), and seeds within each cell."""
        n = len(self.loss)
        widths = rng.integers(0, n, n) if widths is None else widths
        loss = []
        for width in widths:
            of_width = self.loss[width]
            seeds = rng.integers(0, of_width.shape[1], of_width.shape)
            loss.append(np.take_along_axis(of_width, seeds, axis=1))
        return _Cells(tuple(loss), tuple(self.cost[width] for width in widths))

    def exponents(self, names: tuple[str, ...]) -> dict[str, float]:
        """Slope of ln loss on ln compute along the frontier; NaN for fewer than four cells."""
        loss, slopes = self.mean, {}
        for name in names:
            compute = np.concatenate([cost[name] for cost in self.cost])
            edge = _frontier(compute, loss)
            enough = len(edge) >= FEWEST
            slopes[name] = _line(compute[edge], loss[edge])[0] if enough else float("nan")
        return slopes
