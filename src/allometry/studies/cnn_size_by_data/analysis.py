"""Networks on a grid of widths by shares of the data: what their losses follow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from allometry.stats.interval import NO_VALUE, Interval
from allometry.stats.means import mean
from allometry.tables.table import Table

__all__ = [
    "NOTEBOOK_FRACTIONS", "Drop", "Parts", "drop_at_the_top", "frontier_exponents",
    "frontier_rows", "means", "parts", "slopes", "with_dropout",
]  # fmt: skip

Array = NDArray[np.float64]

NOTEBOOK_FRACTIONS = tuple(2.0**-k for k in range(10))
RESAMPLES = 1000
FEWEST = 4  # widths, and cells of a frontier, that an exponent is drawn from


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
    small, large = (repeats.where(model_size=width) for width in pair)
    a, b = small["test_accuracy"], large["test_accuracy"]
    if min(len(a), len(b)) < 2:
        return Drop((int(pair[0]), int(pair[1])), 1, NO_VALUE, NO_VALUE, float("nan"))
    test = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    return Drop(
        widths=(int(pair[0]), int(pair[1])),
        runs=min(len(a), len(b)),
        drop=Interval(float(b.mean() - a.mean()), float(test.low), float(test.high)),
        gap=mean(large["train_accuracy"] - b),
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
    loss = grid["test_loss"]

    def statistics(rows: NDArray[np.int64]) -> list[float]:
        design = np.column_stack([np.ones(len(rows)), width[rows], data[rows]])
        _, by_width, by_data = np.linalg.lstsq(design, loss[rows])[0]
        unit = flop[rows] - simple[rows]
        gain = _r2(flop[rows], loss[rows]) - _r2(simple[rows], loss[rows])
        return [by_width, by_data, abs(by_data / by_width), np.exp(np.ptp(unit)), gain]

    by = dict(zip(names, _resampled(len(grid), statistics), strict=True))
    # The spread follows from the design alone: nothing about it is random.
    spread = by["flop_spread"].value
    return {**by, "flop_spread": Interval(spread, spread, spread)}


def _r2(x: Array, y: Array) -> float:
    return float(np.corrcoef(x, y)[0, 1] ** 2) if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0


def _resampled(n: int, statistics: Callable[[NDArray[np.int64]], list[float]]) -> list[Interval]:
    """Each statistic of rows 0..n-1 with its 95% percentile interval over resampled rows."""
    rng = np.random.default_rng(0)
    value = statistics(np.arange(n))
    draws = np.array([statistics(rng.integers(0, n, n)) for _ in range(RESAMPLES)])
    return _percentiles(value, draws)


def _percentiles(value: list[float], draws: Array) -> list[Interval]:
    low, high = np.nanquantile(draws, [0.025, 0.975], axis=0)
    # A percentile interval may leave the value itself out, where resampling moves a minimum.
    return [Interval(v, min(a, v), max(b, v)) for v, a, b in zip(value, low, high, strict=True)]


# ---- real training --------------------------------------------------------------------------


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
        seeds, the frontier found anew each time.
    """
    names = ("compute", "notebook_compute")
    cells = _Cells.of(runs)
    value = cells.exponents(names) if cells else [float("nan")] * 2
    if cells is None or np.isnan(value).any():
        return dict.fromkeys((*names, "difference"), NO_VALUE)
    rng = np.random.default_rng(0)
    draws = np.array([cells.resampled(rng).exponents(names) for _ in range(RESAMPLES)])
    both = np.column_stack([draws, draws[:, 0] - draws[:, 1]])
    intervals = _percentiles([*value, value[0] - value[1]], both)
    return dict(zip((*names, "difference"), intervals, strict=True))


def with_dropout(trained: Table, dropout: Table) -> Mapping[str, Interval]:
    """The same cells with and without dropout.

    Returns:
        `ratio`: geometric mean of test loss with over without; `change`: exponent of the
        frontier in FLOP with less without. The same widths are drawn for both.
    """
    one, two = _Cells.of(trained), _Cells.of(dropout)
    nothing = dict.fromkeys(("ratio", "change"), NO_VALUE)
    if one is None or two is None or [c.shape for c in one.loss] != [c.shape for c in two.loss]:
        return nothing

    def statistics(a: _Cells, b: _Cells) -> list[float]:
        change = b.exponents(("compute",))[0] - a.exponents(("compute",))[0]
        return [float(np.exp(np.log(b.mean / a.mean).mean())), change]

    value = statistics(one, two)
    if np.isnan(value).any():
        return nothing
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, len(one.loss), len(one.loss))
        draws.append(statistics(one.resampled(rng, chosen), two.resampled(rng, chosen)))
    return dict(zip(("ratio", "change"), _percentiles(value, np.array(draws)), strict=True))


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
        for _, own in runs.sort("model_size", "dataset_fraction", "seed").groups("model_size"):
            if len(own) == len(seeds) * len(shares):
                loss.append(own["test_loss"].reshape(len(shares), len(seeds)))
                columns = ("compute", "notebook_compute")
                cost.append({n: own[n].reshape(len(shares), -1)[:, 0] for n in columns})
        return cls(tuple(loss), tuple(cost)) if len(loss) >= FEWEST else None

    @property
    def mean(self) -> Array:
        return np.concatenate([loss.mean(axis=1) for loss in self.loss])

    def resampled(
        self, rng: np.random.Generator, chosen: NDArray[np.int64] | None = None
    ) -> "_Cells":
        """Widths drawn anew (or those `chosen`), and seeds within each cell."""
        n = len(self.loss)
        chosen = rng.integers(0, n, n) if chosen is None else chosen
        loss = []
        for k in chosen:
            own = self.loss[k]
            picks = rng.integers(0, own.shape[1], own.shape)
            loss.append(np.take_along_axis(own, picks, axis=1))
        return _Cells(tuple(loss), tuple(self.cost[k] for k in chosen))

    def exponents(self, names: tuple[str, ...]) -> list[float]:
        """Slope of ln loss in ln compute along the frontier; NaN for fewer than four cells."""
        loss, found = self.mean, []
        for name in names:
            compute = np.concatenate([cost[name] for cost in self.cost])
            edge = _frontier(compute, loss)
            x, y = np.log(compute[edge]), np.log(loss[edge])
            found.append(float(np.polyfit(x, y, 1)[0]) if len(edge) >= FEWEST else float("nan"))
        return found
