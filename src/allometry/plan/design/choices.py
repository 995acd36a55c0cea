"""Ways to choose a batch of runs within a budget: greedy by a score, and common baselines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from allometry.laws import Array
from allometry.plan.design.scores import Belief

__all__ = ["Pool", "cheapest", "greedy", "isoflop", "l_shape", "random"]

Score = Callable[[Belief], Array]
Best = Callable[[float], tuple[float, float]]
OPTIMA = 5  # budgets of an IsoFLOP design, a factor sqrt(10) apart: 5 x 7 is a common table
SIZES = 7  # per budget
HALF_WIDTH = 8.0  # of an IsoFLOP design in N/N*: narrower ones determine N* less well
ARM = 18  # runs along each arm of an L-shape (2608.07222), over two decades
ARM_SPAN = 100.0


@dataclass
class Pool:
    """The remaining candidates and budget.

    Attributes:
        cost: (m,). allowed: how often each may still be made, (m,). left: remaining budget.
        most: most runs. chosen: indices of the chosen candidates, in order.
    """

    cost: Array
    allowed: Array
    left: float
    most: int
    chosen: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.allowed = self.allowed.copy()

    @property
    def affordable(self) -> NDArray[np.bool_]:
        """Which candidates can be chosen next, (m,)."""
        if len(self.chosen) >= self.most:
            return np.zeros(len(self.cost), bool)
        return np.asarray((self.allowed > 0) & (self.cost <= self.left))

    def take(self, place: int) -> None:
        """Choose one run of a candidate."""
        self.chosen.append(int(place))
        self.allowed[place] -= 1
        self.left -= float(self.cost[place])


def greedy(belief: Belief, pool: Pool, score: Score, exponent: float) -> Belief:
    """Choose repeatedly the run of the best score over cost^exponent; the belief after all of them.

    It ends when no run can be afforded or every score is zero.
    """
    while (able := pool.affordable).any():
        worth = np.where(able, score(belief) / pool.cost**exponent, -np.inf)
        place = int(np.argmax(worth))
        if not worth[place] > 0:
            break
        pool.take(place)
        belief = belief.after(place)
    return belief


def cheapest(pool: Pool) -> None:
    """Choose the cheapest candidates first."""
    for place in np.argsort(pool.cost, kind="stable"):
        if pool.affordable[place]:
            pool.take(int(place))


def random(pool: Pool, rng: np.random.Generator) -> None:
    """Choose affordable candidates at random, each with the same probability."""
    while (able := pool.affordable).any():
        pool.take(int(rng.choice(np.flatnonzero(able))))


def isoflop(pool: Pool, n: Array, d: Array, best: Best) -> None:
    """Choose the candidates nearest to seven sizes at each of five budgets, N/N* from 1/8 to 8.

    Args:
        n, d: of the candidates, (m,). best: cost -> N and D of the best run.
    """
    shares = 10.0 ** (np.arange(OPTIMA) / 2)
    factors = np.geomspace(1 / HALF_WIDTH, HALF_WIDTH, SIZES)
    runs = [best(float(cost)) for cost in pool.left / SIZES * shares / shares.sum()]
    _nearest(pool, n, d, [(size * f, tokens / f) for size, tokens in runs for f in factors])


def l_shape(pool: Pool, n: Array, d: Array, best: Best) -> None:
    """Choose the candidates nearest to two arms from a small run, two decades in N and in D.

    Args:
        n, d: of the candidates, (m,). best: cost -> N and D of the best run.
    """
    steps = np.geomspace(1, ARM_SPAN, ARM)
    size, tokens = best(float(pool.left / (2 * steps.sum())))
    arms = [(size * s, tokens) for s in steps] + [(size, tokens * s) for s in steps[1:]]
    _nearest(pool, n, d, arms)


def _nearest(pool: Pool, n: Array, d: Array, wanted: Sequence[tuple[float, float]]) -> None:
    """Choose the nearest affordable candidate, in ln N and ln D, to each run in `wanted`."""
    at = np.log(np.stack([n, d]))
    for run in wanted:
        distance = ((at - np.log(run)[:, None]) ** 2).sum(0)
        distance[~pool.affordable] = np.inf
        place = int(np.argmin(distance))
        if np.isfinite(distance[place]):
            pool.take(place)
