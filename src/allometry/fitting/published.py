"""Is a published fit at its optimum? At least five of the field's were not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Unpack

import numpy as np

from allometry import laws
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions, OptionValues
from allometry.laws import Law
from allometry.tables.read import TableLike, as_table

__all__ = ["Published", "PublishedStatus", "check"]

TIGHT = 1e-6  # a gradient larger than this, of the sum objective, is no optimum
CLOSE = 1e-4  # relative excess of the objective that rounding of digits may explain


@dataclass(frozen=True)
class PublishedStatus:
    """What to think of published values, as a code and in words."""

    code: Literal["at_optimum", "not_at_optimum"]
    advice: str


@dataclass(frozen=True)
class Published:
    """Printed parameters beside the optimum of the same data.

    Attributes:
        objective: the sum over rows at the printed values. best: our fit.
        excess: objective over the best, less 1.
        gradient_norm: at the printed values, for logs of positive parameters.
    """

    objective: float
    best: Fit
    excess: float
    gradient_norm: float
    status: PublishedStatus


def check(
    table: TableLike,
    law: str | Law,
    columns: Mapping[str, str],
    values: Mapping[str, float],
    **options: Unpack[OptionValues],
) -> Published:
    """Judge parameter values by the data they are said to come from.

    Args:
        values: every parameter of the law, for raw sizes.
        options: of the fit, as for `allometry.fitting.fit.fit`; the objective is huber_log
            with delta 1e-3, most papers' choice, and there are no resamples, unless given.

    Raises:
        UsageError: a parameter without a value, or options that do not fit.
    """
    law = laws.named(law) if isinstance(law, str) else law
    option_values: OptionValues = {"objective": "huber_log", "resamples": 0, **options}
    choices = FitOptions(**option_values)
    best = fit_with(as_table(table, choices.numbers(columns.values())), law, columns, choices)
    problem = best.problem
    surface, weights = problem.raw(), problem.rows.weights
    delta = np.full((1, 1), surface.final_delta)
    _, gradient, _ = surface.evaluate(problem.coordinates(values), weights, delta)
    norm = float(np.abs(gradient).max())
    total = problem.total(values)
    excess = total / problem.total(best.values) - 1
    return Published(total, best, excess, norm, _status(excess, norm))


def _status(excess: float, gradient: float) -> PublishedStatus:
    if excess <= CLOSE:
        return PublishedStatus(
            "at_optimum", f"The objective is {excess:.1e} above the best, relatively."
        )
    stopped = f" and the gradient there is {gradient:.2g}" if gradient > TIGHT else ""
    return PublishedStatus(
        "not_at_optimum",
        f"The objective is {100 * excess:.2g}% above the best{stopped}: the optimiser stopped "
        "early, in another basin, or the digits were rounded.",
    )
