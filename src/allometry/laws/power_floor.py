"""A power law that saturates at a floor."""

from allometry.laws.law import Law, Parameter, Term

__all__ = ["LAW"]

LAW = Law(
    name="power_floor",
    formula="y = E + A x^-alpha",
    source="Henighan et al. 2010.14701, eq. 1.1; M2 of Alabdulmohsin et al. 2209.06640",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter(
            "E",
            "floor of y, reached at infinite x",
            positive=True,
            bounds=(1e-6, 1e3),
            start=(0.05, 1.0),
        ),
        Parameter(
            "A", "y above the floor at x = 1", positive=True, bounds=(1e-9, 1e6), start=(0.05, 2.0)
        ),
        Parameter("alpha", "exponent", bounds=(1e-4, 20.0), start=(0.02, 2.0)),
    ),
    terms=(Term("E"), Term("A", (("x", "alpha"),))),
    valid="x > 0, y > E > 0",
    default_starts=64,
)
