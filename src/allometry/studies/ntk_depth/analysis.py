"""Power laws of NTK corrections: the notebook's slopes, and one law in all four sizes.

Notebook 002 fits a line to ln(mean spectral radius over 10 draws) against ln L or ln N. With
more draws, each ten form a table like the notebook's, and a slope here is the mean of the
tables' slopes. Single tables differ, because deep narrow networks have heavy tails (Hanin and
Nica 1909.05989).
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
DRAWS = 10  # in each of the notebook's means
COLUMNS = (
    "spectral_radius", "matched_spectral_radius", "limit_spectral_radius",
    "matched_limit_spectral_radius", "diagonal", "diagonal_square", "off_diagonal",
)  # fmt: skip
SIZES = ("n_points", "d_in", "width", "depth")


@dataclass(frozen=True)
class Cells:
    """Draws by cell; NaN for a missing draw.

    Attributes:
        sizes: N, D, M and L of each cell, ``(cells, 4)``, in ascending order.
        columns: values of each column, ``(cells, draws)``.
    """

    sizes: NDArray[np.int64]
    columns: Mapping[str, Array]

    @classmethod
    def of(cls, table: Table) -> "Cells":
        """The finished draws of a table.

        Raises:
            DataError: the table has no finished draw.
        """
        done = table.where(status="done")
        if not len(done):
            raise DataError("no finished draw to analyse; run `allometry run ntk_depth`")
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
        """Number of draws per cell."""
        return int(self.columns["diagonal"].shape[1])

    def size(self, name: str) -> Array:
        """One of the sizes, ``(cells,)``."""
        return self.sizes[:, SIZES.index(name)].astype(float)

    def mean(self, name: str) -> Array:
        """Means over draws, ``(cells,)``."""
        return np.asarray(np.nanmean(self.columns[name], axis=1))

    @property
    def relative(self) -> Array:
        """Means over draws of the matched radius over that of its limit, ``(cells,)``."""
        radius, limit = (self.columns[f"matched_{n}spectral_radius"] for n in ("", "limit_"))
        return np.asarray(np.nanmean(radius / limit, axis=1))

    def only(self, mask: NDArray[np.bool_]) -> "Cells":
        """The cells selected by a mask ``(cells,)``."""
        return Cells(self.sizes[mask], {n: c[mask] for n, c in self.columns.items()})

    @property
    def wide(self) -> "Cells":
        """The cells with widths of 10 L or more, for which theory predicts small fluctuations."""
        return self.only(self.size("width") >= 10 * self.size("depth"))

    def some(self, draws: NDArray[np.int64]) -> "Cells":
        """Every cell with these draws only."""
        return replace(self, columns={n: c[:, draws] for n, c in self.columns.items()})


# ---- the notebook's slopes ---------------------------------------------------------------


@dataclass(frozen=True)
class Slopes:
    """Our lines over L and N for the printed ones; each array ``(rows,)``.

    Attributes:
        printed: the printed lines for which the table has all cells.
        slope, r2: means over tables of ten draws.
        limit: the slope of K_inf alone.
        error: standard error of `slope` from the scatter of the tables; NaN for a single table.
    """

    printed: tuple[Row, ...]
    slope: Array
    r2: Array
    limit: Array
    error: Array

    def over(self, which: str) -> "Slopes":
        """The lines over "L" or over "N"."""
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
        """Number of slopes within the tolerance of their printed line."""
        return int((self.distances[0] <= self.allowed).sum())

    @property
    def limit_met(self) -> int:
        """Number of slopes of K_inf alone within the tolerance of their printed line."""
        return int((self.distances[1] <= self.allowed).sum())

    # Lines over one size share no cell, so the scatter between lines includes the noise of the
    # printed slopes and of ours. Intervals of mean differences are therefore Student's over lines.

    @property
    def off(self) -> Interval:
        """Mean over lines of our slope minus the printed one."""
        return mean(self.slope - self.target)

    @property
    def limit_off(self) -> Interval:
        """Mean over lines of the slope of K_inf alone minus the printed one."""
        return mean(self.limit - self.target)

    @property
    def distances(self) -> tuple[Array, Array]:
        """Absolute differences from the printed slopes: of ours, and of K_inf alone."""
        return np.abs(self.slope - self.target), np.abs(self.limit - self.target)


def slopes(cells: Cells) -> Slopes:
    """Our slope for every printed line for which the table has all cells."""
    place = {tuple(size): i for i, size in enumerate(cells.sizes.tolist())}
    rows = [row for row in PRINTED if all(cell in place for cell in row.cells)]
    tables = _tables(cells.columns["spectral_radius"])
    limit = cells.mean("limit_spectral_radius")
    by_row = []
    for row in rows:
        at = [place[cell] for cell in row.cells]
        lines = [line(np.log(row.sizes), np.log(mean[at])) for mean in tables]
        alone = line(np.log(row.sizes), np.log(limit[at]))
        slope_and_r2 = np.array([(x.slope, x.r2) for x in lines])
        several = len(lines) > 1
        error = slope_and_r2[:, 0].std(ddof=1) / np.sqrt(len(lines)) if several else np.nan
        by_row.append((*slope_and_r2.mean(axis=0), alone.slope, error))
    return Slopes(tuple(rows), *np.array(by_row).reshape(-1, 4).T)


def _parts(draws: int) -> list[NDArray[np.int64]]:
    """The draws of each table of ten."""
    return np.array_split(np.arange(draws), max(1, draws // DRAWS))


def _tables(values: Array) -> list[Array]:
    """Means over the draws of each table, ``(cells,)`` each."""
    whole = np.nanmean(values, axis=1)
    return [_mean(values[:, part], whole) for part in _parts(values.shape[1])]


def _mean(values: Array, otherwise: Array) -> Array:
    """Mean over the finite draws of each cell; `otherwise` for a cell without any."""
    count = np.isfinite(values).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), otherwise)


def slopes_view(table: Table) -> Table:
    """Our slopes, in the columns and the order of the notebook's table."""
    ours = slopes(Cells.of(table))
    rows = [
        {"over": row.over, "fixed": row.fixed, "D_IN": row.d_in, "M": row.width,
         "slope": float(slope), "r2": float(r2), "points": row.points}
        for row, slope, r2 in zip(ours.printed, ours.slope, ours.r2, strict=True)
    ]  # fmt: skip
    return Table.from_rows(rows)


