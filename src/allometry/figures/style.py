"""The house style of figures, for widths of 89 and 183 mm, applied only inside `with paper()`.

Text is in DejaVu Sans, which comes with Matplotlib and has a matching mathematics
font, so every machine draws the same picture. SVG text becomes outlines, so a page
does not depend on the reader's fonts.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cycler import cycler
from numpy.typing import ArrayLike, NDArray

from allometry.errors import UsageError
from allometry.figures.words import make_drawable, to_mathtext
from allometry.files.durable import written

if TYPE_CHECKING:
    # Importing Matplotlib takes a third of a second, so only code that draws does.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "COLUMN",
    "GREEN",
    "GREY",
    "GRID",
    "GROUND",
    "INK",
    "ORANGE",
    "PAGE",
    "PINK",
    "SKY",
    "VERMILLION",
    "dress",
    "equal_decades",
    "headline",
    "letters",
    "panels",
    "paper",
    "ramp",
    "readable",
    "save_figure",
    "stacked",
]

AxesArray = NDArray[np.object_]

COLUMN, PAGE = 89.0, 183.0  # mm: one and two columns of a journal page
MM = 1 / 25.4  # inch
PNG_DPI = 200
HEADLINE_LEFT = 0.004  # of the width of the figure
# Metadata left out of files so that equal figures give equal bytes.
METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
}

# Okabe and Ito 2008, "Color universal design": distinguishable with any colour vision.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PINK, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
INK, GREY, GROUND = "#1c1c1c", "#5f5f5f", "#f3f1ea"
GRID, FINE_GRID = "#e2e2e2", "#f0f0f0"

RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 5.0,
    "axes.labelsize": 8.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.prop_cycle": cycler(color=[BLUE, VERMILLION, GREEN, ORANGE, PINK, SKY, INK]),
    "figure.titlesize": 9.0,
    "figure.titleweight": "bold",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "image.cmap": "viridis",
    "lines.linewidth": 1.2,
    "text.color": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "svg.fonttype": "path",
    "svg.hashsalt": "allometry",
    "figure.constrained_layout.use": False,
}
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def paper(**changes: Any) -> Iterator[None]:
    """Apply the house style inside the block; Matplotlib's settings are restored afterwards.

    The settings are global to the process, so threads that draw take turns.
    """
    import matplotlib as mpl

    settings: dict[Any, Any] = {**RC, **changes}
    with _ONE_AT_A_TIME, mpl.rc_context(settings):
        yield


def panels(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = PAGE,
    height: float = 62.0,
    sharex: bool = False,
    sharey: bool = False,
) -> "tuple[Figure, AxesArray]":
    """A figure of `width` x `height` mm and its axes, shape (rows, columns)."""
    from allometry.figures.shown import Figure

    with paper():
        figure = Figure(figsize=(width * MM, height * MM), layout="constrained")
        _margins(figure)
        axes = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    return figure, axes


def stacked(
    columns: int = 1, *, width: float = PAGE, height: float = 85.0, sharey: bool = False
) -> "tuple[Figure, AxesArray, AxesArray]":
    """A figure in which every panel has a lower panel for residuals, with the same x axis.

    Returns:
        figure, upper axes (columns,), residual axes (columns,).
    """
    from allometry.figures.shown import Figure

    with paper():
        figure = Figure(figsize=(width * MM, height * MM), layout="constrained")
        _margins(figure)
        grid = figure.add_gridspec(2, columns, height_ratios=(3.2, 1))
        tops: list[Axes] = []
        for column in range(columns):
            same = tops[0] if sharey and tops else None
            tops.append(figure.add_subplot(grid[0, column], sharey=same))
        lower = [figure.add_subplot(grid[1, c], sharex=top) for c, top in enumerate(tops)]
        for top in tops:
            top.tick_params(labelbottom=False)
    return figure, np.array(tops), np.array(lower)


def _margins(figure: "Figure") -> None:
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(w_pad=1.5 * MM, h_pad=1.2 * MM, wspace=0.02, hspace=0.02)  # type: ignore[call-arg]


def headline(figure: "Figure", text: str) -> None:
    """Write the finding above the figure, broken into lines by its width.

    The report uses the text as a heading.
    """
    from allometry.figures.wrap import wrapped

    figure.set_label(text)
    room = (1 - 2 * HEADLINE_LEFT) * 72 * figure.get_figwidth()
    lines = wrapped(text, room, RC["figure.titlesize"], bold=True)
    with paper():
        figure.suptitle(to_mathtext(lines, bold=True), x=HEADLINE_LEFT, ha="left")


def letters(axes: "Sequence[Axes] | AxesArray") -> None:
    """Write panel letters a, b, c at the upper left corners of the axes."""
    with paper():
        for i, ax in enumerate(np.ravel(np.asarray(axes, dtype=object))):
            ax.annotate(
                chr(ord("a") + i),
                (0, 1),
                xycoords="axes fraction",
                xytext=(-14, 5),
                textcoords="offset points",
                fontsize=9,
                fontweight="bold",
                ha="right",
                va="baseline",
                annotation_clip=False,
            )


def ramp(values: ArrayLike, log: bool = True) -> NDArray[np.float64]:
    """Colours (n, 4) of ordered sizes: viridis without its palest fifth.

    Args:
        values: (n,), positive if `log`.
    """
    import matplotlib as mpl

    v = np.asarray(values, float)
    v = np.log(v) if log else v
    span = np.ptp(v)
    place = (v - v.min()) / span if span > 0 else np.zeros(len(v))
    return np.asarray(mpl.colormaps["viridis"](0.82 * place))


def readable(color: Any) -> tuple[float, ...]:
    """The colour, darkened until text in it has a contrast of 4.5 on white."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(color))
    while 1.05 / (0.05 + _luminance(rgb)) < 4.5:
        rgb = rgb * 0.95
    return tuple(rgb.tolist())


