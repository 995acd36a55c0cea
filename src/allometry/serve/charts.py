"""Line charts and scatter plots as small SVG, drawn in a millisecond for a page that updates.

They are drawn for a white background in the colours of the report's figures. The rule of the style
sheet that makes those figures dark applies to them too.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup, escape

__all__ = ["ACCENT", "Line", "chart", "ramp"]

WIDTH, HEIGHT = 470.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 12.0, 10.0, 42.0
MOST_VERTICES: Final = 120  # of a line; more cannot be distinguished at this width
ACCENT: Final = "#D55E00"  # the vermillion of the figures, for runs in training
# Viridis without its palest fifth, as `allometry.figures.ramp`, from small to large.
RAMP: Final = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962")
FEW_DECADES: Final = 0.7  # with a smaller range an axis is linear

Points = Sequence[tuple[float, float]]


class Line(NamedTuple):
    """A line through points (x, y), or only the points if `dots`."""

    points: Points
    colour: str
    dots: bool = False


class _Axis(NamedTuple):
    """One axis: its range, whether it is logarithmic, and its ends in the drawing."""

    low: float
    high: float
    log: bool
    start: float
    end: float

    def place(self, value: float) -> float:
        """The position of a value, in the units of the drawing."""
        share = (self._position(value) - self._position(self.low)) / self._span
        return self.start + share * (self.end - self.start)

    @property
    def _span(self) -> float:
        return self._position(self.high) - self._position(self.low)

    def _position(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self) -> list[float]:
        """Round numbers in the range, three to seven."""
        return [t for t in (self._decades() if self.log else self._steps()) if self._has(t)]

    def _has(self, tick: float) -> bool:
        slack = 1e-9 * abs(self.high - self.low)
        return self.low - slack <= tick <= self.high + slack

    def _decades(self) -> Iterator[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        every = max(1, math.ceil((last - first) / 6))
        factors = (
            (1.0,) if last - first > 3 else (1.0, 3.0) if last - first > 1 else (1.0, 2.0, 5.0)
        )
        return (10.0**d * f for d in range(first, last + 1, every) for f in factors)

    def _steps(self) -> Iterator[float]:
        rough = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= rough)
        first = math.ceil(self.low / step)
        return (step * k for k in range(first, first + 12))


def ramp(values: Sequence[float]) -> list[str]:
    """A colour for each of these sizes, from dark for the smallest to light for the largest."""
    logs = [math.log(v) if v > 0 else 0.0 for v in values]
    low, span = min(logs, default=0.0), max(logs, default=0.0) - min(logs, default=0.0)
    shares = [(v - low) / span if span else 0.0 for v in logs]
    return [RAMP[round(share * (len(RAMP) - 1))] for share in shares]


def chart(
    lines: Sequence[Line], *, label: str, x: str, y: str, log_y: bool | None = None
) -> Markup | None:
    """A chart as an ``<svg>``; None if there is nothing to draw.

    Args:
        lines: the lines; values that are not finite or too large are left out.
        label: description of the chart for screen readers. x, y: labels of the axes.
        log_y: False for a linear y axis; None for a logarithmic one if the values span decades.
    """
    drawn = [(line, _usable(line.points)) for line in lines]
    places = [a for _, points in drawn for a, _ in points]
    if not places:
        return None
    horizontal = _axis(places, LEFT, WIDTH - RIGHT, None)
    # A logarithmic x axis leaves out step 0, so its value must not widen the y axis.
    values = [b for _, points in drawn for a, b in points if _fits(horizontal, a)]
    vertical = _axis(values, HEIGHT - BOTTOM, TOP, log_y)
    parts = [*_frame(horizontal, vertical), *_labels(x, y)]
    for line, usable in drawn:
        seen = [(a, b) for a, b in usable if _fits(horizontal, a) and _fits(vertical, b)]
        parts += _marks(line, [(horizontal.place(a), vertical.place(b)) for a, b in seen])
    head = Markup('<svg class="chart" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">')
    return Markup("").join([head.format(WIDTH, HEIGHT, label), *parts, Markup("</svg>")])


def _usable(points: Points) -> Points:
    return [(a, b) for a, b in points if _places(a) and _places(b)]


def _places(value: float) -> bool:
    """Whether a value can be placed: finite, and far from the smallest and largest floats."""
    return value == 0 or 1e-290 < abs(value) < 1e290


def _fits(axis: _Axis, value: float) -> bool:
    return value > 0 or not axis.log


def _axis(values: Sequence[float], start: float, end: float, log: bool | None) -> _Axis:
    """An axis for the values: logarithmic if they span decades, unless `log` is False."""
    positive = [value for value in values if value > 0]
    low, high = min(values), max(values)
    # Up to half of the values may be 0 and are then left out; a negative value may not be.
    if log is None and low >= 0 and 2 * len(positive) >= len(values) and positive:
        decades = math.log10(high) - math.log10(min(positive))
        if decades > FEW_DECADES:
            margin = 10 ** (0.03 * decades)
            return _Axis(min(positive) / margin, high * margin, True, start, end)
    margin = 0.04 * (high - low) or abs(high) * 0.1 or 1.0
    return _Axis(low - margin, high + margin, False, start, end)


def _frame(horizontal: _Axis, vertical: _Axis) -> Iterator[Markup]:
    """Grid lines with their numbers."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    line = Markup('<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}" stroke="#e2e2e2"/>')
    text = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    for tick in horizontal.ticks():
        at = horizontal.place(tick)
        yield line.format(at, TOP, at, bottom) + text.format(
            at, bottom + 16, "middle", _number(tick)
        )
    for tick in vertical.ticks():
        at = vertical.place(tick)
        yield line.format(LEFT, at, right, at) + text.format(LEFT - 6, at + 4, "end", _number(tick))


def _labels(x: str, y: str) -> Iterator[Markup]:
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
        middle, HEIGHT - 6, x
    )
    centre = (TOP + HEIGHT - BOTTOM) / 2
    yield Markup(
        '<text transform="translate(13 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>'
    ).format(centre, y)


def _marks(line: Line, places: Points) -> Iterator[Markup]:
    """A line with at most `MOST_VERTICES` vertices and a dot at its end; or only dots."""
    colour = escape(line.colour)
    if line.dots:
        for a, b in places:
            yield Markup(
                '<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}" fill-opacity=".65"/>'
            ).format(a, b, colour)
    elif places:
        step = max(1, -(-len(places) // MOST_VERTICES))
        shown = [*places[:-1:step], places[-1]]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in shown)
        yield Markup('<path d="M{}" fill="none" stroke="{}" stroke-width="1.4"/>').format(
            path, colour
        )
        yield Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2" fill="{}"/>').format(*shown[-1], colour)


_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _number(value: float) -> str:
    """The label of a tick: a plain number if it is short, else with a power of ten."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}".replace("-", "−")
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    factor, raised = f"{value / 10.0**exponent:.3g}", str(exponent).translate(_RAISED)
    return f"10{raised}" if factor == "1" else f"{factor}·10{raised}"
