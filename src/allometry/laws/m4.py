"""A power law between the loss of random guessing and a floor."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]

NEWTON_STEPS = 12


def _share(p: Values, sizes: Values) -> tuple[Array, Array, Array]:
    """z = (y - E)/(y0 - E), the slope of t = logit z with respect to log q, and log(1 + e^t).

    The law is log z - g log(1 - z) = log q. As a function of t, the left side rises with a
    slope between 1 and g, so Newton steps converge from its asymptotes.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        log_q = (
            np.log(p["A"])
            - p["alpha"] * np.log(sizes["x"])
            + (p["g"] - 1) * np.log(p["y0"] - p["E"])
        )
    t = np.where(log_q < 0, log_q, log_q / p["g"])
    for _ in range(NEWTON_STEPS):
        above, z = _bend(t)
        step = (t - above + p["g"] * above - log_q) / (1 - z + p["g"] * z)
        t = t - step
        if not np.abs(step).max(initial=0.0, where=np.isfinite(step)) > 1e-9:
            break  # convergence is quadratic: the next step would be below rounding
    above, z = _bend(t)
    return z, 1 / (1 - z + p["g"] * z), above


def _bend(t: Array) -> tuple[Array, Array]:
    """log(1 + e^t) and 1/(1 + e^-t), from one exponential and one logarithm."""
    small = np.exp(-np.abs(t))
    return np.maximum(t, 0) + np.log(1 + small), np.where(t < 0, small, 1.0) / (1 + small)


def value(p: Values, sizes: Values) -> Array:
    """The y between E and y0 with (y - E)/(y0 - y)^g = A x^-alpha."""
    z, _, _ = _share(p, sizes)
    return p["E"] + (p["y0"] - p["E"]) * z


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """The value, and its derivatives from the implicit equation."""
    z, slope, above = _share(p, sizes)
    span = p["y0"] - p["E"]
    by_log_q = span * z * (1 - z) * slope
    pull = by_log_q * (p["g"] - 1) / span
    return {
        "y": p["E"] + span * z,
        "E": 1 - z - pull,
        "y0": z + pull,
        "A": by_log_q / p["A"],
        "alpha": -by_log_q * np.log(sizes["x"]),
        "g": by_log_q * (np.log(span) - above),
    }


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """E and y0 in units of y; A carries y^(1 - g) and x^alpha."""
    y, x = centre["y"], centre["x"]
    return {
        "E": p["E"] * y,
        "y0": p["y0"] * y,
        "alpha": p["alpha"],
        "g": p["g"],
        "A": p["A"] * y ** (1 - p["g"]) * x ** p["alpha"],
    }


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """E below and y0 above the data; A such that the law passes through the middle of the data."""
    low, high = float(y.min()), float(y.max())
    floor = low * (0.02 + 0.96 * uniform[:, 0])
    top = high * (1.02 + 3 * uniform[:, 1] ** 2)
    g = np.exp(np.log(0.1) + np.log(30) * uniform[:, 4])
    alpha = 0.02 * 100 ** uniform[:, 3]
    middle = np.clip(1.0, floor + 0.01 * (top - floor), top - 0.01 * (top - floor))
    return np.stack([floor, top, (middle - floor) / (top - middle) ** g, alpha, g], 1)


LAW = Law(
    name="m4",
    formula="(y - E)/(y0 - y)^g = A x^-alpha",
    source="M4 of Alabdulmohsin et al. 2209.06640, eq. 4",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter("E", "floor of y", positive=True, bounds=(1e-6, 1e3), kind="floor"),
        Parameter("y0", "y as x goes to 0", positive=True, bounds=(1e-6, 1e4), kind="floor"),
        Parameter("A", "coefficient", positive=True, bounds=(1e-9, 1e9)),
        Parameter("alpha", "exponent", bounds=(1e-4, 20.0)),
        Parameter(
            "g",
            "how gradually y leaves y0 for the power law",
            positive=True,
            bounds=(1e-2, 20.0),
            kind="exponent",
        ),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    starts=starts,
    valid="x > 0, 0 < E < y < y0",
    default_starts=48,
)
