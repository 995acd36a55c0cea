"""How the losses of a grid of widths by shares of the data depend on both and on compute."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.stats.grid import Curves, Grid
from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.means import difference, mean
from allometry.tables.table import Table

__all__ = [
    "NOTEBOOK_FRACTIONS", "Drop", "Means", "Parts", "Printed", "drop_at_the_top", "flop_a_unit",
    "means_by", "parts", "printed_cells", "slopes",
]  # fmt: skip

Array = NDArray[np.float64]

NOTEBOOK_FRACTIONS = tuple(2.0**-k for k in range(10))
HALF = 0.0005 + 1e-9  # half a unit of the third decimal printed, and the rounding of a float


class Parts(NamedTuple):
    """The finished runs by their purpose, sorted, so that the order of the table does not matter.

    Attributes:
        grid: one update, on a share that the notebook has.
        repeats: one update, on another share.
        trained, dropout: one epoch in minibatches, without and with dropout.
    """

    grid: Table
    repeats: Table
    trained: Table
    dropout: Table


def parts(table: Table) -> Parts:
    """The finished runs of a table by purpose; any part may be empty."""
    done = table.where(status="done").sort("model_size", "dataset_fraction", "seed")
    once = done["one_step"] == 1
    listed = np.isin(done["dataset_fraction"], NOTEBOOK_FRACTIONS)
    noisy = done["dropout"] > 0
    masks = once & listed, once & ~listed, ~once & ~noisy, ~once & noisy
    return Parts(*(done.take(mask) for mask in masks))


# ---- the notebook's table -------------------------------------------------------------------


def printed_cells() -> list[dict[str, float]]:
    """The 80 rows that the notebook printed, in its order; accuracies in percent."""
    text = (files(__package__) / "notebook_grid.csv").read_text("utf-8")
    return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(text.splitlines())]


class Printed(NamedTuple):
    """A comparison of the runs with the notebook's table.

    Attributes:
        cells: number of the notebook's cells that were run.
        losses: how many of their 2 x `cells` losses equal the notebook's to three decimals.
        accuracies: how many of their 2 x `cells` accuracies are within 0.1 point.
        others: share of the losses that equal the loss of the next cell in the table, a control.
    """

    cells: int
    losses: int
    accuracies: int
    others: float

    @classmethod
    def of(cls, grid: Table) -> "Printed":
        """The comparison for the runs at the notebook's cells with the notebook's seeds."""
        cell = ("model_size", "dataset_fraction", "seed")
        runs = {tuple(float(row[n]) for n in cell): row for row in grid}
        table = printed_cells()
        pairs = [
            (runs[key], row, table[(place + 1) % len(table)])
            for place, row in enumerate(table)
            if (key := tuple(row[n] for n in cell)) in runs
        ]
        differences = [
            run[n] - row[n] for run, row, _ in pairs for n in ("train_loss", "test_loss")
        ]
        accuracies = (("train_accuracy", "train_acc"), ("test_accuracy", "test_acc"))
        return cls(
            cells=len(pairs),
            losses=sum(abs(difference) <= HALF for difference in differences),
            # The notebook rounds accuracies to four decimals, then to three.
            accuracies=sum(
                abs(round(round(run[ours], 4), 3) - row[theirs]) <= 0.1
                for run, row, _ in pairs
                for ours, theirs in accuracies
            ),
            others=float(np.mean([
                abs(run[n] - other[n]) <= HALF
                for run, _, other in pairs for n in ("train_loss", "test_loss")
            ])) if pairs else float("nan"),
        )  # fmt: skip


# ---- one update per cell --------------------------------------------------------------------


@dataclass(frozen=True)
class Drop:
    """A comparison of the two largest widths, in percentage points.

    Attributes:
        widths: the second largest and the largest.
        runs: number of runs of the width that has fewer.
        drop: mean test accuracy of the largest width minus that of the second largest.
        gap: mean training accuracy minus mean test accuracy of the largest width.
        spread: standard deviation of the test accuracy between runs of one width.
    """

    widths: tuple[int, int]
    runs: int
    drop: Interval
    gap: Interval
    spread: float


def drop_at_the_top(repeats: Table) -> Drop:
    """The comparison of the two largest widths.

    Intervals are 95% intervals of Student's t (Welch's for the difference); NaN for too few runs.
    """
    sizes = sorted(set(repeats["model_size"].tolist()))
    if len(sizes) < 2:
        return Drop((0, 0), 0, NO_VALUE, NO_VALUE, float("nan"))
    pair = sizes[-2:]
    widths = (int(pair[0]), int(pair[1]))
    second, largest = (repeats.where(model_size=width) for width in pair)
    a, b = second["test_accuracy"], largest["test_accuracy"]
    if min(len(a), len(b)) < 2:
        return Drop(widths, 1, NO_VALUE, NO_VALUE, float("nan"))
    return Drop(
        widths=widths,
        runs=min(len(a), len(b)),
        drop=difference(b, a),
        gap=mean(largest["train_accuracy"] - b),
        spread=float(np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)),
    )


def slopes(grid: Table) -> Mapping[str, Interval]:
    """How the test loss after one update depends on width, data and compute.

    Intervals are from a jackknife over cells. Every cell has its own seed, so they include the
    scatter between seeds.

    Returns:
        `width`, `data`: change in loss for each factor e in width and in data, from one regression
        on both; `ratio`: `data` over `width`; `r2_width`, `r2_flop`, `r2_simple`: R^2 of the
        regression on the logarithm of the width, of the training FLOP and of width x share;
        `r2_gain`: `r2_flop` minus `r2_simple`. NaN for too few cells.
    """
    names = ("width", "data", "ratio", "r2_width", "r2_flop", "r2_simple", "r2_gain")
    if len(grid) < 6 or min(len(set(grid[n])) for n in ("model_size", "dataset_fraction")) < 2:
        return dict.fromkeys(names, NO_VALUE)
    columns = {
        "width": np.log(grid["model_size"]), "data": np.log(grid["dataset_fraction"]),
        "flop": np.log(grid["compute"]), "simple": np.log(grid["notebook_compute"]),
        "loss": grid["test_loss"],
    }  # fmt: skip
    cells = Grid(
        np.arange(float(len(grid))), np.array([0]), {n: c[None] for n, c in columns.items()}
    )
    return cells.jackknife(_slopes)


def _slopes(cells: Curves) -> dict[str, float]:
    loss = cells["loss"]
    design = np.column_stack([np.ones(len(loss)), cells["width"], cells["data"]])
    _, width, data = np.linalg.lstsq(design, loss)[0].tolist()
    r2 = {f"r2_{name}": _r2(cells[name], loss) for name in ("width", "flop", "simple")}
    gain = r2["r2_flop"] - r2["r2_simple"]
    return {"width": width, "data": data, "ratio": data / width, **r2, "r2_gain": gain}


def _r2(x: Array, y: Array) -> float:
    return float(np.corrcoef(x, y)[0, 1] ** 2) if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0


def flop_a_unit(grid: Table, column: str = "forward_flop") -> tuple[Array, Array]:
    """The widths of a grid and the FLOP per image and unit of width, ``(widths,)`` each.

    Args:
        column: `forward_flop`, or `compute`, which is divided by the number of images.
    """
    flop = grid[column] / (grid["n_data"] if column == "compute" else 1)
    widths, first = np.unique(grid["model_size"], return_index=True)
    return widths, np.asarray(flop[first] / widths)


class Means(NamedTuple):
    """Means of a column at each value of another.

    Attributes:
        at: the values in ascending order, ``(values,)``.
        means: the mean at each, with Student's 95% interval.
    """

    at: Array
    means: tuple[Interval, ...]


def means_by(rows: Table, name: str, column: str) -> Means:
    """Means of a column at each value of `name`."""
    values = sorted(set(rows[name].tolist()))
    means = tuple(mean(rows.where(**{name: value})[column]) for value in values)
    return Means(np.array(values, float), means)
