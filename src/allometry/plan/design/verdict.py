"""Stop rule: whether another run saves more FLOP at the target's compute than it costs."""

from dataclasses import dataclass

import numpy as np

from allometry.laws import Allocation, Array
from allometry.plan.frontier.waste import wasted_off_optimum
from allometry.stats.digits import shown

__all__ = ["Stop", "expected_waste", "verdict"]

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(41)  # for means over a standard normal


@dataclass(frozen=True)
class Stop:
    """The verdict of the stop rule.

    Attributes:
        worth_it: whether some candidate saves more than it costs; None if the target is not a
            size to train.
        gain: FLOP that the best candidate is expected to save. cost: its FLOP. None as `worth_it`.
        sentence: the verdict in words.
    """

    worth_it: bool | None
    gain: float | None
    cost: float | None
    sentence: str

    def to_document(self) -> dict[str, object]:
        """Plain values."""
        return {
            "worth_it": self.worth_it, "gain": self.gain, "cost": self.cost,
            "sentence": self.sentence,
        }  # fmt: skip


def expected_waste(sd: float, curvature: float, split: Allocation | None) -> tuple[float, float]:
    """Mean and standard deviation of the wasted share if ln N/N* is normal with mean 0.

    Args:
        curvature: c in waste = c (ln N/N*)^2, limited to 1. split: of the law, if the closed form
            holds; it is then used in place of the curvature.
    """
    log_ratio = sd * NODES
    if split is None:
        waste = np.minimum(curvature * log_ratio**2, 1.0)
    else:
        waste = wasted_off_optimum(split, log_ratio)
    weights = WEIGHTS / WEIGHTS.sum()
    mean = float(weights @ waste)
    return mean, float(np.sqrt(max(weights @ (waste - mean) ** 2, 0.0)))


def verdict(now: float | None, then: Array | None, cost: Array, compute: float | None) -> Stop:
    """Whether any further run is worth it: C (waste now - waste then) > its cost.

    Args:
        now: expected share of the compute wasted. then: the same after each candidate, (m,).
        cost: of each candidate, (m,). compute: of the decision.
    """
    if now is None or then is None or compute is None:
        sentence = "No stop rule: the target is not a size to train, so no compute is saved."
        return Stop(None, None, None, sentence)
    saved = compute * (now - then)
    place = int(np.argmax(saved - cost))
    gain, spent = float(saved[place]), float(cost[place])
    if gain > spent:
        sentence = (
            f"Another run is worth it: one of {shown(spent)} FLOP is expected to save "
            f"{shown(gain)} of the {shown(compute)} FLOP."
        )
    else:
        sentence = (
            f"Stop: no further candidate is expected to save as much of the {shown(compute)} "
            "FLOP as it costs."
        )
    return Stop(gain > spent, gain, spent, sentence)
