"""Influence of single rows or groups of rows: each is left out in turn."""

from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np

from allometry import laws
from allometry.errors import UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions, OptionValues
from allometry.fitting.problem import Problem
from allometry.fitting.solver import Lanes, minimise
from allometry.laws import Array, Law
from allometry.stats.resample import Labels
from allometry.tables.read import TableLike, as_table
from allometry.tables.table import Table

__all__ = [
    "RESAMPLES",
    "influence",
    "influence_on",
    "influence_with_fit",
    "most_moved",
    "without_rows",
]

RESAMPLES = 300


def influence(
    table: TableLike,
    law: str | Law,
    columns: Mapping[str, str],
    *,
    leave_out: str | None = None,
    **options: Unpack[OptionValues],
) -> Table:
    """Refit without each row, or without each group of equal values in a column.

    Args:
        table, law, columns: as for `allometry.fitting.fit.fit`.
        leave_out: column that defines the groups, e.g. budgets or runs; None for single rows.
        options: of the fit. `resamples`, 300 by default, sets the bootstrap whose standard
            errors are the unit of `shift`.

    Returns:
        the table of `influence_on`.

    Raises:
        UsageError: as in `fit` and `influence_on`, or the column `leave_out` has only one value.
    """
    return influence_with_fit(table, law, columns, leave_out=leave_out, **options)[1]


def influence_with_fit(
    table: TableLike,
    law: str | Law,
    columns: Mapping[str, str],
    *,
    leave_out: str | None = None,
    **options: Unpack[OptionValues],
) -> tuple[Fit, Table]:
    """The fit to all rows, and the table of `influence`, whose arguments it takes."""
    law = laws.named(law) if isinstance(law, str) else law
    values: OptionValues = {"resamples": RESAMPLES, **options}
    choices = FitOptions(**values)
    runs = as_table(table, choices.numbers(columns.values()))
    fit = fit_with(runs, law, columns, choices)
    if leave_out is None:
        return fit, influence_on(fit)
    labels = runs[leave_out][fit.problem.rows.kept]
    if len(np.unique(labels)) < 2:
        raise UsageError(f"column {leave_out!r} has only one value, so nothing can be left out")
    return fit, influence_on(fit, labels)


def influence_on(fit: Fit, labels: Labels | None = None) -> Table:
    """Solve the problem of a fit again without each row, or without each group of rows.

    Weights, conditions and parameters held fixed are those of the fit. All refits are
    solved together and start from the fit to all rows.

    Args:
        fit: to all rows, with resamples.
        labels: of the used rows (n,), equal within a group; None for single rows.

    Returns:
        One row for each row or group left out, the most influential first: `left_out`
        (row number from 1, or the group), `shift` (the largest change, in standard errors),
        `converged`, and the parameters and derived quantities of the refit.

    Raises:
        UsageError: the law was fitted together with its companion.
    """
    if set(fit.values) > set(fit.law.names):
        raise UsageError(
            f"law {fit.law.name} was fitted together with a second law; influence is computed for "
            "one law, so leave out the column of the other's response"
        )
    groups, place = np.unique(
        fit.problem.rows.kept + 1 if labels is None else labels, return_inverse=True
    )
    left_in = np.arange(len(groups))[:, None] != place[None, :]
    without, converged = _without(fit.problem, fit.values, left_in)
    shift = np.max(list(_shifts(fit, without).values()), axis=0)
    order = np.argsort(-shift, kind="stable")
    return Table(
        {
            "left_out": groups[order],
            "shift": shift[order],
            "converged": converged[order],
            **{name: values[order] for name, values in without.items()},
        }
    )


def without_rows(fit: Fit, rows: Sequence[int]) -> dict[str, float]:
    """Parameters of the law refitted without some rows, starting from the fit.

    Args:
        rows: numbers of the rows to leave out, from 1 in the table.

    Returns:
        name -> value; empty if the refit does not converge.
    """
    left_in = ~np.isin(fit.problem.rows.kept + 1, rows)
    values = {name: fit.values[name] for name in fit.law.names}
    without, converged = _without(fit.problem, values, left_in[None])
    return {n: float(without[n][0]) for n in fit.law.names} if converged[0] else {}


def _without(
    problem: Problem, start: Mapping[str, float], left_in: Lanes
) -> tuple[dict[str, Array], Lanes]:
    """Parameters and derived quantities of every refit (k,), and which refits converged.

    Args:
        start: values to start from.
        left_in: which rows each refit uses, (k, n).
    """
    surface = problem.raw()
    solution = minimise(
        surface.with_curvature(),
        np.tile(problem.coordinates(start), (len(left_in), 1)),
        left_in * problem.rows.weights,
        first_delta=4 * surface.final_delta,
        tol=1e-9,
    )
    values = surface.raw(solution.u)
    return {**values, **problem.law.derived(values)}, solution.converged


def most_moved(fit: Fit, without: Table) -> list[str]:
    """The quantity behind each `shift` of a table of `influence_on`; empty if none changed."""
    shifts = _shifts(fit, {name: without[name] for name in without.columns})
    sizes = np.stack(list(shifts.values()))
    return [list(shifts)[place] for place in sizes.argmax(0)]


def _shifts(fit: Fit, without: Mapping[str, Array]) -> dict[str, Array]:
    """The change of each quantity (k,) in bootstrap standard errors; 0 under the empty name."""
    spread = {**fit.draws, **(fit.law.derived(fit.draws) if fit.draws else {})}
    whole = {**fit.values, **{name: e.value for name, e in fit.derived.items()}}
    shifts = {"": np.zeros(len(next(iter(without.values()))))}
    for name, value in whole.items():
        error = float(np.std(spread[name])) if name in spread else 0.0
        if error > 0:
            shifts[name] = np.abs(without[name] - value) / error
    return shifts
