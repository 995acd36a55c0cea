"""A pure power law; a straight line on log axes."""

from allometry.laws.law import Law, Parameter, Term

__all__ = ["LAW"]

LAW = Law(
    name="power",
    formula="y = A x^-alpha",
    source="Kaplan et al. 2001.08361, eq. 1.1; M1 of Alabdulmohsin et al. 2209.06640",
    sizes=("x",),
    response="y",
    parameters=(
        Parameter("A", "y at x = 1", positive=True, bounds=(1e-9, 1e9), start=(0.5, 2.0)),
        Parameter("alpha", "slope on log axes, negated", bounds=(-50.0, 50.0), start=(-1.0, 2.0)),
    ),
    terms=(Term("A", (("x", "alpha"),)),),
    valid="x > 0, y > 0",
    default_starts=8,
)