def _luminance(rgb: NDArray[np.float64]) -> float:
    """Relative luminance, WCAG 2.2."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def dress(ax: "Axes", *, xlog: bool = False, ylog: bool = False, grid: bool = True) -> "Axes":
    """Set scales, sparse ticks and a light grid; also for axes made outside the style."""
    from allometry.figures.ticks import set_ticks

    for axis, log in ((ax.xaxis, xlog), (ax.yaxis, ylog)):
        if log:
            (ax.set_xscale if axis is ax.xaxis else ax.set_yscale)("log")
        set_ticks(axis, log=log)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_linewidth(0.6)
        spine.set_edgecolor(GREY)
    ax.tick_params(which="major", labelsize=8, width=0.6, length=3, color=GREY, labelcolor=INK)
    ax.tick_params(which="minor", width=0.4, length=1.8, color=GREY)
    ax.set_axisbelow(True)
    if grid:
        ax.grid(True, which="major", color=GRID, linewidth=0.5)
        ax.grid(True, which="minor", color=FINE_GRID, linewidth=0.4)
    return ax


def equal_decades(axes: "Sequence[Axes] | AxesArray", which: str = "x") -> None:
    """Give these log axes the same number of decades, keeping the centre of each."""
    if which not in ("x", "y"):
        raise UsageError(f"which must be 'x' or 'y', got {which!r}")
    flat = list(np.ravel(np.asarray(axes, dtype=object)))
    limits = [np.log10(getattr(ax, f"get_{which}lim")()) for ax in flat]
    span = max(high - low for low, high in limits)
    for ax, (low, high) in zip(flat, limits, strict=True):
        middle = (low + high) / 2
        getattr(ax, f"set_{which}lim")(10 ** (middle - span / 2), 10 ** (middle + span / 2))


def save_figure(figure: "Figure", path: str | Path) -> Path:
    """Write .png (200 dpi), .svg or another format; equal figures give equal .png and .svg."""
    path = Path(path)
    ending = path.suffix.lower() or ".png"
    make_drawable(figure)
    with written(path) as part, paper(**{"svg.hashsalt": path.stem}):
        figure.savefig(part, format=ending[1:], dpi=PNG_DPI, metadata=METADATA.get(ending))
    return path
