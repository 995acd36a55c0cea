"""A planned run, with its cost and its waste."""

from dataclasses import dataclass

import numpy as np

from allometry.laws import Array
from allometry.plan.frontier.optimum import Frontier, Point
from allometry.plan.frontier.waste import wasted

__all__ = ["Planned", "planned"]


@dataclass(frozen=True)
class Planned(Point):
    """A planned run under each set of a law's parameters, each (k,).

    Attributes:
        compute: training FLOP.
        waste: the share of the compute that the best run with this loss would not need.
    """

    compute: Array
    waste: Array


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # some draws have no optimum
def planned(frontier: Frontier, n: float | Array, d: float | Array) -> Planned:
    """The loss, compute and waste of N and D, numbers or (k,)."""
    n, d = (np.broadcast_to(np.asarray(x, float), frontier.draws) for x in (n, d))
    compute = frontier.cost.compute(n, d)
    return Planned(n, d, frontier.loss_at(n, d), compute, wasted(frontier, n, d))
