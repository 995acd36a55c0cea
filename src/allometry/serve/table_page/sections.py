"""The part of the page with an answer: a fragment of HTML, made of parts of the report."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allometry.errors import printable
from allometry.figures.fits import draw_fit
from allometry.figures.plans import figures_of_plan
from allometry.figures.style import headline, stacked
from allometry.fitting.document import Fit
from allometry.plan.document import Plan
from allometry.report.alarm_advice import alarm_rows
from allometry.report.fit_in_words import section_of_fit
from allometry.report.pictures import Picture, draw_picture
from allometry.report.plan_in_words import (
    approach_rows,
    beside_in_words,
    beyond_in_words,
    law_rows,
    reasons,
    run_in_words,
    tiles,
    waste_rows,
)
from allometry.report.rendering import environment
from allometry.serve.table_page.choices import OF_FIT, Choices
from allometry.stats.digits import shown
from allometry.tables.table import Table

__all__ = ["PACKAGE", "section_of_answer"]

PACKAGE = "allometry.serve.table_page"
MOST_ROWS, MOST_CELL = 500, 40  # shown rows of the table; characters of a cell
MOST_COLUMNS = 6  # shown columns besides the mapped ones
FIT_WIDTH, FIT_HEIGHT = 183.0, 90.0  # mm


def section_of_answer(
    *,
    table: Table,
    choices: Choices,
    used: NDArray[np.bool_],
    fit: Fit,
    plan: Plan | None,
    reason: str,
    chart: Mapping[str, Any],
    again: Mapping[str, Mapping[str, str]],
    slider: bool,
) -> str:
    """Markup of the answer; everything from the table is escaped.

    Args:
        used: whether the fit uses each row, (rows,). reason: why there is no plan.
        chart: the chart of the runs. again: command lines and Python code.
        slider: whether the page has a slider.
    """
    template = environment((PACKAGE,)).get_template("answer.html.j2")
    picture = _picture(choices, fit, plan)
    text = template.render(
        fit=section_of_fit(fit.law.name, fit),
        plan=plan,
        level=f"{100 * (fit.interval.level if plan is None else plan.level):g}%",
        reason=reason,
        answer=_answer(fit) if plan is None else run_in_words(plan),
        tiles=[] if plan is None else tiles(plan),
        alarms=[] if plan is None else alarm_rows(plan.alarms),
        laws=[] if plan is None else law_rows(plan),
        approaches=[] if plan is None else approach_rows(plan),
        reasons=[] if plan is None else reasons(plan),
        wastes=waste_rows(plan) if plan is not None and plan.disagreement else [],
        beside=[] if plan is None else list(beside_in_words(plan)),
        beyond="" if plan is None else beyond_in_words(plan),
        chart=chart,
        picture=picture,
        lacking="" if plan is None or picture is not None else choices.figure,
        again=again,
        rows=_rows(table, choices, used, fit),
        slider=slider,
        sound=fit.status.code == "converged",
    )
    return printable(text)


def _answer(fit: Fit) -> str:
    """The fitted values in a sentence."""
    values = ", ".join(f"{name} {shown(value)}" for name, value in fit.values.items())
    return f"{fit.law.name}: {values}."


def _picture(choices: Choices, fit: Fit, plan: Plan | None) -> Picture | None:
    """The figure that was asked for; for a law of several sizes without a plan, that of the fit."""
    many = plan is None and len(fit.law.sizes) > 1  # a chart against one size cannot show the law
    if many or (plan is not None and choices.figure == OF_FIT):
        return draw_picture(2, OF_FIT, lambda: _figure_of_fit(fit), (
            "Above, measured values against predictions of the law, one mark for each row; below, "
            "the residuals of the fit."
        ))  # fmt: skip
    if plan is None or not choices.figure:
        return None
    figures = figures_of_plan(plan)
    if choices.figure not in figures:  # the page shows a message instead
        return None
    figure = figures[choices.figure]
    return draw_picture(2, choices.figure, figure.draw, figure.caption)


def _figure_of_fit(fit: Fit) -> Any:
    figure, (top,), (low,) = stacked(width=FIT_WIDTH, height=FIT_HEIGHT)
    draw_fit(fit, top, low)
    top.set_xlabel("")
    headline(figure, "Measured against predicted, and residuals")
    return figure


def _rows(table: Table, choices: Choices, used: NDArray[np.bool_], fit: Fit) -> dict[str, Any]:
    """The rows of the table: number, whether the fit uses the row or why not, and cells."""
    rules = dict(fit.dropped)
    mapped = [c for c in dict.fromkeys(choices.columns.values()) if c in table]
    others = [name for name in table.columns if name not in mapped][:MOST_COLUMNS]
    names = [*mapped, *others]
    lists = {name: table[name].tolist() for name in names}
    symbols = {c: s for s, c in choices.columns.items()}
    rows = [
        {
            "number": i + 1,
            "used": bool(used[i]),
            "why": rules.get(i + 1, "") if not used[i] else "",
            "cells": [_cell(lists[name][i]) for name in names],
        }
        for i in range(min(len(table), MOST_ROWS))
    ]
    return {
        "heads": [f"{symbols[n]} = {n}" if n in symbols else n for n in names],
        "rows": rows,
        "total": len(table),
        "used": int(used.sum()),
    }


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= MOST_CELL else f"{text[: MOST_CELL - 1]}…"
