"""Hostile words in every place of a page: it stays well formed, and they stay text."""

import sys
import unicodedata
from dataclasses import replace

import pytest

from allometry.figures import panels
from allometry.findings import Analysis, Passage, Passages
from allometry.report.page import IndexEntry, write_index
from tests.figures.fake_study import STUDY, runs
from tests.figures.test_hostile_text import hostile_strings
from tests.report.test_page import TABLE, Document, report

WORDS = ("claim", "prediction", "source", "answer", "control", "unit")
ROWS = len(TABLE)


def figure(table, analysis):
    """Nothing is drawn."""
    return panels()[0]


def pages(texts, folder):
    """A page and an index with each of the texts in some place."""
    next_text = iter(texts).__next__
    finding = STUDY.analysis(TABLE).findings[0]
    findings = [replace(finding, **{word: next_text() for word in WORDS}) for _ in range(20)]
    study = replace(
        STUDY, title=next_text(), question=next_text(), prediction=next_text(),
        source=next_text(), notes=tuple(next_text() for _ in range(30)), figures=(figure,),
        symbols={"alpha": next_text(), "N": next_text()}, analyse=lambda table: [],
    )  # fmt: skip
    columns = {f"{next_text()} {k}": [next_text() for _ in range(ROWS)] for k in range(2)}
    provenance = [{next_text(): next_text(), "b": [next_text()]} for _ in range(5)]
    columns_of_text = [Passage(*(next_text() for _ in Passage._fields)) for _ in range(3)]
    columns_of_text.append(columns_of_text[0]._replace(text=""))
    passages = Passages(next_text(), next_text(), columns_of_text)
    text = report(
        folder / "a.html", study, runs().with_columns(**columns), provenance, next_text(),
        analysis=Analysis(findings, passages=passages),
    )  # fmt: skip
    entry = IndexEntry(study, findings, "x.html", next_text(), 3)
    return text, write_index([entry], folder / "index.html").read_text(encoding="utf-8")


def check(page, kinds):
    document = Document(page)
    assert not document.open
    assert {tag for tag, _ in document.elements} <= kinds
    assert len(document.all("script")) == 1
    for _, attributes in document.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert not str(attributes.get("href", "")).lower().startswith("javascript")
    steering = {c for c in page if unicodedata.category(c)[0] == "C"} - {"\n", "\t"}
    assert not steering


class Counted:
    """Texts, and how many of them were taken."""

    def __init__(self, texts):
        self.taken, self._texts = 0, texts

    def __iter__(self):
        for text in self._texts:
            self.taken += 1
            yield text


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Kinds of elements that a page with plain words has."""
    made = pages((f"plain_{i} x^2 N_D alpha 10.1000/x" for i in range(10_000)),
                 tmp_path_factory.mktemp("plain"))  # fmt: skip
    return {tag for page in made for tag, _ in Document(page).elements}


def test_a_page_of_hostile_words_is_well_formed(tmp_path, kinds):
    for page in pages(hostile_strings(10_000, seed=1), tmp_path):
        check(page, kinds)


@pytest.mark.slow
def test_pages_of_30_000_hostile_strings_are_well_formed(tmp_path, kinds, capfd):
    wanted, used, made = 30_000, 0, 0
    while used < wanted:
        texts = Counted(hostile_strings(10_000, seed=made))
        for page in pages(texts, tmp_path):
            check(page, kinds)
        used, made = used + texts.taken, made + 1
    with capfd.disabled():
        sys.stderr.write(f"{used} hostile strings on {made} pages and as many indexes\n")
