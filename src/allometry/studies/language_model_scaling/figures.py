"""Figures of the study."""

import numpy as np
from matplotlib.figure import Figure

from allometry.figures.intervals import IntervalRow, interval_panel
from allometry.figures.plans import draw_isoflop, draw_loss
from allometry.figures.style import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    dress,
    headline,
    panels,
    paper,
    ramp,
)
from allometry.findings import Analysis
from allometry.studies.language_model_scaling.grid import budget_of
from allometry.studies.language_model_scaling.numbers import Numbers
from allometry.tables.table import Table

__all__ = ["FIGURES"]

YARDSTICK_NAMES = {"gzip": "gzip", "xz": "xz", "bytes_of_5": "5-byte model"}


def forecast(table: Table, analysis: Analysis) -> Figure:
    """Losses against compute, the least losses by each law, and the larger run as a red star.
    The black star is the planned run with the interval predicted for it."""
    numbers = _numbers(analysis)
    assert numbers.plan is not None
    figure = draw_loss(numbers.plan)
    ax = figure.axes[0]
    with paper():
        ax.plot(numbers.larger["compute"], numbers.larger["test_loss"], "*", ms=11, mfc=VERMILLION,
                mec="white", mew=0.6, zorder=9, label="trained afterwards")  # fmt: skip
    first = numbers.landed[0]
    off = first.loss / first.prediction.predicted - 1
    headline(
        figure,
        f"At {first.factor:.3g} times the compute of the largest run fitted the loss is {off:+.1%} "
        f"off what {first.prediction.law} predicted",
    )
    return figure


def isoflop(table: Table, analysis: Analysis) -> Figure:
    """IsoFLOP curves: a mark is a run, a colour a budget, a curve the parabola through it."""
    numbers = _numbers(analysis)
    assert numbers.plan is not None
    return draw_isoflop(numbers.plan)


def counting(table: Table, analysis: Analysis) -> Figure:
    """The exponent a of the best size, N ~ C^a, by what is counted as N; diamonds are predicted."""
    numbers = _numbers(analysis)
    total, body = numbers.exponents["n_params"], numbers.exponents["n_params_body"]
    rows = [
        IntervalRow("all parameters", *total, color=BLUE),
        IntervalRow("body alone", *body, predicted=numbers.body_by_formula, color=VERMILLION),
    ]
    figure, axes = panels(height=50.0)
    interval_panel(rows, ax=axes[0, 0], xlabel="exponent a of N ~ C^a", zero=False)
    headline(
        figure,
        f"a is {total.value:.2f} with all parameters counted and {body.value:.2f} with the body's "
        "alone",
    )
    return figure


def bits(table: Table, analysis: Analysis) -> Figure:
    """Bits a byte against size: a colour is a budget, the star the larger run, lines are programs
    and a model of five bytes on the same test text."""
    numbers = _numbers(analysis)
    runs = numbers.fitted
    figure, axes = panels(height=88.0)
    ax = axes[0, 0]
    budgets = [budget_of(c) for c in runs["compute"]]
    named = sorted(set(budgets))
    with paper():
        dress(ax, xlog=True)
        for budget, color in zip(named, ramp(named), strict=True):
            some = np.array([b == budget for b in budgets])
            order = np.argsort(runs["n_params"][some])
            ax.plot(runs["n_params"][some][order], runs["bits_per_byte"][some][order], "o-", ms=3.4,
                    lw=1.0, color=color, label=f"{budget:.0e} FLOP")  # fmt: skip
        larger = numbers.larger
        ax.plot(larger["n_params"], larger["bits_per_byte"], "*", ms=11, mfc=VERMILLION,
                mec="white", zorder=9, label="the larger run")  # fmt: skip
        for name, value in numbers.yardsticks.items():
            ax.axhline(value, color=GREY, lw=0.8, ls="--", zorder=1)
            ax.annotate(YARDSTICK_NAMES[name], (1.0, value), xycoords=("axes fraction", "data"),
                        ha="right", va="bottom", color=INK)  # fmt: skip
        ax.set_xlabel("parameters, N")
        ax.set_ylabel("bits a byte")
        ax.legend(frameon=False)
    beaten = [YARDSTICK_NAMES[n] for n, v in numbers.yardsticks.items() if numbers.bits < v]
    headline(
        figure,
        f"The larger model needs {numbers.bits:.2f} bits a byte, fewer than "
        f"{', '.join(beaten) or 'none of the programs'}",
    )
    return figure


def _numbers(analysis: Analysis) -> Numbers:
    numbers = analysis.numbers["numbers"]
    assert isinstance(numbers, Numbers)
    return numbers


FIGURES = (forecast, isoflop, counting, bits)
