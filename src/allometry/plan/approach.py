"""One way from runs to the best size: what each of the approaches gives."""

from dataclasses import dataclass, field

from allometry.laws import Array
from allometry.stats.interval import Interval

__all__ = ["Approach", "Line"]


@dataclass(frozen=True)
class Line:
    """A power of compute, exp(intercept) C^exponent, with the draws of both (k,)."""

    exponent: float
    intercept: float
    exponents: Array = field(repr=False)
    intercepts: Array = field(repr=False)


@dataclass(frozen=True)
class Approach:
    """The best N and D at a compute by one approach.

    Attributes:
        name: "1" (envelope of training curves), "2" (IsoFLOP parabolas), "3" (parametric fit of
            a law), all of Hoffmann et al. 2203.15556, or "kaplan" (Kaplan's law).
        exponent_n, exponent_d: a and b of N* ~ C^a, D* ~ C^b.
        n_opt, d_opt: at the compute asked for; of approach 2 corrected for its bias.
        draws: of n_opt, (k,), from resampled runs.
        line_n, line_d: N* and D* at every compute.
        points: what the line was drawn through: `compute`, `n`, `d`, `loss`, each (points,).
        bias_predicted: relative error of n_opt before it was corrected; None where the
            approach has none. n_opt_uncorrected: as the approach gives it.
        notes: what was done to the runs on the way, in words.
    """

    name: str
    exponent_n: Interval
    exponent_d: Interval
    n_opt: Interval
    d_opt: Interval
    draws: Array = field(repr=False, compare=False)
    line_n: Line = field(repr=False)
    line_d: Line = field(repr=False)
    points: dict[str, Array] = field(repr=False, compare=False)
    bias_predicted: float | None = None
    n_opt_uncorrected: Interval | None = None
    notes: tuple[str, ...] = ()
