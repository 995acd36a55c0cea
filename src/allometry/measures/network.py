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
        params: NumPy arrays by name, read-only.
        losses: loss and metrics over the training set (`TrainSpec.measure_examples` of it), the
            whole test set and, where there is one, validation set: ``train_loss``,
            ``test_loss`` and, for class labels, ``train_accuracy``, ``test_accuracy``.
        split: the features that its trained part sees, with targets; read-only.
        epoch: passes made so far; 0 is the untrained network.
        step: updates made so far.
        start: parameters before the first update, read-only; None where the study does not measure
            the untrained network.
    """

    spec: RunSpec
    model: Model
    params: Params
    losses: Mapping[str, float]
    split: Split
    epoch: float
    step: int
    start: Params | None = None
