"""Is a published fit at its optimum? At least five of the field's were not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from allometry.fitting import objectives
from allometry.fitting.document import Fit, Status
from allometry.fitting.fit import fit
from allometry.fitting.surface import surface
from allometry.laws import Law
from allometry.tables.table import Table

__all__ = ["Published", "check"]

TIGHT = 1e-6  # a gradient larger than this, of the sum objective, is no optimum
CLOSE = 1e-4  # relative excess of the objective that rounding of digits may explain


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
    status: Status


def check(
    table: Table,
    law: str | Law,
    columns: Mapping[str, str],
    values: Mapping[str, float],
    *,
    objective: str = "huber_log",
    delta: float = 1e-3,
    **options: Any,
) -> Published:
    """Judge parameter values by the data they are said to come from.

    Args:
        values: every parameter of the law, for raw sizes.
        options: further arguments of `allometry.fitting.fit.fit`.
    """
    made = fit(table, law, columns, objective=objective, delta=delta, **{"resamples": 0, **options})
    form, aim = made.form, objectives.named(objective, delta)
    sizes, y = {s: made.data[s] for s in form.sizes}, made.data[form.response]
    weights = made.data.get("weight", np.ones(len(y)))
    there = float(aim.total(aim.residuals(y, form.evaluate(values, sizes)[0]), weights))
    problem = surface(form, aim, sizes, y, form.fixed, centred=False)
    u = problem.to_u_all(np.array([[values[name] for name in form.names]]))
    gradient = problem.evaluate(u, weights, np.full((1, 1), problem.final_delta))[1]
    norm = float(np.abs(gradient).max())
    excess = there / made.objective["value"] - 1
    return Published(there, made, excess, norm, _verdict(excess, norm))


def _verdict(excess: float, gradient: float) -> Status:
    if excess <= CLOSE:
        return Status("at_optimum", f"The objective is {excess:.1e} above the best, relatively.")
    stopped = f" and the gradient there is {gradient:.2g}" if gradient > TIGHT else ""
    return Status(
        "not_at_optimum",
        f"The objective is {100 * excess:.2g}% above the best{stopped}: the optimiser stopped "
        "early, in another basin, or the digits were rounded.",
    )
