"""The spec of a run of multitask sparse parity."""

import math
from typing import Self

from pydantic import Field, model_validator

from allometry.spec import Experiment

__all__ = ["ParityRun"]


class ParityRun(Experiment):
    """A network of one hidden layer, trained on many parities at once.

    The defaults are those of the replication (notebook 003): 10 tasks of 3 of 100 bits.

    Attributes:
        n_tasks: number of parities; each has its own control bit.
        n_bits: number of data bits, each 0 or 1 with probability 1/2.
        k: number of bits in a parity; one number for all tasks or one for each.
        alpha: task i is drawn with probability proportional to (i + offset)^-(alpha + 1).
        offset: reduces the differences between the most frequent tasks.
        distinct: whether no two tasks have the same bits (Michaud et al.); otherwise the bits of
            each task are drawn independently (the replication).
        width: number of hidden units (ReLU); the output is one sigmoid unit.
        batch_size: samples per update.
        steps: number of updates of Adam.
        learning_rate: learning rate of Adam.
        n_samples: size of the training set, which is shuffled for each pass; 0 for fresh samples
            in every update.
        measure_every: updates between points of the trajectory.
        task_samples: number of fresh samples per task on which its loss is measured.
        test_size: size of a fixed test set with each task in exact proportion; 0 computes the test
            loss as the sum of the tasks' losses weighted by their frequencies.
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
            raise ValueError(
                f"k must have one value for each of {self.n_tasks} tasks, got {len(self.k)}"
            )
        if not all(1 <= k <= self.n_bits for k in self.ks):
            raise ValueError(f"k must be between 1 and n_bits = {self.n_bits}, got {self.k}")
        if self.steps % self.measure_every:
            raise ValueError(
                f"steps must be a multiple of measure_every, got {self.steps} "
                f"and {self.measure_every}"
            )
        if self.distinct:
            for k in set(self.ks):
                n_sets, n_tasks = math.comb(self.n_bits, k), self.ks.count(k)
                if n_tasks > n_sets:
                    raise ValueError(
                        f"{n_tasks} tasks have {k} bits, but there are only {n_sets} distinct "
                        f"sets of {k} of {self.n_bits} bits"
                    )
        return self

    @property
    def ks(self) -> tuple[int, ...]:
        """Number of bits in each task's parity."""
        return self.k if isinstance(self.k, tuple) else (self.k,) * self.n_tasks

    @property
    def n_params(self) -> int:
        """Number of weights and biases of the network."""
        return self.width * (self.n_tasks + self.n_bits + 2) + 1
