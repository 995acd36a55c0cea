"""Weights of several laws: information criteria, weights, averages.

Weights are those of Burnham and Anderson (2004, Sociological Methods and Research 33,
261-304) with AICc, tempered if neighbouring residuals are correlated.
"""

import math
from collections.abc import Mapping

import numpy as np

from allometry.fitting.document import Fit
from allometry.laws import Array
from allometry.stats.spread import robust_sd

__all__ = ["akaike_weights", "average", "information", "inverse_square_weights"]

SMALLEST = 1e-300  # keeps logs and quotients of an exact fit finite


def information(fits: Mapping[str, Fit]) -> dict[str, tuple[float, float]]:
    """AICc and BIC of fits to the same rows, by the likelihood that their objective implies.

    With n rows, K = p + 1 free parameters (the scale counts) and S the objective at the
    fit, AICc = -2 log L + 2K + 2K(K + 1)/(n - K - 1) and BIC = -2 log L + K log n, and
    up to a constant that is the same for all laws:

    - squares, Gaussian with its variance profiled out: -2 log L = n log(S / n);
    - absolute values, Laplace with its scale profiled out: -2 log L = 2 n log(S / n);
    - Huber: -2 log L = 2 S / c + n log c. Huber's least favourable density (1964, Annals
      of Mathematical Statistics 35, 73-101) is exp(-rho(r) / c), Gaussian inside delta
      and exponential outside. Its scale c is not profiled out for each law: the tails are
      exponential, so a few gross outliers would determine c and hide all other rows. All
      laws share one c, the smallest of their estimates of the dispersion. 2 S / c then is the
      statistic of Schrader and Hettmansperger (1980, Biometrika 67, 93-101), and AICc the QAICc
      of Burnham and Anderson (2002, Model Selection and Multimodel Inference, section 2.5).

    Residuals are of log y, or of y if the objective is additive. AICc is infinite if n is not
    larger than K + 1.
    """
    huber = [fit for fit in fits.values() if fit.objective.name == "huber_log"]
    dispersion = min(map(_dispersion, huber), default=math.inf)
    return {name: _criteria(fit, _deviance(fit, dispersion)) for name, fit in fits.items()}


def _criteria(fit: Fit, deviance: float) -> tuple[float, float]:
    n, k = fit.rows, _free(fit) + 1
    if not np.isfinite(deviance):
        return math.inf, math.inf
    small = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    return deviance + 2 * k + small, deviance + k * math.log(n)


def _deviance(fit: Fit, dispersion: float) -> float:
    """-2 log L up to a constant that all laws share."""
    n, total = fit.rows, max(fit.problem.total(fit.values), SMALLEST)
    if fit.objective.name == "huber_log":
        return 2 * total / dispersion + n * math.log(dispersion)
    squares = np.isinf(fit.objective.objective().delta)
    return (1 if squares else 2) * n * math.log(total / n)


def _dispersion(fit: Fit) -> float:
    """Estimate of c: sum(w psi^2) / (n - p) over the mean of psi'.

    The mean of psi' is the share of rows inside delta. It is computed for Gaussian residuals
    with the robust standard deviation of the actual ones, so that it is not zero if delta is
    smaller than every residual.
    """
    problem, n, free = fit.problem, fit.rows, _free(fit)
    if n <= free:
        return math.inf
    r, delta = problem.residuals(fit.values), float(problem.objective.delta)
    sd = robust_sd(r, free)
    inside = math.erf(delta / (math.sqrt(2) * sd)) if sd > 0 else 1.0
    score = float(problem.rows.weights @ np.clip(r, -delta, delta) ** 2)
    return max(score / (n - free) / inside, SMALLEST) if np.isfinite(score) else math.inf


def _free(fit: Fit) -> int:
    """Number of parameters that were fitted, without those of a companion law."""
    return len(fit.law.parameters) - len(fit.problem.fixed)


def akaike_weights(fits: Mapping[str, Fit]) -> dict[str, float]:
    """Weights proportional to exp(-AICc/(2t)), where t rows carry the information of one.

    With correlation c between neighbours in size, n rows carry the information of
    n (1 - c)/(1 + c) independent rows; c is that of the law with the best AICc. If AICc is
    infinite for all laws, their weights are equal.
    """
    score = {name: aicc for name, (aicc, _) in information(fits).items()}
    best = min(score, key=lambda name: score[name])
    if not np.isfinite(score[best]):
        return dict.fromkeys(score, 1 / len(score))
    c = _neighbour_correlation(fits[best])
    worth = {name: np.exp(-(s - score[best]) * (1 - c) / (1 + c) / 2) for name, s in score.items()}
    return {name: float(w / sum(worth.values())) for name, w in worth.items()}


def _neighbour_correlation(fit: Fit) -> float:
    """Correlation of each residual with the next in order of size, limited to 0 to 0.95."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.sum([np.log(fit.data[s]) for s in fit.law.sizes], axis=0)
    r = fit.residuals()[np.argsort(size, kind="stable")]
    r = r - r.mean()
    return float(np.clip((r[1:] @ r[:-1]) / max(float(r @ r), SMALLEST), 0.0, 0.95))


def inverse_square_weights(errors: Mapping[str, float]) -> dict[str, float]:
    """Weights proportional to 1/error^2; zero for an infinite error, equal if all are infinite."""
    power = {name: (max(v, 1e-12) ** -2 if np.isfinite(v) else 0.0) for name, v in errors.items()}
    total = sum(power.values())
    return {name: (v / total if total > 0 else 1 / len(power)) for name, v in power.items()}


def average(predictions: Mapping[str, tuple[float, Array]], *, logs: bool) -> Array:
    """The weighted mean of predictions (n,), or of their logs if the objective is in logs."""
    total = sum(weight for weight, _ in predictions.values())
    mean: Array = np.zeros(())
    with np.errstate(divide="ignore", invalid="ignore"):
        for weight, values in predictions.values():
            mean = mean + weight * (np.log(values) if logs else values)
        return np.asarray(np.exp(mean / total) if logs else mean / total)
