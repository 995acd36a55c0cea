"""What to think of a fit: the evidence that the optimum was reached, and the advice."""

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
    """What to think of a fit, as a code and as advice in words."""

    code: StatusCode
    advice: str


@dataclass(frozen=True)
class Certificate:
    """The evidence that the optimum was reached.

    Attributes:
        starts: lanes begun. converged: share of them that converged.
        best_basin_share: share of starts that ended at the best value.
        runner_up_value: the next best distinct optimum, None if none was seen.
        gradient_norm: largest component at the polished optimum, of the sum
            objective in solver coordinates.
        polished: the gradient is flat, relative to the objective.
        active_bounds: parameters that sit on a bound of the solver.
        one_basin: the objective is convex in the solver's coordinates, so that one start
            is enough.
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
        """Starts that ended at the best value."""
        return round(self.best_basin_share * self.starts)

    @property
    def proven(self) -> bool:
        """Whether the gradient is flat, and another start, if there was one, agrees."""
        return self.polished and (self.one_basin or self.starts < 2 or self.reached >= 2)
