"""A step between two levels, e.g. task accuracy against loss."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]


def _rise(p: Values, sizes: Values) -> Array:
    return 1 / (1 + np.exp(np.clip(-p["k"] * (sizes["x"] - p["z0"]), -500, 500)))


def value(p: Values, sizes: Values) -> Array:
    """lo + (hi - lo)/(1 + exp(-k (x - z0)))."""
    return p["lo"] + (p["hi"] - p["lo"]) * _rise(p, sizes)


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to lo, hi, k and z0."""
    s = _rise(p, sizes)
    bend = (p["hi"] - p["lo"]) * s * (1 - s)
    return {"lo": 1 - s, "hi": s, "k": bend * (sizes["x"] - p["z0"]), "z0": -bend * p["k"]}


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """Levels in units of y; z0 in units of x; k in units of 1/x."""
    y, spread = centre["y"], centre.get("x spread", 1.0)
    return {
        "lo": p["lo"] * y,
        "hi": p["hi"] * y,
        "k": p["k"] / spread,
        "z0": centre["x"] + p["z0"] * spread,
    }


LAW = Law(
    name="sigmoid",
    formula="y = lo + (hi - lo)/(1 + exp(-k (x - z0)))",
    source="Bhagia et al. 2412.04403, eq. 3 (task accuracy against task loss)",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter("lo", "level far below z0", bounds=(-1e3, 1e3), start=(0.0, 1.0), kind="floor"),
        Parameter("hi", "level far above z0", bounds=(-1e3, 1e3), start=(0.5, 2.0), kind="floor"),
        Parameter("k", "steepness", positive=True, bounds=(1e-2, 1e3), start=(0.2, 20.0)),
        Parameter("z0", "middle of the step", bounds=(-10.0, 10.0), start=(-2.0, 2.0)),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    linear=("lo", "hi"),
    centring="affine",
    positive_sizes=False,
    valid="any x, of either sign; y falls with x where hi < lo",
    default_starts=64,
)
