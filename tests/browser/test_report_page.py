"""The report in a real browser: nothing refused, nothing fetched, readable on desk and phone."""

import json
import re
from html import unescape

import matplotlib.image
import numpy as np
import pytest

from allometry.report.page import IndexEntry, write_index, write_report
from tests.browser.chromium import browse, executable, served
from tests.figures.fake_study import COMMAND, PROVENANCE, STUDY, runs

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no Chromium here: install one to see the report in a browser"
)

# A page around the report: its frame is as wide as a phone, and this script may look inside.
AROUND = """<!doctype html><title>around</title><body style="margin:0">
<iframe id="f" src="fake.html" style="border:0;width:{width}px;height:{height}px"></iframe>
<pre id="out"></pre>
<script>
onload = () => {{
  const page = document.getElementById("f").contentDocument;
  const refused = [];
  const note = (e) => refused.push(e.violatedDirective);
  page.addEventListener("securitypolicyviolation", note);
  const rows = () => [...page.querySelectorAll("table.runs tbody tr")];
  const column = (n) => rows().map((row) => row.cells[n].textContent);
  const out = {{
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    scroll: page.documentElement.scrollWidth, client: page.documentElement.clientWidth,
    answer: page.querySelector(".answer").getBoundingClientRect().bottom,
    figures: [...page.querySelectorAll("svg")].map((s) => s.getBoundingClientRect().width),
    folded: !page.querySelector("details").open,
    ink: getComputedStyle(page.body).color,
  }};
  page.querySelector("details").open = true;
  const buttons = page.querySelectorAll("table.runs th button");
  const n = [...buttons].findIndex((b) => b.textContent === "test_loss");
  out.before = column(n); buttons[n].click(); out.up = column(n);
  buttons[n].click(); out.down = column(n);
  out.sorted = buttons[n].parentElement.getAttribute("aria-sort");
  out.refused = refused;
  document.getElementById("out").textContent = JSON.stringify(out);
}};
</script>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    table = runs()
    write_report(
        STUDY,
        table,
        place / "fake.html",
        size="quick",
        provenance=PROVENANCE,
        command=COMMAND,
    )
    write_index(
        [IndexEntry(STUDY, STUDY.analysis(table).findings, "fake.html", "quick", 17)],
        place / "index.html",
    )
    for width in (390, 1280):
        (place / f"around{width}.html").write_text(AROUND.format(width=width, height=900))
    return place


def look(folder, width, dark=False):
    """What the script around the report saw, and what was fetched for it."""
    with served(folder) as (address, asked):
        dom, console = browse(
            f"{address}/around{width}.html", "--window-size=1300,1000", "--dump-dom", dark=dark
        )
    found = re.search(r'<pre id="out">(.*?)</pre>', dom, re.S)
    return json.loads(unescape(found[1])), console, asked


@pytest.mark.parametrize("page", ["fake.html", "index.html"])
def test_nothing_is_refused_or_complained_of(folder, page):
    dom, console = browse((folder / page).as_uri(), "--dump-dom")
    assert console == []
    assert "<h1>" in dom


def test_a_refusal_would_have_been_seen(folder):
    text = (folder / "fake.html").read_text(encoding="utf-8")
    (folder / "bad.html").write_text(text.replace("<main", '<p style="color:red">x</p><main'))
    _, console = browse((folder / "bad.html").as_uri(), "--dump-dom")
    assert any("Content Security Policy" in line for line in console)


@pytest.mark.parametrize("width", [390, 1280])
def test_fits_its_screen_and_says_the_answer_first(folder, width):
    seen, console, asked = look(folder, width)
    assert console == [] and seen["refused"] == []
    asked = {path for path in asked if path != "/favicon.ico"}  # of the page around it
    assert asked == {f"/around{width}.html", "/fake.html"}
    assert seen["client"] == width and seen["scroll"] <= width
    assert seen["answer"] < 600
    assert len(seen["figures"]) == len(STUDY.figures) and min(seen["figures"]) > 300
    assert seen["folded"]


def test_runs_sort_by_number(folder):
    seen, _, _ = look(folder, 1280)
    numbers = [float(text) for text in seen["up"] if text != "–"]
    assert len(numbers) == 17 and numbers == sorted(numbers)
    assert seen["up"] != seen["before"] and seen["sorted"] == "descending"
    assert [t for t in seen["down"] if t != "–"] == [t for t in seen["up"] if t != "–"][::-1]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_is_light_or_dark_as_its_reader_has_it(folder, tmp_path, width, dark):
    seen, _, _ = look(folder, width, dark)
    assert seen["dark"] is dark
    picture = tmp_path / "page.png"
    with served(folder) as (address, _):
        browse(
            f"{address}/around{width}.html",
            "--window-size=1300,900",
            f"--screenshot={picture}",
            dark=dark,
        )
    pixels = matplotlib.image.imread(picture)[:880, : width - 4, :3]
    ground = pixels[2, 2].mean()
    assert ground < 0.15 if dark else ground > 0.95
    assert np.abs(pixels - ground).max() > 0.6  # there is something to read on it
