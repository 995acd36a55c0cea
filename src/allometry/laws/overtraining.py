"""Loss of models trained on more or less data than is compute-optimal."""

from allometry.laws.law import Law, Parameter, Term

__all__ = ["LAW"]

# With C = 6 N D and M = D/N, the paper's C^(-eta/2) (a M^(eta/2) + b M^(-eta/2)) has one term in
# N alone and one in sqrt(6) D. M may be mapped in place of D.
LAW = Law(
    name="overtraining",
    formula="L = E + alpha N^eta + beta (sqrt(6) M N)^eta, with M N = D",
    source="Gadre et al. 2403.08540, eq. 4, as coded in mlfoundations/scaling",
    sizes=("N", "D"),
    response="L",
    parameters=(
        Parameter(
            "alpha", "loss due to N at N = 1", positive=True, bounds=(1e-9, 1e6), start=(0.01, 1.0)
        ),
        Parameter(
            "beta",
            "loss due to D at sqrt(6) D = 1",
            positive=True,
            bounds=(1e-9, 1e6),
            start=(0.01, 1.0),
        ),
        Parameter("eta", "exponent of both, negative", bounds=(-20.0, -1e-4), start=(-1.5, -0.02)),
        Parameter(
            "E", "loss at infinite N and D", positive=True, bounds=(1e-6, 1e3), start=(0.05, 1.0)
        ),
    ),
    terms=(
        Term("alpha", (("N", "eta"),), sign=1.0),
        Term("beta", (("D", "eta"),), sign=1.0, factor=6**0.5),
        Term("E"),
    ),
    valid="N > 0, D > 0, L > E > 0; eta < 0",
    default_starts=64,
)
