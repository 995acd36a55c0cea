"""Exponential approach to a ceiling, e.g. accuracy against training size."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]


def value(p: Values, sizes: Values) -> Array:
    """C - A exp(-x/s)."""
    return p["C"] - p["A"] * np.exp(-sizes["x"] / p["s"])


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to C, A and s."""
    gap = np.exp(-sizes["x"] / p["s"])
    return {"C": np.ones_like(gap), "A": -gap, "s": -p["A"] * gap * sizes["x"] / p["s"] ** 2}


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """C and A in units of y; s in units of x."""
    return {"C": p["C"] * centre["y"], "A": p["A"] * centre["y"], "s": p["s"] * centre["x"]}


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """s from a fifth of the smallest gap between sizes to three times their range."""
    x = np.unique(sizes["x"])
    shortest, span = np.diff(x).min(initial=np.ptp(x)), np.ptp(x)
    s = 0.2 * shortest * (15 * span / shortest) ** uniform[:, 2]
    typical = np.abs(y).mean()
    below = typical * 0.1 * 10 ** uniform[:, 1]
    return np.stack([y.max() + 0.3 * typical * uniform[:, 0], below, s], 1)


LAW = Law(
    name="exponential_ceiling",
    formula="y = C - A exp(-x/s)",
    source="Viering and Loog 2103.10948, table 1 (EXP3 of 1 - y); alternative to power_ceiling",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter("C", "ceiling of y, reached at infinite x", bounds=(-1e6, 1e6)),
        Parameter("A", "y below the ceiling at x = 0", positive=True, bounds=(1e-9, 1e9)),
        Parameter(
            "s", "x over which the gap to the ceiling falls by a factor e", positive=True,
            bounds=(1e-9, 1e9),
        ),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    starts=starts,
    linear=("C", "A"),
    positive_sizes=False,
    valid="x >= 0; y rises with x (A > 0), and may be of either sign with objective squared",
    default_starts=64,
)  # fmt: skip
