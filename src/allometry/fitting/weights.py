"""How much each of several laws counts: information criteria, weights, averages.

Weights by AICc of the log residuals (Burnham and Anderson 2004) are tempered for
residuals that resemble their neighbours.
"""

from collections.abc import Mapping

import numpy as np

from allometry.fitting.document import Fit
from allometry.laws import Array

__all__ = ["akaike_weights", "average", "information", "inverse_square_weights"]


def information(fit: Fit) -> tuple[float, float]:
    """AICc and BIC of log residuals (of y where the objective is not in logs)."""
    n, p = fit.rows, sum(e.verdict != "fixed" for e in fit.parameters.values()) + 1
    spread = n * np.log(max(float(np.mean(fit.residuals() ** 2)), 1e-300))
    small = 2 * p * (p + 1) / (n - p - 1) if n > p + 1 else np.inf
    return float(spread + 2 * p + small), float(spread + p * np.log(n))


def akaike_weights(fits: Mapping[str, Fit]) -> dict[str, float]:
    """Weights exp(-AICc/2t), t the rows that carry the information of one.

    With correlation c between neighbours in size, n rows are worth n (1 - c)/(1 + c);
    c is taken from the law with the best AICc. If no law has rows to spare
    (AICc infinite), all weigh alike.
    """
    score = {name: information(fit)[0] for name, fit in fits.items()}
    best = min(score, key=lambda name: score[name])
    if not np.isfinite(score[best]):
        return dict.fromkeys(score, 1 / len(score))
    c = _neighbour_correlation(fits[best])
    worth = {name: np.exp(-(s - score[best]) * (1 - c) / (1 + c) / 2) for name, s in score.items()}
    return {name: float(w / sum(worth.values())) for name, w in worth.items()}


def _neighbour_correlation(fit: Fit) -> float:
    """Correlation of each residual with the next in rising size, 0 to 0.95."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.sum([np.log(fit.data[s]) for s in fit.law.sizes], axis=0)
    r = fit.residuals()[np.argsort(size, kind="stable")]
    r = r - r.mean()
    return float(np.clip((r[1:] @ r[:-1]) / max(float(r @ r), 1e-300), 0.0, 0.95))


def inverse_square_weights(errors: Mapping[str, float]) -> dict[str, float]:
    """Proportional to 1/error^2; zero for an infinite error, equal where all are."""
    power = {name: (max(v, 1e-12) ** -2 if np.isfinite(v) else 0.0) for name, v in errors.items()}
    total = sum(power.values())
    return {name: (v / total if total > 0 else 1 / len(power)) for name, v in power.items()}


def average(predictions: Mapping[str, tuple[float, Array]]) -> Array:
    """The mean of logs of predictions (n,), each with its weight."""
    total = sum(weight for weight, _ in predictions.values())
    logs: Array = np.zeros(())
    with np.errstate(divide="ignore", invalid="ignore"):
        for weight, values in predictions.values():
            logs = logs + weight * np.log(values)
        return np.asarray(np.exp(logs / total))
