"""Which rows make the answer: every row, or group of rows, left out in turn."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry import laws
from allometry.errors import UsageError
from allometry.fitting import objectives
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit
from allometry.fitting.objectives import Objective
from allometry.fitting.rows import Rows, select
from allometry.fitting.solver import minimise
from allometry.fitting.surface import surface
from allometry.laws import Law
from allometry.tables.table import Table

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
    dropped = drop_largest or {}
    options: dict[str, Any] = {"objective": objective, "delta": delta, "seed": seed}
    made = fit(table, form, columns, drop_largest=dropped, resamples=resamples, **options)
    aim = objectives.named(objective, delta)
    rows = select(
        table,
        form,
        columns,
        logs=aim.logs,
        drop_largest=dropped,
        where=(),
        weights=None,
        noise=None,
    )
    labels = rows.kept + 1 if leave_out is None else table[leave_out][rows.kept]
    groups, place = np.unique(labels, return_inverse=True)
    if len(groups) < 2:
        raise UsageError(f"column {leave_out!r} has one value only: nothing can be left out")
    without, converged = _without(made, rows, aim, place)
    shift = _shift(made, without)
    order = np.argsort(-shift, kind="stable")
    return Table(
        {
            "left_out": groups[order],
            "shift": shift[order],
            "converged": converged[order],
            **{name: values[order] for name, values in without.items()},
        }
    )


def _without(
    made: Fit, rows: Rows, aim: Objective, place: NDArray
) -> tuple[dict[str, NDArray], NDArray]:
    """Parameters and derived quantities without each group, and which refits converged."""
    form, count = made.form, int(place.max()) + 1
    problem = surface(form, aim, rows.sizes, rows.y, form.fixed, centred=False)
    start = problem.to_u_all(np.array([[made.values[name] for name in form.names]]))
    ended = minimise(
        problem.with_curvature(),
        np.tile(start, (count, 1)),
        (np.arange(count)[:, None] != place[None, :]).astype(float),
        first_delta=4 * problem.final_delta,
        tol=1e-9,
    )
    found = problem.raw(ended.u)
    return {**found, **form.derived(found)}, ended.converged


def _shift(made: Fit, without: Mapping[str, NDArray]) -> NDArray:
    """The largest change of any quantity, in bootstrap standard errors."""
    spread = {**made.draws, **made.form.derived(made.draws)}
    whole = {**made.values, **{name: e.value for name, e in made.derived.items()}}
    shifts = [np.zeros(len(next(iter(without.values()))))]
    for name, values in without.items():
        error = float(np.std(spread[name])) if name in spread else 0.0
        if error > 0:
            shifts.append(np.abs(values - whole[name]) / error)
    return np.max(shifts, axis=0)
