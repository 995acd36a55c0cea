"""The bias of approach 2: the distance of a parabola's vertex from the best size.

Along an IsoFLOP curve of a law L = E + A N^-alpha + B D^-beta the loss is not a parabola in ln N.
With w = ln(N/N*) and C proportional to N D it is, up to a factor and a constant,

    beta exp(-alpha w) + alpha exp(beta w),

and the least-squares parabola through points on this curve does not have its vertex at w = 0
(Czech 2603.22339). The offset depends only on alpha, beta and the points. Least squares is linear
in the losses. Let u and v be the slopes at some N of the parabolas through N^-alpha and D^-beta;
then this N is the vertex if A u + B v = 0. The vertex thus determines the ratio A/B, and with it
the best size, so the bias is corrected exactly, without a search.

If the grid has the same shape about N* at every budget, all vertices shift by the same factor and
the exponent is exact. If the centre of the grid drifts with C, the exponent is biased too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from allometry.errors import UsageError
from allometry.fitting.document import Fit
from allometry.laws import Array

__all__ = ["Bias", "Exponents", "Parabolas", "log_ratio", "predicted_bias", "vertex_offset"]


@dataclass(frozen=True)
class Exponents:
    """alpha and beta of a law whose loss is linear in N^-alpha and D^-beta, with draws (k,)."""

    alpha: float
    beta: float
    alphas: Array = field(default_factory=lambda: np.zeros(0), repr=False)
    betas: Array = field(default_factory=lambda: np.zeros(0), repr=False)

    def __post_init__(self) -> None:
        if not (0 < self.alpha < np.inf and 0 < self.beta < np.inf):
            raise UsageError(
                "the bias of approach 2 is defined for a law with alpha > 0 and beta > 0, got "
                f"alpha = {self.alpha:g}, beta = {self.beta:g}"
            )

    @classmethod
    def of_fit(cls, fit: Fit) -> Self:
        """Exponents of a fitted law with parameters alpha and beta, such as chinchilla."""
        missing = [name for name in ("alpha", "beta") if name not in fit.values]
        if missing:
            raise UsageError(
                f"law {fit.law.name} has no {missing[0]}: the bias of approach 2 is predicted "
                "from a fit of chinchilla"
            )
        draws = {name: fit.draws.get(name, np.zeros(0)) for name in ("alpha", "beta")}
        return cls(fit.values["alpha"], fit.values["beta"], draws["alpha"], draws["beta"])

    def drawn(self, draws: int) -> tuple[Array, Array]:
        """alpha and beta, (1 + draws,) each: the values first, then the draws, repeated if few."""
        pairs = ((self.alpha, self.alphas), (self.beta, self.betas))
        alpha, beta = (
            np.concatenate([[value], np.resize(drawn if len(drawn) else [value], draws)])
            for value, drawn in pairs
        )
        return alpha, beta


@dataclass(frozen=True)
class Parabolas:
    """Least-squares parabolas through any values at the same points.

    Attributes:
        middle, half: of the range of ln N; parabolas are in z = (ln N - middle) / half.
        powers: 1, z, z^2 of the points, (points, 3). solver: its pseudo-inverse.
    """

    middle: float
    half: float
    powers: Array
    solver: Array

    @classmethod
    def over(cls, log_n: Array) -> Self:
        """Parabolas in ln N (points,), with at least three different values."""
        middle, half = float(np.min(log_n) + np.max(log_n)) / 2, float(np.ptp(log_n)) / 2
        powers = ((log_n - middle) / half)[:, None] ** np.arange(3)
        return cls(middle, half, powers, np.asarray(np.linalg.pinv(powers), float))

    @property
    def leverage(self) -> Array:
        """Leverage of each point: derivative of its fitted value in its own value, (points,)."""
        return np.asarray(np.einsum("pi,ip->p", self.powers, self.solver))

    def through(self, values: Array) -> Array:
        """Coefficients of 1, z, z^2, (..., 3), through values (..., points)."""
        return np.asarray(values @ self.solver.T)

    def residuals(self, values: Array, coefficients: Array) -> Array:
        """Values (points,) minus those of one parabola."""
        return np.asarray(values - self.powers @ coefficients)

    def vertex(self, coefficients: Array) -> Array:
        """ln N at the minimum, (...); NaN if a parabola has no minimum."""
        _, slope, bend = np.moveaxis(coefficients, -1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(bend > 0, self.middle - self.half * slope / (2 * bend), np.nan)

    def slope(self, coefficients: Array, log_n: Array) -> Array:
        """Derivative with respect to z at ln N, (...)."""
        _, slope, bend = np.moveaxis(coefficients, -1, 0)
        return np.asarray(slope + 2 * bend * (log_n - self.middle) / self.half)

    def in_log_n(self, coefficients: Array) -> Array:
        """Coefficients of 1, ln N, (ln N)^2, (3,), of one parabola."""
        in_z = np.polynomial.Polynomial(coefficients)
        z = np.polynomial.Polynomial([-self.middle / self.half, 1 / self.half])
        return np.asarray(in_z(z).coef, float)


def vertex_offset(exponents: Exponents, offsets: Array) -> float:
    """ln(vertex/N*) of the parabola through the law's exact losses at one budget.

    Args:
        offsets: ln(N/N*) of the points, (points,), with at least three different values.
    """
    if len(np.unique(offsets)) < 3:
        raise UsageError("a parabola needs at least three different sizes at each budget")
    alpha, beta = exponents.alpha, exponents.beta
    parabolas = Parabolas.over(offsets)
    loss = beta * np.exp(-alpha * offsets) + alpha * np.exp(beta * offsets)
    return float(parabolas.vertex(parabolas.through(loss)))


def log_ratio(
    parabolas: Parabolas, vertex: Array, sizes: tuple[Array, Array], alpha: Array, beta: Array
) -> Array:
    """ln(A/B) of the law whose losses at these runs give a parabola with this vertex.

    Args:
        vertex: ln N, (k,). sizes: N and D of the runs, (points,) each. alpha, beta: (k,).

    Returns:
        (k,); NaN where no law with these exponents has that vertex.
    """
    slopes, levels = [], []
    for size, exponent in zip(sizes, (alpha, beta), strict=True):
        log_size = np.log(size)
        term = np.exp(-exponent[:, None] * (log_size - log_size.mean()))
        slopes.append(parabolas.slope(parabolas.through(term), vertex))
        levels.append(exponent * log_size.mean())
    falls, rises = slopes
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log(-rises / falls) + levels[0] - levels[1])


@dataclass(frozen=True)
class Bias:
    """The predicted error of approach 2 at a compute.

    Attributes:
        n, d: relative errors of N* and D*, such as -0.05.
        exponent_n: error of the exponent of N*; that of D* has the other sign.
    """

    n: float
    d: float
    exponent_n: float


def predicted_bias(
    exponents: Exponents, offsets: Sequence[Array], budgets: Array, compute: float
) -> Bias:
    """The error of the whole approach 2: vertices, a line in logarithms, its value at C.

    Args:
        offsets: of each budget, ln(N/N*) of its points; they may be off centre and drift with C.
        budgets: compute of each, (budgets,). compute: at which N* and D* are predicted.
    """
    shifts = [vertex_offset(exponents, points) for points in offsets]
    x = np.log(budgets)
    dx = x - x.mean()
    slope = float(dx @ np.asarray(shifts) / (dx @ dx))
    shift = float(np.mean(shifts) + slope * (np.log(compute) - x.mean()))
    return Bias(float(np.expm1(shift)), float(np.expm1(-shift)), slope)
