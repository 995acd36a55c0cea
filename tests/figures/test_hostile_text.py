"""Names from data may hold anything: figures are drawn, and pages stay well formed."""

import os
import random
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

from allometry.figures import headline, interval_panel, panels, runs_panel, save_figure
from allometry.figures.drawing import draw
from allometry.figures.fits import draw_fit
from allometry.figures.intervals import IntervalRow
from allometry.figures.svg import inline_svg
from allometry.figures.words import drawable, literal, to_html, to_mathtext
from allometry.files import durable
from allometry.fitting.fit import fit
from allometry.tables.table import Table

HOSTILE = (
    "$\\foo$", "$", "$$", "$x^$", "$_$", "\\N^2\\N^2", "\\$N^2$", "a_b^c{d}\\e & <f>", "\x1b[2J\0",
    "--><script>alert(1)</script><!--", "$" + "{" * 40 + "$", "]]>", "\ud800", "\u202eabc",
    "$\\frac{1}$", "$\\sqrt{$", "\\", "\\\\", "%d", "a\nb", "\r", "$x$ and $\\foo$", "N_{",
)  # fmt: skip
PIECES = (
    *HOSTILE, "N_x", "^", "_", "{", "}", "\\frac", "\\alpha", "&", "<", ">", '"', "'", "=", "\t",
    "alpha", "K_inf^(L+1)", "(", ")", "-0.5", "損", "\u0301", "\U0001f600", "script", "&lt;",
    "{{ 7*7 }}", "javascript:", "onload=", " ", "img src=x ", "/", "\u00a0",
    "\\mathrm{", "\\left(",
)  # fmt: skip


def hostile_strings(count, seed):
    choose = random.Random(seed)
    for _ in range(count):
        yield "".join(choose.choices(PIECES, k=choose.randint(1, 8)))


def lines_of_mathematics(text):
    """As Matplotlib takes a text: by the line, mathematics where dollar signs are paired."""
    for line in text.split("\n"):
        dollars = line.count("$") - line.count("\\$")
        if dollars and dollars % 2 == 0:
            yield line


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")  # boxes for what the font does not have
def test_a_figure_with_any_text_is_drawn(tmp_path):
    figure, axes = panels(1, 4, height=200)
    for ax, text in zip(np.ravel(axes), ("$\\foo$", "\x1b\0", "\ud800", "-->$x^$"), strict=True):
        words = {"xlabel": text, "ylabel": text, "title": text, "note": text, "label": text}
        runs_panel([1, 2, 4], [3, 2, 1], ax=ax, **words)
    for place, text in enumerate(HOSTILE):
        axes[0, 0].text(1, 1 + place / 10, text)  # as a study's own code may
    headline(figure, "\x1b$\\foo$")
    drawing = draw(figure, "f")
    ElementTree.fromstring(drawing.svg)
    page = inline_svg(drawing, "f1", "</svg><script>", "<script>")
    assert "<script" not in page
    save_figure(figure, tmp_path / "f.pdf")


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_names_of_intervals_are_drawn():
    figure, axes = panels(height=300)
    rows = [IntervalRow(text, 1.0, 0.5, 1.5, group=text) for text in HOSTILE]
    interval_panel(rows, ax=axes[0, 0], xlabel="$\\foo$")
    ElementTree.fromstring(draw(figure, "f").svg)


@pytest.mark.parametrize("name", ["n$\\foo$", "a_b^c{d}\\e & <f>", "cost in $", "$x$"])
def test_a_column_is_drawn_as_it_is_called(name):
    rows = Table({name: np.geomspace(1, 100, 8), "loss": np.geomspace(9, 1, 8)})
    fitted = fit(rows, "power", {"x": name, "y": "loss"}, resamples=0, starts=1)
    shown = draw_fit(fitted).get_xlabel()
    assert not list(lines_of_mathematics(shown))
    assert shown.replace("\\$", "$") == name  # what Matplotlib makes of it


@given(st.text(alphabet=st.sampled_from("HNLx'_^-0.35{}()+/ ,abT\\$&%\n\x1b"), max_size=30))
def test_every_text_becomes_drawable(text):
    for made in (to_mathtext(text), to_mathtext(text, bold=True), literal(text), drawable(text)):
        for line in lines_of_mathematics(made):
            MathTextParser("path").parse(line)


def test_mathematics_of_a_study_stays():
    for text in ("$x_1$", "loss, $N^{-\\alpha}$", r"$\frac{1}{2}$"):
        assert drawable(text) == to_mathtext(text) == text


@pytest.mark.parametrize("ending", [".svg", ".png", ".pdf", ".jpg", ".SVG"])
def test_the_kind_of_a_picture_is_that_of_its_name(tmp_path, ending):
    figure, _ = panels()
    written = save_figure(figure, tmp_path / f"f{ending}")
    first = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF", ".jpg": b"\xff\xd8"}
    assert written.read_bytes().startswith(first[ending.lower()])
    assert [path.name for path in tmp_path.iterdir()] == [f"f{ending}"]


def test_a_picture_that_cannot_be_kept_leaves_the_one_before(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(28, os.strerror(28))

    figure, _ = panels()
    save_figure(figure, tmp_path / "f.svg")
    before = (tmp_path / "f.svg").read_bytes()
    headline(figure, "another")
    monkeypatch.setattr(durable.os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        save_figure(figure, tmp_path / "f.svg")
    assert (tmp_path / "f.svg").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["f.svg"]


@pytest.mark.slow
def test_30_000_hostile_strings_are_drawable_and_no_markup(capfd):
    from tests.figures.test_words import Tags

    parser, drawn, count = MathTextParser("path"), 0, 30_000
    for text in hostile_strings(count, seed=20):
        for made in (to_mathtext(text), to_mathtext(text, bold=True), literal(text)):
            for line in lines_of_mathematics(made):
                parser.parse(line)
                drawn += 1
        tags = Tags()
        tags.feed(to_html(text))
        assert tags.seen <= {("sup", 0), ("sub", 0)}, repr(text)
    with capfd.disabled():
        sys.stderr.write(f"{count} hostile strings, {drawn} lines of mathematics among them\n")
