"""Plain data by value: numbers, text, containers of them, arrays by content."""

import datetime
import hashlib
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["Opaque", "contents", "is_plain"]


class Opaque(Exception):
    """Raised inside this package for a value that nothing here can describe."""


_SCALARS = (type(None), bool, int, float, complex, str, bytes, bytearray, type(Ellipsis),
            slice, range, Fraction, datetime.date, datetime.timedelta, np.dtype)  # fmt: skip


def is_plain(value: object) -> bool:
    """Whether a value is described by its content alone and is not a container."""
    return type(value) in _SCALARS or isinstance(value, np.ndarray | np.generic) or _is_jax(value)


def plain(value: Any) -> list[object]:
    """Plain data as JSON: type and content."""
    if isinstance(value, np.generic):
        return ["number", value.dtype.str, value.tobytes().hex()]
    if _is_jax(value):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return ["array", *(plain(v) if is_plain(v) else _refuse(v) for v in value.flat)]
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return ["array", value.dtype.str, list(value.shape), content]
    return [type(value).__name__, hex(value) if type(value) is int else repr(value)]


def contents(value: Any, describe: Callable[[Any], object]) -> object | None:
    """Plain data and containers as JSON; None for another kind of value.

    Args:
        value: anything.
        describe: what describes the items of a container.
    """
    if is_plain(value):
        return plain(value)
    kind = type(value)
    if kind in (list, tuple) or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return [kind.__name__, *map(describe, value)]
    if kind in (set, frozenset):
        return [kind.__name__, *sorted((describe(item) for item in value), key=repr)]
    if isinstance(value, Mapping) and kind.__module__ in ("builtins", "collections", "types"):
        return ["mapping", *([describe(k), describe(v)] for k, v in value.items())]
    if isinstance(value, Enum):
        return ["enum", describe(kind), value.name]
    pandas = sys.modules.get("pandas")  # not imported: a value of pandas shows that it is loaded
    if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
        frame = value.reset_index()
        columns = [[str(n), describe(frame[n].to_numpy())] for n in frame.columns]
        return [kind.__name__, *columns]
    return None


def _is_jax(value: object) -> bool:
    jax = sys.modules.get("jax")
    if jax is None or not isinstance(value, jax.Array):
        return False
    return not isinstance(value, jax.core.Tracer)  # which has no value yet


def _refuse(value: object) -> object:
    raise Opaque(type(value).__name__)
