"""How well a fitted law describes its rows: residuals, R^2, pattern of signs, outliers.

The rules are fixed: the signs have a pattern if a runs test gives p < .01; an outlier is a
residual beyond five robust standard deviations.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from allometry.fitting.problem import Problem
from allometry.laws import Array
from allometry.stats.digits import shown
from allometry.stats.spread import NORMAL

__all__ = ["Outlier", "Quality", "Signs", "quality_of", "too_few_runs"]

ROUNDING = 1e-6  # residuals smaller than this share of y have no sign and are no outliers
FAR = 5.0  # robust standard deviations
OUTLIER_ROWS = 8, 4  # fewest rows for a search of outliers: in all, and per free parameter
PATTERN = 0.01  # p of the runs test
SHORTEST_TEXT = 5  # fewest signs that are shown if they cannot be tested
LISTED = 5  # most outliers that are named
TESTABLE = 10  # fewest signs for a test: with fewer, no order has p below .01
EXACT = 200  # most signs for which the runs test counts arrangements


@dataclass(frozen=True)
class Outlier:
    """A row beyond five robust standard deviations: its number from 1, residual and z."""

    row: int
    residual: float
    z: float


@dataclass(frozen=True)
class Signs:
    """Signs of the residuals in order of increasing size, rows of equal sizes averaged.

    Attributes:
        text: a + or - for each; empty for more than nine.
        changes: number of changes of sign. expected: number of changes in a random order.
        p: probability of so few changes in a random order; NaN with fewer than ten signs.
    """

    text: str
    changes: int
    expected: float
    p: float

    @property
    def pattern(self) -> bool:
        return self.p < PATTERN


@dataclass(frozen=True)
class Quality:
    """How well a fitted law describes its rows.

    Attributes:
        unit: of residuals: percent of the law's value, or the unit of y if the fit is not in
            logs and y or the law is not positive everywhere.
        typical: median absolute residual. largest: the largest, with its sign.
        largest_row: its row, from 1.
        scale: the scale of the fit, log y or y. r_squared: on this scale.
    """

    unit: Literal["%", "y"]
    typical: float
    largest: float
    largest_row: int
    scale: Literal["log y", "y"]
    r_squared: float
    signs: Signs
    outliers: tuple[Outlier, ...]

    def sentences(self, sizes: str, place: Callable[[int], str]) -> list[str]:
        """Residuals, pattern and outliers in words.

        Args:
            sizes: what rows are ordered by, in words. place: number of a row -> its place in words.
        """
        return [
            f"Residuals: median size {self._residual(self.typical)}, largest "
            f"{self._residual(self.largest)} in {place(self.largest_row)}; "
            f"R² of {self.scale} {_share(self.r_squared)}.",
            *self._signs(sizes),
            *self._outliers(place),
        ]

    def _residual(self, value: float) -> str:
        return shown(value, 2) + ("%" if self.unit == "%" else "")

    def _signs(self, sizes: str) -> list[str]:
        signs = self.signs
        if signs.pattern:
            return [
                f"Residuals have a pattern: in order of rising {sizes} their sign changes "
                f"{signs.changes} times; {signs.expected:.0f} changes are expected by chance "
                f"(p = {shown(signs.p, 2)}). The law may have the wrong form, or neighbouring "
                "rows share an error."
            ]
        if len(signs.text) >= SHORTEST_TEXT:
            text = signs.text.replace("-", "\N{MINUS SIGN}")
            return [f"Signs of the residuals in order of rising {sizes}: {text} (too few to test)."]
        return []

    def _outliers(self, place: Callable[[int], str]) -> list[str]:
        if not self.outliers:
            return []
        named = ", ".join(f"{place(o.row)} ({self._residual(o.residual)})"
                          for o in self.outliers[:LISTED])  # fmt: skip
        more = len(self.outliers) - LISTED
        count = f"{len(self.outliers)} outlier{'s' if len(self.outliers) > 1 else ''}"
        return [
            f"{count} (beyond {FAR:g} robust standard deviations): {named}"
            + (f" and {more} more." if more > 0 else ".")
        ]


def _share(r_squared: float) -> str:
    """R^2 with four decimals, without the sign of a rounded zero."""
    if math.isnan(r_squared):
        return shown(r_squared)
    return f"{round(r_squared, 4) + 0.0:.4f}".replace("-", "\N{MINUS SIGN}")


def quality_of(problem: Problem, values: Mapping[str, float]) -> Quality:
    """The quality of a law with the given raw parameters on the rows of its problem."""
    y, logs = problem.rows.y, problem.objective.logs
    predicted = problem.law.evaluate(values, problem.rows.sizes)[0]
    residuals = problem.residuals(values)
    percent = logs or bool((y > 0).all() and (predicted > 0).all())
    sizes = 100 * (y - predicted) / predicted if percent else y - predicted
    worst = int(np.argmax(np.where(np.isfinite(sizes), np.abs(sizes), -1.0)))
    response = np.log(y) if logs else y
    spread = float(np.sum((response - response.mean()) ** 2))
    least = ROUNDING * (1.0 if logs else float(np.sqrt(np.mean(y**2))))
    return Quality(
        unit="%" if percent else "y",
        typical=float(np.nanmedian(np.abs(sizes))),
        largest=float(sizes[worst]),
        largest_row=int(problem.rows.kept[worst]) + 1,
        scale="log y" if logs else "y",
        r_squared=1 - float(np.sum(residuals**2)) / spread if spread > 0 else math.nan,
        signs=_signs(problem, residuals, least),
        outliers=_outliers(problem, residuals, sizes, least),
    )


def _signs(problem: Problem, residuals: Array, least: float) -> Signs:
    """The signs of the mean residual at each design point, in order of increasing size."""
    labels = problem.rows.points()
    counts = np.bincount(labels)
    means = np.bincount(labels, residuals) / counts
    order = np.argsort(np.bincount(labels, _size(problem)) / counts, kind="stable")
    ordered = means[order]
    positive = ordered[np.abs(ordered) > least] > 0
    n, above = len(positive), int(positive.sum())
    if not 0 < above < n:
        return Signs("", 0, 0.0, math.nan)
    changes = int(np.sum(positive[1:] != positive[:-1]))
    return Signs(
        text="".join("+" if sign else "-" for sign in positive) if n < TESTABLE else "",
        changes=changes,
        expected=2 * above * (n - above) / n,
        p=too_few_runs(above, n - above, changes + 1) if n >= TESTABLE else math.nan,
    )


def _size(problem: Problem) -> Array:
    """What rows are ordered by: the log of the product of the sizes, or the first size.

    The first size is used if some size is not positive.
    """
    sizes = [problem.rows.sizes[symbol] for symbol in problem.law.sizes]
    if all((size > 0).all() for size in sizes):
        return np.asarray(np.sum([np.log(size) for size in sizes], axis=0))
    return sizes[0]


def too_few_runs(above: int, below: int, runs: int) -> float:
    """Probability of at most this many runs in a random order of signs of both kinds.

    Wald and Wolfowitz 1940; exact up to 200 signs, by the normal approximation beyond.
    """
    n = above + below
    if n > EXACT:
        mean = 1 + 2 * above * below / n
        variance = (mean - 1) * (mean - 2) / (n - 1)
        return 0.5 * math.erfc((mean - runs - 0.5) / math.sqrt(2 * variance))
    ways = 0
    for r in range(2, runs + 1):
        k, odd = divmod(r, 2)
        # There are k runs of each sign, and one more of one sign if the number of runs is odd.
        first, second = math.comb(above - 1, k - 1), math.comb(below - 1, k - 1)
        if odd:
            ways += math.comb(above - 1, k) * second + first * math.comb(below - 1, k)
        else:
            ways += 2 * first * second
    return ways / math.comb(n, above)


def _outliers(
    problem: Problem, residuals: Array, sizes: Array, least: float
) -> tuple[Outlier, ...]:
    """Rows far from the law, the farthest first.

    Residuals are multiplied by the square root of the row's weight, so that rows of small weight
    may lie farther away.
    """
    n, free = len(residuals), len(problem.law.names) - len(problem.fixed)
    if n < OUTLIER_ROWS[0] or n < OUTLIER_ROWS[1] * free or not np.isfinite(residuals).all():
        return ()
    scaled = residuals * np.sqrt(problem.rows.weights)
    off = scaled - np.median(scaled)
    # A robust fit may pass exactly through as many rows as it has parameters. The residuals of
    # these rows say nothing about the scale.
    spread = NORMAL * float(np.median(np.sort(np.abs(off))[free:]))
    z = off / max(spread, least / FAR, 1e-300)
    places: NDArray[np.intp] = np.flatnonzero((np.abs(z) > FAR) & (np.abs(residuals) > least))
    return tuple(
        Outlier(int(problem.rows.kept[i]) + 1, float(sizes[i]), float(z[i]))
        for i in places[np.argsort(-np.abs(z[places]), kind="stable")]
    )
