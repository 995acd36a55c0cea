"""The best N and D at a compute, under a law.

Laws that are an increasing function of a sum of two powers (`Allocation`) have closed forms
(Hoffmann et al. 2203.15556, eq. 4) if C is proportional to N D. For other laws and costs the best N
is searched within a range of tokens per parameter: on a grid, then by golden section, for all draws
at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from allometry.laws import Allocation, Array, Law
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.frontier.roots import rising_root

__all__ = ["Frontier", "Point", "minimum"]

Values = Mapping[str, Array]

# Range of tokens per parameter in which the best N is searched.
LEAST_RATIO, MOST_RATIO = 1e-5, 1e8
GRID = 161  # points of the grid, a factor of 1.1 in N apart
GOLDEN = (np.sqrt(5) - 1) / 2
SECTIONS = 40  # reduce a bracket to 0.618^40 = 4e-9 of its width
WIDENINGS = 8  # of the bracket in ln C, each a factor of two or more
ROOT_STEPS = 200  # most steps of the root search in ln C
ROOT_LOSS = 1e-10  # largest relative error of the loss at a root
ROOT_WIDTH = 1e-13  # relative change of ln C at which the steps end


@dataclass(frozen=True)
class Point:
    """A run: parameters, tokens and loss, each (k,), one for each draw of a law's parameters."""

    n: Array
    d: Array
    loss: Array

    @property
    def tokens_per_parameter(self) -> Array:
        """D / N, (k,); NaN where a draw has no run."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.d / self.n)


@dataclass(frozen=True)
class Frontier:
    """The least loss at each compute, under one law with k sets of parameters.

    Attributes:
        law: of N, D and the sizes in `others`.
        values: parameter -> (k,).
        cost: FLOP of a run.
        others: value of each further size of the law, such as U.
    """

    law: Law
    values: Values
    cost: Cost = SIX_ND
    others: Mapping[str, float] = field(default_factory=dict)

    @property
    def split(self) -> Allocation | None:
        """The four numbers of the closed forms; None if these do not hold."""
        if self.law.allocation is None or self.cost.flat is None:
            return None
        return self.law.allocation(self.values)

    @property
    def draws(self) -> int:
        """Number of sets of parameters."""
        return len(next(iter(self.values.values())))

    def loss(self, n: Array, d: Array) -> Array:
        """The law at N and D, each (k, m) or broadcastable to it."""
        sizes = {"N": n, "D": d, **{s: np.full_like(n, v) for s, v in self.others.items()}}
        return self.law.evaluate(self.values, sizes)

    def loss_at(self, n: Array, d: Array) -> Array:
        """The law at one N and D for each set of parameters, (k,) each."""
        n, d = np.broadcast_to(n, self.draws), np.broadcast_to(d, self.draws)
        return self.loss(n[:, None], d[:, None])[:, 0]

    # Draws with extreme exponents have sizes that overflow or underflow to infinity or 0.
    @np.errstate(all="ignore")
    def at(self, compute: float | Array) -> Point:
        """The best run at a compute, a number or (k,); NaN where there is no best run."""
        c = np.broadcast_to(np.asarray(compute, float), self.draws)
        split, flat = self.split, self.cost.flat
        if split is None or flat is None:
            n = self._searched(c)
        else:
            log_g = np.log(split.alpha / split.beta) + split.log_a - split.log_b
            n = np.exp((log_g + split.beta * np.log(c / flat)) / (split.alpha + split.beta))
            # The closed form is a minimum only if both exponents are positive.
            n = np.where((split.alpha > 0) & (split.beta > 0), n, np.nan)
        d = self.cost.tokens(n, c)
        return Point(n, d, self.loss_at(n, d))

    def compute_for(self, loss: float | Array, above: float | Array) -> Array:
        """The least compute that reaches a loss, (k,).

        Args:
            loss: a number or (k,).
            above: a compute at which the search begins, such as that of a run with this loss.

        Returns:
            the compute; infinite where the search does not bracket the loss, as for a loss that is
            not above the law's floor.
        """
        target = np.broadcast_to(np.asarray(loss, float), self.draws)
        near = np.log(np.broadcast_to(np.asarray(above, float), self.draws))
        return np.exp(self._least_log_compute(target, near))

    @np.errstate(all="ignore")  # as in `at`
    def _least_log_compute(self, target: Array, near: Array) -> Array:
        """ln C at which the least loss equals the target, by the Illinois method."""

        def excess(log_c: Array) -> Array:
            return self.at(np.exp(log_c)).loss - target

        low, high = near - 1.0, near + 1.0
        above, below = excess(low), excess(high)
        for _ in range(WIDENINGS):
            outside = (above < 0) | (below > 0)
            if not outside.any():
                break
            width = high - low
            low = np.where(above < 0, low - width, low)
            high = np.where(below > 0, high + width, high)
            above, below = excess(low), excess(high)
        bracketed, kept = (above >= 0) & (below <= 0), np.zeros_like(low)
        middle = low
        for _ in range(ROOT_STEPS):
            guess = (low * below - high * above) / (below - above)
            before, middle = middle, np.where(above > below, guess, middle)
            if not (bracketed & (np.abs(middle - before) > ROOT_WIDTH * np.abs(middle))).any():
                break
            value = excess(middle)
            side = np.where(value > 0, 1.0, -1.0)  # the end that moves: 1 is the lower
            again = side == kept  # the value at an end that stays twice is halved
            below = np.where(side > 0, np.where(again, below / 2, below), value)
            above = np.where(side < 0, np.where(again, above / 2, above), value)
            low, high = np.where(side > 0, middle, low), np.where(side < 0, middle, high)
            kept = side
        # On a very steep law the secant stays at one end of the bracket; bisection does not.
        if (bracketed & (np.abs(excess(middle)) > ROOT_LOSS * np.abs(target))).any():
            halved = rising_root(lambda log_c: -excess(log_c), low, high)
            missed = np.abs(excess(halved)) < np.abs(excess(middle))
            middle = np.where(missed, halved, middle)
        return np.where(bracketed, middle, np.inf)

    def _searched(self, compute: Array) -> Array:
        """The best N at a compute (k,) by search."""
        middle = 0.5 * np.log(compute / 6)  # about ln N where D = N

        def loss(log_n: Array) -> Array:
            n = np.exp(log_n)
            value = self.loss(n, self.cost.tokens(n, compute[:, None]))
            return np.where(np.isfinite(value), value, np.inf)

        return np.exp(minimum(loss, middle - np.log(MOST_RATIO) / 2,
                              middle - np.log(LEAST_RATIO) / 2))  # fmt: skip


def minimum(function: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """The minimiser of a function of one variable, for k functions at once.

    Args:
        function: x (k, m) -> values (k, m).
        low, high: ends of the range, (k,).

    Returns:
        x (k,); NaN where the least value is at an end of the range.
    """
    steps = np.linspace(0, 1, GRID)
    grid = low[:, None] + steps * (high - low)[:, None]
    with np.errstate(all="ignore"):
        least = np.argmin(function(grid), axis=1)
    inside = (least > 0) & (least < GRID - 1)
    lanes = np.arange(len(low))
    left = grid[lanes, np.maximum(least - 1, 0)]
    right = grid[lanes, np.minimum(least + 1, GRID - 1)]
    for _ in range(SECTIONS):
        width = GOLDEN * (right - left)
        pair = np.stack([right - width, left + width], axis=1)
        values = function(pair)
        first = values[:, 0] < values[:, 1]
        left, right = np.where(first, left, pair[:, 0]), np.where(first, pair[:, 1], right)
    return np.where(inside, (left + right) / 2, np.nan)
