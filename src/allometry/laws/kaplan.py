"""Loss of N and D, as a power of the sum of a term in N and a term in D, without a floor."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Allocation, Array, Law, Parameter, Values

__all__ = ["LAW"]

# N_c and D_c carry the scale of the loss to the power 1/alpha. With alpha = 1/100, a loss of 100
# gives 1e200, which times any N or D still is a float.
EXPONENTS = (1e-2, 10.0)


def _parts(p: Values, sizes: Values) -> tuple[Array, Array, Array]:
    """log(N_c/N), share of the N term in the bracket, log of the bracket."""
    far = np.log(p["N_c"]) - np.log(sizes["N"])
    by_n = far * p["alpha_N"] / p["alpha_D"]
    bracket = np.logaddexp(by_n, np.log(p["D_c"]) - np.log(sizes["D"]))
    return far, np.exp(by_n - bracket), bracket


def allocation(p: Values) -> Allocation:
    """(N_c/N)^(alpha_N/alpha_D) + D_c/D, of which the loss is an increasing function."""
    ratio = p["alpha_N"] / p["alpha_D"]
    return Allocation(ratio * np.log(p["N_c"]), ratio, np.log(p["D_c"]), np.ones_like(ratio))


def value(p: Values, sizes: Values) -> Array:
    """((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D."""
    return np.exp(p["alpha_D"] * _parts(p, sizes)[2])


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """The loss, and its derivatives with respect to every parameter."""
    far, share, bracket = _parts(p, sizes)
    loss = np.exp(p["alpha_D"] * bracket)
    return {
        "L": loss,
        "N_c": loss * p["alpha_N"] * share / p["N_c"],
        "D_c": loss * p["alpha_D"] * (1 - share) / p["D_c"],
        "alpha_N": loss * share * far,
        "alpha_D": loss * (bracket - share * far * p["alpha_N"] / p["alpha_D"]),
    }


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """N_c and D_c in units of N and D; both carry the scale of the loss."""
    y = centre["L"]
    return {
        **p,
        "N_c": p["N_c"] * centre["N"] * y ** (1 / p["alpha_N"]),
        "D_c": p["D_c"] * centre["D"] * y ** (1 / p["alpha_D"]),
    }


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """Exponents from 0.02 to 1; N's share of the bracket at the centre from 2 to 98%."""
    alpha_n, alpha_d = 0.02 * 50 ** uniform[:, 2], 0.02 * 50 ** uniform[:, 3]
    share = 0.02 + 0.96 * uniform[:, 0]
    return np.stack([share ** (alpha_d / alpha_n), 1 - share, alpha_n, alpha_d], 1)


LAW = Law(
    name="kaplan",
    formula="L = ((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D",
    source="Kaplan et al. 2001.08361, eq. 1.5",
    sizes=("N", "D"),
    response="L",
    parameters=(
        Parameter(
            "N_c", "N at which the loss is 1 with infinite D", positive=True, bounds=(1e-60, 1e60)
        ),
        Parameter(
            "D_c", "D at which the loss is 1 with infinite N", positive=True, bounds=(1e-60, 1e60)
        ),
        Parameter("alpha_N", "exponent of N", positive=True, bounds=EXPONENTS, kind="exponent"),
        Parameter("alpha_D", "exponent of D", positive=True, bounds=EXPONENTS, kind="exponent"),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    starts=starts,
    allocation=allocation,
    valid="N > 0, D > 0, L > 0; the law goes to zero: do not extrapolate far",
    default_starts=128,
)
