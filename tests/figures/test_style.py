"""The house style stays inside its block; colours and ticks can be read."""

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from allometry.errors import UsageError
from allometry.figures import style
from allometry.figures.style import (
    COLUMN,
    PAGE,
    dress,
    equal_decades,
    headline,
    letters,
    panels,
    paper,
    ramp,
    readable,
    save_figure,
    stacked,
)


def contrast(one, other):
    """WCAG 2.2 contrast ratio, written anew."""

    def luminance(color):
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_nothing_is_left_behind():
    before = dict(mpl.rcParams)
    with paper():
        assert mpl.rcParams["font.size"] == 8
        assert mpl.rcParams["mathtext.fontset"] == "dejavusans"
    figure, axes = panels(1, 2)
    headline(figure, "N^-0.5")
    letters(axes)
    dress(axes[0, 0], xlog=True)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_figures_have_the_width_of_a_journal_column(width):
    assert panels(width=width)[0].get_figwidth() * 25.4 == pytest.approx(width)


@pytest.mark.parametrize("ground", ["white", style.GROUND])
def test_text_inks_contrast(ground):
    for color in (style.INK, style.GREY):
        assert contrast(color, ground) >= 4.5


def test_labels_in_the_colour_of_their_line_can_be_read():
    colors = [
        style.BLUE,
        style.VERMILLION,
        style.GREEN,
        style.ORANGE,
        style.SKY,
        style.PINK,
        *ramp(np.geomspace(1, 1e6, 7)),
    ]
    assert min(contrast(c, "white") for c in colors) < 3  # else there was nothing to do
    assert all(contrast(readable(c), "white") >= 4.5 for c in colors)


@given(st.floats(-9, 9), st.floats(0.06, 9))
def test_a_log_axis_always_has_a_few_ticks(start, decades):
    _, axes = panels()
    ax = dress(axes[0, 0], xlog=True)
    ax.set_xlim(10**start, 10 ** (start + decades))
    low, high = ax.get_xlim()
    inside = [t for t in ax.xaxis.get_majorticklocs() if low * 0.999 <= t <= high * 1.001]
    assert 2 <= len(inside) <= 10
    assert len({ax.xaxis.get_major_formatter()(t) for t in inside}) == len(inside)


def test_compared_panels_have_equal_decades_an_inch():
    _, axes = panels(1, 2)
    for ax, high in zip(axes[0], (1e2, 1e5), strict=True):
        dress(ax, xlog=True).set_xlim(1, high)
    equal_decades(axes)
    spans = [np.ptp(np.log10(ax.get_xlim())) for ax in axes[0]]
    assert spans == pytest.approx([5, 5])
    with pytest.raises(UsageError, match="'x' or 'y'"):
        equal_decades(axes, "z")


def test_the_ramp_orders_sizes():
    luminance = ramp([1e3, 1e4, 1e5]) @ [0.2126, 0.7152, 0.0722, 0]
    assert (np.diff(luminance) > 0.1).all()


def test_residual_axes_share_x():
    _, tops, lower = stacked(2)
    tops[0].set_xlim(3, 7)
    assert lower[0].get_xlim() == (3, 7) != lower[1].get_xlim()


@pytest.mark.parametrize("kind", [".svg", ".png"])
def test_equal_figures_are_equal_files(tmp_path, kind):
    contents = []
    for folder in ("one", "two"):
        figure, axes = panels()
        axes[0, 0].plot([1, 2], [3, 4], "o")
        headline(figure, "H'_TSE falls as N^-0.34")
        (tmp_path / folder).mkdir()
        contents.append(save_figure(figure, tmp_path / folder / f"a{kind}").read_bytes())
    assert contents[0] == contents[1] and len(contents[0]) > 1000
