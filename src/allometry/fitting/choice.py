"""Detection of comparisons whose weights do not decide between the laws."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from allometry.fitting.document import Fit
from allometry.laws import Array

__all__ = ["Candidate", "cannot_tell", "far_sizes"]

DECIDED = 0.9  # weight above which the choice of a law is not in doubt
COUNTS = 0.05  # weight below which a law is ignored here
FAR = 10.0  # times the largest sizes: where predictions are compared if no rows are set aside


@dataclass(frozen=True)
class Candidate:
    """A fitted law of a comparison.

    Attributes:
        fit: to all fit rows. weight: in the average.
        backtest: error over rolling origins, not finite without a back-test.
    """

    fit: Fit
    weight: float
    backtest: float


def cannot_tell(
    candidates: Mapping[str, Candidate], sizes: Mapping[str, Array], where: str, *, logs: bool
) -> str:
    """Why the weights do not decide between the laws; empty if they do or it matters little.

    They do not decide if no law has a weight above 0.9 and the predictions of the laws with a
    weight of at least 0.05 differ by more than the largest of their back-test errors (of their
    residuals, without a back-test). Measured values at `sizes` are not used.

    Args:
        sizes: symbol -> sizes at which the predictions are compared (n,). where: the same in words.
        logs: whether differences are of log y.
    """
    rivals = {name: c for name, c in candidates.items() if c.weight >= COUNTS}
    if len(rivals) < 2 or max(c.weight for c in rivals.values()) > DECIDED:
        return ""
    predictions = {name: c.fit.predict(sizes) for name, c in rivals.items()}
    difference = max(_rms(a, b, logs) for a, b in combinations(predictions.values(), 2))
    error, what = max(c.backtest for c in rivals.values()), "back-test errors"
    if not np.isfinite(error):
        error, what = max(_residual(c.fit) for c in rivals.values()), "residuals"
    if difference <= error:
        return ""
    weights = ", ".join(f"{name} {c.weight:.2f}" for name, c in rivals.items())
    return (
        f"cannot tell which law: no weight is above {DECIDED:g} ({weights}), and {where} "
        f"predictions differ by up to {difference:.2g}{' in log y' if logs else ''}, more than "
        f"the largest of their {what} ({error:.2g})"
    )


def far_sizes(fits: Mapping[str, Fit]) -> dict[str, Array]:
    """Ten times the largest value of each size, as one point."""
    fit = next(iter(fits.values()))
    return {symbol: np.array([FAR * fit.data[symbol].max()]) for symbol in fit.law.sizes}


def _rms(first: Array, second: Array, logs: bool) -> float:
    """Root mean squared difference of two predictions (n,); infinite if it would be NaN."""
    with np.errstate(all="ignore"):
        difference = np.log(first) - np.log(second) if logs else first - second
        rms = float(np.sqrt(np.mean(difference**2)))
    return rms if np.isfinite(rms) else float("inf")


def _residual(fit: Fit) -> float:
    return float(np.sqrt(np.mean(fit.residuals() ** 2)))
