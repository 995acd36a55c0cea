"""IsoFLOP curves: loss against N for each budget of compute, parabolas and their minima."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from allometry.errors import UsageError
from allometry.figures.labels import label_offsets
from allometry.figures.plan_lines import evidence_of
from allometry.figures.style import GREY, INK, dress, headline, panels, paper, ramp, readable
from allometry.plan.approaches.isoflop import Budget, IsoFlop
from allometry.plan.document import Plan
from allometry.stats.digits import shown

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["draw_isoflop", "isoflop_of"]

ROOM = 0.12  # margin above and below, as a share of the range of ln L
OUTSIDE = 0.5  # most extra range of ln L on either side for other runs, over that of kept runs
MOST_NAMED = 14  # budgets labelled beside the panel; more do not fit


def isoflop_of(plan: Plan) -> IsoFlop | None:
    """The budgets of approach 2, or None."""
    beside = plan.evidence and plan.evidence.approaches
    return beside.isoflop if beside else None


def draw_isoflop(plan: Plan) -> "Figure":
    """Draw loss against N, with a colour for each budget of compute.

    Raises:
        UsageError: approach 2 was not used, or the plan was read from a document.
    """
    evidence_of(plan)
    isoflop = isoflop_of(plan)
    if isoflop is None:
        raise UsageError("this figure shows IsoFLOP budgets, but approach 2 was not used")
    figure, axes = panels(height=92.0)
    ax = axes[0, 0]
    used = sorted((b for b in isoflop.budgets if not b.reason), key=lambda b: b.compute)
    unused = [b for b in isoflop.budgets if b.reason]
    with paper():
        dress(ax, xlog=True, ylog=True)
        for budget in unused:
            ax.plot(budget.n, budget.loss, "o", ms=2.6, mfc="white", mec=GREY, mew=0.4, alpha=0.6)
        colors = ramp([b.compute for b in used])
        for budget, color in zip(used, colors, strict=True):
            _draw_budget(ax, budget, color)
        _limit(ax, isoflop.budgets)
        _name_budgets(ax, used, colors)
        _legend(ax, used, unused)
        ax.set_xlabel("parameters, N")
        ax.set_ylabel("loss, L")
    of_n, of_d = (getattr(isoflop.approach, f"exponent_{size}").value for size in "nd")
    headline(
        figure,
        f"Over {len(used)} budgets of compute the best N grows as C^{of_n:.3f} and the best D as "
        f"C^{of_d:.3f}",
    )
    return figure


def _draw_budget(ax: "Axes", budget: Budget, color: Any) -> None:
    """Draw the runs, hollow if left out, the parabola over the fitted runs, and its minimum."""
    kept = budget.kept
    ax.plot(budget.n[kept], budget.loss[kept], "o", ms=3.4, mfc=color, mec=color, mew=0.5, zorder=3)
    ax.plot(budget.n[~kept], budget.loss[~kept], "o", ms=3.4, mfc="white", mec=color, mew=0.8,
            zorder=3)  # fmt: skip
    low, high = np.log(budget.n[kept].min()), np.log(budget.n[kept].max())
    x = np.linspace(low, high, 60)
    y = np.polynomial.Polynomial(budget.coefficients)(x)
    ax.plot(np.exp(x), y, "-", color=color, lw=1.1, zorder=2)
    ax.plot([budget.vertex], [budget.vertex_loss], "D", ms=5.2, mfc=color, mec="white", mew=0.8,
            zorder=5)  # fmt: skip


def _limit(ax: "Axes", budgets: Sequence[Budget]) -> None:
    """Set the scale mainly by the runs with a parabola, since left-out runs may be far off."""
    kept = np.log(np.concatenate([b.loss[b.kept] for b in budgets if not b.reason]))
    every = np.log(np.concatenate([b.loss for b in budgets]))
    span = float(np.ptp(kept)) or 1.0
    bottom = max(float(every.min()), float(kept.min()) - OUTSIDE * span)
    top = min(float(every.max()), float(kept.max()) + OUTSIDE * span)
    ax.set_ylim(np.exp(bottom - ROOM * span), np.exp(top + ROOM * span))


def _name_budgets(ax: "Axes", used: Sequence[Budget], colors: Any) -> None:
    """Write the compute of each budget at the right, at the height of its least loss."""
    step = -(-len(used) // MOST_NAMED)
    named = list(zip(used, colors, strict=True))[::step]
    heights = [b.vertex_loss for b, _ in named]
    words: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points",
             "annotation_clip": False, "va": "center"}  # fmt: skip
    lifts = label_offsets(ax, heights, 11.0)
    for (budget, color), height, lift in zip(named, heights, lifts, strict=True):
        ax.annotate(f"{shown(budget.compute)} FLOP", (1.0, height), xytext=(6, lift),
                    color=readable(color[:3]), **words)  # fmt: skip


def _legend(ax: "Axes", used: Sequence[Budget], left: Sequence[Budget]) -> None:
    """Explain filled, hollow and grey marks below the panel."""
    kept = sum(int(b.kept.sum()) for b in used)
    within = sum(int((~b.kept).sum()) for b in used)
    beside = sum(len(b.n) for b in left)
    least = _mark("D", INK, INK, "least loss of a parabola")
    handles = [_mark("o", INK, INK, f"{kept} runs with a parabola"), least]
    if within:
        handles.append(_mark("o", INK, "white", f"{within} runs left out of their budget"))
    if beside:
        handles.append(
            _mark("o", GREY, "white", f"{beside} runs of budgets that were not used", 2.6)
        )
    figure = ax.get_figure(root=True)
    assert figure is not None  # panels made it
    figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=8)


def _mark(marker: str, edge: str, face: str, label: str, size: float = 4.0) -> "Line2D":
    from matplotlib.lines import Line2D

    return Line2D([], [], ls="", marker=marker, ms=size, mec=edge, mfc=face, mew=0.7, label=label)
