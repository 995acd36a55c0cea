"""Figures of the study."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from allometry.figures.intervals import IntervalRow, interval_panel
from allometry.figures.plan_isoflop import isoflop_of
from allometry.figures.plan_lines import law_colors
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
    readable,
)
from allometry.findings import FindingFigure
from allometry.plan.beyond.data_limits import unique_equivalents
from allometry.studies.language_model_scaling.beside import HALF_LIFE
from allometry.studies.language_model_scaling.grid import budget_of
from allometry.studies.language_model_scaling.numbers import Numbers

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.figure import Figure

__all__ = ["figures_of"]

BESIDE = 1.1  # factor in compute between neighbouring whiskers, so that they do not overlap
SOURCES = {"shuffled": "shuffled bytes", "bigram": "the bigram source"}
YARDSTICK_NAMES = {"gzip": "gzip", "xz": "xz", "bytes_of_5": "5-byte model"}


def forecast(numbers: Numbers) -> "Figure":
    """Losses against compute, the least loss under each law, and the larger runs as red stars. The
    black star and its whisker are the plan of the first law, fitted again. The other whiskers are
    95% intervals for a new run, stored before the larger runs were declared."""
    from allometry.figures.plans import draw_loss

    assert numbers.plan is not None
    figure = draw_loss(numbers.plan)
    ax = figure.axes[0]
    with paper():
        colors = law_colors(numbers.plan.laws)
        for number, landed in enumerate(numbers.landed[1:], start=1):
            of, at = landed.prediction, landed.compute * BESIDE**number
            color = colors.get(of.law, INK)
            ax.vlines(at, of.low, of.high, color=color, lw=1.3, zorder=6)
            ax.plot(at, of.predicted, "_", ms=7, color=color, zorder=6)
            if of.law not in colors:
                place = at, np.sqrt(of.low * of.predicted)
                ax.annotate(of.approach, place, xytext=(4, 0), textcoords="offset points",
                            va="center", color=INK)  # fmt: skip
        computes, losses = numbers.larger["compute"], numbers.larger["test_loss"]
        ax.plot(computes, losses, "*", ms=10, mfc=VERMILLION, mec="white", mew=0.6, zorder=9)
        ax.annotate("measured", (computes[0], float(np.mean(losses))), xytext=(-7, 0),
                    textcoords="offset points", ha="right", va="center", zorder=8,
                    color=readable(VERMILLION), bbox={"fc": "white", "ec": "none", "pad": 1},
                    )  # fmt: skip
    first, n_inside = numbers.landed[0], sum(landed.inside == 1 for landed in numbers.landed)
    headline(
        figure,
        f"At {first.factor:.2g} times the compute the measured loss lies in {n_inside} of "
        f"{len(numbers.landed)} predicted intervals",
    )
    return figure


def isoflop(numbers: Numbers) -> "Figure":
    """IsoFLOP curves: each mark is a run, each colour a budget, each curve its parabola."""
    from allometry.figures.plans import draw_isoflop

    assert numbers.plan is not None
    return draw_isoflop(numbers.plan)


def counting(numbers: Numbers) -> "Figure":
    """The exponent a of the best size, N ~ C^a, for each way to count N."""
    rows = []
    for vocabulary, counts in numbers.counts.items():
        group = f"vocabulary {vocabulary}"
        rows.append(IntervalRow("all parameters", *counts.total, group=group, color=BLUE))
        rows.append(IntervalRow(
            "body alone", *counts.body, predicted=counts.by_formula, group=group, color=VERMILLION
        ))  # fmt: skip
    figure, axes = panels(height=24.0 + 14.0 * len(rows))
    interval_panel(rows, ax=axes[0, 0], xlabel="exponent a of N ~ C^a", zero=False)
    first = next(iter(numbers.counts.values()))
    headline(
        figure,
        f"a is {first.total.value:.2f} counting all parameters of a byte model, "
        f"{first.body.value:.2f} counting those of its body",
    )
    return figure


def controls(numbers: Numbers) -> "Figure":
    """Test loss against compute, one model at each budget, on the text and on sources without
    language. Dashed lines are the entropies of these sources."""
    figure, axes = panels(height=80.0)
    ax = axes[0, 0]
    with paper():
        dress(ax, xlog=True)
        for (source, fall), color in zip(numbers.falls.items(), (GREY, BLUE), strict=False):
            ax.plot(fall.budgets, fall.losses, "o-", ms=4, lw=1.1, color=color)
            ax.axhline(fall.entropy, color=color, lw=0.8, ls="--")
            ax.annotate(SOURCES[source], (fall.budgets[1], fall.losses[1]), xytext=(4, 4),
                        textcoords="offset points", color=readable(color), ha="right")  # fmt: skip
        budgets = next(iter(numbers.falls.values())).budgets
        runs = numbers.fitted
        on_text = [
            float(min(runs["test_loss"][[budget_of(c) == b for c in runs["compute"]]]))
            for b in budgets
        ]
        ax.plot(budgets, on_text, "o-", ms=4, lw=1.1, color=VERMILLION)
        ax.annotate("text, best model", (budgets[1], on_text[1]), xytext=(4, 4),
                    textcoords="offset points", color=readable(VERMILLION), ha="right")  # fmt: skip
        ax.set_xlabel("training compute, C (FLOP)")
        ax.set_ylabel("test loss (nats per token)")
    shares = " and ".join(f"{f.share.value:.0%} on {SOURCES[s]}" for s, f in numbers.falls.items())
    headline(figure, f"Fall of the loss with compute, as a share of that on text: {shares}")
    return figure


def repeats(numbers: Numbers) -> "Figure":
    """Number of slices of new text that give the same loss as one slice repeated for several
    epochs. The solid line is the law of Muennighoff et al.; on the dashed line repeated text is
    worth as much as new text."""
    figure, axes = panels(height=80.0)
    ax = axes[0, 0]
    epochs = np.array([repeats.epochs for repeats in numbers.repeats])
    worth = np.array([repeats.worth for repeats in numbers.repeats])
    fine = np.geomspace(1, epochs.max(), 100)
    with paper():
        dress(ax, xlog=True, ylog=True)
        ax.plot(fine, fine, "--", lw=0.8, color=GREY)
        ax.plot(fine, unique_equivalents(fine, HALF_LIFE), "-", lw=1.1, color=INK)
        ax.vlines(epochs, worth[:, 1], worth[:, 2], color=VERMILLION, lw=1.1)
        ax.plot(epochs, worth[:, 0], "o", ms=4, color=VERMILLION)
        ax.set_xlabel("epochs")
        ax.set_ylabel("slices of new text")
    last = numbers.repeats[-1]
    headline(
        figure,
        f"{last.epochs} epochs of a slice are worth {last.worth.value:.1f} slices of new text; "
        f"{last.predicted:.1f} by the law of large models",
    )
    return figure


def bits(numbers: Numbers) -> "Figure":
    """Bits per byte against model size. Each colour is a budget; stars are the larger runs. Dashed
    lines are compression programs and a 5-byte model on the same test text."""
    runs = numbers.fitted
    figure, axes = panels(height=88.0)
    ax = axes[0, 0]
    budgets = [budget_of(c) for c in runs["compute"]]
    distinct = sorted(set(budgets))
    with paper():
        dress(ax, xlog=True)
        for budget, color in zip(distinct, ramp(distinct), strict=True):
            mask = np.array([b == budget for b in budgets])
            order = np.argsort(runs["n_params"][mask])
            ax.plot(runs["n_params"][mask][order], runs["bits_per_byte"][mask][order], "o-", ms=3.4,
                    lw=1.0, color=color, label=f"{budget:.0e} FLOP")  # fmt: skip
        larger = numbers.larger
        ax.plot(larger["n_params"], larger["bits_per_byte"], "*", ms=11, mfc=VERMILLION,
                mec="white", zorder=9, label="the larger run")  # fmt: skip
        for name, value in numbers.yardsticks.items():
            ax.axhline(value, color=GREY, lw=0.8, ls="--", zorder=1)
            ax.annotate(YARDSTICK_NAMES[name], (1.0, value), xycoords=("axes fraction", "data"),
                        ha="right", va="bottom", color=INK)  # fmt: skip
        ax.set_xlabel("parameters, N")
        ax.set_ylabel("bits per byte")
        ax.legend(frameon=False)
    beaten = [YARDSTICK_NAMES[n] for n, v in numbers.yardsticks.items() if numbers.bits.value < v]
    headline(
        figure,
        f"The larger model needs {numbers.bits.value:.2f} bits per byte, fewer than "
        f"{', '.join(beaten) or 'none of the programs'}",
    )
    return figure


def figures_of(numbers: Numbers) -> dict[str, FindingFigure]:
    """The figures by name, without those for which these runs have no data."""
    has_data = {
        forecast: bool(numbers.landed),
        isoflop: numbers.plan is not None and isoflop_of(numbers.plan) is not None,
        counting: bool(numbers.counts),
        controls: bool(numbers.falls),
        repeats: bool(numbers.repeats),
        bits: bool(numbers.yardsticks),
    }
    return {
        draw.__name__: FindingFigure(partial(draw, numbers), " ".join(str(draw.__doc__).split()))
        for draw, is_drawn in has_data.items()
        if is_drawn
    }