def tables_view(table: Table) -> Table:
    """Root mean square differences between tables of slopes, over L and over N.

    The first rows are differences from the printed slopes: of each table of ten draws, of the mean
    of the tables' slopes, and of the slopes of one mean over all draws. The last rows compare each
    two of our tables, which differ by chance alone.
    """
    cells = Cells.of(table)
    tables = [slopes(cells.some(part)) for part in _parts(cells.draws)]
    whole = {n: np.nanmean(c, axis=1, keepdims=True) for n, c in cells.columns.items()}
    at_once = slopes(replace(cells, columns=whole))
    tens = list(enumerate(tables, start=1))
    rows = [
        {"draws": min(DRAWS, cells.draws), "of": f"table {i}", **_rms_by_kind(table_slopes)}
        for i, table_slopes in tens
    ]
    rows += [
        {"draws": cells.draws, "of": "mean of the slopes", **_rms_by_kind(slopes(cells))},
        {"draws": cells.draws, "of": "one mean over all", **_rms_by_kind(at_once)},
    ]
    rows += [
        {"draws": DRAWS, "of": f"table {i} from table {j}", **_rms_by_kind(first, second.slope)}
        for (i, first), (j, second) in combinations(tens, 2)
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

    This is the author's regression on all cells; see `within` for its bias on an unbalanced grid.
    For the intervals, whole configurations (N, D, M) are resampled.
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
