"""Columns and trajectories in the forms of other libraries: pandas, Polars, xarray, Parquet."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import DataError, UnavailableError, UsageError
from allometry.files.durable import written
from allometry.tables.limits import MOST_COLUMNS

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    import xarray

__all__ = [
    "along_training",
    "dataset",
    "pandas_frame",
    "polars_frame",
    "real_arrays",
    "write_parquet",
]

Columns = Mapping[str, NDArray[Any]]
Trajectories = Mapping[str, Mapping[str, NDArray[Any]]]

RUN, ROW, POINT = "run_id", "row", "trajectory_point"


def pandas_frame(columns: Columns) -> "pandas.DataFrame":
    """See `Table.to_pandas`."""
    try:
        import pandas
    except ImportError:
        raise _lacking("a DataFrame needs pandas", "pandas") from None
    return pandas.DataFrame(dict(columns))


def polars_frame(columns: Columns) -> "polars.DataFrame":
    """See `Table.to_polars`."""
    try:
        import polars
    except ImportError:
        raise _lacking("a Polars DataFrame needs polars", "polars") from None
    series = []
    for name, column in columns.items():
        if column.dtype.kind != "O":
            series.append(polars.Series(name, column, nan_to_null=True))
        else:
            is_text = _kinds(column) <= {str}
            dtype = polars.String if is_text else polars.Object
            series.append(polars.Series(name, column.tolist(), dtype=dtype))
    return polars.DataFrame(series)


def write_parquet(columns: Columns, path: Path) -> None:
    """See `Table.to_parquet`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise _lacking(f"{path}: writing Parquet needs pyarrow", "parquet") from None
    arrays = {name: _arrow(pyarrow, column) for name, column in columns.items()}
    with written(path) as part:
        pyarrow.parquet.write_table(pyarrow.table(arrays), part)


def _arrow(pyarrow: Any, column: NDArray[Any]) -> "pyarrow.Array":
    if column.dtype.kind != "O":
        return pyarrow.array(column, from_pandas=True)
    values = column.tolist()
    kinds = _kinds(column)
    if kinds <= {int} and kinds:
        wide = max(value for value in values if value is not None) >= 2**63
        return pyarrow.array(values, pyarrow.uint64() if wide else pyarrow.int64())
    if kinds <= {bool} and kinds:
        return pyarrow.array(values, pyarrow.bool_())
    texts = [None if _missing(value) else str(value) for value in values]
    return pyarrow.array(texts, pyarrow.string())


def _kinds(column: NDArray[Any]) -> set[type]:
    return {type(value) for value in column.tolist() if value is not None}


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def dataset(columns: Columns, trajectories: Trajectories) -> "xarray.Dataset":
    """See `Table.to_xarray`."""
    try:
        import xarray
    except ImportError:
        raise _lacking("a Dataset needs xarray", "xarray") from None
    runs = RUN if RUN in columns else ROW
    rows = len(next(iter(columns.values()), ()))
    variables: dict[str, Any] = {name: (runs, column) for name, column in columns.items()}
    ids: list[Any] = columns[RUN].tolist() if RUN in columns else [None] * rows
    along = [trajectories.get(run, {}) for run in ids]
    names = dict.fromkeys(name for arrays in along for name in arrays)
    points = max((len(array) for arrays in along for array in arrays.values()), default=0)
    for name in names:
        stacked = _stacked(name, [arrays.get(name) for arrays in along], points)
        axes = [f"{name}_{axis}" for axis in range(1, stacked.ndim - 1)]
        variables[f"{name}_along" if name in columns else name] = ((runs, POINT, *axes), stacked)
    coordinates = {RUN: variables.pop(RUN)} if RUN in columns else {}
    return xarray.Dataset(variables, coordinates)


def _stacked(name: str, arrays: Sequence[NDArray[Any] | None], points: int) -> NDArray[Any]:
    """The arrays of all runs as one, (runs, points, ...), NaN where a run has no value."""
    present = [array for array in arrays if array is not None]
    if len({array.ndim for array in present}) > 1:
        raise DataError(
            f"trajectory {name!r}: arrays with the same number of axes in every run were expected"
        )
    inner = [max(sizes) for sizes in zip(*(array.shape[1:] for array in present), strict=True)]
    shape = (points, *inner)
    whole = len(present) == len(arrays) and all(array.shape == shape for array in present)
    dtype = np.result_type(*present, *(() if whole else (np.float64,)))
    stacked = np.full((len(arrays), *shape), 0 if whole else np.nan, dtype)
    for place, array in enumerate(arrays):
        if array is not None:
            place_in: tuple[Any, ...] = (place, *(slice(size) for size in array.shape))
            stacked[place_in] = array
    return stacked


def along_training(
    columns: Columns, trajectories: Trajectories
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Columns and notes of `Table.along_training`."""
    ids = columns[RUN].tolist() if RUN in columns else []
    places = [place for place, run in enumerate(ids) if trajectories.get(run)]
    if not places:
        raise UsageError("no run of this table has a trajectory (`Study.trajectory` gives them)")
    parts = {place: dict(real_arrays(trajectories[ids[place]])) for place in places}
    points = {place: max(map(len, parts[place].values()), default=0) for place in places}
    names = dict.fromkeys(name for part in parts.values() for name in part)
    if len(names) + len(columns) > MOST_COLUMNS:
        raise DataError(
            f"trajectories of at most {MOST_COLUMNS:,} numbers per point expected, got "
            f"{len(names):,}"
        )
    rows = np.repeat(places, [points[place] for place in places])
    out = {name: column[rows] for name, column in columns.items() if name not in names}
    for name in names:
        filled = [_filled(parts[place].get(name), points[place]) for place in places]
        out[name] = np.concatenate(filled)
    arrays = (item for place in places for item in trajectories[ids[place]].items())
    left_out = dict.fromkeys(name for name, array in arrays if array.dtype.kind == "c")
    return out, [f"trajectory {name!r} is of complex numbers: left out" for name in left_out]


def real_arrays(arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Name and values, (points,), of each real number of each array."""
    for name, array in arrays.items():
        if array.ndim == 1 and array.dtype.kind != "c":
            yield name, array
        elif array.dtype.kind != "c":
            flat = array.reshape(len(array), -1)
            yield from ((f"{name}.{place}", flat[:, place]) for place in range(flat.shape[1]))


def _filled(values: NDArray[Any] | None, points: int) -> NDArray[Any]:
    """The values with NaN for the points that are missing."""
    values = np.empty(0) if values is None else values
    if len(values) == points:
        return values
    return np.append(values.astype(np.float64), np.full(points - len(values), np.nan))


def _lacking(what: str, extra: str) -> UnavailableError:
    return UnavailableError(f"{what}: pip install 'allometry[{extra}]'")
