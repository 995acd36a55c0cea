"""The answer to a dropped table: columns, fit, plan, texts, charts, and how to reproduce it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import AllometryError, DataError, UsageError
from allometry.fitting.document import Fit
from allometry.fitting.fit import fit_with
from allometry.laws import Array
from allometry.plan.believed import SEARCHED_DRAWS
from allometry.plan.budget import Budget
from allometry.plan.document import Plan
from allometry.plan.frontier.cost import Cost
from allometry.plan.plan import PlanOptions, plan_of_table
from allometry.plan.runs import Runs
from allometry.serve.table_page.again import fit_again, plan_again
from allometry.serve.table_page.brush import conditions_of
from allometry.serve.table_page.budgets import budgets, default_compute
from allometry.serve.table_page.chart import Places, chart
from allometry.serve.table_page.choices import OF_FIT, Choices, choices_of
from allometry.serve.table_page.fields import columns_as_read, fields_of
from allometry.serve.table_page.recognise import is_planned
from allometry.serve.table_page.sections import section_of_answer
from allometry.stats.digits import shown
from allometry.tables.conditions import meeting
from allometry.tables.read import as_table, table_of_bytes
from allometry.tables.table import Table

__all__ = ["LARGEST", "answer"]

SCHEMA = "allometry/table/1"
LARGEST = 5_000_000  # bytes of a table
MOST_ROWS = 5_000  # a fit without intervals takes ten seconds on one core
LOSS = "loss"  # the figure of a plan that the chart of runs replaces
NO_PLAN = "There is no plan"
NOT_PLANNED = f"{NO_PLAN}: it needs a law of N, D and L."
FARTHEST = 1e60  # largest number on an axis, as in the figures of a plan
LONGEST_NAME = 255  # characters, as for a file


def answer(name: str, body: bytes, choices: Mapping[str, str]) -> dict[str, Any]:
    """The answer to a table as JSON data.

    Args:
        name: name of the file. It is only used in messages and commands, never as a path.
        body: content of the file, at most `LARGEST` bytes.
        choices: choices of the user, by the keys of `allometry.serve.table_page.choices.WORDS`.

    Returns:
        ``columns`` with their roles; ``fields``, the choices with their options; ``fit`` and
        ``plan``, the documents of `allometry fit --json` and `allometry plan --json`, or None with
        the reason in ``problem``; ``slider``, the plan at many computes; ``chart`` with its frame;
        ``again``, command lines and Python code; ``html``, all of it for display.

    Raises:
        UsageError: a choice does not exist. DataError: the file is no table, or too large.
    """
    name = _file_name(name)
    if len(body) > LARGEST:
        raise DataError(
            f"{name} has {len(body) / 1e6:.1f} MB, and the page reads at most {LARGEST / 1e6:g} "
            "MB: keep only the columns and rows to fit, or use `allometry fit` and `allometry plan`"
        )
    table = table_of_bytes(name, body, ())
    if len(table) > MOST_ROWS:
        raise DataError(
            f"{name} has {len(table):,} rows, and the page fits at most {MOST_ROWS:,}; use "
            "`allometry fit` and `allometry plan` on the command line"
        )
    selection = choices_of(choices, table)
    dropped = _Dropped(name, body)
    result, problem = None, ""
    try:
        result = _result(dropped, selection)
        selection = result.choices
    except AllometryError as error:  # shown on the page, whose menus can correct it
        problem = str(error)
    document = {
        "schema": SCHEMA,
        "name": name,
        "rows": len(table),
        "columns": columns_as_read(table, selection),
        "fields": fields_of(table, selection, None if result is None else result.compute,
                            [] if result is None else [f for f in result.figures if f != LOSS]),
        "problem": problem,
    }  # fmt: skip
    return {**document, **(_NOTHING if result is None else _shown(dropped, result))}


_NOTHING = dict.fromkeys(("fit", "plan", "slider", "chart", "again", "html"))


@dataclass(frozen=True)
class _Dropped:
    """A table as it was dropped."""

    name: str
    body: bytes

    def read(self, numbers: set[str]) -> Table:
        """The table as the command line reads it; these columns must be numbers."""
        return as_table(table_of_bytes(self.name, self.body, numbers, units=numbers), numbers)


@dataclass(frozen=True)
class _Result:
    """The computed result.

    Attributes:
        choices: the choices, with a drawn rectangle converted to conditions.
        used: whether the fit uses each row, (rows,).
        plan: the plan, or None. reason: why there is no plan.
        compute: the planned compute. figures: names of the figures that the plan has.
    """

    choices: Choices
    table: Table
    places: Places
    used: NDArray[np.bool_]
    fit: Fit
    plan: Plan | None
    reason: str
    compute: float | None
    figures: tuple[str, ...]


def _result(dropped: _Dropped, choices: Choices) -> _Result:
    """Convert a drawn rectangle into conditions, fit, and plan.

    Raises:
        AllometryError: the columns cannot be fitted.
    """
    table = dropped.read(choices.fit_options().numbers(choices.columns_of_fit().values()))
    _check_mapped(choices)
    planned = is_planned(choices.law)
    of_plan = _table_of_plan(dropped, choices, table) if planned else table
    cost, reason = _cost(of_plan, choices) if planned else (None, NOT_PLANNED)
    places, compute = _places(of_plan, choices, cost)
    conditions = conditions_of(choices, of_plan, places.x, places.y, _brushed_columns(choices))
    choices = choices.with_conditions(conditions)
    plan = None
    budget = None if cost is None else _budget(of_plan, choices, compute)
    if cost is not None and budget is not None:
        try:
            plan, reason = _plan(of_plan, choices, cost, budget), ""
        except AllometryError as error:  # the fit is shown without a plan
            reason = f"{NO_PLAN}: {error}"
    fit = _fit_of_plan(plan, choices) if of_plan is table else None
    if fit is None:
        options = choices.fit_options()
        fit = fit_with(table, choices.law, choices.columns_of_fit(), options)
    used = np.isin(np.arange(len(table)), fit.problem.rows.kept)
    figures = () if plan is None else _figures(plan)
    return _Result(choices, of_plan, places, used, fit, plan, reason, budget, figures)


def _cost(table: Table, choices: Choices) -> tuple[Cost | None, str]:
    """How FLOP are counted; or None, and the reason why they cannot be."""
    try:
        return choices.counting.cost(table, choices.columns), ""
    except AllometryError as error:  # the fit does not need FLOP
        return None, f"{NO_PLAN}: {error}"


def _budget(table: Table, choices: Choices, compute: Array) -> float | None:
    """FLOP to plan: as chosen, or from the runs that meet the conditions; None without any."""
    kept = compute[meeting(table, choices.where) & np.isfinite(compute)]
    return choices.compute or (default_compute(kept) if len(kept) else None)


def _fit_of_plan(plan: Plan | None, choices: Choices) -> Fit | None:
    """The fit from which the plan was made, if it equals the fit to show; else None."""
    closed = choices.law.allocation is not None or choices.resamples <= SEARCHED_DRAWS
    if plan is None or plan.evidence is None or "D" not in choices.columns or not closed:
        return None
    believed = plan.evidence.believed.get(choices.law.name)
    return None if believed is None else believed.fit


def _check_mapped(choices: Choices) -> None:
    needed = {*choices.law.sizes, choices.law.response}
    missing = (
        needed - set(choices.columns) - ({"D"} if {"N", "C"} <= set(choices.columns) else set())
    )
    if missing and choices.law.of_sizes is None:
        symbols = ", ".join(s for s in (*choices.law.sizes, choices.law.response) if s in missing)
        raise UsageError(
            f"say which column is {symbols}: law {choices.law.name} is one of "
            f"{', '.join(choices.law.sizes)} and predicts {choices.law.response}"
        )


def _table_of_plan(dropped: _Dropped, choices: Choices, table: Table) -> Table:
    """The table as `allometry plan` reads it; usually equal to the table of the fit."""
    also = [] if choices.other_n is None else [choices.other_n]
    columns = [*choices.columns.values(), *also]
    numbers = choices.fit_options(clusters=False).numbers(columns)
    same = numbers == choices.fit_options().numbers(choices.columns_of_fit().values())
    return table if same else dropped.read(numbers)


def _plan(table: Table, choices: Choices, cost: Cost, compute: float) -> Plan:
    """The plan as `allometry.plan.question.plan` makes it."""
    fit = choices.fit_options()  # with the clusters of `run`
    options = PlanOptions(cost=cost, run=choices.run, other_n=choices.other_n, fit=fit)
    laws = [law for law in (choices.law, choices.other_law) if law is not None]
    return plan_of_table(table, choices.columns, laws, Budget(compute), options)


def _places(table: Table, choices: Choices, cost: Cost | None) -> tuple[Places, Array]:
    """The positions of the rows on the chart, and their compute, (rows,); NaN without a cost."""
    columns, law = choices.columns, choices.law
    y = table.numbers(columns[law.response], law.response)
    compute = np.full(len(table), np.nan)
    if cost is not None:
        runs = Runs.of_table(table, columns, cost)
        compute[runs.rows] = runs.compute
        x, x_name, y = (
            compute,
            "training compute, C (FLOP)",
            np.where(np.isfinite(compute), y, np.nan),
        )
    else:
        symbol = next((s for s in law.sizes if s in columns), law.sizes[0])
        x, x_name = table.numbers(columns[symbol], symbol), columns[symbol]
    with np.errstate(invalid="ignore"):
        near = [(v == 0) | ((abs(v) > 1 / FARTHEST) & (abs(v) < FARTHEST)) for v in (x, y)]
    x, y = np.where(near[0] & near[1], x, np.nan), np.where(near[0] & near[1], y, np.nan)
    names = (x_name, columns[law.response])
    texts = [
        f"row {row}: {names[1]} {shown(float(b), 4)} at {shown(float(a))}"
        for row, (a, b) in enumerate(zip(x, y, strict=True), start=1)
    ]
    return Places(x, y, *names, texts), compute


def _brushed_columns(choices: Choices) -> list[str]:
    """The columns that conditions may bound: those mapped to the law."""
    return list(dict.fromkeys(choices.columns.values()))


def _figures(plan: Plan) -> tuple[str, ...]:
    from allometry.figures.plans import figures_of_plan

    return (*figures_of_plan(plan), OF_FIT)


def _shown(dropped: _Dropped, result: _Result) -> dict[str, Any]:
    """The parts of an answer that a fit has."""
    choices, plan, compute = result.choices, result.plan, result.compute
    slider = []
    if plan is not None and compute is not None:
        slider = budgets(plan, compute)
    again = {"fit": fit_again(dropped.name, choices)}
    if plan is not None and compute is not None:
        again["plan"] = plan_again(dropped.name, choices, compute)
    near = plan if LOSS in result.figures else None  # then one chart shows the runs and the plan
    drawn = chart(result.places, result.used, result.fit, near)
    section = section_of_answer(
        table=result.table, choices=choices, used=result.used, fit=result.fit, plan=plan,
        reason=result.reason, chart=drawn, again=again, slider=bool(slider),
    )  # fmt: skip
    return {
        "fit": result.fit.to_document(),
        "plan": None if plan is None else plan.to_document(),
        "slider": slider,
        "chart": {name: drawn[name] for name in ("title", "frame", "x", "y", "points")},
        "again": again,
        "html": section,
    }


def _file_name(name: str) -> str:
    """The last part of a path.

    Raises:
        UsageError: it is no file name.
    """
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    if last in ("", ".", "..") or len(last) > LONGEST_NAME or "\0" in last:
        raise UsageError(
            "the name of the table must be a file name with an ending, such as runs.csv; got "
            f"{name[:60]!r}"
        )
    return last
