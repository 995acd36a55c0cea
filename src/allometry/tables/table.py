"""A table: runs by columns, held as named NumPy arrays of one length."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allometry.errors import DataError, UsageError, did_you_mean, printable
from allometry.files.durable import written
from allometry.tables import frames
from allometry.tables.cells import is_exact
from allometry.tables.limits import listed
from allometry.tables.plans import CommittedPlan
from allometry.tables.printed import counted, table_text

if TYPE_CHECKING:
    import pandas
    import polars
    import xarray

__all__ = ["Column", "Origin", "Table", "Unit", "as_column"]

Column = NDArray[Any]  # of float64, int64, bool or object: what a column holds is not typed

Unit = Literal["line", "row"]

REAL = int | float | np.integer | np.floating
FIRST_ROWS, LAST_ROWS = 40, 10  # that a notebook shows of a table too long to be shown whole
KEPT = frozenset(map(np.dtype, (np.float64, np.int64, np.bool_, np.object_)))
MOST_SIGNED = 2**63 - 1
MOST_EXACT_FLOAT = 2**53  # a float keeps every whole number up to here


@dataclass(frozen=True)
class Origin:
    """The file that a table was read from, and the number of each row in it, (rows,).

    Attributes:
        unit: what is counted, from 1.
    """

    path: Path
    numbers: Sequence[int] = field(repr=False)
    unit: Unit = "line"


class Table:
    """Runs by columns.

    Args:
        columns: name to values; all of one length. Numbers become float64,
            int64 or uint64 arrays, anything else an array of objects. A missing value
            (None) in a column of numbers becomes NaN. No number is rounded: see `as_column`.
        trajectories: run_id to named arrays along training, for the runs that have any.
        notes: sentences on content of a file that was not read literally.
        origin: the file it was read from, for messages.
        plans: plans that were stored before their runs were declared.
    """

    def __init__(
        self,
        columns: Mapping[str, ArrayLike],
        trajectories: Mapping[str, Mapping[str, Column]] | None = None,
        *,
        notes: Sequence[str] = (),
        origin: Origin | None = None,
        plans: Sequence[CommittedPlan] = (),
    ):
        self.trajectories = trajectories or {}
        self.notes = tuple(notes)
        self.plans = tuple(plans)
        self._origin = origin
        self._columns = {name: as_column(name, values) for name, values in columns.items()}
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"columns of one length expected, got {lengths}")

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, object]]) -> "Table":
        """One mapping per row; every key is a column, in order of first appearance."""
        rows = list(rows)
        names = dict.fromkeys(name for row in rows for name in row)
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in names}
        return cls(columns)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._columns)

    @property
    def origin(self) -> Origin | None:
        """The file that the table was read from; None where it was not read from a file."""
        return self._origin

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> Column:
        """The column of that name, shape ``(rows,)``."""
        try:
            return self._columns[name]
        except KeyError:
            raise UsageError(
                f"no column {name!r} in this table; it has {listed(self._columns) or 'none'}"
                f"{did_you_mean(name, self._columns)}"
            ) from None

    def numbers(self, name: str, use: str) -> NDArray[np.float64]:
        """A column as floats, (rows,), NaN where missing.

        Args:
            use: what the numbers are used for, for messages.

        Raises:
            UsageError: no such column. DataError: text in it.
        """
        values = self[name]
        if values.dtype.kind in "iufb":
            return values.astype(float)
        for row, cell in enumerate(values):
            if cell is not None and not isinstance(cell, int | float | np.number):
                raise DataError(
                    f"{self.place(row)}, column {name!r} ({use}): a number was expected, "
                    f"got {cell!r}"
                )
        return np.array([np.nan if cell is None else float(cell) for cell in values])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows as dicts of plain Python values."""
        lists = {name: column.tolist() for name, column in self._columns.items()}
        for i in range(len(self)):
            yield {name: values[i] for name, values in lists.items()}

    def take(self, rows: ArrayLike) -> "Table":
        """The rows selected by a boolean mask or by integer positions."""
        index = np.asarray(rows)
        columns = {name: column[index] for name, column in self._columns.items()}
        origin = self._origin
        if origin is not None:
            origin = replace(origin, numbers=np.asarray(origin.numbers)[index])
        return self._like(columns, origin)

    def _like(self, columns: Mapping[str, ArrayLike], origin: Origin | None) -> "Table":
        """A table of these columns with the trajectories, notes and plans of this one."""
        return Table(columns, self.trajectories, notes=self.notes, origin=origin, plans=self.plans)

    def place(self, row: int) -> str:
        """The place of a row, for messages: `runs.csv, line 3`, or `row 2` counted from 1."""
        if self._origin is None:
            return f"row {row + 1}"
        return f"{self._origin.path}, {self._origin.unit} {self._origin.numbers[row]}"

    def where(self, /, **equals: object) -> "Table":
        """The rows whose columns equal all the values given."""
        mask = np.ones(len(self), dtype=bool)
        for name, value in equals.items():
            mask &= self[name] == value
        return self.take(mask)

    def sort(self, *names: str) -> "Table":
        """Rows in rising order of the named columns, the first the slowest; gaps come last.

        Raises:
            UsageError: no such column, or values in it that have no order.
        """
        return self.take(np.lexsort([_places(name, self[name]) for name in reversed(names)]))

    def groups(self, *names: str) -> Iterator[tuple[tuple[Any, ...], "Table"]]:
        """Pairs of (values of the named columns, their rows), in order of first appearance."""
        keys = list(zip(*(self[name].tolist() for name in names), strict=True))
        for key in dict.fromkeys(keys):
            yield key, self.take([i for i, k in enumerate(keys) if k == key])

    def with_columns(self, /, **columns: ArrayLike) -> "Table":
        """A copy with columns added or replaced."""
        return self._like({**self._columns, **columns}, self._origin)

    def without(self, *names: str) -> "Table":
        """A copy without these columns."""
        columns = {name: c for name, c in self._columns.items() if name not in names}
        return self._like(columns, self._origin)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """RFC 4180 text, or a file where a path is given; numbers round-trip exactly."""
        if path is None:
            return "".join(self._csv())
        with written(Path(path)) as part, part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(self._csv())
        return None

    def _csv(self, rows: int = 10_000) -> Iterator[str]:
        """The text in pieces, so that a million rows are not held as one."""
        yield ",".join(map(_quoted, self.columns)) + "\n"
        for first in range(0, len(self), rows):
            parts = [_cells(column[first : first + rows]) for column in self._columns.values()]
            yield "".join(",".join(row) + "\n" for row in zip(*parts, strict=True))

    def to_pandas(self) -> "pandas.DataFrame":
        """A pandas DataFrame.

        Raises:
            UnavailableError: the extra `pandas` is not installed.
        """
        return frames.pandas_frame(self._columns)

    def to_polars(self) -> "polars.DataFrame":
        """A Polars DataFrame; a missing number is null.

        Raises:
            UnavailableError: the extra `polars` is not installed.
        """
        return frames.polars_frame(self._columns)

    def to_xarray(self) -> "xarray.Dataset":
        """An xarray Dataset: columns by run, and the trajectories by run and point.

        The dimension of runs is ``run_id`` where there is such a column, else ``row``. A trajectory
        has shape ``(runs, points, ...)``, NaN where a run has fewer points or none, and is called
        ``NAME_along`` where a column is called NAME.

        Raises:
            UnavailableError: the extra `xarray` is not installed.
        """
        return frames.dataset(self._columns, self.trajectories)

    def to_parquet(self, path: str | Path) -> None:
        """Write a Parquet file; a missing value is null, text where texts and others are mixed.

        Raises:
            UnavailableError: the extra `parquet` is not installed.
        """
        frames.write_parquet(self._columns, Path(path))

    def along_training(self) -> "Table":
        """A row for each point of each run's trajectory.

        The columns are those of the run, with their values at its end, then its trajectories. A
        trajectory replaces a column of the same name. An array at each point becomes ``NAME.0``,
        ``NAME.1``, ...

        Raises:
            UsageError: no run has a trajectory.
        """
        columns, notes = frames.along_training(self._columns, self.trajectories)
        return Table(columns, notes=(*self.notes, *notes))

    def __repr__(self) -> str:
        return table_text(self._columns, len(self))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        rows = list(range(len(self)))
        left_out = len(rows) - FIRST_ROWS - LAST_ROWS
        shown = rows if left_out <= 1 else [*rows[:FIRST_ROWS], *rows[-LAST_ROWS:]]
        values = [self[name].tolist() for name in self.columns]
        lines = [
            "<tr>" + "".join(f"<td>{escape(_shown(column[i]))}</td>" for column in values) + "</tr>"
            for i in shown
        ]
        if left_out > 1:
            between = f"… {left_out:,} rows more …"
            lines.insert(FIRST_ROWS, f'<tr><td colspan="{len(values)}">{between}</td></tr>')
        return printable(
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
            f"<p>{counted(len(rows), len(values))}</p>"
        )


