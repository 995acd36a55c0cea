"""Words are broken between them where they are longer than their place, and mathematics nowhere."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from allometry.claims.claim import Labels
from allometry.claims.pictures import draw_optimum
from allometry.figures import headline, panels, stacked
from allometry.figures.style import MM
from allometry.figures.wrap import wrapped
from allometry.stats.grid import Grid

LONG = "With many examples the exponent of N is larger at d 2 than at d 16, by 0.2 or more: agrees"


@pytest.mark.parametrize("points", [60, 120, 250, 1000])
def test_every_line_fits_and_no_word_is_lost(points):
    lines = wrapped(LONG, points, 9.0, bold=True).split("\n")
    assert " ".join(lines) == LONG
    assert (len(lines) == 1) == (points == 1000)
    assert all(wrapped(line, points, 9.0, bold=True) == line for line in lines)
    for line, after in itertools.pairwise(lines):
        longer = f"{line} {after.split(' ')[0]}"
        assert "\n" in wrapped(longer, points, 9.0, bold=True), "a line is as long as it can be"


@pytest.mark.parametrize("text", ["S^{-alpha/(1 + alpha)}", "K^(L + 1)", r"$\alpha + \beta = 1$"])
def test_mathematics_is_on_one_line(text):
    assert text in wrapped(f"the slope is {text} here", 30, 9.0).split("\n")


def test_a_word_longer_than_its_place_stays_whole_and_ends_of_lines_stay():
    assert wrapped("one extraordinarily two", 20, 9.0) == "one\nextraordinarily\ntwo"
    assert wrapped("one\ntwo", 500, 9.0) == "one\ntwo"
    assert wrapped("", 500, 9.0) == ""


@pytest.mark.parametrize("width", [60, 104, 183])
def test_a_headline_is_no_wider_than_its_figure(width):
    figure, axes, _ = stacked(width=width)
    axes[0].plot([1, 2], [1, 2])
    headline(figure, LONG)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (text,) = figure.texts
    box = text.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= width * MM * figure.dpi + 0.5
    assert box.y1 <= figure.get_figheight() * figure.dpi + 0.5
    assert box.y0 >= axes[0].get_window_extent().y1, "it stands above the panels"
    assert figure.get_label() == LONG, "a page makes one line of it"


def test_the_label_of_an_optimum_is_as_long_as_its_axis():
    sizes, xs = np.array([32.0, 64.0, 128.0]), np.array([1e-3, 1e-2, 1e-1])
    curves = {f"{i}": np.full((2, 3), y) for i, y in enumerate((2.0, 1.0, 3.0))}
    words = Labels(LONG, "learning rate", "training loss (nats)")
    figure = draw_optimum(words, "width", xs, Grid(sizes, np.array([0, 1]), curves))
    FigureCanvasAgg(figure).draw()
    for ax in figure.axes:
        label, axis = ax.yaxis.label.get_window_extent(), ax.get_window_extent()
        assert label.height <= axis.height + 12 * figure.dpi / 72
        assert label.y1 <= figure.texts[0].get_window_extent().y0, "not beside the headline"


def test_a_short_label_stays_on_one_line():
    _, axes = panels(1, 2)
    from allometry.figures.labels import name_axes

    name_axes(axes[0, 0], "x", "test loss (nats a token)", "")
    assert "\n" not in axes[0, 0].get_ylabel()
