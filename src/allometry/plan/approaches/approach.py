"""The result of one approach: a way from runs to the best size."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from allometry.errors import DataError
from allometry.laws import Array
from allometry.stats.interval import Interval
from allometry.stats.resample import interval

__all__ = ["Approach", "Line", "Resampling"]


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn: the number of resamples, the level, and the seed."""

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Line:
    """A power of compute, exp(intercept) C^exponent, with the draws of both (k,)."""

    exponent: float
    intercept: float
    exponents: Array = field(repr=False)
    intercepts: Array = field(repr=False)

    @classmethod
    def through(cls, compute: Array, sizes: Array) -> Self:
        """The least-squares line in logarithms; all points have the same weight.

        Args:
            compute: (points,).
            sizes: (1 + k, points), the values first, then their draws; NaN where a draw has no
                value. A draw with fewer than two values has no line.
        """
        y, present = np.log(sizes), np.isfinite(sizes)
        count = np.maximum(present.sum(1, keepdims=True), 1)
        x = np.where(present, np.log(compute), 0.0)
        dx = np.where(present, x - x.sum(1, keepdims=True) / count, 0.0)
        y = np.where(present, y, 0.0)
        middle = y.sum(1) / count[:, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = (dx * y).sum(1) / (dx**2).sum(1)
        intercept = middle - slope * x.sum(1) / count[:, 0]
        return cls(float(slope[0]), float(intercept[0]), slope[1:], intercept[1:])

    def at(self, compute: float) -> tuple[float, Array]:
        """The size at a compute, and its draws (k,)."""
        log_c = np.log(compute)
        with np.errstate(over="ignore"):  # draws can have extreme slopes
            draws = np.exp(self.intercepts + self.exponents * log_c)
            return float(np.exp(self.intercept + self.exponent * log_c)), draws

    def exponent_interval(self, level: float) -> Interval:
        """The exponent with the percentile interval of its draws."""
        return interval(self.exponent, self.exponents, level)

    def interval_at(self, compute: float, level: float) -> Interval:
        """The size at a compute with the percentile interval of its draws."""
        return interval(*self.at(compute), level)


@dataclass(frozen=True)
class Approach:
    """The best N and D at a compute by one approach.

    Attributes:
        name: "1" (envelope of training curves), "2" (IsoFLOP parabolas), "3" (parametric fit of
            a law), all of Hoffmann et al. 2203.15556, or "kaplan" (Kaplan's law).
        exponent_n, exponent_d: a and b of N* ~ C^a, D* ~ C^b.
        n_opt, d_opt: at the requested compute; of approach 2 corrected for its bias.
        draws: of n_opt, (k,), from resampled runs.
        line_n, line_d: N* and D* as powers of compute; None if read from a document, which does
            not keep draws and points either.
        points: to which the lines were fitted: `compute`, `n`, `d`, `loss`, each (points,).
        bias_predicted: relative error of n_opt before the correction; None without correction.
            n_opt_uncorrected: n_opt before the correction.
        notes: what was done to the runs, in words.
    """

    name: str
    exponent_n: Interval
    exponent_d: Interval
    n_opt: Interval
    d_opt: Interval
    draws: Array = field(repr=False, compare=False, default_factory=lambda: np.zeros(0))
    line_n: Line | None = field(repr=False, compare=False, default=None)
    line_d: Line | None = field(repr=False, compare=False, default=None)
    points: Mapping[str, Array] = field(repr=False, compare=False, default_factory=dict)
    bias_predicted: float | None = None
    n_opt_uncorrected: Interval | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of_lines(
        cls,
        name: str,
        compute: float,
        lines: tuple[Line, Line],
        level: float,
        points: Mapping[str, Array],
        notes: tuple[str, ...] = (),
    ) -> Self:
        """The approach with N* and D* from these lines, at a compute.

        Raises:
            DataError: the lines give no finite positive size there.
        """
        line_n, line_d = lines
        if not all(0 < line.at(compute)[0] < np.inf for line in lines):
            raise DataError(
                f"approach {name} gives no best N and D at C = {compute:g}: N* ~ "
                f"C^{line_n.exponent:.3g} and D* ~ C^{line_d.exponent:.3g} from these runs"
            )
        return cls(
            name=name,
            exponent_n=line_n.exponent_interval(level),
            exponent_d=line_d.exponent_interval(level),
            n_opt=line_n.interval_at(compute, level),
            d_opt=line_d.interval_at(compute, level),
            draws=line_n.at(compute)[1],
            line_n=line_n,
            line_d=line_d,
            points=points,
            notes=notes,
        )
