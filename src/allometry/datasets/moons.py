"""Two interleaved half circles with noise."""

import numpy as np
from numpy.typing import NDArray

from allometry.errors import UsageError

__all__ = ["make_moons"]


def make_moons(
    n_samples: int, noise: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points on two half circles, shuffled, each coordinate with Gaussian noise.

    The same points as scikit-learn's `make_moons(n_samples, noise=noise,
    random_state=seed)`, bit for bit: the same draws in the same order.

    Args:
        n_samples: how many points; half of them (rounded down) on the outer moon.
        noise: standard deviation of the noise.
        seed: of NumPy's MT19937, below 2**32.

    Returns:
        Points, shape ``(n_samples, 2)``, and the moon of each (0 outer, 1 inner),
        shape ``(n_samples,)``.

    Raises:
        UsageError: fewer than one point or a negative noise.
    """
    if n_samples < 1 or not noise >= 0:
        raise UsageError(f"n_samples >= 1 and noise >= 0 expected, got {n_samples} and {noise}")
    n_outer = n_samples // 2
    outer = np.linspace(0, np.pi, n_outer)
    inner = np.linspace(0, np.pi, n_samples - n_outer)
    points = np.stack(
        [
            np.append(np.cos(outer), 1 - np.cos(inner)),
            np.append(np.sin(outer), 1 - np.sin(inner) - 0.5),
        ],
        axis=1,
    )
    moon = np.repeat(np.array([0, 1]), [n_outer, n_samples - n_outer])
    random = np.random.RandomState(seed)
    order = np.arange(n_samples)
    random.shuffle(order)
    return points[order] + random.normal(scale=noise, size=points.shape), moon[order]
