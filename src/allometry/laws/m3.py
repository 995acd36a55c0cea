"""A power law of a shifted inverse size."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]


def value(p: Values, sizes: Values) -> Array:
    """A (1/x + gamma)^alpha."""
    return p["A"] * (1 / sizes["x"] + p["gamma"]) ** p["alpha"]


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to A, gamma and alpha."""
    shifted = 1 / sizes["x"] + p["gamma"]
    power = shifted ** p["alpha"]
    y = p["A"] * power
    return {"A": power, "gamma": y * p["alpha"] / shifted, "alpha": y * np.log(shifted)}


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """gamma is in units of 1/x; A carries y and x^alpha."""
    x0 = centre["x"]
    return {
        "A": p["A"] * centre["y"] * x0 ** p["alpha"],
        "gamma": p["gamma"] / x0,
        "alpha": p["alpha"],
    }


LAW = Law(
    name="m3",
    formula="y = A (1/x + gamma)^alpha",
    source="M3 of Alabdulmohsin et al. 2209.06640",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter(
            "A", "y where 1/x + gamma = 1", positive=True, bounds=(1e-9, 1e9), start=(0.1, 5.0)
        ),
        Parameter(
            "gamma",
            "inverse size at which y saturates",
            positive=True,
            bounds=(1e-7, 1e3),
            start=(1e-3, 3.0),
        ),
        Parameter("alpha", "exponent", bounds=(1e-4, 20.0), start=(0.05, 2.0)),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    linear=("A",),
    valid="x > 0, y > 0",
    default_starts=64,
)
