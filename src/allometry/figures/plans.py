"""All figures that a plan has data for, with captions."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from matplotlib.figure import Figure

from allometry.figures.plan_design import draw_design
from allometry.figures.plan_growth import draw_loss, draw_sizes
from allometry.figures.plan_isoflop import draw_isoflop, isoflop_of
from allometry.figures.plan_lines import drawn
from allometry.figures.plan_waste import draw_disagreement, draw_waste
from allometry.figures.shown import png
from allometry.plan.design.next_result import NextRuns
from allometry.plan.document import Plan

__all__ = [
    "PlanFigure", "draw_design", "draw_disagreement", "draw_isoflop", "draw_loss", "draw_sizes",
    "draw_waste", "figures_of_plan",
]  # fmt: skip


FARTHEST = 1e12  # largest factor between runs, or from the largest run to the planned one
LARGEST = 1e60  # largest number on an axis; all existing machines compute 1e30 FLOP a year


class PlanFigure(NamedTuple):
    """A figure that is drawn on demand, and its caption; the headline is part of the figure."""

    draw: Callable[[], Figure]
    caption: str

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return png(self.draw())


def figures_of_plan(plan: Plan, next_runs: NextRuns | None = None) -> dict[str, PlanFigure]:
    """The figures by name, in the order of a page.

    Args:
        plan: of a plan read from a document, which has no evidence, only the matrix of laws is
            drawn.
        next_runs: the runs to make next, for the design figure.
    """
    return dict(_figures(plan, next_runs))


def _figures(plan: Plan, chosen: NextRuns | None) -> Iterator[tuple[str, PlanFigure]]:
    evidence, level = plan.evidence if _is_near(plan) else None, f"{100 * plan.level:g}%"
    runs = None if evidence is None else evidence.runs
    if evidence is not None and drawn(plan.first.n_opt.value, plan.first.d_opt.value):
        yield "waste", PlanFigure(partial(draw_waste, plan), _of_waste(plan, level))
    if evidence is not None and drawn(plan.first.compute.value):
        yield "loss", PlanFigure(partial(draw_loss, plan), _of_loss(plan, level))
    if runs is not None and drawn(plan.first.compute.value):
        yield "sizes", PlanFigure(partial(draw_sizes, plan), (
            f"Lines are N* and D* of each approach and law: solid within the compute of the "
            f"{plan.rows} runs, dashed beyond. Bands are {level} intervals over resampled runs. "
            "Diamonds are the points to which approaches 1 and 2 fit their lines, corrected "
            "for the bias of parabolas if it is known. Grey dots are the runs. Stars are the "
            "planned runs with their intervals; the star of the first law is black. Below are N* "
            "and D* at the compute of the plan, with the same intervals."
        ))  # fmt: skip
    if evidence is not None and isoflop_of(plan) is not None:
        yield "isoflop", PlanFigure(partial(draw_isoflop, plan), (
            "Each circle is a run, each colour a budget of compute, and each curve the parabola in "
            "ln N fitted to the filled circles. The diamonds are the minima, not corrected for the "
            "bias of parabolas; the exponents in the headline are corrected."
        ))  # fmt: skip
    if len(plan.laws) > 1:
        yield "disagreement", PlanFigure(partial(draw_disagreement, plan), (
            "Each row is the run that one law plans, each column the law assumed to be right. The "
            "number is the share of the run's compute that the best run with the same loss would "
            "not need."
        ))  # fmt: skip
    if runs is not None and chosen is not None:
        yield "design", PlanFigure(partial(draw_design, runs, chosen), (
            "Runs to make next, and the finished runs. All points of a dotted line have the same "
            "number of tokens per parameter; runs on a single line do not determine how to split "
            "compute. A run with \N{MULTIPLICATION SIGN}2 is to be made twice."
        ))  # fmt: skip


def _is_near(plan: Plan) -> bool:
    """Whether one figure can show the planned run, with the finished runs if there are any."""
    first, factors = plan.first, list(plan.extrapolation.values())
    numbers = first.n_opt.value, first.d_opt.value, first.compute.value, first.loss.value
    near = all(1 / LARGEST < x < LARGEST for x in numbers)
    runs = None if plan.evidence is None else plan.evidence.runs
    if runs is not None:
        factors += [float(v.max() / v.min()) for v in (runs.n, runs.d, runs.compute, runs.loss)]
    return near and all(1 / FARTHEST < factor < FARTHEST for factor in factors)


def _of_waste(plan: Plan, level: str) -> str:
    whisker = f" with the {level} interval of N" if plan.first.n_opt.has_ends else ""
    return (
        "A run wastes the share of its compute that the best run with the same loss would not "
        f"need. In the blue areas at most 1, 5 and 10% is wasted under {plan.first.law}. The star "
        f"is the planned run{whisker}."
    )


def _of_loss(plan: Plan, level: str) -> str:
    if not plan.rows:
        return (
            "Lines are the least loss at each compute. The parameters of the law were given "
            "without runs, so no part of a line is checked here, and there are no intervals."
        )
    return (
        f"Marks are the {plan.rows} runs; lines are the least loss at each compute under each law, "
        f"solid within the compute of the runs, dashed beyond. The band is the {level} interval of "
        "the least loss under the first law; the whisker is wider, because it adds the "
        "scatter of single runs."
    )
