"""A power law that falls to a floor of either sign."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW", "start_exponents"]


def start_exponents(uniform: Array, x: Array) -> Array:
    """Start exponents (k,) from draws (k,): x^-alpha falls by e^0.1 to e^20 over sizes x (n,)."""
    span = np.log(x.max() / x.min())
    return np.asarray(0.1 * 200**uniform / max(span, 1e-3))


def value(p: Values, sizes: Values) -> Array:
    """E + A x^-alpha."""
    return p["E"] + p["A"] * sizes["x"] ** -p["alpha"]


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to E, A and alpha."""
    power = sizes["x"] ** -p["alpha"]
    return {
        "E": np.ones_like(power),
        "A": power,
        "alpha": -p["A"] * np.log(sizes["x"]) * power,
    }


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """E in units of y; A carries y and x^alpha."""
    x, y = centre["x"], centre["y"]
    return {"E": p["E"] * y, "A": p["A"] * y * x ** p["alpha"], "alpha": p["alpha"]}


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """At the smallest size, y lies above the floor by 0.1 to 10 times the typical y."""
    alpha = start_exponents(uniform[:, 2], sizes["x"])
    typical = np.abs(y).mean()
    above = typical * 0.1 * 100 ** uniform[:, 1]
    return np.stack([typical - above, above * sizes["x"].min() ** alpha, alpha], 1)


LAW = Law(
    name="power_offset",
    formula="y = E + A x^-alpha, E of either sign",
    source="Viering and Loog 2103.10948, table 1 (POW3); power_floor with E of either sign",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter("E", "y at infinite x, of either sign", bounds=(-1e6, 1e6)),
        Parameter("A", "y above E at x = 1", positive=True, bounds=(1e-9, 1e9)),
        Parameter("alpha", "exponent", bounds=(1e-4, 50.0)),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    starts=starts,
    linear=("E", "A"),
    valid="x > 0; y falls with x (A > 0), and may be of either sign with objective squared",
    default_starts=64,
)
