"""A straight line in log x."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]


def value(p: Values, sizes: Values) -> Array:
    """a - b log x, natural logarithm."""
    return p["a"] - p["b"] * np.log(sizes["x"])


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to a and b."""
    shape = (p["a"].shape[0], len(sizes["x"]))
    return {"a": np.ones(shape), "b": np.broadcast_to(-np.log(sizes["x"]), shape)}


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """a and b for raw x and y."""
    y0 = centre["y"]
    return {"a": y0 * (p["a"] + p["b"] * np.log(centre["x"])), "b": y0 * p["b"]}


LAW = Law(
    name="log",
    formula="y = a - b log x",
    source="Hestness et al. 1712.00409 (small-data region); natural logarithm",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter("a", "y at x = 1", bounds=(-1e6, 1e6), start=(0.5, 1.5)),
        Parameter("b", "fall of y per factor e of x", bounds=(-1e6, 1e6), start=(-0.5, 0.5)),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    linear=("a", "b"),
    valid="x > 0; y is zero at x = exp(a/b)",
    default_starts=8,
)
