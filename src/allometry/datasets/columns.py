"""Your own data from a table: a column for each feature, and one or more for targets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.arrays import Arrays
from allometry.datasets.numpy_files import existing_file
from allometry.errors import DataError, UsageError
from allometry.tables.cells import NUMBER, holds_numbers
from allometry.tables.read import read_table
from allometry.tables.table import Table

__all__ = ["read_csv", "read_parquet"]

TEXT_FILES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


class Target(NamedTuple):
    """Which columns are targets, and whether they are classes; None: by their content."""

    names: tuple[str, ...]
    as_classes: bool | None


def read_csv(
    path: str | Path,
    target: str | Sequence[str] = "y",
    *,
    features: str | Sequence[str] | None = None,
    classes: bool | None = None,
    test: float | str | Path,
    name: str = "arrays",
    **options: Any,
) -> Arrays:
    """Data of a CSV or TSV file with a header, perhaps compressed (``.csv.gz``).

    Reading a million cells takes about a second. A file may have 2.5 million cells and 50 MB
    unpacked, and a large one up to 10 million cells and 200 MB (`allometry.tables.limits`);
    `read_npz` reads more.

    Args:
        target: the column of targets, or several columns of real targets.
        features: columns of numbers; by default all others.
        classes: True: each distinct value of the target is a class, in sorted order (text by its
            characters, numbers by size); `Arrays.classes` has their names. False: targets are real
            numbers. By default text is classes and numbers with decimals are real targets. A column
            of whole numbers can be either, so `classes` must be given.
        test: a second such file to test on; or the share or number of rows held out for the test.
        name, options: as for `Arrays.of`.

    Raises:
        UsageError: no such file or column, or a target that can be read two ways.
        DataError: a missing value or text where a number is expected, with line and column.
    """
    _check_ending(path, TEXT_FILES, "read_parquet")
    return _read(path, target, features, classes, test, name, options)


def read_parquet(
    path: str | Path,
    target: str | Sequence[str] = "y",
    *,
    features: str | Sequence[str] | None = None,
    classes: bool | None = None,
    test: float | str | Path,
    name: str = "arrays",
    **options: Any,
) -> Arrays:
    """Data of a Parquet file; arguments and errors as for `read_csv`.

    Raises:
        UnavailableError: without the extra `parquet`.
    """
    _check_ending(path, (".parquet",), "read_csv")
    return _read(path, target, features, classes, test, name, options)


def _check_ending(path: str | Path, endings: tuple[str, ...], other: str) -> None:
    if not str(path).lower().endswith(endings):
        raise UsageError(
            f"{path}: a file with the ending {' or '.join(endings)} expected; {other} reads others"
        )


def _read(
    path: str | Path,
    target: str | Sequence[str],
    features: str | Sequence[str] | None,
    classes: bool | None,
    test: float | str | Path,
    name: str,
    options: dict[str, Any],
) -> Arrays:
    targets = Target((target,) if isinstance(target, str) else tuple(target), classes)
    features = (features,) if isinstance(features, str) else features
    tables = [read_table(existing_file(path), features)]
    for column in targets.names:
        tables[0][column]  # refuses an unknown name
    if features is None:
        features = [column for column in tables[0].columns if column not in targets.names]
    if not features or not targets.names or set(features) & set(targets.names):
        raise UsageError(
            f"{path}: columns of features and other columns of targets expected, got "
            f"{', '.join(features) or 'none'} and {', '.join(targets.names) or 'none'}"
        )
    if isinstance(test, str | Path):
        tables.append(read_table(existing_file(test), features))
    x = [_numbers(table, features, "feature") for table in tables]
    y, names = _targets(tables, targets)
    held_out: Any = (x[1], y[1]) if len(tables) > 1 else test
    return Arrays.of(x[0], y[0], test=held_out, name=name, classes=names, **options)


def _numbers(table: Table, names: Sequence[str], use: str) -> NDArray[np.float64]:
    """Columns of numbers, ``(rows, columns)``."""
    columns = [table.numbers(name, use) for name in names]
    for name, column in zip(names, columns, strict=True):
        missing = np.flatnonzero(~np.isfinite(column))
        if len(missing):
            raise DataError(
                f"{table.place(int(missing[0]))}, column {name!r} ({use}): a finite number was "
                f"expected, got {_shown(column[missing[0]])} (in {len(missing)} rows in all); "
                "leave these rows out, or fill the numbers in"
            )
    return np.stack(columns, axis=1)


def _shown(value: float) -> str:
    return "a missing value" if np.isnan(value) else str(value)


def _targets(tables: Sequence[Table], target: Target) -> tuple[list[NDArray[Any]], tuple[str, ...]]:
    """Targets of each table, and the names of the classes if they are classes."""
    as_classes = _are_classes(tables, target) if target.as_classes is None else target.as_classes
    if not as_classes:
        y = [_numbers(table, target.names, "target") for table in tables]
        return ([part[:, 0] for part in y] if len(target.names) == 1 else y), ()
    if len(target.names) > 1:
        raise UsageError(f"one target column of classes expected, got {', '.join(target.names)}")
    values = [_present(table, target.names[0]) for table in tables]
    known = sorted({value for part in values for value in part})
    number = {value: i for i, value in enumerate(known)}
    y = [np.array([number[value] for value in part], dtype=np.int32) for part in values]
    return y, tuple(map(str, known))


def _are_classes(tables: Sequence[Table], target: Target) -> bool:
    """Whether the columns are classes, as text is; numbers with decimals are not.

    Raises:
        UsageError: whole numbers, which can be either. DataError: a number among text.
    """
    columns = [(table, name, table[name]) for table in tables for name in target.names]
    for table, name, column in columns:
        texts = column.tolist() if column.dtype.kind == "O" else []
        for row, text in enumerate(texts):
            if isinstance(text, str) and NUMBER.fullmatch(text):
                raise DataError(
                    f"{table.place(row)}, column {name!r} (target): a number, {text!r}, among "
                    "text; correct the text, or say classes=True"
                )
    if not all(holds_numbers(column) for _, _, column in columns):
        return True
    if not any(_has_decimals(column) for _, _, column in columns):
        raise UsageError(
            f"{tables[0].place(0)}, column {', '.join(map(repr, target.names))}: whole numbers may "
            "be classes or real targets; say classes=True or classes=False"
        )
    return False


def _has_decimals(column: NDArray[Any]) -> bool:
    return any(isinstance(cell, float) and cell % 1 != 0 for cell in column.tolist())


def _present(table: Table, name: str) -> list[Any]:
    """The values of a column of classes."""
    values: list[Any] = table[name].tolist()
    for row, value in enumerate(values):
        if value is None or value != value:
            raise DataError(f"{table.place(row)}, column {name!r} (target): a class is missing")
    return values
