"""The chart of runs: a mark for every row of the table, hollow if it is left out, and the law.

The page gets the geometry of the axes, so that it can convert a drawn rectangle to numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from allometry.figures.drawing import draw
from allometry.figures.marks import TIPS, VECTOR_MARKS
from allometry.figures.panels import fit_panel, runs_panel
from allometry.figures.plan_growth import draw_loss
from allometry.figures.style import BLUE, GREY, headline, panels, paper, stacked
from allometry.figures.svg import inline_svg
from allometry.figures.words import literal
from allometry.fitting.document import Fit
from allometry.laws import Array
from allometry.plan.document import Plan

__all__ = ["Places", "chart"]

HEIGHT, RESIDUALS = 80.0, 20.0  # mm
NAME = "runs-chart"
LONGEST_LABEL = 60


@dataclass(frozen=True)
class Places:
    """The positions of the rows of a table on the chart.

    Attributes:
        x, y: coordinates, (rows,); NaN for a row that is not on the chart.
        x_name, y_name: labels of the axes.
        texts: description of each row, shown when it is pointed at.
    """

    x: Array
    y: Array
    x_name: str
    y_name: str
    texts: list[str]


def chart(
    places: Places, used: NDArray[np.bool_], fit: Fit | None, plan: Plan | None
) -> dict[str, Any]:
    """The chart as SVG, and its frame.

    Args:
        used: whether the fit uses each row, (rows,).
        fit: the fit; its curve is drawn if its law has one size.
        plan: the plan, to draw the least loss at each compute; None without one.

    Returns:
        svg: markup. title, caption: texts. x, y: labels of the axes. frame: left, top, width and
        height of the axes in the units of the SVG, and the ends and scale of x and y. points:
        number of runs on the chart.
    """
    figure = _of_plan(plan, places, used) if plan is not None else _of_fit(places, used, fit)
    drawing = draw(figure, NAME, raster=False)
    title = str(figure.get_label()) or "Runs"
    caption = (
        "Each mark is a row of the table: filled if the fit uses it, hollow if it is left out."
    )
    return {
        "svg": inline_svg(drawing, NAME, title, caption),
        "title": title,
        "caption": caption,
        "frame": _frame(figure, figure.axes[0]),
        "x": places.x_name,
        "y": places.y_name,
        "points": int(np.isfinite(places.x).sum()),
    }


def _of_plan(plan: Plan, places: Places, used: NDArray[np.bool_]) -> Figure:
    """The chart of a plan: the used runs, the least loss by each law, and the runs left out."""
    figure = draw_loss(plan)
    with paper():
        ax = figure.axes[0]
        limits = ax.get_xlim(), ax.get_ylim()
        _mark(ax, places, used & _on_chart(places), BLUE)
        _mark(ax, places, ~used & _on_chart(places), "white")
        if not (~used & _on_chart(places)).any():
            ax.set_xlim(limits[0])
            ax.set_ylim(limits[1])
    return figure


def _mark(ax: Axes, places: Places, rows: NDArray[np.bool_], face: str) -> None:
    """Draw a mark for each of these rows, with a text that is shown when it is pointed at."""
    if not rows.any():
        return
    pixels = len(places.x) > VECTOR_MARKS
    (line,) = ax.plot(
        places.x[rows], places.y[rows], "o", ms=2.8 if pixels else 3.8, mfc=face,
        mec=GREY if face == "white" else "white", mew=0.7 if face == "white" else 0.4,
        alpha=0.9, zorder=1.6, rasterized=pixels,
    )  # fmt: skip
    if not pixels:
        TIPS[line] = [text for text, here in zip(places.texts, rows, strict=True) if here]


def _on_chart(places: Places) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(places.x) & np.isfinite(places.y))


def _of_fit(places: Places, used: NDArray[np.bool_], fit: Fit | None) -> Figure:
    """The runs; for a law of one size also its curve with its interval, and residuals below."""
    on_chart = _on_chart(places)
    x, y = places.x[on_chart], places.y[on_chart]
    words: dict[str, Any] = {
        "used": used[on_chart] if used[on_chart].any() else None,
        "xlabel": literal(_short(places.x_name)), "ylabel": literal(_short(places.y_name)),
        "xlog": bool((x > 0).all()), "ylog": bool((y > 0).all()), "means": False,
        "tips": [text for text, on in zip(places.texts, on_chart, strict=True) if on]
        if len(x) <= VECTOR_MARKS else (),
    }  # fmt: skip
    if fit is None or len(fit.law.sizes) > 1:
        figure, axes = panels(height=HEIGHT)
        runs_panel(x, y, ax=axes[0, 0], **words)
        headline(figure, "Runs" if fit is None else _title(fit))
        return figure
    symbol = fit.law.sizes[0]
    words["xlog"] = words["xlog"] and fit.law.centring == "ratio"
    interval = (lambda at: fit.predict_interval({symbol: at})) if fit.draws else None
    figure, (top,), (low,) = stacked(height=HEIGHT + RESIDUALS)
    fit_panel(
        x, y, lambda at: fit.predict({symbol: at}), axes=(top, low), interval=interval,
        relative=fit.objective.logs, **words,
    )  # fmt: skip
    top.set_xlabel("")
    headline(figure, _title(fit))
    return figure


def _title(fit: Fit) -> str:
    doubt = "" if fit.status.code == "converged" else f" ({fit.status.code.replace('_', ' ')})"
    return f"{fit.law.name}{doubt}: {fit.rows} rows fitted"


def _short(name: str) -> str:
    return (
        name
        if len(name) <= LONGEST_LABEL
        else f"{name[: LONGEST_LABEL - 1]}\N{HORIZONTAL ELLIPSIS}"
    )


def _frame(figure: Figure, ax: Axes) -> dict[str, Any]:
    """The position of the axes in the SVG, in its units, with their ends and scales."""
    width, height = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    box = ax.get_position()
    return {
        "left": box.x0 * width, "top": (1 - box.y1) * height,
        "width": box.width * width, "height": box.height * height,
        "x": list(map(float, ax.get_xlim())), "y": list(map(float, ax.get_ylim())),
        "x_log": ax.get_xscale() == "log", "y_log": ax.get_yscale() == "log",
    }  # fmt: skip
