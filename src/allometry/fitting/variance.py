"""Sources of the scatter of residuals: seeds, misfit of the law, evaluation."""

import numpy as np
from numpy.typing import NDArray

from allometry.laws import Array

__all__ = ["components"]


def components(
    points: NDArray[np.intp], residuals: Array, parameters: int, evaluation: Array | None = None
) -> dict[str, float]:
    """Standard deviations, in the units of the residuals, by one-way analysis of variance.

    Rows at one design point differ by seed and evaluation. Means of design points differ from
    the law by misfit and by the remaining scatter of seeds.

    Args:
        points: label of each row's design point (n,).
        residuals: (n,). parameters: number of fitted parameters.
        evaluation: standard deviation of each row's evaluation, in the units of the
            residuals; it is then subtracted from the scatter of seeds.

    Returns:
        "seed"; "misfit" if there are more design points than parameters; "evaluation" if it is
        given. Empty if no design point has several rows.
    """
    labels = np.unique(points, return_inverse=True)[1]
    counts = np.bincount(labels).astype(float)
    groups, rows = len(counts), len(labels)
    if rows == groups:
        return {}
    means = np.bincount(labels, residuals) / counts
    within = float(((residuals - means[labels]) ** 2).sum() / (rows - groups))
    variances = {"seed": within}
    if groups > parameters:
        between = float((counts * means**2).sum() / (groups - parameters))
        typical = (rows - (counts**2).sum() / rows) / (groups - 1)
        variances["misfit"] = max(0.0, (between - within) / typical)
    if evaluation is not None:
        variances["evaluation"] = float(np.mean(evaluation**2))
        variances["seed"] = max(0.0, within - variances["evaluation"])
    return {name: float(np.sqrt(value)) for name, value in variances.items()}
