"""What training hands to the store: one finished run."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from allometry.spec import Experiment

__all__ = ["Cell", "RunResult", "Status", "measured_row"]

Cell = float | int | str
Status = Literal["done", "diverged"]


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

    spec: Experiment
    status: Status
    row: Mapping[str, Cell]
    seconds: float
    trajectories: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


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
    """
    row = dict(columns)
    for measure in measures.values():
        before = {} if control is None else measure(control)
        if diverged:
            row |= dict.fromkeys(measure(subject) if control is None else before, math.nan)
        else:
            row |= measure(subject)
        row |= {f"{name}_untrained": value for name, value in before.items()}
    return row
