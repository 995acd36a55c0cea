"""One power law in four sizes at once: a plane on log axes."""

from allometry.laws.law import Law, Parameter, Term

__all__ = ["LAW"]


def _exponent(name: str, size: str) -> Parameter:
    return Parameter(
        name, f"exponent of {size}, the others held", bounds=(-20.0, 20.0), start=(-1.0, 2.0)
    )


LAW = Law(
    name="power_product",
    formula="y = A L^alpha_L D^alpha_D N^alpha_N M^alpha_M",
    source="J. Aiad 2025, DeNN-NTK, refs/wk6-hierarchy beamer.tex (least squares on logarithms)",
    sizes=("L", "D", "N", "M"),
    response="y",
    parameters=(
        Parameter(
            "A", "y where all sizes are 1", positive=True, bounds=(1e-12, 1e12), start=(0.5, 2.0)
        ),
        _exponent("alpha_L", "depth L"),
        _exponent("alpha_D", "input dimension D"),
        _exponent("alpha_N", "number of points N"),
        _exponent("alpha_M", "width M"),
    ),
    terms=(
        Term("A", (("L", "alpha_L"), ("D", "alpha_D"), ("N", "alpha_N"), ("M", "alpha_M")), 1.0),
    ),
    valid="all sizes and y positive",
    default_starts=8,
)
