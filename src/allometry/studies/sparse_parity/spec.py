"""What a run of multitask sparse parity is, as one flat frozen value."""

import math
from typing import Self

from pydantic import Field, model_validator

from allometry.spec import Experiment

__all__ = ["ParityRun"]


class ParityRun(Experiment):
    """A network of one hidden layer, trained on many parities at once.

    The defaults are those of the replication (seed 003): 10 tasks of 3 of 100 bits.

    Attributes:
        n_tasks: parities, each announced by its own control bit.
        n_bits: data bits, each 0 or 1 with probability 1/2.
        k: bits a parity is of; one number for all tasks or one for each.
        alpha: task i is drawn with probability proportional to (i + offset)^-(alpha + 1).
        offset: flattens the head of that law.
        distinct: no two tasks are of the same bits (Michaud et al.); otherwise every
            task's bits are drawn by themselves (the replication).
        width: hidden units (ReLU), before one sigmoid unit.
        batch_size: samples an update.
        steps: updates of Adam.
        learning_rate: of Adam.
        n_samples: size of a training set that is gone through in a new order each pass;
            0 draws fresh samples for every update.
        measure_every: updates between points of the trajectory.
        task_samples: fresh samples of each task that its loss is measured on.
        test_size: samples of a fixed test set with each task in exact proportion; 0 takes the
            sum of the tasks' losses, each times its frequency, for the test loss.
    """

    n_tasks: int = Field(default=10, ge=1)
    n_bits: int = Field(default=100, ge=1)
    k: int | tuple[int, ...] = 3
    alpha: float = 0.4
    offset: float = Field(default=0.0, gt=-1)
    distinct: bool = False
    width: int = Field(default=200, ge=1)
    batch_size: int = Field(default=20_000, ge=1)
    steps: int = Field(default=2_500, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    n_samples: int = Field(default=0, ge=0, lt=2**31)
    measure_every: int = Field(default=1, ge=1)
    task_samples: int = Field(default=1_000, ge=1)
    test_size: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if isinstance(self.k, tuple) and len(self.k) != self.n_tasks:
            raise ValueError(f"k for each of {self.n_tasks} tasks expected, got {len(self.k)}")
        if not all(1 <= k <= self.n_bits for k in self.ks):
            raise ValueError(f"k between 1 and n_bits = {self.n_bits} expected, got {self.k}")
        if self.steps % self.measure_every:
            raise ValueError(
                f"steps a multiple of measure_every expected, got {self.steps} "
                f"and {self.measure_every}"
            )
        if self.distinct:
            for k in set(self.ks):
                there = math.comb(self.n_bits, k)
                if self.ks.count(k) > there:
                    raise ValueError(f"only {there} distinct sets of {k} of {self.n_bits} bits")
        return self

    @property
    def ks(self) -> tuple[int, ...]:
        """Bits of each task's parity."""
        return self.k if isinstance(self.k, tuple) else (self.k,) * self.n_tasks

    @property
    def n_params(self) -> int:
        """Weights and biases of the network."""
        return self.width * (self.n_tasks + self.n_bits + 2) + 1
