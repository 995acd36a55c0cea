"""Approach 3 (Hoffmann et al. 2203.15556) and Kaplan's law: the optimum of a fitted law.

A law that is an increasing function of A N^-alpha + B D^-beta has, with C = 6 N D,

    N* = (alpha A / (beta B))^(1/(alpha+beta)) (C/6)^(beta/(alpha+beta)),

and D* with the exponent alpha/(alpha+beta) (eq. 4). The law of Kaplan et al. (2001.08361,
eq. 1.5) is such a law with alpha = alpha_N/alpha_D and beta = 1, raised to the power alpha_D.
Intervals are percentiles over the draws of the fit. If rows are checkpoints, name the run as the
cluster of the fit.
"""

import numpy as np

from allometry.errors import DataError, UsageError
from allometry.fitting.document import Fit
from allometry.laws import Array
from allometry.plan.approaches.approach import Approach, Line
from allometry.plan.frontier.cost import SIX_ND, Cost
from allometry.plan.frontier.optimum import Frontier

__all__ = ["parametric"]


def parametric(fit: Fit, compute: float, cost: Cost = SIX_ND) -> Approach:
    """The best N and D at a compute by a fitted law.

    Args:
        fit: of a law of N and D with closed forms. The approach is named "kaplan" for the law
            kaplan, else "3".
        cost: C proportional to N D.

    Raises:
        UsageError: closed forms do not hold. DataError: the fitted law has no optimum.
    """
    if fit.law.allocation is None or cost.flat is None:
        what = f"law {fit.law.name}" if fit.law.allocation is None else f"C as {cost.name}"
        raise UsageError(
            f"approach 3 and Kaplan's law need closed forms, which do not hold with {what}"
        )
    values = {name: _drawn(fit, name) for name in fit.law.names}
    with np.errstate(all="ignore"):  # a draw at the bound of an exponent may have no optimum
        lines = _lines(Frontier(fit.law, values, cost), compute)
    line_n, _ = lines
    if not (np.isfinite(line_n.at(compute)[0]) and 0 < line_n.exponent < 1):
        raise DataError(
            f"the fitted {fit.law.name} has no best size at C = {compute:g}: its exponents of N "
            "and D are not both positive"
        )
    name = "kaplan" if fit.law.name == "kaplan" else "3"
    none = np.zeros(0)
    points = {"compute": none, "n": none, "d": none, "loss": none}
    return Approach.of_lines(name, compute, lines, fit.interval.level, points, _notes(fit))


def _drawn(fit: Fit, name: str) -> Array:
    """The value of a parameter, followed by its draws."""
    return np.concatenate([[fit.values[name]], fit.draws.get(name, np.zeros(0))])


def _lines(frontier: Frontier, compute: float) -> tuple[Line, Line]:
    """N* and D* as powers of C, for the values and for each draw."""
    split = frontier.split
    if split is None:
        raise UsageError("the frontier has no closed forms")
    best, total, log_c = frontier.at(compute), split.alpha + split.beta, np.log(compute)
    lines = []
    for size, exponent in ((best.n, split.beta / total), (best.d, split.alpha / total)):
        usable = (split.alpha > 0) & (split.beta > 0) & np.isfinite(size) & (size > 0)
        slope = np.where(usable, exponent, np.nan)
        start = np.where(usable, np.log(size) - exponent * log_c, np.nan)
        lines.append(Line(float(slope[0]), float(start[0]), slope[1:], start[1:]))
    return lines[0], lines[1]


def _notes(fit: Fit) -> tuple[str, ...]:
    if not fit.draws:
        return ("The fit has no resamples, so there are no intervals.",)
    cluster = ", ".join(fit.interval.cluster)
    return (f"Rows of one {cluster} were resampled together.",) if cluster else ()
