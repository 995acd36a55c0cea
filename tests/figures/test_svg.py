"""SVG inside a page: styles are attributes, names are the figure's own, nothing else changes."""

import re
from xml.etree import ElementTree

import numpy as np

from allometry.figures import panels, runs_panel
from allometry.figures.drawing import draw
from allometry.figures.svg import inline_svg
from tests.figures.fake_study import STUDY, runs

TABLE = runs()
ANALYSIS = STUDY.analysis(TABLE)


def picture(name="f1", title="A title", text="A caption"):
    return inline_svg(draw(STUDY.figures[0](TABLE, ANALYSIS), name), name, title, text)


def test_says_what_it_shows():
    root = ElementTree.fromstring(picture(title='N < 3 & "more"', text="<script>x</script>"))
    assert root.attrib["role"] == "img" and root.attrib["aria-label"] == 'N < 3 & "more"'
    (described,) = [e for e in root if e.attrib.get("id") == root.attrib["aria-describedby"]]
    assert described.text == "<script>x</script>"


def test_no_style_no_outside_no_stray_names():
    text = picture()
    assert not re.search(r"style=|<style|<metadata|xlink|http|<!--|Date", text)
    root = ElementTree.fromstring(text)
    names = [e.attrib["id"] for e in root.iter() if "id" in e.attrib]
    assert len(set(names)) == len(names) and all(n.startswith("f1-") for n in names)
    used = set(re.findall(r'(?:url\(#|href="#|describedby=")([^")]+)', text))
    assert used == set(names) and len(used) > 10


def test_two_figures_share_no_name():
    first, second = (set(re.findall(r'id="([^"]+)"', picture(name))) for name in ("f1", "f2"))
    assert first and second and not first & second


def test_same_bytes_every_time():
    assert picture() == picture()


def test_marks_stay_where_they_were():
    figure, axes = panels()
    runs_panel([1.0, 10.0, 100.0], [1.0, 10.0, 100.0], ax=axes[0, 0], means=False)
    root = ElementTree.fromstring(inline_svg(draw(figure, "f1"), "f1", "t", "c"))
    marks = [
        (float(e.attrib["x"]), float(e.attrib["y"]))
        for e in root.iter("use")
        if "#0072b2" in e.attrib.get("fill", "")
    ]
    (x0, y0), (x1, y1), (x2, y2) = marks
    np.testing.assert_allclose([x2 - x1, y2 - y1], [x1 - x0, y1 - y0], atol=0.03)
    assert x1 > x0 and y1 < y0
