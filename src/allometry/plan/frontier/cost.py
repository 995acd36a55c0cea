"""The cost of a training run: FLOP per token, as a function of N.

Every convention is linear in the number of tokens, C = per_token(N) D. Conventions differ in
which parameters N counts and in whether the head and attention are counted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from allometry.laws import Array
from allometry.plan.frontier.roots import rising_root

__all__ = ["SIX_ND", "Cost"]

SIZES = np.log(1e-6), np.log(1e36)  # search range of ln N


@dataclass(frozen=True)
class Cost:
    """The FLOP of training, C = per_token(N) D.

    Attributes:
        name: of the convention.
        meaning: the formula and what N counts, in words.
        per_token: N of any shape -> FLOP per training token, of the same shape; rises with N.
        flat: FLOP per parameter and token if per_token(N) = flat N, else None. Closed forms need
            it.
    """

    name: str
    meaning: str
    per_token: Callable[[Array], Array]
    flat: float | None = None

    def compute(self, n: Array, d: Array) -> Array:
        """FLOP of runs of N parameters on D tokens."""
        return np.asarray(self.per_token(n) * d)

    def tokens(self, n: Array, compute: Array) -> Array:
        """Tokens that a compute pays for at N."""
        return np.asarray(compute / self.per_token(n))

    def parameters(self, d: Array, compute: Array) -> Array:
        """N at which a compute pays for D tokens; arrays of one shape."""
        each = np.asarray(compute / d, float)
        if self.flat is not None:
            return np.asarray(each / self.flat)
        low, high = (np.full_like(each, end) for end in SIZES)
        return np.exp(rising_root(lambda log_n: self.per_token(np.exp(log_n)) - each, low, high))

    def at_ratio(self, ratio: float, compute: float) -> float:
        """N at which a compute pays for D = ratio N tokens."""
        if self.flat is not None:
            return float(np.sqrt(compute / (self.flat * ratio)))
        low, high = (np.array(end) for end in SIZES)

        def excess(log_n: Array) -> Array:
            n = np.exp(log_n)
            return self.compute(n, ratio * n) - compute

        return float(np.exp(rising_root(excess, low, high)))


SIX_ND = Cost(
    "6nd_total", "C = 6 N D, N all parameters (Kaplan et al. 2001.08361)", lambda n: 6.0 * n, 6.0
)
