"""One run of the toy model, trained: what happened at every epoch, and when thresholds fell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.studies.grokking.spec import ToyModel
from allometry.studies.grokking.task import Task

__all__ = ["LAG", "LINEAR", "RIGHT", "Trajectory", "phase"]

RIGHT = 0.9  # accuracy from which on training or test questions count as learnt
# RQI above which the representation counts as linear, by protocol.
LINEAR = {"notebook": 0.99, "published": 0.95, "permutations": 0.95}
LAG = 1_000  # steps between training and test from which on it is grokking (paper, table 1)


@dataclass(frozen=True)
class Trajectory:
    """One run along its training.

    Attributes:
        spec: what was trained.
        train: positions of the training questions, ``(n_train,)``.
        loss: training loss before each epoch's update, ``(epochs,)``.
        train_right, test_right: questions answered rightly, ``(epochs,)``, at the moment the
            protocol looks.
        parallelograms: realised ones after each update, ``(epochs,)``.
        latent: representations, ``(points, n_symbols, latent_dim)``, after `latent_update`
            updates, ``(points,)``; the first is the start.
        control: the same start with the learning rates swapped, where the spec asks for it.
    """

    spec: ToyModel
    train: NDArray[np.int64]
    loss: NDArray[np.float32]
    train_right: NDArray[np.uint16]
    test_right: NDArray[np.uint16]
    parallelograms: NDArray[np.uint16]
    latent: NDArray[np.float32]
    latent_update: NDArray[np.int32]
    control: "Trajectory | None" = None

    @property
    def task(self) -> Task:
        return self.spec.task

    @property
    def train_accuracy(self) -> NDArray[np.float64]:
        return self.train_right / self.spec.n_train

    @property
    def test_accuracy(self) -> NDArray[np.float64]:
        return self.test_right / (len(self.task.pairs) - self.spec.n_train)

    @property
    def rqi(self) -> NDArray[np.float64]:
        """Share of all parallelograms that the representation closes."""
        return self.parallelograms / len(self.task.parallelograms)

    def times(self) -> dict[str, int]:
        """`t_train`, `t_test`, `t_rqi`: the first epoch past the threshold; the last epoch where
        there is none, as the notebook writes it."""
        last = self.spec.epochs - 1
        return {name: last if first is None else first for name, first in self._first().items()}

    def phase(self) -> str:
        """C, G, M or X, by whether and when training and test questions were learnt."""
        first = self._first()
        return phase(first["t_train"], first["t_test"])

    def _first(self) -> dict[str, int | None]:
        passed = {
            "t_train": self.train_accuracy >= RIGHT,
            "t_test": self.test_accuracy >= RIGHT,
            "t_rqi": self.rqi > LINEAR[self.spec.protocol],
        }
        return {n: int(np.argmax(hit)) if hit.any() else None for n, hit in passed.items()}


def phase(t_train: int | None, t_test: int | None) -> str:
    """The phase of a run (paper, table 1) from the steps at which it learnt; None for never.

    C comprehension: both, the test questions less than 1,000 steps after the training ones;
    G grokking: both, later than that; M memorisation: training questions alone; X confusion: not
    even these.
    """
    if t_train is None:
        return "X"
    if t_test is None:
        return "M"
    return "C" if t_test - t_train < LAG else "G"
