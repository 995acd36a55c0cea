"""Loss by parameters in and outside the vocabulary, and by the characters trained on."""

from collections.abc import Mapping

import numpy as np

from allometry.laws.law import Array, Law, Parameter, Values

__all__ = ["LAW"]

POWERS = (("A1", "N_nv", "alpha1"), ("A2", "N_v", "alpha2"), ("B", "H", "beta"))


def value(p: Values, sizes: Values) -> Array:
    """-E + A1 N_nv^-alpha1 + A2 N_v^-alpha2 + B H^-beta."""
    return sum((p[c] * np.exp(-p[e] * np.log(sizes[s])) for c, s, e in POWERS), -p["E"])


def gradient(p: Values, sizes: Values) -> dict[str, Array]:
    """Derivatives with respect to every parameter."""
    slopes = {}
    for coefficient, size, exponent in POWERS:
        log_size = np.log(sizes[size])
        slopes[coefficient] = np.exp(-p[exponent] * log_size)
        slopes[exponent] = -p[coefficient] * slopes[coefficient] * log_size
    return {"E": -np.ones_like(slopes["B"]), **slopes}


def uncentre(p: Values, centre: Mapping[str, float]) -> dict[str, Array]:
    """E and the coefficients carry the scale of L; the coefficients also that of their size."""
    raw = {**p, "E": p["E"] * centre["L"]}
    for coefficient, size, exponent in POWERS:
        raw[coefficient] = p[coefficient] * centre["L"] * centre[size] ** p[exponent]
    return raw


def _coefficient(name: str, size: str) -> Parameter:
    meaning = f"loss due to {size} at {size} = 1"
    return Parameter(name, meaning, positive=True, bounds=(1e-9, 1e6), start=(0.01, 2.0))


def _exponent(name: str, size: str) -> Parameter:
    return Parameter(name, f"exponent of {size}", bounds=(1e-4, 20.0), start=(0.02, 2.0))


LAW = Law(
    name="vocabulary",
    formula="L = -E + A1 N_nv^-alpha1 + A2 N_v^-alpha2 + B H^-beta",
    source="Tao et al. 2407.13623, approach 3; L is normalised by the unigram model",
    sizes=("N_nv", "N_v", "H"),
    response="L",
    parameters=(
        Parameter(
            "E", "gain of the best model over the unigram model", bounds=(-1e3, 1e3),
            start=(0.5, 3.0), kind="floor",
        ),
        _coefficient("A1", "N_nv"),
        _exponent("alpha1", "N_nv"),
        _coefficient("A2", "N_v"),
        _exponent("alpha2", "N_v"),
        _coefficient("B", "H"),
        _exponent("beta", "H"),
    ),
    value=value,
    gradient=gradient,
    uncentre=uncentre,
    linear=("E", "A1", "A2", "B"),
    valid="N_nv > 0 (parameters outside the vocabulary), N_v > 0 (in it: vocabulary size times "
    "width), H > 0 (characters); L may be negative and is then fitted with objective squared",
)  # fmt: skip
