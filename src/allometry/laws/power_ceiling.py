"""A power law that rises to a ceiling, e.g. accuracy against training size."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values
from allometry.laws.power_offset import start_exponents

__all__ = ["LAW"]


def value(p: Values, sizes: Values) -> Array:
    """C - A x^-alpha."""
    return p["C"] - p["A"] * sizes["x"] ** -p["alpha"]


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to C, A and alpha."""
    power = sizes["x"] ** -p["alpha"]
    return {
        "C": np.ones_like(power),
        "A": -power,
        "alpha": p["A"] * np.log(sizes["x"]) * power,
    }


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """C in units of y; A carries y and x^alpha."""
    x, y = centre["x"], centre["y"]
    return {"C": p["C"] * y, "A": p["A"] * y * x ** p["alpha"], "alpha": p["alpha"]}


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """Ceiling above all y; A x^-alpha at the smallest size is 0.1 to 1 times the typical y."""
    alpha = start_exponents(uniform[:, 2], sizes["x"])
    typical = np.abs(y).mean()
    below = typical * 0.1 * 10 ** uniform[:, 1]
    ceiling = y.max() + 0.3 * typical * uniform[:, 0]
    return np.stack([ceiling, below * sizes["x"].min() ** alpha, alpha], 1)


LAW = Law(
    name="power_ceiling",
    formula="y = C - A x^-alpha",
    source="Figueroa et al. 2012, BMC Med. Inform. Decis. Mak. 12:8 (accuracy); "
    "Viering and Loog 2103.10948, table 1 (POW3 of 1 - y)",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter("C", "ceiling of y, reached at infinite x", bounds=(-1e6, 1e6)),
        Parameter("A", "y below the ceiling at x = 1", positive=True, bounds=(1e-9, 1e9)),
        Parameter("alpha", "exponent", bounds=(1e-4, 50.0)),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    starts=starts,
    linear=("C", "A"),
    valid="x > 0; y rises with x (A > 0), and may be of either sign with objective squared",
    default_starts=64,
)
