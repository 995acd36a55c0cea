"""What a measure sees: one network at one moment of its training."""

from collections.abc import Mapping
from dataclasses import dataclass

from allometry.datasets.splits import Split
from allometry.models.model import Model, Params
from allometry.spec import RunSpec

__all__ = ["Network"]


@dataclass(frozen=True)
class Network:
    """One network, its parameters in their own shapes, never padded.

    Attributes:
        params: NumPy arrays by name.
        losses: loss and metrics of its task over its whole training set and its whole test set:
            ``train_loss``, ``test_loss``, ``train_accuracy``, ``test_accuracy`` of class labels.
        split: the features its trained part sees, with labels.
        epoch: passes made so far; 0 is the untrained network.
    """

    spec: RunSpec
    model: Model
    params: Params
    losses: Mapping[str, float]
    split: Split
    epoch: int
