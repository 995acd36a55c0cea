"""End points of the lanes of a minimisation; a lane is one start or one resample."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from allometry.laws import Array

__all__ = ["Lanes", "Solution"]

Lanes = NDArray[np.bool_]  # which lanes, (K,)


@dataclass(frozen=True)
class Solution:
    """The end point of each lane.

    Attributes:
        u: parameters, shape (K, p).
        value: objective (K,). gradient: (K, p).
        converged: which lanes met the convergence criterion of their solver, (K,).
        sweeps: number of rounds of each lane, (K,).
    """

    u: Array
    value: Array
    gradient: Array
    converged: Lanes
    sweeps: NDArray[np.intp]

    @classmethod
    def unsolved(cls, u: Array, rounds: int) -> "Solution":
        """Every lane at its start, to be overwritten as lanes end."""
        count = len(u)
        return cls(
            u.copy(),
            np.full(count, np.inf),
            np.zeros_like(u),
            np.zeros(count, bool),
            np.full(count, rounds),
        )

    def joined(self, other: "Solution") -> "Solution":
        """The lanes of both."""
        return Solution(
            *(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self))
        )

    def write(self, lanes: NDArray[np.intp], other: "Solution") -> None:
        """Replace these lanes by those of another solution, in its order."""
        for f in fields(self):
            getattr(self, f.name)[lanes] = getattr(other, f.name)

    def take(self, lanes: NDArray[np.intp]) -> "Solution":
        """Some of the lanes."""
        return Solution(*(getattr(self, f.name)[lanes] for f in fields(self)))
