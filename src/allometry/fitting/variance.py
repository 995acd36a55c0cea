"""Where the scatter comes from: seeds, misfit of the law, evaluation."""

import numpy as np
from numpy.typing import NDArray

from allometry.laws import Array

__all__ = ["components"]


def components(
    points: NDArray[np.intp], residuals: Array, parameters: int, evaluation: Array | None = None
) -> dict[str, float]:
    """Standard deviations, in the units of the residuals, by one-way analysis of variance.

    Rows at one design point differ by seed (evaluation included); means of design
    points differ from the law by what seeds leave in a mean, and by misfit.

    Args:
        points: label of each row's design point (n,).
        residuals: (n,). parameters: spent on the law.
        evaluation: standard deviation of each row's evaluation, in the units of the
            residuals, told apart from seeds.

    Returns:
        "seed", "misfit" and, where given, "evaluation"; empty where no point repeats.
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
