"""Loss of mixtures of experts by parameters, data and the share of inactive parameters."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.farseer import bent
from allometry.laws.law import Array, Coordinates, Law, Parameter, Values

__all__ = ["LAW"]

COEFFICIENTS = ("a", "b", "c", "d", "e")


def _powers(p: Values, sizes: Values) -> dict[str, Array]:
    """The factor that each coefficient multiplies."""
    n, d, active = (np.log(x) for x in (sizes["N"], sizes["D"], 1 - sizes["S"]))
    logs = {
        "a": -p["alpha"] * n,
        "b": -p["beta"] * d,
        "c": -p["lambda"] * active,
        "d": -p["delta"] * active - p["gamma"] * n,
        "e": 0 * p["e"] * n,
    }
    return {name: np.exp(log) for name, log in logs.items()}


def value(p: Values, sizes: Values) -> Array:
    """a N^-alpha + b D^-beta + c (1 - S)^-lambda + d (1 - S)^-delta N^-gamma + e."""
    powers = _powers(p, sizes)
    return sum((p[name] * powers[name] for name in COEFFICIENTS), np.zeros(()))


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to every parameter."""
    n, d, active = (np.log(x) for x in (sizes["N"], sizes["D"], 1 - sizes["S"]))
    powers = _powers(p, sizes)
    return {
        **powers,
        "alpha": -p["a"] * powers["a"] * n,
        "beta": -p["b"] * powers["b"] * d,
        "lambda": -p["c"] * powers["c"] * active,
        "delta": -p["d"] * powers["d"] * active,
        "gamma": -p["d"] * powers["d"] * n,
    }


def coordinates(p: Values) -> dict[str, Array]:
    """c and e replaced by slope and level, at S = 0, of c (1 - S)^-lambda + e in ln(1 - S).

    The sum is level + slope ((1 - S)^r - 1)/r with r = -lambda. As lambda goes to 0 it becomes a
    line in ln(1 - S), for which c and e are infinite. A search over level, slope and lambda can
    cross lambda = 0.
    """
    return {**p, "c": -p["lambda"] * p["c"], "e": p["c"] + p["e"]}


def parameters(k: Values) -> dict[str, Array]:
    """The parameters that have these coordinates."""
    c = -k["c"] / k["lambda"]
    return {**k, "c": c, "e": k["e"] - c}


def value_along(k: Values, sizes: Values) -> Array:
    """The value as a function of coordinates."""
    powers = _powers(k, sizes)
    curve, _ = bent(np.log(1 - sizes["S"]), -k["lambda"])
    return sum((k[name] * powers[name] for name in ("a", "b", "d")), k["e"] + k["c"] * curve)


def gradient_along(k: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to every coordinate."""
    slopes = gradient(k, sizes)
    curve, by_power = bent(np.log(1 - sizes["S"]), -k["lambda"])
    return {**slopes, "c": curve, "lambda": -k["c"] * by_power}


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """Coefficients carry the scale of L and of their sizes. S has no unit."""
    n, d = centre["N"], centre["D"]
    scaled = {name: p[name] * centre["L"] for name in COEFFICIENTS}
    scaled["a"] = scaled["a"] * n ** p["alpha"]
    scaled["b"] = scaled["b"] * d ** p["beta"]
    scaled["d"] = scaled["d"] * n ** p["gamma"]
    return {**p, **scaled}


def starts(uniform: Array, sizes: Values, y: Array) -> Array:
    """The middle loss is divided among N, D, the joint term of N and S, and the rest.

    Exponents are drawn over their ranges. N and D may be centred or raw: coefficients are scaled
    by their geometric means.
    """
    n, d = (np.exp(np.log(sizes[s]).mean()) for s in ("N", "D"))
    middle = float(np.median(y))
    alpha, beta, gamma = (0.02 * 50 ** uniform[:, i] for i in (0, 1, 2))
    shares = 0.05 + uniform[:, 3:7]
    shares = middle * shares / shares.sum(1, keepdims=True)
    lam = np.where(uniform[:, 7] < 0.5, -0.05, 0.05) + uniform[:, 7] - 0.6
    c = (0.3 * uniform[:, 8] - 0.05) * middle / -lam
    columns = {
        "a": shares[:, 0] * n**alpha, "alpha": alpha, "b": shares[:, 1] * d**beta, "beta": beta,
        "c": c, "lambda": lam, "d": shares[:, 2] * n**gamma, "delta": 0.6 * uniform[:, 9] - 0.2,
        "gamma": gamma, "e": shares[:, 3] - c,
    }  # fmt: skip
    return np.stack([columns[p.name] for p in LAW.parameters], 1)


def _coefficient(name: str, meaning: str) -> Parameter:
    return Parameter(name, meaning, positive=True, bounds=(1e-9, 1e6))


EITHER, EXPONENT = (-1e6, 1e6), (1e-4, 20.0)

LAW = Law(
    name="sparsity",
    formula="L = a N^-alpha + b D^-beta + c (1 - S)^-lambda + d (1 - S)^-delta N^-gamma + e",
    source="Abnar et al. 2501.12370, eq. 6",
    sizes=("N", "D", "S"),
    uncentred=("S",),
    response="L",
    parameters=(
        _coefficient("a", "loss due to N at N = 1"),
        Parameter("alpha", "exponent of N", bounds=EXPONENT),
        _coefficient("b", "loss due to D at D = 1"),
        Parameter("beta", "exponent of D", bounds=EXPONENT),
        Parameter("c", "loss due to sparsity at S = 0", bounds=EITHER, kind="coefficient"),
        Parameter(
            "lambda", "exponent of 1 - S; the loss falls with S where c lambda is negative",
            bounds=(-5.0, 5.0),
        ),
        _coefficient("d", "loss due to N and S together at N = 1, S = 0"),
        Parameter("delta", "exponent of 1 - S in the joint term of N and S", bounds=(-5.0, 5.0)),
        Parameter("gamma", "exponent of N in the joint term of N and S", bounds=EXPONENT),
        Parameter("e", "rest of the loss at infinite N and D", bounds=EITHER, kind="floor"),
    ),
    value=value,
    gradient=gradient,
    coordinates=Coordinates(
        coordinates, parameters, value_along, gradient_along,
        same=("alpha", "beta", "lambda", "delta", "gamma"),
    ),
    uncentre=uncentre,
    starts=starts,
    positive_sizes=False,
    valid="N > 0 (all parameters), D > 0, 0 <= S < 1 (share of inactive parameters); S must vary "
    "independently of N",
)  # fmt: skip
