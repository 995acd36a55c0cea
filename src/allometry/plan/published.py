"""Published coefficients of laws, for comparison with a fit to similar runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from allometry import laws
from allometry.laws import Law

__all__ = ["PUBLISHED", "Published"]


@dataclass(frozen=True)
class Published:
    """Published coefficients, for N in parameters and D in tokens."""

    name: str
    law: Law
    values: Mapping[str, float]


PUBLISHED = (
    Published(
        "The rounded coefficients of Hoffmann et al. (2203.15556, eq. 10)",
        laws.chinchilla,
        {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28},
    ),
    Published(
        "The coefficients of Besiroglu et al. (2404.10102)",
        laws.chinchilla,
        {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658},
    ),
)
