"""Objectives: the sum over rows of a penalty of each residual.

It is always the sum, never the mean: the mean of a Huber penalty with delta 1e-3 is so small
that default tolerances stop an optimiser at its start (Besiroglu et al. 2404.10102).
"""

from dataclasses import dataclass, replace

import numpy as np

from allometry.errors import UsageError, did_you_mean
from allometry.fitting.options import ObjectiveChoice, ObjectiveName
from allometry.laws import Array

__all__ = ["EFFICIENT", "OBJECTIVES", "FittedObjective", "Objective", "named"]

# Absolute values are computed as Huber with a delta so small that no residual is inside it.
ABSOLUTE = 1e-100

# Delta of Huber in standard deviations of the residuals: 95% as efficient as squares if noise
# is Gaussian (Holland and Welsch 1977, Communications in Statistics A 6, 813-827).
EFFICIENT = 1.345


@dataclass(frozen=True)
class Objective:
    """A penalty of residuals.

    Attributes:
        name: as users type it.
        logs: whether residuals are log y - log f; otherwise they are y - f.
        delta: where Huber changes from quadratic to linear; infinite for squares;
            zero for absolute values.
        over: factor of the penalty of rows where the law predicts too much.
    """

    name: ObjectiveName
    logs: bool
    delta: float
    over: float = 1.0

    @property
    def squares(self) -> bool:
        """Whether the sum is one of squares."""
        return bool(np.isinf(self.delta))

    @property
    def scale(self) -> float:
        """Ratio of the reported to the minimised sum: 2 for squares, minimised as r^2 / 2."""
        return 2.0 if np.isinf(self.delta) else 1.0

    def residuals(self, y: Array, predicted: Array) -> Array:
        """Residuals in the shape of `predicted`; NaN or infinite at the log of a value <= 0."""
        if not self.logs:
            return y - predicted
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(y) - np.log(predicted)

    def penalty(self, r: Array, weights: Array, delta: Array) -> tuple[Array, Array, Array]:
        """Sum of penalties (k,), and their first and second derivatives in r, each (k, n).

        Squares are r^2/2, Huber is r^2/2 inside delta, and absolute values are Huber divided
        by its delta.

        Args:
            r: residuals (k, n). weights: of rows, (n,) or (k, n).
            delta: of each lane (k, 1); squares do not use it.
        """
        if np.isinf(self.delta):
            slope, curvature = weights * r, np.broadcast_to(weights, r.shape)
            return (slope * r).sum(1) * 0.5, slope, curvature
        w = weights
        if self.over != 1.0:
            w = w * np.where(r < 0, self.over, 1.0)
        if self.delta == 0:
            w = w / delta
        clipped = np.clip(r, -delta, delta)
        slope = w * clipped
        value = np.einsum("kn,kn->k", slope, r - 0.5 * clipped)
        return value, slope, w * (clipped == r)

    def total(self, residuals: Array, weights: Array | None = None) -> float:
        """The reported objective: the sum over rows of r^2, |r| or Huber, residuals (n,)."""
        weights = np.ones(len(residuals)) if weights is None else weights
        delta = np.full((1, 1), self.delta or ABSOLUTE)
        return self.scale * float(self.penalty(residuals[None], weights, delta)[0][0])


@dataclass(frozen=True)
class FittedObjective:
    """The objective of a fit, and its value.

    Attributes:
        name: of the objective. delta: of huber_log, None for the others.
        value: the sum over rows at the fitted parameters.
        reason: why this objective was chosen; empty if the caller chose it.
    """

    name: ObjectiveName
    delta: float | None
    value: float
    reason: str = ""

    @property
    def logs(self) -> bool:
        """Whether residuals are differences of logs."""
        return OBJECTIVES[self.name].logs

    def objective(self) -> Objective:
        """The penalty itself."""
        return named(self.name) if self.delta is None else named(self.name, self.delta)


OBJECTIVES: dict[ObjectiveName, Objective] = {
    o.name: o
    for o in (
        Objective("huber_log", True, 1e-3),
        Objective("squared_log", True, np.inf),
        Objective("squared", False, np.inf),
        Objective("absolute_log", True, 0.0),
        Objective("asymmetric_absolute", False, 0.0, over=10.0),
    )
}


def named(name: ObjectiveChoice, delta: float | None = None) -> Objective:
    """The objective of that name; delta is used by huber_log only, 1e-3 unless given."""
    if name == "auto" or name not in OBJECTIVES:
        raise UsageError(
            f"no objective {name!r}; there are {', '.join(OBJECTIVES)}"
            f"{did_you_mean(name, OBJECTIVES)}"
        )
    objective = OBJECTIVES[name]
    if name != "huber_log" or delta is None:
        return objective
    if not (np.isfinite(delta) and delta > 0):
        raise UsageError(f"delta must be a positive number, got {delta}")
    return replace(objective, delta=float(delta))
