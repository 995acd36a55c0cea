"""What training hands to the store: one finished run, or why there is none."""

import math
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from allometry.errors import AllometryError, UsageError, in_one_line, quoted

if TYPE_CHECKING:
    # Brings JAX and pydantic, which reading a store does not need.
    from allometry.measures.network import Network
    from allometry.spec import Experiment

__all__ = [
    "ARRAY_DTYPES", "RESERVED", "Cell", "RunFailure", "RunResult", "Status", "Trained",
    "measured_columns", "measured_row", "number_of",
]  # fmt: skip

Cell = float | int | str
Status = Literal["done", "diverged"]

RESERVED = ("run_id", "study", "seed", "status", "excluded_because", "seconds")
"""Columns the store itself fills in; a measure cannot have these names."""

ARRAY_DTYPES = frozenset(
    ["bool", "float16", "float32", "float64", "complex64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
"""Types of arrays that safetensors writes and reads back bit for bit with NumPy alone."""


@dataclass(frozen=True)
class Trained:
    """A run before and after its training.

    Attributes:
        start: the network before the first update; None where nothing asks for it.
        final: at the end.
        behind: points of its trajectory behind the start.
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
    """One trained network, measured.

    Attributes:
        spec: what was trained; `spec.run_id` is the run's name.
        status: ``diverged`` when a loss or a weight was not finite; such a run is
            kept and counted, and left out of fits.
        row: column to value, one row of the study's table.
        trajectories: name to array, first axis the point along training; kept as
            safetensors.
        seconds: of training and measuring, this run's share of its pack.
    """

    spec: "Experiment"
    status: Status
    row: Mapping[str, Cell]
    seconds: float
    trajectories: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFailure:
    """One run that could not be made; it stays pending, the others of its pack do not.

    Attributes:
        spec: what was to be trained.
        reason: one line, with the place in a study's own code.
        log: the last lines written, a traceback say.
    """

    spec: "Experiment"
    reason: str
    log: str = ""

    @classmethod
    def of(cls, spec: "Experiment", error: Exception) -> Self:
        """The failure of a run by an exception; the reason of one of ours says all there is."""
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
    """One run's row, by the one rule of every procedure.

    Args:
        columns: what follows from the spec.
        measures: name to function of the subject.
        subject: what is measured.
        control: the same before training; its columns have ``_untrained`` behind their names.
        diverged: the measured columns are NaN, for nothing can be measured of numbers that are
            not finite; their names are the control's, where there is one.

    Raises:
        UsageError: a measure gives no columns, one that is there already, or one that is neither
            a number nor a text.
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
    """What all measures give of one point of a trajectory, arrays too.

    Raises:
        UsageError: a measure gives no columns, or two give the same.
    """
    columns: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for measure, function in measures.items():
        given = _given(measure, function, subject)
        _claim(given, measure, origins)
        columns |= given
    return columns


def number_of(value: Any) -> Any:
    """The Python number of an array or tensor with one element; anything else as it is."""
    if isinstance(value, np.generic) or (hasattr(value, "shape") and math.prod(value.shape) == 1):
        return value.item()
    return value


def _origins(columns: Collection[str]) -> dict[str, str]:
    """Column to what gave it, for those that are there before anything is measured."""
    here = dict.fromkeys(columns, "every run of this study has already")
    return here | dict.fromkeys(RESERVED, "every table has already")


def _claim(columns: Collection[str], measure: str, origins: dict[str, str]) -> None:
    """Note which measure gave these columns; none may have been given before."""
    for name in columns:
        if name in origins:
            raise UsageError(
                f"measure {measure!r} gave column {name!r}, which {origins[name]}; rename it"
            )
        origins[name] = f"measure {measure!r} gave, too"


def _given(measure: str, function: Callable[..., Any], subject: Any) -> Mapping[str, Any]:
    given = function(subject)
    if not isinstance(given, Mapping):
        raise UsageError(
            f"measure {measure!r}: columns by name expected, {{'norm': 1.5}} say, got "
            f"{quoted(given)}"
        )
    return given


def _cells(measure: str, function: Callable[..., Any], subject: Any) -> dict[str, Cell]:
    given = _given(measure, function, subject)
    cells = {name: number_of(value) for name, value in given.items()}
    for name, cell in cells.items():
        if not isinstance(name, str) or not isinstance(cell, bool | int | float | str | None):
            raise UsageError(
                f"measure {measure!r} gave column {name!r}: a number or a string expected, got "
                f"{type(cell).__name__}; arrays belong to a trajectory"
            )
    return cells
