"""Check whether a published fit is at its optimum; at least five in this field were not."""

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

TIGHT = 1e-6  # gradient of the sum objective above which a point is not an optimum
CLOSE = 1e-4  # largest relative excess of the objective that rounded digits may explain


@dataclass(frozen=True)
class PublishedStatus:
    """Status of published values: a code, and advice in words."""

    code: Literal["at_optimum", "not_at_optimum"]
    advice: str


@dataclass(frozen=True)
class Published:
    """Published parameters compared with the optimum on the same data.

    Attributes:
        objective: the sum over rows at the published values. best: the fit made here.
        excess: objective over that of `best`, minus 1.
        gradient_norm: largest component of the gradient at the published values, with respect
            to logs of positive parameters.
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
    """Compare published parameter values with a fit to the data they are said to come from.

    Args:
        values: every parameter of the law, for raw sizes.
        options: of the fit, as for `allometry.fitting.fit.fit`; the default objective is
            huber_log with delta 1e-3, as in most papers, and there are no resamples by default.

    Raises:
        UsageError: a parameter without a value, or invalid options.
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
            "at_optimum", f"The relative excess of the objective over the best is {excess:.1e}."
        )
    stopped = f" and the gradient there is {gradient:.2g}" if gradient > TIGHT else ""
    return PublishedStatus(
        "not_at_optimum",
        f"The objective is {100 * excess:.2g}% above the best{stopped}: the optimiser stopped "
        "early or in another basin, or the digits were rounded.",
    )
