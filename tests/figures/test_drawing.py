"""A figure drawn once: its files carry the headline, its page does not, the panels are the same."""

import re

import pytest

from allometry.figures import headline, panels, runs_panel
from allometry.figures.drawing import HEADLINE, draw
from allometry.figures.svg import inline_svg

POINTS = 72 / 25.4  # a millimetre


def figure(words="", height=62.0):
    drawn, axes = panels(height=height)
    runs_panel([1.0, 10.0, 100.0], [3.0, 2.0, 1.0], ax=axes[0, 0])
    if words:
        headline(drawn, words)
    return drawn


def box(svg):
    return [float(n) for n in re.search(r'viewBox="([^"]+)"', svg)[1].split()]


def test_the_headline_is_in_the_files_and_not_in_the_page():
    drawing = draw(figure("Loss falls as N^-0.5"), "a")
    assert f'id="{HEADLINE}"' in drawing.svg.decode()
    inside = inline_svg(drawing, "f1", "t", "c")
    without = inline_svg(draw(figure(), "a"), "f1", "t", "c")
    assert HEADLINE not in inside
    assert inside.count("<use") == without.count("<use")
    # The page shows what the figure would be without its headline: same size, same panels.
    assert box(inside)[2:] == pytest.approx(box(without)[2:], abs=0.01)


@pytest.mark.parametrize("words", ["", "Loss falls as N^-0.5"])
def test_the_panels_have_the_height_they_were_made_with(words):
    drawing = draw(figure(words, height=62.0), "a")
    assert (drawing.band > 0) == bool(words)
    _, _, width, height = box(drawing.svg.decode())
    assert (width, height - drawing.band) == pytest.approx((183 * POINTS, 62 * POINTS), abs=0.01)
    pixels = int.from_bytes(drawing.png[20:24], "big")
    assert pixels == pytest.approx(height / 72 * 200, abs=1)


def test_equal_figures_give_equal_bytes():
    assert draw(figure("A line"), "a") == draw(figure("A line"), "a")


def test_a_figure_is_laid_out_once_and_drawn_twice():
    calls = []
    drawn = figure("A line")
    layout, paint = drawn.get_layout_engine(), drawn.draw
    execute = layout.execute
    layout.execute = lambda f: calls.append("layout") or execute(f)
    drawn.draw = lambda renderer: calls.append("draw") or paint(renderer)
    draw(drawn, "a")
    assert calls.count("layout") == 1 and calls.count("draw") == 2
