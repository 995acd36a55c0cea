"""Panels for networks that generalise late, with updates on a logarithmic axis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allometry.figures.labels import label_offsets
from allometry.figures.style import INK, dress, paper, readable
from allometry.figures.words import to_mathtext
from allometry.studies.delayed.delay import DelayedRun

if TYPE_CHECKING:
    # Matplotlib takes a third of a second, which a run without a figure does not need.
    from matplotlib.axes import Axes

__all__ = ["bundle", "lag_arrow", "updates_panel"]


def updates_panel(
    ax: "Axes", *, xlabel: str = "", ylabel: str = "", title: str = "", ylog: bool = False
) -> "Axes":
    """Prepare axes for updates on a logarithmic x axis."""
    with paper():
        dress(ax, xlog=True, ylog=ylog)
        if xlabel:
            ax.set_xlabel(xlabel)
        if ylabel:
            ax.set_ylabel(to_mathtext(ylabel))
        if title:
            ax.set_title(to_mathtext(title, bold=True), loc="left")
    return ax


def bundle(
    ax: "Axes", runs: Sequence[DelayedRun], columns: Sequence[tuple[str, str, str, str]]
) -> None:
    """Draw thin lines for the seeds and a thick line for their mean, labelled at the right end.

    Labels are placed so that they do not overlap.

    Args:
        columns: (column, label, colour, line style) of each line.
    """
    if not runs:
        return
    step = runs[0].step
    ends: list[float] = []
    with paper():
        for name, _, color, style in columns:
            lines = np.array([_on(run, name, step) for run in runs])
            ax.plot(step[1:], lines.T[1:], color=color, lw=0.5, alpha=0.5, ls=style)
            ax.plot(step[1:], lines.mean(axis=0)[1:], color=color, lw=1.7, ls=style)
            ends.append(float(lines[:, -1].mean()))
        lifts = label_offsets(ax, ends)
        for (_, label, color, _), end, lift in zip(columns, ends, lifts, strict=True):
            ax.annotate(
                to_mathtext(label), (step[-1], end), xytext=(4, lift), textcoords="offset points",
                color=readable(color), va="center", annotation_clip=False,
            )  # fmt: skip


def lag_arrow(ax: "Axes", t_train: float, t_test: float, height: float) -> None:
    """Draw an arrow from memorising to generalising, labelled with the updates between them."""
    if not (np.isfinite(t_train) and np.isfinite(t_test) and t_test > 1.3 * t_train):
        return
    with paper():
        ax.annotate(
            "", (t_test, height), xytext=(t_train, height),
            arrowprops={"arrowstyle": "->", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
        ax.annotate(
            f"{t_test - t_train:,.0f} updates",
            (np.sqrt(t_test * t_train), height),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            color=INK,
            fontsize=7.5,
        )


def _on(run: DelayedRun, name: str, step: NDArray[np.float64]) -> NDArray[np.float64]:
    """A column interpolated at the given steps."""
    return np.asarray(np.interp(step, run.step, np.asarray(run.along[name], float)))
