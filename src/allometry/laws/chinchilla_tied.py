"""Chinchilla with one exponent for N and D: optimal N and D both grow as C^0.5."""

import numpy as np

from allometry.laws.law import Allocation, Law, Parameter, Term, Values

__all__ = ["LAW"]


def allocation(values: Values) -> Allocation:
    """A N^-alpha + B D^-alpha, of which the loss is an increasing function."""
    return Allocation(np.log(values["A"]), values["alpha"], np.log(values["B"]), values["alpha"])


LAW = Law(
    name="chinchilla_tied",
    formula="L = E + A N^-alpha + B D^-alpha",
    source="Muennighoff et al. 2305.16264, appendix A (alpha = beta)",
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
        Parameter("alpha", "exponent of N and of D", bounds=(1e-4, 20.0), start=(0.02, 2.0)),
    ),
    terms=(Term("E"), Term("A", (("N", "alpha"),)), Term("B", (("D", "alpha"),))),
    allocation=allocation,
    valid="N > 0, D > 0, L > E > 0",
    default_starts=64,
)
