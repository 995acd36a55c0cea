"""Charts have their lines where the numbers are, and survive numbers that have no place."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from allometry.serve.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, chart, ramp


def places(svg):
    """Vertices of the data lines."""
    paths = [e.get("d") for e in ET.fromstring(svg) if e.get("fill") == "none"]
    return [[tuple(map(float, p.split())) for p in path[1:].split("L")] for path in paths]


def numbers(svg):
    """Text and place of each tick of the x axis."""
    ticks = [e for e in ET.fromstring(svg) if e.tag == "text" and e.get("text-anchor") == "middle"]
    return {e.text: float(e.get("x")) for e in ticks if e.get("x")}


def drawn(points, **options):
    return chart([Line(points, "#000")], label="l", x="step", y="loss", **options)


def test_a_power_law_is_a_straight_line_on_logarithmic_axes():
    svg = drawn([(10.0**k, 5 * 10.0 ** (-k / 2)) for k in range(6)])
    (line,) = places(svg)
    x, y = np.array(line).T
    np.testing.assert_allclose(np.polyval(np.polyfit(x, y, 1), x), y, atol=0.11)
    assert x[0] > LEFT and x[-1] < WIDTH - RIGHT and y.min() > TOP and y.max() < HEIGHT - BOTTOM
    ticks = numbers(svg)
    assert ticks["10"] == pytest.approx(x[1], abs=0.11)
    assert ticks["10⁵"] == pytest.approx(x[-1], abs=0.11)


def test_a_linear_axis_has_its_ticks_at_their_values():
    svg = drawn([(0, 1.0), (50, 1.2), (100, 1.5)])
    (line,), ticks = places(svg), numbers(svg)
    assert ticks["0"] == pytest.approx(line[0][0]) and ticks["100"] == pytest.approx(line[2][0])
    assert 3 <= len(ticks) - 1 <= 8


def test_a_long_line_keeps_its_ends():
    (line,) = places(drawn([(k, 1.0 + k) for k in range(1, 100_001)]))
    assert len(line) <= 122
    (ends,) = places(drawn([(1, 2.0), (100_000, 100_001.0)]))
    assert line[0] == ends[0] and line[-1] == ends[-1]


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 0.0, -1.0, 1e-300]
)
def test_a_number_without_a_place_spoils_no_chart(value):
    svg = drawn([(1, 1.0), (2, value), (300, 0.001), (value, 1.0)])
    assert "nan" not in svg and "inf" not in svg
    (line,) = places(svg)
    assert all(-WIDTH < a < 2 * WIDTH and -HEIGHT < b < 2 * HEIGHT for a, b in line)


@pytest.mark.parametrize(
    "points",
    [[(1, 1.0)], [(1, 1.0), (1, 1.0)], [(0, 0.0)], [(3, 1e-280), (4, 1e280)], [(1, -5.0)] * 3],
)
def test_few_and_equal_points_are_drawn(points):
    ET.fromstring(drawn(points))


def test_nothing_is_no_chart():
    assert drawn([]) is None
    assert drawn([(math.nan, 1.0)]) is None


def test_text_is_text():
    svg = chart([Line([(1, 2.0)], '"><script>')], label='"><script>', x="<b>", y="</svg>")
    assert "<script" not in svg and ET.fromstring(svg).get("aria-label") == '"><script>'


def test_larger_runs_are_lighter():
    colours = ramp([1e3, 1e4, 1e5, 1e6])
    light = [sum(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in colours]
    assert light == sorted(light) and len(set(light)) == 4
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    assert ramp([]) == [] and len(ramp([0.0, -1.0, 5.0])) == 3


def test_steps_before_the_first_leave_the_range_alone():
    """The untrained network, at step 0, is on no logarithmic axis."""
    after = [(1, 2.0), (10, 1.95), (100, 1.9)]
    assert places(drawn([(0, 900.0), *after])) == places(drawn(after))
