"""A trained run of the toy model: its values at every epoch, and the times it passed thresholds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.studies.grokking.spec import ToyModel
from allometry.studies.grokking.task import Task

__all__ = ["LAG", "LINEAR", "RIGHT", "Trajectory", "phase"]

RIGHT = 0.9  # accuracy at which training or test questions count as learnt
# RQI above which the representation counts as linear, by protocol.
LINEAR = {"notebook": 0.99, "published": 0.95, "permutations": 0.95}
LAG = 1_000  # least number of steps between training and test in grokking (paper, table 1)


@dataclass(frozen=True)
class Trajectory:
    """A run along its training.

    Attributes:
        spec: the run's spec.
        train: positions of the training questions, ``(n_train,)``.
        loss: training loss before each epoch's update, ``(epochs,)``.
        train_right, test_right: number of questions answered correctly, ``(epochs,)``, before or
            after the update as the protocol says.
        parallelograms: number of closed parallelograms after each update, ``(epochs,)``.
        latent: representations at some points, ``(points, n_symbols, latent_dim)``; the first is
            the initial one.
        latent_update: updates made at these points, ``(points,)``.
        control: the run with the same initial values and swapped learning rates; None if the spec
            does not ask for it.
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
        """The questions and answers of the run."""
        return self.spec.task

    @property
    def train_accuracy(self) -> NDArray[np.float64]:
        """Share of the training questions answered correctly, ``(epochs,)``."""
        return self.train_right / self.spec.n_train

    @property
    def test_accuracy(self) -> NDArray[np.float64]:
        """Share of the test questions answered correctly, ``(epochs,)``."""
        return self.test_right / (len(self.task.pairs) - self.spec.n_train)

    @property
    def rqi(self) -> NDArray[np.float64]:
        """Share of all parallelograms that the representation closes, ``(epochs,)``."""
        return self.parallelograms / len(self.task.parallelograms)

    def times(self) -> dict[str, int]:
        """`t_train`, `t_test`, `t_rqi`: the first epoch past each threshold.

        A threshold that is never passed has the last epoch, as in the notebook.
        """
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

    C comprehension: the test questions are learnt less than 1,000 steps after the training ones;
    G grokking: the test questions are learnt later than that; M memorisation: only the training
    questions are learnt; X confusion: not even these.
    """
    if t_train is None:
        return "X"
    if t_test is None:
        return "M"
    return "C" if t_test - t_train < LAG else "G"
