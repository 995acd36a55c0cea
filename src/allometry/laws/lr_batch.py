"""Best learning rate and batch size as powers of N and D."""

from allometry.laws.law import Law, Parameter, Term

__all__ = ["LAW"]

BATCH = Law(
    name="batch",
    formula="batch = e D^g",
    source="Li et al. 2503.04715 (step law), eq. 1",
    sizes=("D",),
    response="batch",
    parameters=(
        Parameter(
            "e", "best batch size at D = 1", positive=True, bounds=(1e-9, 1e9), start=(0.5, 2.0)
        ),
        Parameter(
            "g", "exponent of D in the best batch size", bounds=(-50.0, 50.0), start=(-1.0, 1.0)
        ),
    ),
    terms=(Term("e", (("D", "g"),), sign=1.0),),
    default_starts=8,
)

LAW = Law(
    name="lr_batch",
    formula="lr = c N^a D^b, batch = e D^g",
    source="Li et al. 2503.04715 (step law), eq. 1",
    sizes=("N", "D"),
    response="lr",
    parameters=(
        Parameter(
            "c",
            "best learning rate at N = D = 1",
            positive=True,
            bounds=(1e-9, 1e9),
            start=(0.5, 2.0),
        ),
        Parameter(
            "a", "exponent of N in the best learning rate", bounds=(-50.0, 50.0), start=(-1.0, 1.0)
        ),
        Parameter(
            "b", "exponent of D in the best learning rate", bounds=(-50.0, 50.0), start=(-1.0, 1.0)
        ),
    ),
    terms=(Term("c", (("N", "a"), ("D", "b")), sign=1.0),),
    companion=BATCH,
    valid="N > 0, D > 0; batch is fitted too if a column is mapped to it",
    default_starts=8,
)