def as_column(name: str, values: ArrayLike) -> Column:
    """The values as a column in which every number is exact.

    Numbers are float64, int64, or uint64 where that holds them all. Where none of these keeps
    each of them exactly (a whole number of 60 bits beside a gap, say), they stay Python objects.

    Raises:
        DataError: not of one dimension, or a whole number that 64 bits do not hold.
    """
    if type(values) is np.ndarray and values.ndim == 1 and values.dtype in KEPT:
        return values.copy()
    if isinstance(values, list | tuple):
        return _from_list(name, list(values))
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(
            f"column {name!r}: values of one dimension were expected, got shape {array.shape}"
        )
    if array.dtype.kind == "u":
        is_wide = array.dtype.itemsize == 8 and bool((array > MOST_SIGNED).any())
        return array.astype(np.uint64 if is_wide else np.int64)
    if array.dtype.kind in "ib":
        return array if array.dtype.kind == "b" else array.astype(np.int64)
    return array.astype(np.float64) if array.dtype.kind == "f" else array.astype(object)


def _from_list(name: str, values: list[Any]) -> Column:
    kinds = {*map(type, values)}
    present = kinds - {type(None)}
    if present and all(issubclass(k, REAL) and k is not bool for k in present):
        return _numbers(name, values, kinds)
    if kinds and kinds <= {bool, np.bool_}:
        return np.array(values)
    try:
        return _objects(values)
    except ValueError:
        raise DataError(
            f"column {name!r}: values of one dimension were expected, got lists in its cells"
        ) from None


