"""What a measure sees: one network at one moment of its training."""

from dataclasses import dataclass
from typing import NamedTuple

from allometry.datasets.splits import Split
from allometry.models.model import Model, Params
from allometry.spec import RunSpec

__all__ = ["Losses", "Network"]


class Losses(NamedTuple):
    """Mean cross-entropy (nats) and share of examples classified right, 0 to 1."""

    train_loss: float
    test_loss: float
    train_accuracy: float
    test_accuracy: float


@dataclass(frozen=True)
class Network:
    """One network, its parameters in their own shapes, never padded.

    Attributes:
        params: NumPy arrays by name.
        losses: over its whole training set and its whole test set.
        split: the features its trained part sees, with labels.
        epoch: passes made so far; 0 is the untrained network.
    """

    spec: RunSpec
    model: Model
    params: Params
    losses: Losses
    split: Split
    epoch: int
