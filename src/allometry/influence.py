"""Which rows make the answer: every row, or group of rows, left out in turn."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from allometry import laws
from allometry.errors import UsageError
from allometry.fit import fit
from allometry.fitting import objectives
from allometry.fitting.problem import surface
from allometry.fitting.rows import select
from allometry.fitting.solver import minimise
from allometry.laws import Law
from allometry.table import Table

__all__ = ["influence"]


def influence(
    table: Table,
    law: str | Law,
    columns: Mapping[str, str],
    *,
    leave_out: str | None = None,
    objective: str = "huber_log",
    delta: float = 1e-3,
    drop_largest: Mapping[str, int] | None = None,
    resamples: int = 300,
    seed: int = 0,
) -> Table:
    """Refit without each row, or without each group of equal values in a column.

    All refits are solved together, started from the fit to all rows.

    Args:
        leave_out: column of the groups, e.g. budgets or runs; None for single rows.
        resamples: of the bootstrap whose standard errors are the yardstick.

    Returns:
        One row for each thing left out, the most influential first: `left_out`
        (row number from 1, or the group), the parameters and derived quantities
        without it, and `shift`: the largest change in standard errors.
    """
    form = laws.named(law) if isinstance(law, str) else law
    options: dict[str, Any] = {"objective": objective, "delta": delta, "seed": seed}
    made = fit(table, form, columns, drop_largest=drop_largest, resamples=resamples, **options)
    aim = objectives.named(objective, delta)
    rows = select(
        table,
        form,
        columns,
        logs=aim.logs,
        drop_largest=drop_largest or {},
        where=(),
        weights=None,
        noise=None,
    )
    labels = rows.kept + 1 if leave_out is None else table[leave_out][rows.kept]
    groups, place = np.unique(labels, return_inverse=True)
    if len(groups) < 2:
        raise UsageError(f"column {leave_out!r} has one value only: nothing can be left out")
    problem = surface(form, aim, rows.sizes, rows.y, form.fixed)
    raw = surface(form, aim, rows.sizes, rows.y, form.fixed, centred=False)
    start = raw.to_u_all(np.array([[made.values[name] for name in form.names]]))
    weights = (np.arange(len(groups))[:, None] != place[None, :]).astype(float)
    ended = minimise(
        raw.with_curvature(),
        np.tile(start, (len(groups), 1)),
        weights,
        first_delta=4 * problem.final_delta,
        tol=1e-9,
    )
    without = raw.raw(ended.u)
    without |= form.derived(without)
    shift = np.zeros(len(groups))
    spread = {**made.draws, **form.derived(made.draws)}
    whole = {**made.values, **{name: e.value for name, e in made.derived.items()}}
    for name, values in without.items():
        error = float(np.std(spread[name])) if name in spread else 0.0
        if error > 0:
            shift = np.maximum(shift, np.abs(values - whole[name]) / error)
    order = np.argsort(-shift, kind="stable")
    return Table(
        {
            "left_out": groups[order],
            "shift": shift[order],
            "converged": ended.converged[order],
            **{name: values[order] for name, values in without.items()},
        }
    )