def _numbers(name: str, values: list[Any], kinds: set[type]) -> Column:
    wholes = {kind for kind in kinds if issubclass(kind, int | np.integer)}
    whole = values if wholes == kinds else [v for v in values if type(v) in wholes]
    low, high = (int(min(whole)), int(max(whole))) if whole else (0, 0)
    for value in (low, high):
        if not is_exact(value):
            raise DataError(
                f"column {name!r}: a whole number from -2**63 to 2**64-1 was expected, which "
                f"64 bits hold, got {_in_short(value)}; give it as a float or as text"
            )
    if wholes == kinds:
        if high <= MOST_SIGNED:
            return np.array(values, np.int64)
        return np.array(values, np.uint64) if low >= 0 else _objects(values)
    if max(-low, high) > MOST_EXACT_FLOAT and any(int(float(v)) != v for v in whole):
        return _objects(values)
    return np.array([math.nan if v is None else v for v in values], np.float64)


def _places(name: str, column: Column) -> Column:
    """Values that sort as the column does; for objects the rank of each, gaps last."""
    if column.dtype.kind != "O":
        return column
    cells = column.tolist()
    try:
        known = sorted({cell for cell in cells if cell is not None and cell == cell})
        place = {cell: i for i, cell in enumerate(known)}
        return np.array([place.get(cell, len(known)) for cell in cells])
    except TypeError:
        raise UsageError(
            f"column {name!r} holds values that have no order; sort by numbers or by text"
        ) from None


def _in_short(value: int) -> str:
    digits = value.bit_length() * math.log10(2)
    return str(value) if digits < 40 else f"one of about {digits:.0f} digits"


def _objects(values: list[Any]) -> Column:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


_SPECIAL = re.compile('[,"\r\n#]')  # need quotes; # as a line that begins with it is a comment


def _cells(column: Column) -> list[str]:
    """Each value as it stands in a CSV file; a missing number is empty."""
    values: list[Any] = column.tolist()
    if column.dtype.kind == "f":
        return ["" if value != value else repr(value) for value in values]
    if column.dtype.kind in "iub":
        return list(map(str, values))
    if {*map(type, values)} == {str} and not _SPECIAL.search("".join(values)):
        return values
    return [_quoted(_cell(value)) for value in values]


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _quoted(cell: str) -> str:
    # The csv module of Python 3.11 leaves a carriage return bare, and readers split there.
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
