"""Loss when data are repeated and the model may be larger than the unique data can use."""

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]


def _worth(repeats: Array, scale: Array) -> Array:
    """1 + R*(1 - exp(-R/R*)): value of one pass and R = `repeats` more, in passes of new data."""
    return 1 - scale * np.expm1(-repeats / scale)


def value(p: Values, sizes: Values) -> Array:
    """E + A/N'^alpha + B/D'^beta with effective N' and D'."""
    n, d, u = (sizes[s] for s in ("N", "D", "U"))
    total = p["alpha"] + p["beta"]
    g = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / total)
    enough = np.minimum(n, (u * g) ** (p["beta"] / p["alpha"]) * g)
    n_used = enough * _worth(np.maximum(n / enough - 1, 0), p["R_N"])
    d_used = u * _worth(np.maximum(d / u - 1, 0), p["R_D"])
    return p["E"] + p["A"] * n_used ** -p["alpha"] + p["B"] * d_used ** -p["beta"]


LAW = Law(
    name="data_constrained",
    formula=(
        "L = E + A/(U_N (1 + R_N (1 - exp(-(N/U_N - 1)/R_N))))^alpha "
        "+ B/(U (1 + R_D (1 - exp(-(D/U - 1)/R_D))))^beta"
    ),
    source="Muennighoff et al. 2305.16264, eq. 5 and 6; fixed parameters from its C4 fit",
    sizes=("N", "D", "U"),
    response="L",
    parameters=(
        Parameter(
            "E",
            "loss at infinite N and D",
            positive=True,
            bounds=(1e-3, 1e2),
            start=(0.5, 3.0),
            kind="floor",
        ),
        Parameter(
            "A", "loss due to N at N = 1", positive=True, bounds=(1e-3, 1e7), start=(50.0, 5000.0)
        ),
        Parameter(
            "B", "loss due to D at D = 1", positive=True, bounds=(1e-3, 1e7), start=(50.0, 5000.0)
        ),
        Parameter("alpha", "exponent of N", bounds=(1e-3, 3.0), start=(0.2, 0.5)),
        Parameter("beta", "exponent of D", bounds=(1e-3, 3.0), start=(0.2, 0.5)),
        Parameter(
            "R_N",
            "scale, in repeats, over which excess parameters lose value",
            positive=True,
            bounds=(1e-2, 1e10),
            start=(0.1, 1e3),
        ),
        Parameter(
            "R_D",
            "scale, in repeats, over which repeated data lose value",
            positive=True,
            bounds=(1e-2, 1e10),
            start=(0.1, 1e3),
        ),
    ),
    value=value,
    fixed={
        "E": float(np.exp(0.6254804)),
        "A": float(np.exp(6.255414)),
        "B": float(np.exp(7.3049974)),
        "alpha": 0.3526596,
        "beta": 0.3526596,
    },
    centring="none",
    positive_sizes=True,
    valid="N > 0, D >= U > 0 (U: unique data)",
    default_starts=64,
)
