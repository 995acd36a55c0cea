"""Power laws of NTK corrections: the notebook's slopes, and one law in all four sizes.

Seed 002's notebook draws a line through ln(mean spectral radius over 10 draws) over ln L
or ln N. Where there are more draws, each ten are a table like the notebook's, and
a slope here is the mean of the tables': single tables differ, since narrow deep networks
have heavy tails (Hanin and Nica 1909.05989).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.stats.interval import Interval
from allometry.stats.lines import line
from allometry.stats.means import mean
from allometry.studies.ntk_depth.printed import PRINTED, Row
from allometry.tables.table import Table

__all__ = [
    "COLUMNS", "SIZES", "Cells", "Slopes", "plane", "slopes", "slopes_view", "tables_view",
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

    @property
    def relative(self) -> Array:
        """Means over draws of the matched radius by that of its limit, ``(cells,)``."""
        radius, limit = (self.columns[f"matched_{n}spectral_radius"] for n in ("", "limit_"))
        return np.asarray(np.nanmean(radius / limit, axis=1))

    def only(self, mask: NDArray[np.bool_]) -> "Cells":
        """Some of the cells, ``(cells,)``."""
        return Cells(self.sizes[mask], {n: c[mask] for n, c in self.columns.items()})

    @property
    def wide(self) -> "Cells":
        """The cells of widths of 10 L or more, where theory expects fluctuations to be small."""
        return self.only(self.size("width") >= 10 * self.size("depth"))

    def some(self, draws: NDArray[np.int64]) -> "Cells":
        """Some of the draws of every cell."""
        return replace(self, columns={n: c[:, draws] for n, c in self.columns.items()})


# ---- the notebook's slopes ---------------------------------------------------------------


@dataclass(frozen=True)
class Slopes:
    """Lines over L and over N beside the printed ones; each array ``(rows,)``.

    Attributes:
        printed: the printed lines all of whose cells there are.
        slope, r2: means over tables of ten draws. limit: the same slope of K_inf alone.
        error: standard error of `slope` from the scatter of the tables; NaN of a single one.
    """

    printed: tuple[Row, ...]
    slope: Array
    r2: Array
    limit: Array
    error: Array

    def over(self, which: str) -> "Slopes":
        """Those over "L" or over "N"."""
        mask = np.array([row.over == which for row in self.printed], bool)
        rows = tuple(row for row in self.printed if row.over == which)
        arrays = (self.slope, self.r2, self.limit, self.error)
        return Slopes(rows, *(array[mask] for array in arrays))

    @property
    def target(self) -> Array:
        """The printed slopes."""
        return np.array([row.slope for row in self.printed])

    @property
    def allowed(self) -> Array:
        """The tolerance of each line."""
        return np.array([row.tolerance for row in self.printed])

    @property
    def met(self) -> int:
        """How many are within the tolerance of their printed line."""
        return int((self.distances[0] <= self.allowed).sum())

    @property
    def limit_met(self) -> int:
        """How many slopes of K_inf alone are."""
        return int((self.distances[1] <= self.allowed).sum())

    # Lines over one size share no cell, so the scatter between lines holds the noise of the
    # printed slopes and of ours: intervals of mean differences are Student's over lines.

    @property
    def off(self) -> Interval:
        """Mean over lines of our slope less the printed one."""
        return mean(self.slope - self.target)

    @property
    def limit_off(self) -> Interval:
        """Mean over lines of the slope of K_inf alone less the printed one."""
        return mean(self.limit - self.target)

    @property
    def distances(self) -> tuple[Array, Array]:
        """How far from the printed slopes ours are, and those of K_inf alone."""
        return np.abs(self.slope - self.target), np.abs(self.limit - self.target)


def slopes(cells: Cells) -> Slopes:
    """The slope of every printed line of which the table has all cells."""
    place = {tuple(size): i for i, size in enumerate(cells.sizes.tolist())}
    rows = [row for row in PRINTED if all(cell in place for cell in row.cells)]
    tables = _tables(cells.columns["spectral_radius"])
    limit = cells.mean("limit_spectral_radius")
    each = []
    for row in rows:
        at = [place[cell] for cell in row.cells]
        lines = [line(np.log(row.sizes), np.log(mean[at])) for mean in tables]
        alone = line(np.log(row.sizes), np.log(limit[at]))
        found = np.array([(x.slope, x.r2) for x in lines])
        several = len(lines) > 1
        error = found[:, 0].std(ddof=1) / np.sqrt(len(lines)) if several else np.nan
        each.append((*found.mean(axis=0), alone.slope, error))
    return Slopes(tuple(rows), *np.array(each).reshape(-1, 4).T)


def _parts(draws: int) -> list[NDArray[np.int64]]:
    """Which draws make up each table of ten."""
    return np.array_split(np.arange(draws), max(1, draws // DRAWS))


def _tables(values: Array) -> list[Array]:
    """Means over each ten draws, ``(cells,)``."""
    whole = np.nanmean(values, axis=1)
    return [_mean(values[:, part], whole) for part in _parts(values.shape[1])]


def _mean(values: Array, otherwise: Array) -> Array:
    """Mean over the draws there are; `otherwise` where there is none."""
    there = np.isfinite(values).sum(axis=1)
    return np.where(there > 0, np.nansum(values, axis=1) / np.maximum(there, 1), otherwise)


def slopes_view(table: Table) -> Table:
    """The slopes by what they are over, what is fixed, D_IN and M, as the notebook lists them."""
    ours = slopes(Cells.of(table))
    rows = [
        {"over": row.over, "fixed": row.fixed, "D_IN": row.d_in, "M": row.width,
         "slope": float(slope), "r2": float(r2), "points": row.points}
        for row, slope, r2 in zip(ours.printed, ours.slope, ours.r2, strict=True)
    ]  # fmt: skip
    return Table.from_rows(rows)


def tables_view(table: Table) -> Table:
    """Root mean square difference from the printed slopes, over L and over N, of each ten draws by
    themselves, of the means of their slopes, and of means over all draws at once; and, what chance
    alone makes of it, of each two of the tables from one another."""
    cells = Cells.of(table)
    tables = [slopes(cells.some(part)) for part in _parts(cells.draws)]
    whole = {n: np.nanmean(c, axis=1, keepdims=True) for n, c in cells.columns.items()}
    at_once = slopes(replace(cells, columns=whole))
    tens = list(enumerate(tables, start=1))
    rows = [
        {"draws": min(DRAWS, cells.draws), "of": f"table {i}", **_rms_by_kind(one)}
        for i, one in tens
    ]
    rows += [
        {"draws": cells.draws, "of": "mean of the slopes", **_rms_by_kind(slopes(cells))},
        {"draws": cells.draws, "of": "one mean over all", **_rms_by_kind(at_once)},
    ]
    rows += [
        {"draws": DRAWS, "of": f"table {i} from table {j}", **_rms_by_kind(one, other.slope)}
        for (i, one), (j, other) in combinations(tens, 2)
    ]
    return Table.from_rows(rows)


def _rms_by_kind(ours: Slopes, target: Array | None = None) -> dict[str, float]:
    square = (ours.slope - (ours.target if target is None else target)) ** 2
    over = np.array([row.over for row in ours.printed])
    return {
        f"rms_{which}": float(np.sqrt(square[over == which].mean()))
        if (over == which).any()
        else np.nan
        for which in "LN"
    }


# ---- one law in all sizes ----------------------------------------------------------------


def plane(cells: Cells, column: str, *, resamples: int = 400) -> Fit:
    """A L^a D^b N^c M^d fitted to the means of a column by least squares on logarithms.

    The author's regression, on all cells; see `within` for what the lack of balance does to it.
    Whole configurations (N, D, M) are resampled for its intervals.
    """
    n, d, m, depth = cells.sizes.T
    configuration = [f"{a},{b},{c}" for a, b, c in zip(n, d, m, strict=True)]
    table = Table({
        "y": cells.mean(column), "L": depth, "D": d, "N": n, "M": m,
        "configuration": np.array(configuration, object),
    })  # fmt: skip
    return fit(
        table, "power_product", {name: name for name in "LDNMy"}, objective="squared_log",
        cluster="configuration", resamples=resamples, interval="pairs",
    )  # fmt: skip
