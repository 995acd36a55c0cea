"""Loss of fine-grained mixtures of experts by parameters, data and granularity."""

from allometry.laws.law import Law, Parameter, Term

__all__ = ["LAW"]

COEFFICIENT, EXPONENT = (1e-9, 1e6), (1e-4, 20.0)

LAW = Law(
    name="moe_krajewski",
    formula="L = c + (g G^-gamma + a) N^-alpha + b D^-beta",
    source="Krajewski et al. 2402.07871, eq. 9",
    sizes=("N", "D", "G"),
    response="L",
    parameters=(
        Parameter(
            "c", "loss at infinite N and D", positive=True, bounds=(1e-6, 1e3), start=(0.05, 1.0)
        ),
        Parameter(
            "a", "loss due to N at N = 1 and infinite G", positive=True, bounds=COEFFICIENT,
            start=(0.01, 1.0),
        ),
        Parameter(
            "g", "what G = 1 adds to a", positive=True, bounds=COEFFICIENT, start=(0.01, 1.0)
        ),
        Parameter(
            "b", "loss due to D at D = 1", positive=True, bounds=COEFFICIENT, start=(0.01, 1.0)
        ),
        Parameter("gamma", "exponent of G", bounds=EXPONENT, start=(0.02, 2.0)),
        Parameter("alpha", "exponent of N", bounds=EXPONENT, start=(0.02, 2.0)),
        Parameter("beta", "exponent of D", bounds=EXPONENT, start=(0.02, 2.0)),
    ),
    terms=(
        Term("c"),
        Term("a", (("N", "alpha"),)),
        Term("g", (("G", "gamma"), ("N", "alpha"))),
        Term("b", (("D", "beta"),)),
    ),
    valid="N > 0 (all experts), D > 0, G > 0 (hidden size of a dense layer over that of an "
    "expert), L > c > 0; the law does not cover dense models",
)  # fmt: skip
