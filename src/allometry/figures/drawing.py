"""A figure drawn once, in the forms that a report needs: a PNG and an SVG document.

Laying out a figure takes as long as drawing it, so the layout is computed once, for the SVG, and
used for the PNG too.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text

from allometry.figures.marks import TIPS
from allometry.figures.style import PNG_DPI, paper
from allometry.figures.words import make_drawable

__all__ = ["HEADLINE", "Drawing", "draw"]

HEADLINE = "headline"  # id of the headline in the SVG
POINTS = 72  # per inch: the resolution at which Matplotlib writes SVG


@dataclass(frozen=True)
class Drawing:
    """One figure as files.

    Attributes:
        png: at 200 dots per inch; empty if not requested.
        svg: a whole document; the headline has the id `HEADLINE`.
        band: height of the headline above the panels in points; 0 if it takes no space.
        tips: id of a group in the SVG -> a text for each of its marks.
    """

    png: bytes
    svg: bytes
    band: float
    tips: Mapping[str, Sequence[str]] = field(default_factory=dict)


def draw(figure: Figure, name: str, *, raster: bool = True) -> Drawing:
    """Lay a figure out and draw it; equal figures give equal bytes.

    The figure grows by the height of its headline, so that its panels keep their height. Its
    layout is fixed afterwards.

    Args:
        name: part of the ids in the SVG. raster: whether to make a PNG, which takes a third of the
            time.
    """
    canvas = figure.canvas
    try:
        with paper(**{"svg.hashsalt": name}):
            figure.set_facecolor("white")
            make_drawable(figure)
            band = _make_room(figure)
            tips = _name_tips(figure)
            svg = _svg(figure)
            figure.set_layout_engine("none")
            return Drawing(_png(figure) if raster else b"", svg, band, tips)
    finally:
        figure.set_canvas(canvas)


def _make_room(figure: Figure) -> float:
    """Mark the headline and add its height to the figure, in points."""
    headline = _headline(figure)
    if headline is None:
        return 0.0
    headline.set_gid(HEADLINE)
    layout = figure.get_layout_engine()
    if not isinstance(layout, ConstrainedLayoutEngine):
        return 0.0
    FigureCanvasSVG(figure)
    figure.set_dpi(POINTS)
    # Constrained layout reserves the height of the text with padding above and below.
    inches = headline.get_window_extent().height / POINTS + 2 * float(layout.get()["h_pad"])
    figure.set_figheight(figure.get_figheight() + inches)
    return inches * POINTS


def _name_tips(figure: Figure) -> dict[str, Sequence[str]]:
    """Give artists with tips an id in the SVG; the tips by id."""
    artists = [artist for artist in figure.findobj() if artist in TIPS]
    for number, artist in enumerate(artists):
        artist.set_gid(f"tips-{number}")
    return {f"tips-{number}": TIPS[artist] for number, artist in enumerate(artists)}


def _headline(figure: Figure) -> Text | None:
    text = figure.get_suptitle()
    return next((t for t in figure.texts if text and t.get_text() == text), None)


def _svg(figure: Figure) -> bytes:
    figure.set_dpi(PNG_DPI)  # resolution of rasterised parts
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasSVG(figure)  # its methods have no type annotations
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _png(figure: Figure) -> bytes:
    figure.set_dpi(PNG_DPI)
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
