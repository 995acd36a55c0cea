"""The effective theory of the representation: gradient descent on an energy.

The theory is that of Liu et al. 2022 (2205.10343), section 3.2: l_eff = l0 / Z0, where l0 is the
mean squared gap of the training set's parallelograms and Z0 = sum of E_k^2, which prevents
collapse of the representation. dE/dt = -eta d l_eff/dE is linear up to a rescaling, so its
solution is known.
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
    """The theory for one set of parallelograms and one-dimensional representations of numbers.

    Attributes:
        rows: coefficients of the parallelograms, ``(parallelograms, n_symbols)``.
        mean: whether l0 is the mean over parallelograms, as in the paper's formula, or the sum, as
            in its code.
    """

    rows: Array
    mean: bool = True

    @classmethod
    def of(cls, task: Task, train: NDArray[np.int64]) -> "EffectiveTheory":
        """The paper's theory: the mean over the parallelograms P0(D) of a training set."""
        return cls(coefficients(task)[ideal(task, train).given].astype(float))

    @classmethod
    def published(cls, task: Task) -> "EffectiveTheory":
        """The theory of the paper's code (`train_add.py`): the sum over all parallelograms."""
        return cls(coefficients(task).astype(float), mean=False)

    @property
    def _share(self) -> float:
        return 1 / max(len(self.rows), 1) if self.mean else 1.0

    def energy(self, latent: Array) -> Array:
        """l_eff ``(...)`` of representations ``(..., n_symbols)``."""
        gap = latent @ self.rows.T
        return np.asarray(self._share * (gap**2).sum(-1) / (latent**2).sum(-1))

    def hessian(self, latent: Array) -> Array:
        """H = (1/Z0) d2 l0 / dE2 ``(n, n)``, with Z0 of a representation."""
        return np.asarray(2 * self._share * self.rows.T @ self.rows / (latent @ latent))

    def rate(self, latent: Array) -> float:
        """lambda_3, the grokking rate: the rate of the slowest mode that is not free.

        The two modes with eigenvalue zero, shift and scale, do not change. If a third eigenvalue is
        zero, the linear representation is not the only one, and the rate is zero.
        """
        third = float(np.linalg.eigvalsh(self.hessian(latent))[2])
        return third if third > ZERO else 0.0

    def steps(self, latent: Array, eta: float) -> float:
        """n_h = 1 / (lambda_3 eta): steps in which the slowest gap falls by e; infinite at rate 0.

        A representation looks linear after about three times this number of steps.
        """
        rate = self.rate(latent)
        return 1 / (rate * eta) if rate > 0 else np.inf

    def integrate(self, latent: Array, eta: float, steps: int) -> Array:
        """Gradient descent on l_eff with Z0 fixed at its initial value, ``(steps, n_symbols)``.

        The first row is `latent`. The update is that of the published code:
        E + eta (2 l0 / Z0^2 E - 2 / Z0 A'A E).
        """
        current, z0 = np.asarray(latent, float).copy(), float(latent @ latent)
        gram = self._share * self.rows.T @ self.rows
        out = np.empty((steps, len(current)))
        for step in range(steps):
            out[step] = current
            pull = gram @ current
            current = current + eta * (2 * (current @ pull) / z0**2 * current - 2 / z0 * pull)
        return out
