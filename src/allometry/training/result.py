"""What training hands to the store: one finished run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from allometry.spec import Experiment

__all__ = ["Cell", "RunResult", "Status"]

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
