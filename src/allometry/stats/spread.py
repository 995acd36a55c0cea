"""The standard deviation of the bulk of some residuals, robust to outliers."""

import math

import numpy as np

from allometry.laws import Array

__all__ = ["NORMAL", "robust_sd"]

NORMAL = 1.4826  # 1 / Phi^-1(3/4): median of |r| to the standard deviation of Gaussian residuals


def robust_sd(residuals: Array, free: int) -> float:
    """Standard deviation of the bulk of the residuals (n,) of a law with free parameters."""
    n = len(residuals)
    return NORMAL * float(np.median(np.abs(residuals))) * math.sqrt(n / max(1, n - free))
