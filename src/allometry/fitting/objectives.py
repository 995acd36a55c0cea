"""What a fit minimises: the sum over rows of a penalty of each residual.

Always the sum, never the mean: a mean-reduced Huber of 1e-3 is so small that
default tolerances stop an optimiser at its start (Besiroglu et al. 2404.10102).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError

__all__ = ["OBJECTIVES", "Objective", "named"]


@dataclass(frozen=True)
class Objective:
    """A penalty of residuals.

    Attributes:
        name: as typed.
        logs: residual = log y - log f; else y - f.
        delta: where Huber turns from quadratic to linear; infinite for squares;
            zero for absolute values.
        over: factor on rows where the law predicts too much.
    """

    name: str
    logs: bool
    delta: float
    over: float = 1.0

    def residuals(self, y: NDArray, predicted: NDArray) -> NDArray:
        """Residuals of shape like `predicted`; log of a value <= 0 gives NaN."""
        if not self.logs:
            return y - predicted
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(y) - np.log(predicted)

    def total(self, residuals: NDArray, weights: NDArray | float = 1.0) -> NDArray:
        """Sum over the last axis: r^2, |r| or Huber (r^2/2 inside delta)."""
        size = np.abs(residuals)
        if np.isinf(self.delta):
            penalty = size**2
        elif self.delta == 0:
            penalty = size
        else:
            inside = np.minimum(size, self.delta)
            penalty = inside * (size - inside / 2)
        side = np.where(residuals < 0, self.over, 1.0)
        return (weights * side * penalty).sum(-1)


OBJECTIVES = {
    o.name: o
    for o in (
        Objective("huber_log", True, 1e-3),
        Objective("squared_log", True, np.inf),
        Objective("squared", False, np.inf),
        Objective("absolute_log", True, 0.0),
        Objective("asymmetric_absolute", False, 0.0, over=10.0),
    )
}


def named(name: str, delta: float = 1e-3, over: float | None = None) -> Objective:
    """The objective of that name; delta is used by huber_log only."""
    if name not in OBJECTIVES:
        raise UsageError(f"no objective {name!r}; there are {', '.join(OBJECTIVES)}")
    objective = OBJECTIVES[name]
    if name == "huber_log":
        if not (np.isfinite(delta) and delta > 0):
            raise UsageError(f"delta must be a positive number, got {delta}")
        objective = replace(objective, delta=float(delta))
    return objective if over is None else replace(objective, over=float(over))
