"""Chinchilla with an exponent on the sum of both powers."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.chinchilla import MEANINGS, allocation, derived
from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]


def _parts(p: Values, sizes: Values) -> tuple[Array, Array]:
    """Log of the sum of both powers, and the share of the power of N in it."""
    by_n = np.log(p["A"]) - p["alpha"] * np.log(sizes["N"])
    total = np.logaddexp(by_n, np.log(p["B"]) - p["beta"] * np.log(sizes["D"]))
    return total, np.exp(by_n - total)


def value(p: Values, sizes: Values) -> Array:
    """E + (A N^-alpha + B D^-beta)^k."""
    return p["E"] + np.exp(p["k"] * _parts(p, sizes)[0])


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """The value, and its derivatives with respect to every parameter."""
    total, share = _parts(p, sizes)
    excess = np.exp(p["k"] * total)
    by_n, by_d = p["k"] * excess * share, p["k"] * excess * (1 - share)
    return {
        "L": p["E"] + excess,
        "E": np.ones_like(excess),
        "A": by_n / p["A"],
        "B": by_d / p["B"],
        "alpha": -by_n * np.log(sizes["N"]),
        "beta": -by_d * np.log(sizes["D"]),
        "k": excess * total,
    }


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """E in units of L; A and B carry the scale of L to the power 1/k, and those of N and D."""
    scale = centre["L"] ** (1 / p["k"])
    return {
        **p,
        "E": p["E"] * centre["L"],
        "A": p["A"] * scale * centre["N"] ** p["alpha"],
        "B": p["B"] * scale * centre["D"] ** p["beta"],
    }


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """Half of the starts have k = 1, Chinchilla's law; the others have k from 1/4 to 4.

    The floor, N's share of the sum at the centre and the exponents k alpha and k beta (those of
    one power alone) are drawn over their ranges.
    """
    k = np.where(np.arange(len(uniform)) % 2 == 0, 1.0, 4 ** (2 * uniform[:, 5] - 1))
    floor = 0.05 + 0.9 * uniform[:, 0]
    share = 0.02 + 0.96 * uniform[:, 1]
    excess = (1 - floor) ** (1 / k)
    alpha, beta = 0.02 * 50 ** uniform[:, 2] / k, 0.02 * 50 ** uniform[:, 3] / k
    return np.stack([floor, excess * share, excess * (1 - share), alpha, beta, k], 1)


LAW = Law(
    name="skaling",
    formula="L = E + (A N^-alpha + B D^-beta)^k",
    source="Skaling, 2608.07222; k = 1 is Hoffmann et al. 2203.15556, eq. 2",
    sizes=("N", "D"),
    response="L",
    parameters=(
        Parameter(
            "E", "loss at infinite N and D", positive=True, bounds=(1e-6, 1e3), kind="floor"
        ),
        Parameter(
            "A", "N's part of (L - E)^(1/k) at N = 1", positive=True, bounds=(1e-60, 1e60)
        ),
        Parameter(
            "B", "D's part of (L - E)^(1/k) at D = 1", positive=True, bounds=(1e-60, 1e60)
        ),
        Parameter("alpha", "exponent of N in (L - E)^(1/k)", bounds=(1e-4, 20.0)),
        Parameter("beta", "exponent of D in (L - E)^(1/k)", bounds=(1e-4, 20.0)),
        Parameter(
            "k", "exponent of the sum of both powers; 1 is the law chinchilla", positive=True,
            bounds=(0.02, 50.0), kind="exponent",
        ),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    starts=starts,
    derived=derived,
    allocation=allocation,
    meanings=MEANINGS,
    valid="N > 0, D > 0, L > E > 0; k needs at least three different ratios D/N",
    default_starts=200,
)  # fmt: skip
