"""`next_runs` and `design` for users: the runs to make next, and what runs identify."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from allometry.errors import UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.fitting.options import FitOptions
from allometry.fitting.rows import left_out
from allometry.laws import Array, Law
from allometry.plan.believed import Believed, check_sizes
from allometry.plan.data import Data
from allometry.plan.design.candidates import Candidates
from allometry.plan.design.identified import Identified, identified
from allometry.plan.design.next_result import NextRuns
from allometry.plan.design.next_runs import NextOptions
from allometry.plan.design.next_runs import next_runs as choose
from allometry.plan.design.scores import noise_of
from allometry.plan.design.target import Target
from allometry.plan.frontier.conventions import Counting
from allometry.plan.frontier.cost import Cost
from allometry.plan.quantities import positive
from allometry.plan.question import UNMAPPED, check_fits, fits_of, forms_of
from allometry.tables.limits import listed
from allometry.tables.read import TableLike, as_table

__all__ = ["design", "next_runs"]

SEVERAL = ("chinchilla", "skaling")  # default laws of `next`; skaling extends chinchilla
RESAMPLES = 200  # of the fits, whose spread `next` uses


@np.errstate(all="ignore")  # sizes that overflow are not candidates
def next_runs(
    source: "TableLike | Fit | Sequence[Fit]",
    columns: Mapping[str, str] | None = None,
    *,
    budget: float,
    target: str,
    laws: str | Law | Sequence[str | Law] | None = None,
    candidates: "TableLike | None" = None,
    candidate_columns: Mapping[str, str] | None = None,
    max_run: float | None = None,
    at_most: int | None = None,
    counting: Counting | str = "6nd_total",
    fit: FitOptions | None = None,
    options: NextOptions | None = None,
) -> NextRuns:
    """Choose the runs that tell the most about a decision for a budget::

        al.next_runs("runs.csv", {"N": "params", "D": "tokens", "L": "loss"},
                     budget=1e21, target="ln_n_opt@1e24")

    Args:
        source: a table, one or several fits of laws of N and D to the same runs, or a path.
        columns: of a table: N, L, and D or C or both -> column.
        budget: FLOP of all new runs together.
        target: the decision: `ln_n_opt@C`, `waste@C`, `loss@N,D` or `law`.
        laws: to fit to a table; chinchilla and skaling by default. Several laws guard against a
            design that is good for only one of them.
        candidates: a table of possible runs, with columns of N, and D or C; None for a grid.
        candidate_columns: columns of `candidates`; None if they are those of the runs.
        max_run: most FLOP of one run. at_most: most runs.
        counting: of FLOP; the name of a convention, or a `Counting`.
        fit: options of the fits. options: of the choice.

    Raises:
        UsageError: invalid names or numbers. DataError: rows that cannot be used, or no
            candidate within the budget.
    """
    positive(budget, "budget in FLOP")
    if max_run is not None:
        positive(max_run, "largest run in FLOP")
    data, fits, cost = _fitted(source, columns, laws, counting, fit, SEVERAL)
    choice = replace(options or NextOptions(), cost=cost)
    if at_most is not None:
        choice = replace(choice, most=at_most)
    most = min(budget, max_run) if max_run is not None else budget
    if candidates is None:
        pool = Candidates.grid(data.runs, cost, most)
    else:
        mapped = dict(candidate_columns or columns or {"N": "N", "D": "D"})
        mapped = {s: c for s, c in mapped.items() if s in ("N", "D" if "D" in mapped else "C")}
        table = as_table(candidates, set(mapped.values()))
        if missing := [c for c in mapped.values() if c not in table]:
            raise UsageError(
                f"the table of candidates has no column {missing[0]!r} like the runs; it has "
                f"{listed(table.columns)}. Rename its column, or map its columns in Python "
                "(candidate_columns)"
            )
        pool = Candidates.of_table(table, mapped, data.runs, cost, most)
    chosen = choose(fits, data.runs, budget, target, pool, choice)
    rows = [left_out(each.dropped, asked=False) for each in fits.values()]
    return replace(chosen, notes=(*dict.fromkeys(filter(None, rows)), *chosen.notes))


def design(
    source: "TableLike | Fit",
    columns: Mapping[str, str] | None = None,
    *,
    targets: Sequence[str] = (),
    law: str | Law | None = None,
    parameters: Mapping[str, float] | None = None,
    noise: float | None = None,
    counting: Counting | str = "6nd_total",
    fit: FitOptions | None = None,
) -> Identified:
    """What runs identify of each parameter and decision, by linear theory.

    Args:
        source: a table of runs, or a fit; the table needs no losses if `parameters` are given.
        columns: of the table: N, L, and D or C or both -> column; N and D if `parameters` are
            given.
        targets: decisions, such as `ln_n_opt@1e24` or `loss@7e10,1.4e12`.
        law: of N and D; chinchilla by default.
        parameters: assumed values of the law's parameters, which need `noise`; None fits the law.
        noise: assumed standard deviation of ln L.
        counting: of FLOP; the name of a convention, or a `Counting`.
        fit: options of the fit.

    Raises:
        UsageError: invalid names or numbers. DataError: rows that cannot be used.
    """
    if parameters is None:
        data, fits, cost = _fitted(source, columns, law, counting, fit, ("chinchilla",))
        fitted = next(iter(fits.values()))
        n, d, sd = data.runs.n, data.runs.d, noise_of(fitted)
        believed = Believed.of_fit(fitted)
    else:
        if noise is None:
            raise UsageError(
                "assumed parameters need the noise too, the standard deviation of ln L, for "
                "example 0.005"
            )
        (form,) = forms_of(law or "chinchilla")
        believed, sd = Believed.of_values(form, parameters), noise
        n, d, cost = _sizes(source, columns, counting)
    aims = [Target.of_text(text, cost) for text in targets]
    return identified(believed.law, believed.values, n, d, noise=sd, targets=aims, cost=cost)


def _fitted(
    source: "TableLike | Fit | Sequence[Fit]",
    columns: Mapping[str, str] | None,
    laws: str | Law | Sequence[str | Law] | None,
    counting: Counting | str,
    fit: FitOptions | None,
    usual: Sequence[str],
) -> tuple[Data, dict[str, Fit], Cost]:
    """The runs, the fits of the given or `usual` laws, and the cost of a run."""
    count = Counting.of(counting)
    fits = fits_of(source)
    if fits is not None:
        check_fits(fits, columns, laws, fit)
        for each in fits:
            check_sizes(each.law)
        cost = count.cost()
        return Data.of_fit(fits[0], cost), {f.law.name: f for f in fits}, cost
    if columns is None:
        raise UsageError(UNMAPPED)
    choices = fit or FitOptions(resamples=RESAMPLES)
    table = as_table(source, choices.numbers(columns.values()))
    cost = count.cost(table, columns)
    data = Data.of_table(table, columns, cost)
    forms = forms_of(usual if laws is None else laws)
    fitted = {law.name: fit_with(data.table, law, data.columns, choices) for law in forms}
    return data.used_by(next(iter(fitted.values()))), fitted, cost


def _sizes(
    source: "TableLike | Fit", columns: Mapping[str, str] | None, counting: Counting | str
) -> tuple[Array, Array, Cost]:
    """N and D of runs that may have no loss yet, and the cost of a run."""
    if columns is None or not {"N", "D"} <= set(columns) or isinstance(source, Fit):
        raise UsageError(
            "with assumed parameters, the runs are a table with columns of N and D: "
            "{'N': ..., 'D': ...}"
        )
    count = Counting.of(counting)
    names = {columns[symbol] for symbol in ("N", "D")}
    table = as_table(source, names)
    n, d = (table.numbers(columns[symbol], symbol) for symbol in ("N", "D"))
    return n, d, count.cost()
