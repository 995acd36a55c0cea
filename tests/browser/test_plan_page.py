"""The page of a plan in a real browser: the answer on the first screen, no sideways scrolling."""

import json
import re
from html import unescape

import pytest

from allometry.plan.question import plan as make_plan
from allometry.report.plan_page import write_plan_page
from tests.browser.chromium import browse, executable, served
from tests.plan.tables import isoflop_table
from tests.report.test_plan_page import COMPUTE, FEW

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no Chromium here: install one to see the page in a browser"
)

AROUND = """<!doctype html><title>around</title><body style="margin:0">
<iframe id="f" src="plan.html" style="border:0;width:{width}px;height:900px"></iframe>
<pre id="out"></pre>
<script>
onload = () => {{
  const page = document.getElementById("f").contentDocument;
  const tiles = [...page.querySelectorAll(".tiles > div")];
  document.getElementById("out").textContent = JSON.stringify({{
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    scroll: page.documentElement.scrollWidth, client: page.documentElement.clientWidth,
    answer: page.querySelector(".answer").getBoundingClientRect().bottom,
    cut: tiles.filter((tile) => tile.scrollWidth > tile.clientWidth + 1).length,
    ink: getComputedStyle(page.body).color,
  }});
}};
</script>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    columns = {"N": "params", "D": "tokens", "L": "loss"}
    made = make_plan(isoflop_table(), columns, laws=["chinchilla", "kaplan"], compute=COMPUTE,
                     fit=FEW)  # fmt: skip
    write_plan_page(made, place / "plan.html", command="allometry plan runs.csv")
    for width in (390, 1280):
        (place / f"around{width}.html").write_text(AROUND.format(width=width))
    return place


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, False), (1280, True)])
def test_the_answer_is_seen_whole_and_nothing_else_is_fetched(folder, width, dark):
    with served(folder) as (address, asked):
        dom, console = browse(
            f"{address}/around{width}.html", "--window-size=1300,1000", "--dump-dom", dark=dark
        )
    seen = json.loads(unescape(re.search(r'<pre id="out">(.*?)</pre>', dom, re.S)[1]))
    fetched = set(asked) - {"/favicon.ico"}  # of the page around it
    assert not console and fetched == {f"/around{width}.html", "/plan.html"}
    assert seen["scroll"] <= seen["client"] and not seen["cut"]
    assert seen["answer"] <= 900
    assert seen["dark"] == dark
    brightness = sum(map(int, re.findall(r"\d+", seen["ink"])[:3]))
    assert (brightness > 384) == dark
