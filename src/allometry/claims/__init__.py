"""Claims: predictions about the runs of a study, which the package fits, judges and draws."""

from allometry.claims.claim import Claim, Judgement
from allometry.claims.equals import Equals
from allometry.claims.exponents import Exponents
from allometry.claims.no_effect import NoEffect
from allometry.claims.optimum import Optimum
from allometry.claims.power_law import PowerLaw
from allometry.claims.slope import Slope, Steeper, Straight

__all__ = [
    "Claim", "Equals", "Exponents", "Judgement", "NoEffect", "Optimum", "PowerLaw", "Slope",
    "Steeper", "Straight",
]  # fmt: skip
