"""Figures that a notebook shows as pictures, independently of its Matplotlib settings."""

import io
from typing import Any

from matplotlib.figure import Figure as PlainFigure

from allometry.figures.words import make_drawable

__all__ = ["Figure", "png"]

CSS_DPI = 96  # pixels per inch of a browser, so that a picture is shown at its intended size


class Figure(PlainFigure):
    """A figure in the house style. Without this method a notebook would show only its size."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return png(self)


def png(figure: PlainFigure) -> tuple[bytes, dict[str, int]]:
    """The figure as a PNG, and metadata with the width in pixels at which a notebook shows it."""
    buffer = io.BytesIO()
    make_drawable(figure)
    metadata: dict[str, Any] = {"Software": None}  # equal figures give equal bytes
    figure.savefig(buffer, format="png", dpi=2 * CSS_DPI, metadata=metadata)
    return buffer.getvalue(), {"width": round(figure.get_figwidth() * CSS_DPI)}
