"""The page of a plan: the answer, figures, laws and approaches, alarms, how to reproduce it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from allometry.figures.plans import figures_of_plan
from allometry.fitting.document import Fit
from allometry.plan.approaches.approach import Approach
from allometry.plan.design.next_result import NextRuns
from allometry.plan.document import Plan
from allometry.report.alarm_advice import alarm_rows
from allometry.report.fit_in_words import section_of_fit, summary_of_fit
from allometry.report.pictures import draw_picture
from allometry.report.plan_in_words import (
    APPROACHES,
    approach_rows,
    beside_in_words,
    beyond_in_words,
    counting_rows,
    law_rows,
    reasons,
    run_in_words,
    serving_rows,
    tiles,
    waste_rows,
)
from allometry.report.rendering import render, write
from allometry.report.runs_table import runs_section
from allometry.tables.table import Table

__all__ = ["write_plan_page"]

RUNS_BYTES = 60_000  # of the page, for the table of runs: figures take most of it


def write_plan_page(
    plan: Plan,
    path: Path,
    *,
    command: str = "",
    python: str = "",
    next_runs: NextRuns | None = None,
) -> Path:
    """Write a plan as one self-contained HTML file.

    Args:
        plan: the plan. A plan read from a document has no runs and fits, and so has its page.
        command: the shell command that reproduces this plan. python: the same as Python code.
        next_runs: the runs to make next, for the figure of the design.

    Raises:
        DataError: the page would exceed 1 MB. DiskError: it cannot be written.
    """
    figures = figures_of_plan(plan, next_runs)
    pictures = [
        (number, draw_picture(number, name, figure.draw, figure.caption))
        for number, (name, figure) in enumerate(figures.items(), start=1)
    ]
    page = render(
        "plan.html.j2",
        plan=plan,
        level=f"{100 * plan.level:g}%",
        answer=run_in_words(plan),
        tiles=tiles(plan),
        alarms=alarm_rows(plan.alarms),
        pictures=[_shown(number, p) for number, p in pictures],
        laws=law_rows(plan),
        approaches=approach_rows(plan),
        reasons=reasons(plan),
        approach_notes=_notes_of_approaches(plan),
        wastes=waste_rows(plan) if plan.disagreement else [],
        brackets=_brackets(plan),
        beyond=beyond_in_words(plan),
        serving=serving_rows(plan),
        beside=list(beside_in_words(plan)),
        countings=counting_rows(plan),
        fits=[section_of_fit(name, fit) for name, fit in _fits(plan).items()],
        runs=_runs(plan),
        columns=_columns(plan),
        command=command,
        python=python,
    )
    return write(page, path, [(p.function, len(p.svg.encode())) for _, p in pictures])


def _shown(number: int, picture: Any) -> dict[str, Any]:
    return {"number": number, "name": picture.name, "title": picture.title,
            "caption": picture.caption, "svg": picture.svg}  # fmt: skip


def _fits(plan: Plan) -> Mapping[str, Fit]:
    """The fits of the laws that were fitted, by law."""
    believed = {} if plan.evidence is None else plan.evidence.believed
    return {name: law.fit for name, law in believed.items() if law.fit is not None}


def _brackets(plan: Plan) -> str:
    """A sentence that explains the brackets in the tables."""
    if any(law.n_opt.has_ends or law.loss.has_ends for law in plan.laws.values()):
        return f"Brackets are {100 * plan.level:g}% intervals."
    return "There are no intervals: nothing was resampled."


def _notes_of_approaches(plan: Plan) -> list[str]:
    """What each approach did to the runs, one sentence each."""
    return [
        f"Approach {APPROACHES.get(name, name)}: {note}"
        for name, approach in plan.approaches.items()
        if isinstance(approach, Approach)
        for note in approach.notes
    ]


def _columns(plan: Plan) -> str:
    """The number of rows and the columns of the first fit."""
    fit = next(iter(_fits(plan).values()), None)
    return "" if fit is None else summary_of_fit(fit)


def _runs(plan: Plan) -> dict[str, Any] | None:
    """The table of the runs that were used, largest compute first."""
    runs = None if plan.evidence is None else plan.evidence.runs
    if runs is None:
        return None
    order = (-runs.compute).argsort(kind="stable")
    table = Table({
        "row": (runs.rows[order] + 1).tolist(), "N": runs.n[order], "D": runs.d[order],
        "C": runs.compute[order], "L": runs.loss[order], "D/N": (runs.d / runs.n)[order],
    })  # fmt: skip
    return runs_section(table, RUNS_BYTES)
