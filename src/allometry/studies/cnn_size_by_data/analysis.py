"""Networks on a grid of widths by shares of the data: what their losses follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.means import difference, mean
from allometry.stats.resample import bootstrap
from allometry.tables.table import Table

__all__ = [
    "NOTEBOOK_FRACTIONS", "Drop", "Means", "Parts", "drop_at_the_top", "means_by", "parts",
    "slopes",
]  # fmt: skip

Array = NDArray[np.float64]

NOTEBOOK_FRACTIONS = tuple(2.0**-k for k in range(10))


class Parts(NamedTuple):
    """The finished runs by what they are for, in one order whatever the table's.

    grid: one update, a share that the notebook has. repeats: one update, another share.
    trained, dropout: an epoch in minibatches, without and with dropout.
    """

    grid: Table
    repeats: Table
    trained: Table
    dropout: Table


def parts(table: Table) -> Parts:
    """The parts of a table; some may be empty."""
    done = table.where(status="done").sort("model_size", "dataset_fraction", "seed")
    once = done["one_step"] == 1
    listed = np.isin(done["dataset_fraction"], NOTEBOOK_FRACTIONS)
    noisy = done["dropout"] > 0
    masks = once & listed, once & ~listed, ~once & ~noisy, ~once & noisy
    return Parts(*(done.take(mask) for mask in masks))


# ---- one update a cell ----------------------------------------------------------------------


@dataclass(frozen=True)
class Drop:
    """The two largest widths beside each other, in percentage points.

    Attributes:
        widths: the second largest and the largest. runs: of the one with fewer.
        drop: mean test accuracy of the largest less that of the other.
        gap: of the largest, mean accuracy on training images less that on test images.
        spread: standard deviation of the test accuracy from run to run.
    """

    widths: tuple[int, int]
    runs: int
    drop: Interval
    gap: Interval
    spread: float


def drop_at_the_top(repeats: Table) -> Drop:
    """With 95% intervals of Student's t (Welch's for the difference); NaN for too few runs."""
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
    """What the test loss of one update follows, with cells resampled.

    Returns:
        `width`, `data`: loss for each factor e, both at once; `ratio`: |data| over |width|;
        `flop_spread`: the largest training FLOP a unit of width x share over the smallest;
        `r2_gain`: R^2 in ln FLOP less R^2 in ln (width x share).
    """
    names = ("width", "data", "ratio", "flop_spread", "r2_gain")
    if len(grid) < 6 or min(len(set(grid[n])) for n in ("model_size", "dataset_fraction")) < 2:
        return dict.fromkeys(names, NO_VALUE)
    width, data = np.log(grid["model_size"]), np.log(grid["dataset_fraction"])
    flop, simple = np.log(grid["compute"]), np.log(grid["notebook_compute"])
    loss, n = grid["test_loss"], len(grid)

    def statistics(rows: NDArray[np.int64]) -> dict[str, float]:
        design = np.column_stack([np.ones(len(rows)), width[rows], data[rows]])
        _, by_width, by_data = np.linalg.lstsq(design, loss[rows])[0].tolist()
        unit = flop[rows] - simple[rows]
        return {
            "width": by_width,
            "data": by_data,
            "ratio": abs(by_data / by_width),
            "flop_spread": float(np.exp(np.ptp(unit))),
            "r2_gain": _r2(flop[rows], loss[rows]) - _r2(simple[rows], loss[rows]),
        }

    by_name = bootstrap(np.arange(n), statistics, lambda rng: rng.integers(0, n, n))
    # A minimum or maximum of resampled cells moves one way: its interval may leave the value out.
    intervals = {name: interval.with_value_inside() for name, interval in by_name.items()}
    # The spread follows from the design alone: nothing about it is random.
    spread = intervals["flop_spread"].value
    return {**intervals, "flop_spread": Interval(spread, spread, spread)}


def _r2(x: Array, y: Array) -> float:
    return float(np.corrcoef(x, y)[0, 1] ** 2) if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0


class Means(NamedTuple):
    """Means of a column at each value of another.

    Attributes:
        at: the values, rising, ``(values,)``. means: with Student's 95% intervals.
    """

    at: Array
    means: tuple[Interval, ...]


def means_by(rows: Table, name: str, column: str) -> Means:
    """Means of a column at each value of `name`."""
    values = sorted(set(rows[name].tolist()))
    means = tuple(mean(rows.where(**{name: value})[column]) for value in values)
    return Means(np.array(values, float), means)
