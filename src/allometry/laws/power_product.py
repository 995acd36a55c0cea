"""A product of powers of two to four sizes: a plane on log axes."""

from allometry.errors import UsageError
from allometry.laws.law import Law, Parameter, Term

__all__ = ["LAW", "of_sizes"]

SIZES = ("L", "D", "N", "M")


def of_sizes(sizes: tuple[str, ...]) -> Law:
    """The law of some of the sizes L, D, N, M, in this order.

    Raises:
        UsageError: fewer than two sizes.
    """
    used = tuple(s for s in SIZES if s in sizes)
    if len(used) < 2:
        raise UsageError(
            f"law power_product needs columns for two to four of {', '.join(SIZES)}, got "
            f"{', '.join(used) or 'none'}; for one size use the law power"
        )
    return Law(
        name="power_product",
        formula="y = A " + " ".join(f"{s}^alpha_{s}" for s in used),
        source="J. Aiad 2025, DeNN-NTK, refs/wk6-hierarchy beamer.tex (least squares on logs)",
        sizes=used,
        response="y",
        parameters=(
            Parameter(
                "A", "y where every size is 1", positive=True, bounds=(1e-12, 1e12),
                start=(0.5, 2.0),
            ),
            *(_exponent(s) for s in used),
        ),
        terms=(Term("A", tuple((s, f"alpha_{s}") for s in used), sign=1.0),),
        of_sizes=of_sizes,
        valid="all sizes and y positive; uses the sizes that are mapped, two to four",
        default_starts=8,
    )  # fmt: skip


def _exponent(size: str) -> Parameter:
    return Parameter(
        f"alpha_{size}",
        f"exponent of {size}, the other sizes constant",
        bounds=(-20.0, 20.0),
        start=(-1.0, 2.0),
    )


LAW = of_sizes(SIZES)
