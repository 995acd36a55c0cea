"""The results of training that are stored: finished runs, and failures with their reasons."""

import math
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from allometry.errors import AllometryError, UsageError, in_one_line, quoted

if TYPE_CHECKING:
    # Imports JAX and pydantic, which reading a store does not need.
    from allometry.measures.network import Network
    from allometry.spec import Experiment

__all__ = [
    "ARRAY_DTYPES", "RESERVED", "Cell", "RunFailure", "RunResult", "Status", "Trained",
    "measured_columns", "measured_row", "number_of",
]  # fmt: skip

Cell = float | int | str
Status = Literal["done", "diverged"]

RESERVED = ("run_id", "study", "seed", "status", "excluded_because", "seconds")
"""Columns that the store fills in; measures cannot have these names."""

ARRAY_DTYPES = frozenset(
    ["bool", "float16", "float32", "float64", "complex64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
"""Types of arrays that safetensors writes and reads exactly with only NumPy."""


@dataclass(frozen=True)
class Trained:
    """The networks of a run before, during and after training.

    Attributes:
        start: the network before the first update; None if no measure needs it.
        final: the network at the end.
        behind: the networks at the points of its trajectory after the start.
        finite_until: the last update after which it was known to be finite.
        stopped: whether training stopped early.
    """

    start: "Network | None"
    final: "Network"
    behind: "Sequence[Network]"
    finite_until: int
    stopped: bool


@dataclass(frozen=True)
class RunResult:
    """The measured result of one run.

    Attributes:
        spec: the spec; `spec.run_id` is the run's name.
        status: ``diverged`` if a loss or a weight was not finite; such a run is
            kept and counted, but left out of fits.
        row: column to value, one row of the study's table.
        trajectories: name to array, whose first axis is the point along training; kept as
            safetensors.
        seconds: time of training and measuring; this run's share of its pack.
    """

    spec: "Experiment"
    status: Status
    row: Mapping[str, Cell]
    seconds: float
    trajectories: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFailure:
    """A run that failed; it stays pending, while the other runs of its pack are stored.

    Attributes:
        spec: the spec.
        reason: one line, with the place in the study's code.
        log: the last lines of output, such as a traceback.
    """

    spec: "Experiment"
    reason: str
    log: str = ""

    @classmethod
    def of(cls, spec: "Experiment", error: Exception) -> Self:
        """The failure of a run by an exception; an `AllometryError` needs no traceback."""
        ours = isinstance(error, AllometryError)
        log = "" if ours else "".join(traceback.format_exception(error))
        return cls(spec, in_one_line(error), log)


def measured_row(
    columns: Mapping[str, Cell],
    measures: Mapping[str, Callable[..., Mapping[str, Any]]],
    subject: Any,
    *,
    control: Any = None,
    diverged: bool = False,
) -> dict[str, Cell]:
    """The row of a run, built in the same way for every procedure.

    Args:
        columns: columns that follow from the spec.
        measures: name to function of the subject.
        subject: the object to measure, such as the trained network.
        control: the same object before training; names of its columns end in ``_untrained``.
        diverged: whether to set the measured columns to NaN, because values that are not finite
            cannot be measured. The names come from the control if there is one.

    Raises:
        UsageError: a measure returned no mapping, a column that already exists, or a value that
            is neither a number nor a string.
    """
    row, origins = dict(columns), _origins(columns)
    for measure, function in measures.items():
        before = {} if control is None else _cells(measure, function, control)
        if not diverged:
            after = _cells(measure, function, subject)
        else:
            names = before if control is not None else _cells(measure, function, subject)
            after = dict.fromkeys(names, math.nan)
        untrained = {f"{name}_untrained": value for name, value in before.items()}
        _claim([*after, *untrained], measure, origins)
        row |= after | untrained
    return row


def measured_columns(
    measures: Mapping[str, Callable[..., Mapping[str, Any]]], subject: Any
) -> dict[str, Any]:
    """The columns of all measures at one point of a trajectory; values may be arrays.

    Raises:
        UsageError: a measure returned no mapping, or two returned the same column.
    """
    columns: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for measure, function in measures.items():
        measured = _measured(measure, function, subject)
        _claim(measured, measure, origins)
        columns |= measured
    return columns


def number_of(value: Any) -> Any:
    """The Python number in an array or tensor with one element; anything else unchanged."""
    if isinstance(value, np.generic) or (hasattr(value, "shape") and math.prod(value.shape) == 1):
        return value.item()
    return value


def _origins(columns: Collection[str]) -> dict[str, str]:
    """Column to the reason it is taken, for columns that exist before anything is measured."""
    origins = dict.fromkeys(columns, "every run of this study already has")
    return origins | dict.fromkeys(RESERVED, "every table already has")


def _claim(columns: Collection[str], measure: str, origins: dict[str, str]) -> None:
    """Record which measure returned these columns; none may exist already."""
    for name in columns:
        if name in origins:
            raise UsageError(
                f"measure {measure!r} gave column {name!r}, which {origins[name]}; rename it"
            )
        origins[name] = f"measure {measure!r} gave too"


def _measured(measure: str, function: Callable[..., Any], subject: Any) -> Mapping[str, Any]:
    columns = function(subject)
    if not isinstance(columns, Mapping):
        raise UsageError(
            f"measure {measure!r}: columns by name expected, such as {{'norm': 1.5}}, got "
            f"{quoted(columns)}"
        )
    return columns


def _cells(measure: str, function: Callable[..., Any], subject: Any) -> dict[str, Cell]:
    columns = _measured(measure, function, subject)
    cells = {name: number_of(value) for name, value in columns.items()}
    for name, cell in cells.items():
        if not isinstance(name, str) or not isinstance(cell, bool | int | float | str | None):
            raise UsageError(
                f"measure {measure!r} gave column {name!r}: a number or a string expected, got "
                f"{type(cell).__name__}; arrays belong to a trajectory"
            )
    return cells
