"""Loss as a floor, a term in parameters and a term in data."""

import numpy as np

from allometry.laws.law import Allocation, Array, Law, Parameter, Term, Values

__all__ = ["LAW", "MEANINGS", "allocation", "derived"]

MEANINGS = {
    "a": "exponent of compute in the compute-optimal N, N* ~ C^a",
    "b": "exponent of compute in the compute-optimal D, D* ~ C^b",
}


def allocation(values: Values) -> Allocation:
    """A N^-alpha + B D^-beta, of which the loss is an increasing function."""
    return Allocation(np.log(values["A"]), values["alpha"], np.log(values["B"]), values["beta"])


def derived(values: Values) -> dict[str, Array]:
    """Exponents of compute-optimal N and D: N ~ C^a, D ~ C^b (Hoffmann et al., eq. 4)."""
    total = values["alpha"] + values["beta"]
    return {"a": values["beta"] / total, "b": values["alpha"] / total}


LAW = Law(
    name="chinchilla",
    formula="L = E + A N^-alpha + B D^-beta",
    source="Hoffmann et al. 2203.15556, eq. 2 and 10",
    sizes=("N", "D"),
    response="L",
    parameters=(
        Parameter(
            "E", "loss at infinite N and D", positive=True, bounds=(1e-6, 1e3), start=(0.05, 1.0)
        ),
        Parameter(
            "A", "loss due to N at N = 1", positive=True, bounds=(1e-9, 1e6), start=(0.01, 1.0)
        ),
        Parameter(
            "B", "loss due to D at D = 1", positive=True, bounds=(1e-9, 1e6), start=(0.01, 1.0)
        ),
        Parameter("alpha", "exponent of N", bounds=(1e-4, 20.0), start=(0.02, 2.0)),
        Parameter("beta", "exponent of D", bounds=(1e-4, 20.0), start=(0.02, 2.0)),
    ),
    terms=(Term("E"), Term("A", (("N", "alpha"),)), Term("B", (("D", "beta"),))),
    derived=derived,
    allocation=allocation,
    meanings=MEANINGS,
    valid="N > 0, D > 0, L > E > 0; N and D must vary independently",
)
