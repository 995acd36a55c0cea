"""Checks of the examples that a data set gives, before anything trains on them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.split import Split, read_only
from allometry.errors import UsageError

__all__ = ["checked"]

CLASSES = "whole numbers 0 to K - 1 are expected for K classes"
REGRESSION = "for a regression give float targets and the loss squared_error"
RENUMBERED = "np.unique(y, return_inverse=True)[1] makes such numbers"
KINDS = {
    "U": "text", "S": "text", "T": "text", "O": "objects", "c": "complex numbers",
    "b": "True and False", "M": "dates", "m": "durations",
}  # fmt: skip


def checked(loaded: object, n_data: int, name: str) -> Split:
    """The examples as float32 features, and int32 classes or float32 targets.

    Features of any real type are cast to float32; arrays that have their type are not copied.

    Args:
        loaded: what `Data.load` gave.
        n_data: training examples that the data set says it has.
        name: of the data set, for messages.

    Raises:
        UsageError: naming the array, what was expected, what came and what to do.
    """
    if not isinstance(loaded, Split):
        raise UsageError(
            f"{name}: load must return Split(train_x, train_y, test_x, test_y), got "
            f"{type(loaded).__name__}"
        )
    split = _cast(loaded, name)
    for part in ("train", "test", "valid"):
        _check_lengths(split, part, name)
    if len(split.train_x) != n_data:
        raise UsageError(
            f"{name}: n_data is {n_data}, but load gave {len(split.train_x)} training examples; "
            "D, steps and compute are computed from n_data, so it has to be the number that load "
            "gives"
        )
    for part in ("test", "valid"):
        _check_alike(split, part, name)
    return split


def _cast(split: Split, name: str) -> Split:
    def cast(part: str, value: object) -> NDArray[Any]:
        where = f"{name}: {part}"
        array = _array(value, where)
        if part.endswith("_x"):
            return _features(array, where)
        if _are_of_positions(array, getattr(split, part.removesuffix("y") + "x")):
            return _whole(array, where)
        return _targets(array, where)

    for part, value in zip(Split._fields[:4], split, strict=False):
        _array(value, f"{name}: {part}")
    return split.mapped(cast)


def _are_of_positions(y: NDArray[Any], x: object) -> bool:
    """Whether targets are a class for each position of symbols ``(n, T)``, as of text."""
    return (
        y.dtype.kind in "iu"
        and y.ndim == 2
        and y.shape[1] > 1
        and isinstance(x, np.ndarray)
        and x.shape == y.shape
        and x.dtype.kind in "fiu"
        and bool((x >= 0).all() and (x == np.floor(x)).all())
    )


def _check_lengths(split: Split, part: str, name: str) -> None:
    x, y = getattr(split, f"{part}_x"), getattr(split, f"{part}_y")
    if x is None and y is None:
        return
    if x is None or y is None:
        given, lacking = ("y", "x") if x is None else ("x", "y")
        raise UsageError(f"{name}: {part}_{given} is given without {part}_{lacking}; give both")
    if len(x) != len(y):
        raise UsageError(
            f"{name}: a target for each example is expected, got {len(x)} examples in {part}_x "
            f"and {len(y)} targets in {part}_y"
        )


def _check_alike(split: Split, part: str, name: str) -> None:
    """Refuse a part whose examples are of another kind than the training examples."""
    x, y = getattr(split, f"{part}_x"), getattr(split, f"{part}_y")
    if x is None:
        return
    if x.shape[1:] != split.train_x.shape[1:]:
        raise UsageError(
            f"{name}: examples of one shape are expected, got {split.train_x.shape[1:]} in "
            f"train_x and {x.shape[1:]} in {part}_x"
        )
    if (y.dtype, y.shape[1:]) != (split.train_y.dtype, split.train_y.shape[1:]):
        raise UsageError(
            f"{name}: targets of one kind are expected, got {_kind(split.train_y)} in train_y and "
            f"{_kind(y)} in {part}_y"
        )


def _kind(targets: NDArray[Any]) -> str:
    if targets.dtype.kind == "i":
        each = f" for each of {targets.shape[1]} positions" if targets.ndim > 1 else ""
        return f"classes (whole numbers){each}"
    return f"real targets (n, {targets.shape[1]})" if targets.ndim > 1 else "real targets (n,)"


# ---- one array --------------------------------------------------------------------------------


def _array(value: Any, where: str) -> NDArray[Any]:
    if isinstance(value, np.ma.MaskedArray):
        raise UsageError(f"{where}: a masked array; leave the masked examples out, or fill them in")
    if not hasattr(value, "__array__"):
        raise UsageError(
            f"{where}: a NumPy array is expected, got {type(value).__name__}; write np.array(...)"
        )
    array = np.asarray(value)
    if not array.ndim or not len(array):
        came = "an empty array" if array.ndim else "a single value"
        raise UsageError(
            f"{where}: an array with one row or more for examples is expected, got {came}; where "
            "there is no test set, hold a part of the examples out"
        )
    return array


def _features(x: NDArray[Any], where: str) -> NDArray[np.float32]:
    if x.dtype.kind not in "fiub":
        raise UsageError(
            f"{where}: numbers are expected as features, got {_named(x)}; turn them into numbers, "
            "a column 0 or 1 for each category say"
        )
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise UsageError(
            f"{where}: features (n, ...) are expected, n examples of one feature or more, got "
            f"shape {x.shape}; a single feature is x[:, None]"
        )
    return _float32(x, where)


def _targets(y: NDArray[Any], where: str) -> NDArray[Any]:
    if y.dtype.kind in "iu":
        return _classes(y, where)
    if y.dtype.kind != "f":
        advice = "y.astype(np.int32) makes them" if y.dtype.kind == "b" else RENUMBERED
        raise UsageError(f"{where}: {CLASSES}, got {_named(y)}; {advice}; {REGRESSION}")
    if y.ndim not in (1, 2) or 0 in y.shape[1:]:
        raise UsageError(f"{where}: targets (n,) or (n, d) are expected, got shape {y.shape}")
    return _float32(y, where)


def _classes(y: NDArray[Any], where: str) -> NDArray[np.int32]:
    if y.ndim != 1:
        raise UsageError(
            f"{where}: {CLASSES}, one for each example, (n,), got shape {y.shape}; "
            f"{_flattened(y)}; {REGRESSION}"
        )
    return _whole(y, where)


def _whole(y: NDArray[Any], where: str) -> NDArray[np.int32]:
    if y.min() < 0 or y.max() > np.iinfo(np.int32).max:
        raise UsageError(
            f"{where}: {CLASSES}, got whole numbers from {y.min()} to {y.max()}; {RENUMBERED}; "
            f"{REGRESSION}"
        )
    return _own(y, y.astype(np.int32, copy=False))


def _flattened(y: NDArray[Any]) -> str:
    """How to make classes of an array of whole numbers that has another shape."""
    if y.ndim == 2 and y.shape[1] == 1:
        return "y[:, 0] is such an array"
    if y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        return "these are one-hot: y.argmax(axis=1) are the classes"
    return "an example has one class, or one for each of its symbols where x is (n, T) symbols"


def _float32(array: NDArray[Any], where: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # overflow becomes infinite and is refused below
        cast = array.astype(np.float32, copy=False)
    finite = np.isfinite(cast)
    if not finite.all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise UsageError(
            f"{where}: finite float32 numbers are expected, got {array[place]} at {list(place)} "
            f"and {finite.size - np.count_nonzero(finite)} such of {finite.size} in all; leave "
            "these examples out, or fill the numbers in"
        )
    return _own(array, cast)


def _own(given: NDArray[Any], cast: NDArray[Any]) -> NDArray[Any]:
    return cast if cast is given else read_only(cast)


def _named(array: NDArray[Any]) -> str:
    return KINDS.get(array.dtype.kind, f"the type {array.dtype}")
