"""Exponential approach to a floor."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]


def value(p: Values, sizes: Values) -> Array:
    """E + A exp(-x/s)."""
    return p["E"] + p["A"] * np.exp(-sizes["x"] / p["s"])


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to E, A and s."""
    fall = np.exp(-sizes["x"] / p["s"])
    return {"E": np.ones_like(fall), "A": fall, "s": p["A"] * fall * sizes["x"] / p["s"] ** 2}


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """E and A in units of y; s in units of x."""
    return {"E": p["E"] * centre["y"], "A": p["A"] * centre["y"], "s": p["s"] * centre["x"]}


LAW = Law(
    name="exponential",
    formula="y = E + A exp(-x/s)",
    source="common alternative to power_floor, e.g. Viering and Loog 2103.10948, table 1",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter(
            "E", "floor of y", positive=True, bounds=(1e-6, 1e3), start=(0.05, 1.0), kind="floor"
        ),
        Parameter(
            "A", "y above the floor at x = 0", positive=True, bounds=(1e-9, 1e9), start=(0.05, 5.0)
        ),
        Parameter(
            "s",
            "x over which the excess falls by a factor e",
            positive=True,
            bounds=(1e-3, 1e4),
            start=(0.03, 30.0),
        ),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    linear=("E", "A"),
    positive_sizes=False,
    valid="x >= 0, y > E > 0",
    default_starts=64,
)
