"""The site: every page has its place, links are rewritten, the gallery has everything."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from docs.site import source
from docs.site.gallery import figures
from docs.site.gallery import laws as law_curves
from docs.site.gallery import models as model_sizes
from docs.site.gallery import optimizers as paths
from docs.site.gallery import studies as study_figures

import allometry as al
from allometry import laws, models, studies
from allometry.spec import optimizers, schedules
from tests import ROOT
from tests.test_docs import PAGES, named

DATA = str(ROOT / "docs" / "examples")
DRAWN = [
    *law_curves.items(), *model_sizes.items(), *paths.items(), *paths.of_schedules(),
    *figures.items(DATA),
]  # fmt: skip
FAST = ("power", "multi_power", "chinchilla", "MLP", "Lion", "WSD", "fit_panel", "draw_fit")


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "README.md"], ids=named)
def test_a_page_begins_with_what_its_reader_can_do(page):
    title, empty, first = page.read_text(encoding="utf-8").split("\n")[:3]
    assert title.startswith("# ") and not empty
    paragraph = page.read_text(encoding="utf-8").split("\n\n")[1]
    assert "After this page you can" in " ".join(paragraph.split()), first


def test_every_page_stands_in_the_side_bar():
    site = source.places()
    tree = source.contents(site).split()
    pages = [p for p in site.values() if p.suffix in (".md", ".ipynb") and p != Path("index.md")]
    assert len(pages) > 40
    assert not [page for page in pages if str(page.with_suffix("")) not in tree]


def test_links_become_those_of_the_site_or_of_the_code_host():
    site, page = source.places(), Path("docs/studies/grokking.md")
    text = "[a](../fitting.md#laws) [b](../../CHANGELOG.md) [c](../../LICENSE) [d](https://x.org)"
    host = source.CODE_HOST
    assert source.relinked(text, page, site) == (
        f"[a](../fitting.md#laws) [b](../changelog.md) [c]({host}/blob/main/LICENSE) "
        "[d](https://x.org)"
    )
    home = source.relinked("[a](docs/api.md) [b](benchmarks/results)", Path("README.md"), site)
    assert home == f"[a](api.md) [b]({host}/tree/main/benchmarks/results)"


def test_the_gallery_has_each_study_law_model_optimiser_and_schedule():
    def kinds(module, base):
        found = [getattr(module, name) for name in module.__all__]
        whole = [k for k in found if isinstance(k, type) and issubclass(k, base)]
        return {k.__name__ for k in whole} - {base.__name__, "Elementwise", "PairModel"}

    assert set(law_curves.CURVES) == {law.name for law in laws.available().values()}
    assert set(model_sizes.MADE) == kinds(models, models.Model)
    assert set(paths.RATES) == kinds(optimizers, optimizers.Optimizer)
    assert set(paths.WARMED) == kinds(schedules, schedules.Schedule)
    assert {item.name for item in study_figures.items()} == set(studies.names())
    panels = {name for name in al.figures.__all__ if name.endswith("_panel")}
    assert panels | {"control_panels"} <= {item.name for item in DRAWN}


@pytest.mark.parametrize("item", DRAWN, ids=lambda item: item.name)
def test_a_picture_takes_few_lines(item):
    assert len(item.lines.strip().splitlines()) <= 16
    compile(item.lines, item.name, "exec")


@pytest.mark.parametrize("name", FAST)
def test_the_lines_make_the_picture(name, tmp_path):
    (item,) = [item for item in DRAWN if item.name == name]
    item.draw(tmp_path)
    assert (tmp_path / item.picture).stat().st_size > 5000


@pytest.mark.parametrize("name", [n for n, c in law_curves.CURVES.items() if c.series])
def test_the_curves_of_a_law_are_finite(name):
    """Over the whole axis, for each value of the second size."""
    curve, law = law_curves.CURVES[name], laws.named(name)
    size, values = curve.series
    for value in values:
        places = {curve.along: np.geomspace(*curve.span, 50), size: value}
        others = {s: eval(text, {"np": np, **places}) for s, text in curve.others.items()}
        assert np.isfinite(law.evaluate(curve.values, {**places, **others})).all()


@pytest.mark.parametrize("name", studies.names())
def test_the_kept_picture_of_a_study_is_of_its_runs(name):
    """Another run_id is another computation: its picture is drawn again."""
    drawn = json.loads(study_figures.RUNS.read_text(encoding="utf-8"))
    assert (study_figures.PICTURES / f"{name}.svg").is_file()
    assert drawn[name] == study_figures.runs_of(al.study(name)), (
        f"draw it again: python -m docs.site.gallery {name}"
    )


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_no_other_machine(tmp_path):
    pytest.importorskip("sphinx", reason="pip install 'allometry[docs]'")
    from sphinx.cmd.build import main

    source.write(tmp_path / "source")
    assert main(["-W", "-q", "-b", "html", str(tmp_path / "source"), str(tmp_path / "html")]) == 0
    pages = list((tmp_path / "html").rglob("*.html"))
    assert len(pages) > 60 and (tmp_path / "html" / "searchindex.js").stat().st_size > 100_000
    fetched = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="(?:https?:)?//')
    assert not [page for page in pages if fetched.search(page.read_text(encoding="utf-8"))]
