"""The evidence that a fit reached the optimum, and its status with advice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Certificate", "Status", "StatusCode"]

StatusCode = Literal[
    "converged",
    "not_converged",
    "found_once",
    "no_spare_rows",
    "noise_free",
    "bound_active",
    "not_identified",
    "resamples_weak",
    "few_clusters",
]


@dataclass(frozen=True)
class Status:
    """Status of a fit: a code, and advice in words."""

    code: StatusCode
    advice: str


@dataclass(frozen=True)
class Certificate:
    """The evidence that the optimum was reached.

    Attributes:
        starts: number of starts. converged: share of them that converged.
        best_basin_share: share of starts that ended at the best value.
        runner_up_value: value of the next best distinct optimum, None if no other was found.
        runner_up: raw parameters of that optimum.
        gradient_norm: largest component of the gradient of the sum objective, in solver
            coordinates, at the polished optimum.
        polished: whether the gradient is negligible relative to the objective.
        active_bounds: parameters at a bound of the solver.
        one_basin: whether the objective has a single optimum, so that one start is enough.
    """

    starts: int
    converged: float
    best_basin_share: float
    runner_up_value: float | None
    gradient_norm: float
    polished: bool = True
    active_bounds: tuple[str, ...] = ()
    runner_up: Mapping[str, float] = field(default_factory=dict)
    one_basin: bool = False

    @property
    def reached(self) -> int:
        """Number of starts that ended at the best value."""
        return round(self.best_basin_share * self.starts)

    @property
    def proven(self) -> bool:
        """Whether the gradient is negligible and, with several starts, a second one agrees."""
        return self.polished and (self.one_basin or self.starts < 2 or self.reached >= 2)
