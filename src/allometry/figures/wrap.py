"""Line breaking of text by its width as drawn."""

import re
from functools import lru_cache

from allometry.figures.words import drawable, to_mathtext

__all__ = ["wrapped"]

# Mathematics, within which lines are not broken.
WHOLE = re.compile(r"\$[^$\n]*\$|\^\{[^}\n]*\}|\^\([^)\n]*\)")
JOINT = "\N{WORD JOINER}"  # replaces spaces within mathematics during line breaking


def wrapped(text: str, points: float, size: float, *, bold: bool = False) -> str:
    """The text with line breaks between words, so that no line is wider than `points` if possible.

    Args:
        points: available width, in 72nds of an inch. size: font size, in points.
    """
    lines = []
    for paragraph in WHOLE.sub(lambda match: match[0].replace(" ", JOINT), text).split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and _width(longer.replace(JOINT, " "), size, bold) > points:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines).replace(JOINT, " ")


@lru_cache(maxsize=1024)
def _width(text: str, size: float, bold: bool) -> float:
    """Width of one line, in points."""
    from matplotlib.cbook import is_math_text  # imported here, as most runs draw nothing
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    shown = drawable(to_mathtext(text, bold=bold))
    if not shown.strip():
        return 0.0
    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    # By the metrics of the font; the outlines of all letters would take fifty times as long.
    width, _, _ = text_to_path.get_text_width_height_descent(shown, font, bool(is_math_text(shown)))
    return float(width)
