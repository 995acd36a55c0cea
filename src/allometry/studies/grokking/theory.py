"""The effective theory of the representation: an energy it descends, linear in itself.

Liu et al. 2022 (2205.10343), section 3.2: l_eff = l0 / Z0 with l0 the mean squared gap of the
training set's parallelograms and Z0 = sum of E_k^2, which keeps the representation from
collapsing. dE/dt = -eta d l_eff/dE is linear up to a rescaling, so its course is known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allometry.studies.grokking.algebra import ZERO, coefficients, ideal
from allometry.studies.grokking.task import Task

__all__ = ["EffectiveTheory"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EffectiveTheory:
    """The theory of one set of parallelograms, for numbers on a line.

    Attributes:
        rows: their coefficients, ``(parallelograms, n_symbols)``.
        mean: divide by their number, as the paper's formula does; its code sums.
    """

    rows: Array
    mean: bool = True

    @classmethod
    def of(cls, task: Task, train: NDArray[np.int64]) -> "EffectiveTheory":
        """Of the parallelograms P0(D) a training set gives (the paper)."""
        return cls(coefficients(task)[ideal(task, train).given].astype(float))

    @classmethod
    def published(cls, task: Task) -> "EffectiveTheory":
        """Of all parallelograms, summed (the paper's code, `train_add.py`)."""
        return cls(coefficients(task).astype(float), mean=False)

    @property
    def _share(self) -> float:
        return 1 / max(len(self.rows), 1) if self.mean else 1.0

    def energy(self, latent: Array) -> Array:
        """l_eff of representations ``(..., n_symbols)``, ``(...)``."""
        gap = latent @ self.rows.T
        return np.asarray(self._share * (gap**2).sum(-1) / (latent**2).sum(-1))

    def hessian(self, latent: Array) -> Array:
        """H = (1/Z0) d2 l0 / dE2 at the scale of a representation, ``(n, n)``."""
        return np.asarray(2 * self._share * self.rows.T @ self.rows / (latent @ latent))

    def rate(self, latent: Array) -> float:
        """lambda_3, the grokking rate: the slowest of the modes that are not free.

        The two modes with eigenvalue zero, shift and scale, stay as they are; where a third is
        zero the linear representation is not the only one, and the rate is zero.
        """
        third = float(np.linalg.eigvalsh(self.hessian(latent))[2])
        return third if third > ZERO else 0.0

    def steps(self, latent: Array, eta: float) -> float:
        """n_h = 1 / (lambda_3 eta): steps in which the slowest gap falls by e; infinite at rate 0.

        About three of them make a representation look linear.
        """
        rate = self.rate(latent)
        return 1 / (rate * eta) if rate > 0 else np.inf

    def integrate(self, latent: Array, eta: float, steps: int) -> Array:
        """Gradient descent on l_eff with Z0 fixed at its start, ``(steps, n_symbols)``.

        The first is the start. The update is the published code's: E + eta (2 l0 / Z0^2 E -
        2 / Z0 A'A E).
        """
        here, z0 = np.asarray(latent, float).copy(), float(latent @ latent)
        gram = self._share * self.rows.T @ self.rows
        out = np.empty((steps, len(here)))
        for step in range(steps):
            out[step] = here
            pull = gram @ here
            here = here + eta * (2 * (here @ pull) / z0**2 * here - 2 / z0 * pull)
        return out
