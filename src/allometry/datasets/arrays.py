"""Your own data from memory, identified by its content."""

import hashlib
import json
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, model_validator

from allometry.datasets.checks import checked
from allometry.datasets.data import Data
from allometry.datasets.options import count_of, divided
from allometry.datasets.split import Split, read_only
from allometry.errors import DataError, UsageError
from allometry.spec.torch_draws import TorchDraws

__all__ = ["Arrays"]

Pair = tuple[NDArray[Any], NDArray[Any]]


class _Held:
    """Arrays with one content; the specs with this content keep them alive."""

    def __init__(self, split: Split, classes: tuple[str, ...]):
        self.split, self.classes = split, classes

    def __deepcopy__(self, memo: object) -> "_Held":
        return self  # they are read-only


# By SHA-256: a spec that is built from its document finds its arrays here.
_HELD: "WeakValueDictionary[str, _Held]" = WeakValueDictionary()


class Arrays(Data):
    """Your own arrays; made by `Arrays.of`, or from files by `read_npz` and its siblings.

    The document of such a spec has the SHA-256 of the arrays in their place, so that equal arrays
    are the same data wherever they came from. A process that builds the spec from its document
    must have made the same arrays before: construct them at the top level of the study's file.

    Attributes:
        name: for the column `data`.
        sha256: of the types, shapes and values of all arrays, and the names of the classes.
        n_train: training examples.
    """

    name: str = "arrays"
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    n_train: int = Field(ge=1)

    _held: _Held | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _is_made_by_of(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "sha256" not in fields:
            raise UsageError(
                "Arrays are made of arrays by Arrays.of(x, y, test=(test_x, test_y)), and of files "
                "by read_npz, read_npy, read_csv, read_parquet and read_images"
            )
        return fields

    def model_post_init(self, context: Any) -> None:
        self._held = _HELD.get(self.sha256)

    @classmethod
    def of(
        cls,
        x: NDArray[Any],
        y: NDArray[Any],
        *,
        test: Pair | float,
        valid: Pair | None = None,
        name: str = "arrays",
        classes: Sequence[str] = (),
        **options: Any,
    ) -> Self:
        """Data of arrays, which are copied.

        Args:
            x: training features, ``(n, ...)``; cast to float32.
            y: targets: whole numbers from 0 for classes, ``(n,)``; floats ``(n,)`` or ``(n, d)``
                for real targets or probabilities of the classes.
            test: features and targets to test on; or a share below 1, or a number, of the
                examples to hold out for the test. Equal arrays give the same ones.
            valid: features and targets of a validation split; the option `validation` holds a
                part of the training examples out instead.
            name: for the column `data`.
            classes: the names of the classes 0 to K - 1.
            options: of any data set, such as ``subset=1000`` or ``standardise=True``.

        Raises:
            UsageError: saying what is wrong with the arrays.
        """
        valid_x, valid_y = _pair(valid, "valid") if valid is not None else (None, None)
        if isinstance(test, Real) and not isinstance(test, bool):
            parts = _test_held_out(x, y, test, name)
        else:
            parts = (x, y, *_pair(test, "test"))
        arrays: Any = (*parts, valid_x, valid_y)  # `checked` refuses other types
        split = checked(Split(*arrays), _length(parts[0]), name)
        _check_names(split, classes, name)
        copies = split.mapped(lambda part, array: read_only(np.array(array, order="C")))
        held = _Held(copies, tuple(classes))
        sha256 = _sha256(held)
        held = _HELD.setdefault(sha256, held)  # the spec made below keeps it alive
        return cls(name=name, sha256=sha256, n_train=len(split.train_x), **options)

    @property
    def n_data(self) -> int:
        return self.n_train

    @property
    def kinds(self) -> tuple[object, ...]:
        split = self._arrays().split
        return split.train_y.dtype, split.train_y.shape[1:], split.valid_x is None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes 0 to K - 1; empty where they have none."""
        return self._arrays().classes

    def load(self, draws: TorchDraws) -> Split:
        return self._arrays().split

    def _arrays(self) -> _Held:
        held = self._held or _HELD.get(self.sha256)
        if held is None:
            raise DataError(
                f"data {self.name!r}: this process has no arrays of SHA-256 {self.sha256[:12]}; "
                "construct them at the top level of the study's file, from the same content on "
                "every machine"
            )
        return held


def _pair(value: Any, part: str) -> tuple[Any, Any]:
    if not (isinstance(value, tuple | list) and len(value) == 2):
        share = ", or a share or number of the examples" * (part == "test")
        raise UsageError(f"{part}: a pair of features and targets expected, {part}=(x, y){share}")
    return value[0], value[1]


def _length(array: Any) -> int:
    return len(array) if hasattr(array, "__len__") else 0


def _test_held_out(x: Any, y: Any, test: float, name: str) -> tuple[Any, ...]:
    """Training and test examples of one set of examples."""
    # Checked before they are cut, so that messages refer to the caller's arrays.
    split = checked(Split(x, y, x, y), _length(x), name)
    n = len(split.train_x)
    held = count_of(test, n)
    if (not isinstance(test, Integral) and test >= 1) or not 0 < held < n:
        raise UsageError(
            f"{name}: test={test} of {n} examples; a share below 1 or a whole number that leaves "
            "examples on both sides is expected"
        )
    rest, out = divided(n, held)
    x, y = split.train_x, split.train_y
    return x[rest], y[rest], x[out], y[out]


def _check_names(split: Split, classes: Sequence[str], name: str) -> None:
    if not classes:
        return
    parts = [y for y in (split.train_y, split.test_y, split.valid_y) if y is not None]
    if parts[0].dtype.kind != "i":
        raise UsageError(f"{name}: names of classes, but the targets are real numbers")
    largest = max(int(y.max()) for y in parts)
    if len(classes) <= largest:
        raise UsageError(
            f"{name}: a name for each of the classes 0 to {largest} expected, got {len(classes)}"
        )


# ---- content ----------------------------------------------------------------------------------


def _sha256(held: _Held) -> str:
    """Of the content alone: parts, types, shapes, values in little-endian order, and names."""
    digest = hashlib.sha256(b"allometry/arrays/1\n")
    for part, array in held.split._asdict().items():
        if array is not None:
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            digest.update(f"{part} {little.dtype.str} {little.shape}\n".encode())
            digest.update(memoryview(little).cast("B"))
    digest.update(json.dumps(held.classes).encode())
    return digest.hexdigest()
