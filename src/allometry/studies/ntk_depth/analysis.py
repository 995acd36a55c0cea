"""Power laws of NTK corrections: the notebook's slopes, a plane on log axes, moments.

Seed 002's notebook draws a line through ln(mean spectral radius over 10 draws) over ln L
or ln N. Where there are more draws, each ten are a table like the notebook's, and
a slope here is the median of the tables': single tables differ, since narrow deep networks
have heavy tails (Hanin and Nica 1909.05989).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats.interval import Interval
from allometry.stats.lines import line
from allometry.studies.ntk_depth.printed import PRINTED, Row
from allometry.tables.table import Table

__all__ = [
    "COLUMNS", "Cells", "Slopes", "heavy_tail", "intervals", "mean_shift", "plane", "rms",
    "slopes", "slopes_view", "tables_view",
]  # fmt: skip

Array = NDArray[np.float64]
DRAWS = 10  # in a mean of the notebook's
COLUMNS = (
    "spectral_radius", "matched_spectral_radius", "limit_spectral_radius",
    "matched_limit_spectral_radius", "diagonal", "diagonal_square", "off_diagonal",
)  # fmt: skip
SIZES = ("n_points", "d_in", "width", "depth")


@dataclass(frozen=True)
class Cells:
    """Draws by cell; a draw that is not there is missing (NaN).

    Attributes:
        sizes: N, D, M and L of each cell, ``(cells, 4)``, in rising order.
        columns: name to ``(cells, draws)``.
    """

    sizes: NDArray[np.int64]
    columns: Mapping[str, Array]

    @classmethod
    def of(cls, table: Table) -> "Cells":
        """The finished draws of a table.

        Raises:
            DataError: when there are none.
        """
        done = table.where(status="done")
        if not len(done):
            raise DataError("no finished draw to analyse; `allometry run ntk_depth` makes them")
        sizes, cell = np.unique(
            np.stack([done[name] for name in SIZES], 1), axis=0, return_inverse=True
        )
        draws, draw = np.unique(done["draw"], return_inverse=True)
        columns = {}
        for name in COLUMNS:
            columns[name] = np.full((len(sizes), len(draws)), np.nan)
            columns[name][cell.ravel(), draw] = done[name]
        return cls(sizes, columns)

    @property
    def draws(self) -> int:
        return int(self.columns["diagonal"].shape[1])

    def size(self, name: str) -> Array:
        """One of the sizes, ``(cells,)``."""
        return self.sizes[:, SIZES.index(name)].astype(float)

    def mean(self, name: str) -> Array:
        """Means over draws, ``(cells,)``."""
        return np.asarray(np.nanmean(self.columns[name], axis=1))

    def only(self, chosen: NDArray[np.bool_]) -> "Cells":
        return Cells(self.sizes[chosen], {n: c[chosen] for n, c in self.columns.items()})

    def some(self, draws: NDArray[np.int64]) -> "Cells":
        """Some of the draws of every cell."""
        return replace(self, columns={n: c[:, draws] for n, c in self.columns.items()})

    def resample(self, rng: np.random.Generator) -> "Cells":
        """Draws of each cell drawn anew with replacement."""
        shape = self.columns["diagonal"].shape
        drawn = rng.integers(shape[1], size=shape)
        columns = {n: np.take_along_axis(c, drawn, axis=1) for n, c in self.columns.items()}
        return replace(self, columns=columns)


# ---- the notebook's slopes ---------------------------------------------------------------


@dataclass(frozen=True)
class Slopes:
    """Lines over L and over N beside the printed ones; each array ``(rows,)``.

    Attributes:
        printed: the printed lines all of whose cells there are.
        slope, r2: medians over tables of ten draws. limit: the same slope of K_inf alone.
    """

    printed: tuple[Row, ...]
    slope: Array
    r2: Array
    limit: Array

    def over(self, which: str) -> "Slopes":
        """Those over "L" or over "N"."""
        keep = np.array([row.over == which for row in self.printed], bool)
        rows = tuple(row for row in self.printed if row.over == which)
        return Slopes(rows, self.slope[keep], self.r2[keep], self.limit[keep])

    @property
    def target(self) -> Array:
        """The printed slopes."""
        return np.array([row.slope for row in self.printed])


def slopes(cells: Cells) -> Slopes:
    """Every printed line whose cells there are, found again."""
    place = {tuple(size): i for i, size in enumerate(cells.sizes.tolist())}
    rows = [row for row in PRINTED if all(cell in place for cell in row.cells)]
    tables = _tables(cells.columns["spectral_radius"])
    limit = cells.mean("limit_spectral_radius")
    out = []
    for row in rows:
        at = [place[cell] for cell in row.cells]
        lines = [line(np.log(row.sizes), np.log(mean[at])) for mean in tables]
        alone = line(np.log(row.sizes), np.log(limit[at]))
        out.append((*np.median([(x.slope, x.r2) for x in lines], axis=0), alone.slope))
    found = np.array(out).reshape(-1, 3)
    return Slopes(tuple(rows), *found.T)


def _parts(draws: int) -> list[NDArray[np.int64]]:
    """Which draws make up each table of ten."""
    return np.array_split(np.arange(draws), max(1, draws // DRAWS))


def _tables(values: Array) -> list[Array]:
    """Means over each ten draws, ``(cells,)``."""
    whole = np.nanmean(values, axis=1)
    return [_mean(values[:, part], whole) for part in _parts(values.shape[1])]


def _mean(values: Array, otherwise: Array) -> Array:
    """Mean over the draws there are; of another where there is none."""
    there = np.isfinite(values).sum(axis=1)
    return np.where(there > 0, np.nansum(values, axis=1) / np.maximum(there, 1), otherwise)


def slopes_view(table: Table) -> Table:
    """The slopes by what they are over, what is fixed, D_IN and M, as the notebook lists them."""
    found = slopes(Cells.of(table))
    rows = [
        {"over": row.over, "fixed": row.fixed, "D_IN": row.d_in, "M": row.width,
         "slope": float(slope), "r2": float(r2), "points": row.points}
        for row, slope, r2 in zip(found.printed, found.slope, found.r2, strict=True)
    ]  # fmt: skip
    return Table.from_rows(rows)


def tables_view(table: Table) -> Table:
    """Root mean square difference from the printed slopes, over L and over N, of each ten draws by
    themselves, of the medians over them, and of means over all draws at once; and, what chance
    alone makes of it, of each two of the tables from one another."""
    cells = Cells.of(table)
    tables = [slopes(cells.some(part)) for part in _parts(cells.draws)]
    whole = {n: np.nanmean(c, axis=1, keepdims=True) for n, c in cells.columns.items()}
    at_once = slopes(replace(cells, columns=whole))
    tens = list(enumerate(tables, start=1))
    rows = [
        {"draws": min(DRAWS, cells.draws), "of": f"table {i}", **_rms_by_kind(found)}
        for i, found in tens
    ]
    rows += [
        {"draws": cells.draws, "of": "medians", **_rms_by_kind(slopes(cells))},
        {"draws": cells.draws, "of": "one mean over all", **_rms_by_kind(at_once)},
    ]
    rows += [
        {"draws": DRAWS, "of": f"table {i} from table {j}", **_rms_by_kind(one, other.slope)}
        for (i, one), (j, other) in combinations(tens, 2)
    ]
    return Table.from_rows(rows)


def _rms_by_kind(found: Slopes, target: Array | None = None) -> dict[str, float]:
    square = (found.slope - (found.target if target is None else target)) ** 2
    over = np.array([row.over for row in found.printed])
    return {
        f"rms_{which}": float(np.sqrt(square[over == which].mean()))
        if (over == which).any()
        else np.nan
        for which in "LN"
    }


def rms(found: Slopes, *, limit: bool = False, resamples: int = 2000) -> Interval:
    """Root mean square difference from the printed slopes, lines drawn anew for its interval."""
    if len(found.printed) < 2:
        return Interval(np.nan, np.nan, np.nan)
    square = ((found.limit if limit else found.slope) - found.target) ** 2
    drawn = np.random.default_rng(0).integers(len(square), size=(resamples, len(square)))
    low, high = np.quantile(np.sqrt(square[drawn].mean(axis=1)), [0.025, 0.975])
    return Interval(float(np.sqrt(square.mean())), float(low), float(high))


# ---- one law in all sizes ----------------------------------------------------------------


def plane(cells: Cells, column: str, over: str | None = None, *, resamples: int = 400) -> Fit:
    """A L^a D^b N^c M^d fitted to the means of a column by least squares on logarithms.

    Configurations (N, D, M) are drawn whole for its intervals.

    Args:
        over: divide each draw by this column first.
    """
    values = cells.columns[column] / (cells.columns[over] if over else 1.0)
    n, d, m, depth = cells.sizes.T
    configuration = [f"{a},{b},{c}" for a, b, c in zip(n, d, m, strict=True)]
    table = Table({
        "y": np.nanmean(values, axis=1), "L": depth, "D": d, "N": n, "M": m,
        "configuration": np.array(configuration, object),
    })  # fmt: skip
    return fit(
        table, "power_product", {name: name for name in "LDNMy"}, objective="squared_log",
        cluster="configuration", resamples=resamples, interval="pairs",
    )  # fmt: skip


# ---- moments -----------------------------------------------------------------------------

Statistics = Callable[[Cells], Mapping[str, float]]


def heavy_tail(cells: Cells) -> dict[str, float]:
    """Slope of ln(E[K(x,x)^2] / E[K(x,x)]^2) on 5 L/M, line through 0, where 5 L/M <= 1.

    E[K(x,x)] is known exactly, so it is not estimated. Each pair of L and M is a point,
    weighted by how many cells have it.
    """
    beta, log_ratio, weight = moments_by_depth(cells)
    near = beta <= 1
    slope = (weight * beta * log_ratio)[near].sum() / (weight * beta**2)[near].sum()
    return {"heavy_tail": float(slope)}


def moments_by_depth(cells: Cells) -> tuple[Array, Array, Array]:
    """5 L/M, ln of the second-moment ratio, and cells of each pair of L and M."""
    pair = np.stack([cells.size("depth"), cells.size("width")], 1)
    pairs, group, count = np.unique(pair, axis=0, return_inverse=True, return_counts=True)
    total = np.bincount(group.ravel(), cells.mean("diagonal_square"))
    return 5 * pairs[:, 0] / pairs[:, 1], np.log(total / count), count.astype(float)


def mean_shift(cells: Cells) -> dict[str, float]:
    """Exponent in M of E[K(x, x') / ((2/D) K_inf^(L+1)) - 1] beside the diagonal.

    On the diagonal the expectation is exact; its fluctuation, which the other entries
    share, is subtracted draw by draw. Depths 8 to 18; between widths 100 to 250 and
    wider ones. NaN where a mean is not positive or there are no such widths.
    """
    depth, width = cells.size("depth"), cells.size("width")
    each = np.nanmean(cells.columns["off_diagonal"] - cells.columns["diagonal"], axis=1)
    deep = (depth >= 8) & (depth <= 18)
    groups = deep & (width >= 100) & (width <= 250), deep & (width > 250)
    if not all(group.any() for group in groups):
        return {"mean_shift": np.nan}
    near, far = (float(each[group].mean()) for group in groups)
    at = [float(np.log(width[group]).mean()) for group in groups]
    if min(near, far) <= 0:
        return {"mean_shift": np.nan}
    return {"mean_shift": float(np.log(far / near)) / (at[1] - at[0])}


def intervals(cells: Cells, statistics: Statistics, *, resamples: int = 400) -> dict[str, Interval]:
    """Each statistic with its 95% interval, the draws of every cell drawn anew; NaN from one draw
    or where over a tenth of the resamples have no value."""
    rng = np.random.default_rng(0)
    values = statistics(cells)
    drawn = [statistics(cells.resample(rng)) for _ in range(resamples if cells.draws > 1 else 0)]
    out: dict[str, Interval] = {}
    for name, value in values.items():
        sample: Any = np.array([d[name] for d in drawn])
        kept = sample[np.isfinite(sample)]
        ends = np.quantile(kept, [0.025, 0.975]) if len(kept) > 0.9 * resamples else (np.nan,) * 2
        if not ends[0] <= value <= ends[1]:
            ends = np.nan, np.nan
        out[name] = Interval(float(value), float(ends[0]), float(ends[1]))
    return out
