"""Data of one's own from NumPy's files."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.arrays import Arrays
from allometry.errors import DataError, UsageError

__all__ = ["existing_file", "read_npy", "read_npz"]

PARTS = ("train", "test", "valid")


def read_npz(
    path: str | Path, *, test: float | None = None, name: str = "arrays", **options: Any
) -> Arrays:
    """Data of the arrays in an ``.npz`` file, as `numpy.savez` writes it.

    Args:
        path: of a file with ``train_x, train_y, test_x, test_y`` and perhaps ``valid_x,
            valid_y`` (or ``x_train, y_train``, ...); or with ``x`` and ``y``.
        test: of ``x`` and ``y``, the share or number of examples held out to test on.
        name, options: as for `Arrays.of`.

    Raises:
        UsageError: no such file, other names, or arrays that do not fit.
        DataError: a file that is none or is damaged.
    """
    found = _npz(path)
    if {"x", "y"} <= found.keys():
        if test is None:
            raise UsageError(
                f"{path}: x and y, and nothing to test on; say test=0.2, or save train_x, train_y, "
                "test_x and test_y"
            )
        return Arrays.of(found["x"], found["y"], test=test, name=name, **options)
    parts = {part: _part(found, part) for part in PARTS}
    if parts["train"] is None or parts["test"] is None:
        raise UsageError(
            f"{path}: arrays train_x, train_y, test_x, test_y, or x and y, expected, got "
            f"{', '.join(sorted(found)) or 'none'}"
        )
    if test is not None:
        raise UsageError(f"{path} has a test set of its own; leave test={test} out")
    return Arrays.of(
        *parts["train"], test=parts["test"], valid=parts["valid"], name=name, **options
    )


def read_npy(
    x: str | Path,
    y: str | Path,
    *,
    test: float | tuple[str | Path, str | Path],
    name: str = "arrays",
    **options: Any,
) -> Arrays:
    """Data of two ``.npy`` files, as `numpy.save` writes them.

    Args:
        x, y: files of features ``(n, ...)`` and targets ``(n,)`` or ``(n, d)``.
        test: two more files to test on; or the share or number of examples held out for it.
        name, options: as for `Arrays.of`.

    Raises:
        UsageError: no such file, or arrays that do not fit.
        DataError: a file that is none or is damaged.
    """
    held_out: Any = test
    if isinstance(test, tuple):
        held_out = tuple(_npy(path) for path in test)
    return Arrays.of(_npy(x), _npy(y), test=held_out, name=name, **options)


def existing_file(path: str | Path) -> Path:
    """The path, if there is a file.

    Raises:
        UsageError: saying where it was looked for.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(
            f"no file {path.absolute()}; for one beside the study's file: "
            f"Path(__file__).with_name({path.name!r})"
        )
    return path


def _part(found: dict[str, NDArray[Any]], part: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
    for x, y in ((f"{part}_x", f"{part}_y"), (f"x_{part}", f"y_{part}")):
        if x in found and y in found:
            return found[x], found[y]
    return None


def _npz(path: str | Path) -> dict[str, NDArray[Any]]:
    content = _content(existing_file(path))
    if not isinstance(content, dict):
        raise DataError(f"{path} holds one array; read_npy reads such a file")
    return content


def _npy(path: str | Path) -> NDArray[Any]:
    content = _content(existing_file(path))
    if isinstance(content, dict):
        raise DataError(f"{path} holds several arrays; read_npz reads such a file")
    return content


def _content(path: Path) -> NDArray[Any] | dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:
            content: Any = np.load(file, allow_pickle=False)
            return content if isinstance(content, np.ndarray) else dict(content)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: a file of numpy.save or numpy.savez with arrays of numbers is expected, and "
            f"this is none or is damaged ({str(error)[:100]})"
        ) from None
