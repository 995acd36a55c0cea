"""The report: everything is there, nothing comes from outside, hostile text stays text."""

import base64
import hashlib
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from allometry.errors import DataError, DiskError, UsageError
from allometry.figures import panels
from allometry.figures.words import to_html
from allometry.files import durable
from allometry.findings import Analysis
from allometry.fitting.document import Status
from allometry.report.page import LIMIT, IndexEntry, write_index, write_report
from allometry.report.pictures import save_figures
from allometry.tables.table import Table
from tests.figures.fake_study import COMMAND, PROVENANCE, STUDY, runs
from tests.figures.test_style import contrast

TABLE = runs()
VOID = {"meta", "link", "input", "path", "br", "image", "rect", "circle"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}]]><!--"


def report(path, study=STUDY, table=TABLE, provenance=PROVENANCE, command=COMMAND, **words):
    return write_report(
        study, table, path, size="quick", provenance=provenance, command=command, **words
    ).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return report(tmp_path_factory.mktemp("report") / "fake.html")


class Document(HTMLParser):
    """Elements with their attributes; text outside style and script; balance of tags."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def text(self):
        return " ".join("".join(self.words).split())


def test_is_one_well_formed_small_file(page):
    document = Document(page)
    assert not document.open
    assert len(page.encode()) <= LIMIT
    names = [attrs["id"] for _, attrs in document.elements if "id" in attrs]
    assert len(names) == len(set(names))


def test_holds_every_finding_figure_fit_and_note(page):
    page = re.sub(r"</?abbr[^>]*>", "", page)
    text = Document(page).text
    for finding in STUDY.analysis(TABLE).findings:
        for words in (finding.claim, finding.answer, finding.prediction, finding.control):
            assert to_html(words) in page
        assert finding.source in text and finding.verdict in text
    for function in STUDY.figures:
        assert to_html(" ".join(function.__doc__.partition("\n\n")[0].split())) in page
    assert len(Document(page).all("svg")) == len(STUDY.figures)
    assert "This second paragraph" not in page
    assert "Loss of all done runs" in text and "each left out in turn" in text
    assert STUDY.notes[0] in text and COMMAND in text and STUDY.question in text
    assert "2026-01-02T00:00:00Z" in text and "allometry 0.1.0" in text


def test_answer_comes_before_all_else(page):
    order = [
        'class="sentence"',
        STUDY.question,
        'id="findings"',
        'id="figures"',
        'id="fits"',
        'id="limits"',
        'id="runs"',
        'id="again"',
        COMMAND.replace("&", "&amp;"),
    ]
    body = page[page.index("<h1>") :]
    assert sorted(order, key=body.index) == order


@pytest.mark.parametrize(("code", "first"), [("converged", False), ("found_once", True)])
def test_a_status_other_than_converged_stands_above_its_fit(tmp_path, code, first):
    analysis = STUDY.analysis(TABLE)
    fits = {
        name: replace(fit, status=Status(code, "This is the advice."))
        for name, fit in analysis.fits.items()
    }
    study = replace(STUDY, analyse=lambda table: replace(analysis, fits=fits))
    page = report(tmp_path / "a.html", study)
    section = page[page.index('id="fits"') :]
    status, formula = (section.index(text) for text in (f"{code}: This", 'class="formula"'))
    assert (status < formula) == first
    html = next(iter(fits.values()))._repr_html_()
    assert html.startswith(f"<p><b>{code}</b>") == first and html.count("This is the advice.") == 1


def test_counts_runs_and_those_that_diverged(page):
    words = "17 finished; 1 diverged and left out of fits; 3 seeds (42, 43, 44)"
    assert words in Document(page).text


def test_runs_still_to_come_are_said(tmp_path):
    assert "7 not run yet" in Document(report(tmp_path / "a.html", declared=25)).text


def test_nothing_comes_from_outside(page):
    document = Document(page)
    for _, attrs in document.elements:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            assert re.match(r"#|data:", attrs.get(name, "#")), attrs
        assert "style" not in attrs and not any(name.startswith("on") for name in attrs)
    assert not re.search(r"url\((?!#)|@import", page)
    for tag in ("iframe", "object", "embed", "base", "form"):
        assert not document.all(tag)


def test_policy_allows_its_own_style_and_script_only(page):
    (policy,) = [
        m["content"]
        for m in Document(page).all("meta")
        if m.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules["default-src"] == "'none'" and "unsafe" not in policy
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        digests = [base64.b64encode(hashlib.sha256(b.encode()).digest()).decode() for b in blocks]
        assert rules[rule] == " ".join(f"'sha256-{d}'" for d in digests) and len(blocks) == 1


def test_assistive_technology_finds_its_way(page):
    document = Document(page)
    for tag in ("header", "main", "nav", "footer", "h1"):
        assert len(document.all(tag)) == 1
    assert document.all("html")[0]["lang"] == "en"
    assert len(document.all("caption")) == len(document.all("table"))
    assert all("scope" in attrs for attrs in document.all("th"))
    names = {attrs["id"] for _, attrs in document.elements if "id" in attrs}
    for _, attrs in document.elements:
        for key in ("aria-labelledby", "aria-describedby"):
            assert set(attrs.get(key, "").split()) <= names
        if attrs.get("href", "#").startswith("#"):
            assert attrs.get("href", "#")[1:] in {*names, ""}
        if "tabindex" in attrs and attrs.get("role") == "region":
            assert attrs["aria-label"]
    for svg in document.all("svg"):
        assert svg["role"] == "img" and svg["aria-label"]
    levels = [int(tag[1]) for tag, _ in document.elements if re.fullmatch(r"h\d", tag)]
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_verdicts_are_words_beside_their_symbol(page):
    found = re.findall(r'class="verdict (\w+)"><span aria-hidden="true">(.)</span> (\w+)<', page)
    assert {("agrees", "✓", "agrees"), ("disagrees", "✗", "disagrees")} <= set(found)


def schemes():
    """Custom properties of the light, the dark and the printed page."""
    css = Path(report.__globals__["write_report"].__globals__["__file__"]).parent
    text = (css / "templates" / "page.css").read_text(encoding="utf-8")
    roots = re.findall(r":root \{(.*?)\}", text, re.S)
    return text, [dict(re.findall(r"--([\w-]+): (#\w+);", root)) for root in roots]


@pytest.mark.parametrize("which", range(3), ids=["light", "dark", "print"])
def test_text_contrasts_with_every_ground_it_stands_on(which):
    text, roots = schemes()
    colors = roots[which]
    assert len(roots) == 3 and set(colors) == set(roots[0])
    inks = {"ink", "muted", "link", "agrees", "disagrees", "undecided"}
    grounds = {"page", "raised"} | {name for name in colors if name.endswith("-ground")}
    assert inks | grounds | {"line", "paper"} == set(colors)
    rules = re.sub(r":root \{.*?\}", "", text, flags=re.S)
    assert set(re.findall(r"(?<![-\w])color: ([^;}]+?)\s*[;}]", rules)) <= {
        *(f"var(--{ink})" for ink in inks),
        "inherit",
    }
    for ink in inks:
        own = {ground for ground in grounds if ink in (ground.removesuffix("-ground"), "ink")}
        for ground in {"page", "raised"} | own:
            assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)


def hostile_study():
    finding = STUDY.analysis(TABLE).findings[0]
    words = dict.fromkeys(("claim", "prediction", "source", "answer", "control", "unit"), HOSTILE)

    def figure(table, analysis):
        drawn, axes = panels()
        drawn.set_label(HOSTILE)
        axes[0, 0].set_xlabel("<script>alert(1)</script>")
        return drawn

    figure.__doc__ = HOSTILE
    return replace(
        STUDY,
        name=HOSTILE.replace("/", ""),  # names its files
        title=HOSTILE,
        question=HOSTILE,
        prediction=HOSTILE,
        source=HOSTILE,
        notes=(HOSTILE,),
        figures=(figure,),
        analyse=lambda table: [replace(finding, **words)],
    )


def test_hostile_text_stays_text(tmp_path, page):
    table = runs().with_columns(
        **{HOSTILE: [HOSTILE + str(i) for i in range(len(TABLE))], "same": [HOSTILE] * len(TABLE)}
    )
    fit = STUDY.analysis(TABLE).fits["Loss of all done runs"]
    fit = replace(
        fit,
        notes=(HOSTILE,),
        law=replace(fit.law, formula=HOSTILE),
        columns={"x": HOSTILE},
        status=replace(fit.status, advice=HOSTILE),
        dropped=[(1, HOSTILE)],
    )
    findings = hostile_study().analyse(TABLE)
    text = report(
        tmp_path / "hostile.html",
        replace(hostile_study(), analyse=lambda table: Analysis(findings, fits={HOSTILE: fit})),
        table,
        [{HOSTILE: words, "same": [HOSTILE]} for words in (HOSTILE, "b")],
        HOSTILE,
    )
    entry = IndexEntry(hostile_study(), findings, "x.html", HOSTILE, 3)
    index = write_index([entry], tmp_path / "index.html").read_text(encoding="utf-8")
    for made in (text, index):
        document = Document(made)
        assert not document.open
        assert not document.all("img") and len(document.all("script")) == 1
        assert not any(name.startswith("on") for _, attrs in document.elements for name in attrs)
        assert "alert(1)" in document.text and "{{ 7*7 }}" in document.text
        assert {tag for tag, _ in document.elements} <= {t for t, _ in Document(page).elements} | {
            "article"
        }
    assert text.count("&lt;script&gt;alert(1)") >= 25 + len(TABLE)


def test_same_input_gives_the_same_bytes(tmp_path, page):
    assert report(tmp_path / "again.html") == page


def test_without_a_finished_run_there_is_no_report(tmp_path):
    for table in (Table({}), TABLE.where(status="diverged")):
        with pytest.raises(UsageError, match="allometry run fake --size quick"):
            report(tmp_path / "a.html", table=table)
    assert not list(tmp_path.iterdir())


def test_a_figure_that_fails_fails_the_report(tmp_path):
    def broken(table, analysis):
        """Cannot be drawn."""
        raise RuntimeError("no such column")

    study = replace(STUDY, figures=(broken,))
    with pytest.raises(RuntimeError, match="no such column"):
        report(tmp_path / "a.html", study=study)
    with pytest.raises(RuntimeError, match="no such column"):
        save_figures(study, TABLE, Analysis(), tmp_path)
    assert not list(tmp_path.glob("*.html"))


def test_a_figure_too_large_is_named(tmp_path):
    def cloud(table, analysis):
        """Far too many marks."""
        figure, axes = panels()
        axes[0, 0].scatter(*np.random.default_rng(0).normal(size=(2, 20_000)))
        return figure

    with pytest.raises(DataError, match=r"cloud takes .* MB.*rasterized"):
        report(tmp_path / "a.html", study=replace(STUDY, figures=(cloud,)))


def test_a_long_table_is_cut_and_says_so(tmp_path):
    table = Table.from_rows(
        [
            {"run_id": f"{i:064x}", "seed": i % 5, "loss": i / 7, "kind": "x" * 40}
            for i in range(20_000)
        ]
    )
    page = report(
        tmp_path / "a.html", study=replace(STUDY, figures=()), table=table, analysis=Analysis()
    )
    assert len(page.encode()) <= LIMIT
    shown = page.split('class="runs"')[1].split("</table>")[0].count("<tr>") - 1
    assert 500 < shown < 20_000
    assert f"The first {shown} of 20000 runs are shown" in Document(page).text


def test_a_study_is_analysed_once_and_not_at_all_where_the_analysis_is_given(tmp_path):
    asked = []
    study = replace(STUDY, analyse=lambda t: asked.append("analyse") or STUDY.analyse(t))
    report(tmp_path / "a.html", study=study)
    report(tmp_path / "b.html", study=study, analysis=STUDY.analysis(TABLE))
    assert asked == ["analyse"]


def test_a_study_without_findings_still_has_a_page(tmp_path):
    page = report(
        tmp_path / "a.html", replace(STUDY, figures=()), analysis=Analysis(), provenance=[]
    )
    assert "No finding yet." in page and "No provenance was kept" in page


def test_figures_and_their_numbers_are_saved(tmp_path):
    written = save_figures(STUDY, TABLE, STUDY.analysis(TABLE), tmp_path / "figures")
    assert sorted(p.name for p in written) == sorted(
        [
            "loss_figure.png",
            "loss_figure.svg",
            "exponent_figure.png",
            "exponent_figure.svg",
            "fake_runs.csv",
            "fake_findings.csv",
        ]
    )
    png = (tmp_path / "figures" / "loss_figure.png").read_bytes()
    width = int.from_bytes(png[16:20], "big")
    assert width == pytest.approx(183 / 25.4 * 200, abs=1)
    assert (tmp_path / "figures" / "fake_runs.csv").read_text() == TABLE.to_csv()
    findings = (tmp_path / "figures" / "fake_findings.csv").read_text()
    assert "Untrained networks have it too." in findings


def test_index_sets_answers_side_by_side(tmp_path):
    entry = IndexEntry(STUDY, STUDY.analysis(TABLE).findings, "fake.html", "quick", 17)
    page = write_index(
        [entry, replace(entry, href="a b/other.html", findings=[])],
        tmp_path / "deep" / "index.html",
    ).read_text(encoding="utf-8")
    document = Document(page)
    assert not document.open and "1 agrees, 1 disagrees" in document.text
    assert [a["href"] for a in document.all("a")][1:] == ["fake.html", "a b/other.html"]
    for href in ("javascript:alert(1)", " JavaScript:x", "https://example.org", "//example.org"):
        with pytest.raises(UsageError, match="relative path"):
            write_index([replace(entry, href=href)], tmp_path / "i.html")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="file"):
        report(tmp_path / "file" / "a.html")
    with pytest.raises(DiskError, match="file"):
        save_figures(STUDY, TABLE, [], tmp_path / "file" / "figures")


def test_a_full_disk_leaves_the_report_that_was_there(tmp_path, monkeypatch):
    analysis = STUDY.analysis(TABLE)
    report(tmp_path / "a.html", analysis=analysis)
    save_figures(STUDY, TABLE, analysis, tmp_path / "a")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def refuse(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(durable.os, "fsync", refuse)
    with pytest.raises(DiskError, match=rf"{tmp_path}/a.html: No space left on device"):
        report(tmp_path / "a.html", study=replace(STUDY, title="Another"), analysis=analysis)
    with pytest.raises(DiskError, match=rf"{tmp_path}/a/.*: No space left on device"):
        save_figures(replace(STUDY, title="Another"), TABLE, analysis, tmp_path / "a")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
