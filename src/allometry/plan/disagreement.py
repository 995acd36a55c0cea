"""Compute wasted by following the plan of one law if another law is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from allometry.plan.frontier.optimum import Frontier
from allometry.plan.frontier.waste import wasted
from allometry.plan.law_plan import LawPlan

__all__ = ["Disagreement", "disagreements"]


@dataclass(frozen=True)
class Disagreement:
    """The share of compute wasted by the run that law `plan` plans, if law `truth` is right."""

    plan: str
    truth: str
    waste: float


def disagreements(
    plans: Mapping[str, LawPlan], frontiers: Mapping[str, Frontier]
) -> Sequence[Disagreement]:
    """The disagreement of every ordered pair of laws.

    Args:
        plans: name of a law -> its plan. frontiers: name -> frontier for the law's values.
    """
    return [
        Disagreement(plan, truth, _waste(plans[plan], frontiers[truth]))
        for plan, truth in permutations(plans, 2)
    ]


def _waste(plan: LawPlan, truth: Frontier) -> float:
    share = wasted(truth, plan.n_opt.value, plan.d_opt.value)[0]
    return float(share) if np.isfinite(share) else float("nan")
