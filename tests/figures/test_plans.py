"""Figures of a plan show its numbers: runs, lines, bands and marks where the plan has them."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from allometry import laws
from allometry.errors import UsageError
from allometry.figures.drawing import draw
from allometry.figures.plan_lines import best_runs, line_curve
from allometry.figures.plans import (
    draw_design,
    draw_disagreement,
    draw_isoflop,
    draw_loss,
    draw_sizes,
    draw_waste,
    figures_of_plan,
)
from allometry.fitting.options import FitOptions
from allometry.plan.design.next_result import Expected, NextRun, NextRuns
from allometry.plan.design.verdict import Stop
from allometry.plan.document import Plan
from allometry.plan.frontier.waste import wasted
from allometry.plan.question import plan as make_plan
from allometry.stats.digits import shown
from allometry.stats.interval import NO_VALUE
from tests.plan.tables import TRUTH, isoflop_table

COMPUTE = 1e23
COLUMNS = {"N": "params", "D": "tokens", "L": "loss"}
FEW = FitOptions(resamples=40, starts=32)


@pytest.fixture(scope="module")
def plan():
    return make_plan(isoflop_table(), COLUMNS, laws=["chinchilla", "kaplan"], compute=COMPUTE,
                     fit=FEW)  # fmt: skip


@pytest.fixture(scope="module")
def of_values():
    return make_plan(parameters=TRUTH, compute=COMPUTE)


def chosen():
    """Three runs to make next, two of them the same."""
    runs = [NextRun(1e9, 1e11, 6e20, "takes most"), NextRun(1e9, 1e11, 6e20, "takes most"),
            NextRun(4e9, 2e10, 4.8e20, "off the rays")]  # fmt: skip
    return NextRuns(
        "ln_n_opt@1e+23", 2e21, 1.68e21, tuple(runs), Expected(25.0, 0.30), Expected(25.0, 0.12),
        {}, None, None, Stop(False, "", 0.0, 0.0), {}, (),
    )  # fmt: skip


def marks(ax, marker):
    return [line for line in ax.lines if line.get_marker() == marker and len(line.get_xdata())]


def title(figure):
    return " ".join(figure.get_label().split())


def test_every_figure_of_a_plan_is_drawn_and_named_by_its_numbers(plan):
    figures = figures_of_plan(plan, chosen())
    assert list(figures) == ["waste", "loss", "sizes", "isoflop", "disagreement", "design"]
    first = plan.first
    worst = max(plan.disagreement, key=lambda pair: pair.waste)
    numbers = {
        "waste": [shown(first.waste_band[0.05][0]), shown(first.waste_band[0.05][1])],
        "loss": [shown(first.loss.value, 4), shown(first.loss_new_run.low, 4)],
        "sizes": [shown(plan.laws["kaplan"].n_opt.value)],
        "isoflop": [f"{plan.approaches['2'].exponent_n.value:.3f}"],
        "disagreement": [f"{100 * worst.waste:.2g}%", worst.truth],
        "design": ["0.30", "0.12", "3 next runs"],
    }
    for name, figure in figures.items():
        made = figure.draw()
        assert all(number in title(made) for number in numbers[name]), title(made)
        assert all(ax.get_xlabel() for ax in made.axes) or name == "disagreement"
        assert b"<svg" in draw(made, name).svg and figure.caption.endswith(".")


def test_a_plan_of_given_values_has_the_field_of_waste_and_the_frontier(of_values):
    assert list(figures_of_plan(of_values)) == ["waste", "loss"]
    (line,) = (line for line in draw_loss(of_values).axes[0].lines if line.get_linestyle() == "--")
    best = best_runs(of_values.evidence.frontiers["chinchilla"], line.get_xdata())
    assert line.get_ydata() == pytest.approx(best.loss)
    with pytest.raises(UsageError, match="made from given parameters"):
        draw_sizes(of_values)
    with pytest.raises(UsageError, match="the plan has only one"):
        draw_disagreement(of_values)


def test_a_plan_that_was_read_has_the_matrix_of_laws_alone(plan):
    read = Plan.from_json(plan.to_json())
    assert list(figures_of_plan(read, chosen())) == ["disagreement"]
    with pytest.raises(UsageError, match="make the plan again"):
        draw_waste(read)


def test_isoflop_curves_show_each_run_once_and_the_least_loss_of_each_parabola(plan):
    figure = draw_isoflop(plan)
    budgets = plan.evidence.approaches.isoflop.budgets
    circles = marks(figure.axes[0], "o")
    filled = sum(
        len(m.get_xdata()) for m in circles if to_hex(m.get_markerfacecolor()) != "#ffffff"
    )
    assert filled == sum(b.kept.sum() for b in budgets if not b.reason)
    assert sum(len(m.get_xdata()) for m in circles) == plan.rows
    diamonds = {(m.get_xdata()[0], m.get_ydata()[0]) for m in marks(figure.axes[0], "D")}
    assert diamonds == {(b.vertex, b.vertex_loss) for b in budgets if not b.reason}
    for line in (m for m in figure.axes[0].lines if m.get_linestyle() == "-"):
        at = int(np.argmin(line.get_ydata()))
        nearest = min(diamonds, key=lambda p: abs(np.log(p[0] / line.get_xdata()[at])))
        assert line.get_ydata()[at] == pytest.approx(nearest[1], rel=1e-4)


def test_the_band_of_an_approach_at_the_plan_is_its_interval(plan):
    for name, size in (("2", "n"), ("3", "d")):
        approach = plan.approaches[name]
        line = getattr(approach, f"line_{size}")
        curve = line_curve(line, np.array([COMPUTE]), plan.level, (1e18, 1e21), name, "#000000")
        drawn = curve.y[0], curve.low[0], curve.high[0]
        assert drawn == pytest.approx(tuple(getattr(approach, f"{size}_opt")))


def test_lines_of_sizes_are_dashed_beyond_the_runs_and_stars_are_the_plans(plan):
    top = draw_sizes(plan).axes[0]
    largest = plan.evidence.runs.compute.max()
    dashed = [line for line in top.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 3  # approaches 2, 3 and Kaplan's
    # To one of 80 points: the last within the runs.
    assert all(line.get_xdata()[0] > largest / 1.3 for line in dashed)
    stars = {(m.get_xdata()[0], m.get_ydata()[0]) for m in marks(top, "*")}
    assert stars == {(p.compute.value, p.n_opt.value) for p in plan.laws.values()}


def test_a_law_with_repeated_data_has_a_line_beside_the_approach_without_them():
    made = make_plan(isoflop_table(), COLUMNS, compute=COMPUTE, unique_data=1e10,
                     fit=FitOptions(resamples=0, starts=32))  # fmt: skip
    figure = draw_sizes(made)
    assert "chinchilla, repeats" in [text.get_text() for text in figure.axes[0].texts]
    names = [text.get_text() for text in figure.axes[2].get_yticklabels()]
    assert names[-1] == "chinchilla, repeats" and "3 parametric" in names
    (row,) = (m for m in marks(figure.axes[2], "o") if m.get_ydata()[0] == len(names) - 1)
    assert row.get_xdata()[0] == made.first.n_opt.value


def test_the_planned_run_has_the_interval_of_a_measured_loss(plan):
    ax = draw_loss(plan).axes[0]
    (whisker,) = marks(ax, "_")
    assert list(whisker.get_ydata()) == [plan.first.loss_new_run.low, plan.first.loss_new_run.high]
    (star,) = marks(ax, "*")
    assert star.get_xdata()[0] == COMPUTE and star.get_ydata()[0] == plan.first.loss.value


def test_the_ends_of_the_band_waste_five_percent_and_the_blue_ground_ends_there(plan):
    ax = draw_waste(plan).axes[0]
    (ends,) = (m for m in marks(ax, "|") if m.get_linestyle() == "None")
    frontier = plan.evidence.frontiers["chinchilla"]
    for n, d in zip(ends.get_xdata(), ends.get_ydata(), strict=True):
        assert 6 * n * d == pytest.approx(COMPUTE)
        assert wasted(frontier, n, d)[0] == pytest.approx(0.05, rel=1e-6)
    grounds = next(c for c in ax.collections if len(c.get_paths()) == 3)
    inside = grounds.get_paths()[0].contains_point([plan.first.n_opt.value, plan.first.d_opt.value])
    assert inside


def test_the_matrix_has_the_waste_of_each_pair(plan):
    texts = [text.get_text() for text in draw_disagreement(plan).axes[0].texts]
    for pair in plan.disagreement:
        assert f"{100 * pair.waste:.2g}%" in texts
    assert texts.count("own plan") == 2


def test_a_waste_that_is_not_known_is_said(plan):
    unknown = replace(
        plan, disagreement=tuple(replace(p, waste=float("nan")) for p in plan.disagreement)
    )
    figure = draw_disagreement(unknown)
    assert [t.get_text() for t in figure.axes[0].texts].count("unknown") == 2
    assert "is unknown" in title(figure)


def test_a_plan_without_a_best_size_has_neither_field_nor_stars(plan):
    lost = {name: replace(p, n_opt=NO_VALUE, d_opt=NO_VALUE, loss=NO_VALUE, loss_new_run=NO_VALUE)
            for name, p in plan.laws.items()}  # fmt: skip
    plan = replace(plan, laws=lost)
    figures = figures_of_plan(plan)
    assert "waste" not in figures
    for name, figure in figures.items():
        made = figure.draw()
        draw(made, name)
        assert not [mark for ax in made.axes for mark in marks(ax, "*")]


def test_next_runs_stand_by_reason_and_say_how_often(plan):
    figure = draw_design(plan.evidence.runs, chosen())
    ax = figure.axes[0]
    squares, triangles = marks(ax, "s"), marks(ax, "^")
    assert [len(m.get_xdata()) for m in (*squares, *triangles)] == [1, 1]
    assert "\N{MULTIPLICATION SIGN}2" in [text.get_text() for text in ax.texts]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [f"{plan.rows} finished runs", "2 next runs: takes most",
                      "1 next run: off the rays"]  # fmt: skip


def test_rays_are_lines_of_one_ratio(plan):
    ax = draw_design(plan.evidence.runs, chosen()).axes[0]
    rays = [line for line in ax.lines if line.get_linestyle() == ":"]
    named = [float(re.sub(r"D/N = |,", "", text.get_text())) for text in ax.texts
             if text.get_text().startswith("D/N")]  # fmt: skip
    for line, ratio in zip(rays, named, strict=True):
        assert line.get_ydata() / line.get_xdata() == pytest.approx(ratio)


def test_names_of_laws_are_drawn_as_they_stand():
    hostile = replace(laws.chinchilla, name=r"$\frac{a_b^c <b>")
    made = make_plan(laws=hostile, parameters=TRUTH, compute=COMPUTE)
    for name, figure in figures_of_plan(made).items():
        assert b"<svg" in draw(figure.draw(), name).svg
