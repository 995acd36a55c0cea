"""Words on as many lines as their place needs, measured as they are drawn."""

import re
from functools import lru_cache

from allometry.figures.words import drawable, to_mathtext

__all__ = ["wrapped"]

# Mathematics, within which no line ends.
WHOLE = re.compile(r"\$[^$\n]*\$|\^\{[^}\n]*\}|\^\([^)\n]*\)")
JOINT = "\N{WORD JOINER}"  # stands for a space in them meanwhile


def wrapped(text: str, points: float, size: float, *, bold: bool = False) -> str:
    """Plain words broken between them, so that no line is wider than its place if it can be so.

    Args:
        points: width of the place, a 72nd of an inch each. size: of the letters, in points.
    """
    lines = []
    for given in WHOLE.sub(lambda match: match[0].replace(" ", JOINT), text).split("\n"):
        line = ""
        for word in given.split(" "):
            longer = f"{line} {word}" if line else word
            if line and _width(longer.replace(JOINT, " "), size, bold) > points:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines).replace(JOINT, " ")


@lru_cache(maxsize=1024)
def _width(text: str, size: float, bold: bool) -> float:
    """Of one line, in points."""
    from matplotlib.font_manager import FontProperties  # here: as in all of the style
    from matplotlib.textpath import TextPath

    shown = drawable(to_mathtext(text, bold=bold))
    if not shown.strip():
        return 0.0
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return float(TextPath((0, 0), shown, size=size, prop=font).get_extents().width)
