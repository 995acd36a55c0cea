"""Each finding stands beside its figure; the headline comes first, a mark says which run it is."""

import re
from dataclasses import replace

import numpy as np
import pytest

from allometry.claims import Equals, PowerLaw, Slope
from allometry.figures.words import to_html
from allometry.report.page import IndexEntry, write_index, write_report
from allometry.report.rendering import with_meanings
from allometry.study import Study
from allometry.tables.table import Table

SIZES = np.array([100, 200, 400, 800, 1600, 3200], float)


def runs(seeds=3):
    at, seed = (a.ravel() for a in np.meshgrid(SIZES, np.arange(seeds)))
    loss = 5 * at**-0.4 * np.exp(0.01 * np.random.default_rng(0).normal(size=len(at)))
    names = [f"{k:064x}" for k in range(len(at))]
    return Table(
        {"run_id": names, "n": at, "seed": seed, "loss": loss, "status": ["done"] * len(at)}
    )


PRINTED = {100.0: round(5 * 100**-0.4, 3)}
CLAIMS = (
    PowerLaw("n", "loss", source="Kaplan et al. 2020, 2001.08361, equation 1.1"),
    Equals("n", "loss", printed=PRINTED, tolerance=0.01, says="The first loss is reproduced",
           source="A notebook, doi 10.5281/zenodo.17118793."),
    Slope("n", "loss", predicts=(-1, 0)),
)  # fmt: skip


def study(**fields):
    words = {"name": "mine", "runs": lambda size, seeds: [], "measures": {}, "sizes": ("quick",)}
    return Study(**{**words, "claims": CLAIMS, **fields})


def page_of(path, **fields):
    page = write_report(
        study(**fields), runs(), path / "p.html", size="quick", provenance=[], command="allometry"
    )
    return page.read_text(encoding="utf-8")


def test_the_first_screen_has_the_headlines_claim_sentence_and_figure(tmp_path):
    page = page_of(tmp_path)
    header = page[page.index("<header>") : page.index("</header>")]
    assert "is a power law" in header and header.count("<svg") == 1
    assert page.count("<svg") == 3, "each figure stands once"
    findings = page[page.index('id="findings"') : page.index('class="findings"')]
    assert findings.count("<article") == 3 and findings.count("<svg") == 2


def test_runs_that_were_noticed_are_not_repeated_claim_by_claim_where_they_change_nothing(tmp_path):
    """A claim on other runs is as before without them; one on these runs is shown again."""
    table = runs()
    notice = np.where(table["n"] == SIZES[-1], "the outputs are the same for all examples", "")
    noticed = Table({**{name: table[name] for name in table.columns}, "notice": notice})
    for where, words in ((["n<3200"], "all verdicts and numbers are the same"), ([], "<li>")):
        mine = study(claims=[Slope("n", "loss", predicts=(-1, 0), where=where)])
        path = tmp_path / "p.html"
        write_report(mine, noticed, path, size="quick", provenance=[], command="allometry")
        page = path.read_text(encoding="utf-8")
        after = page[page.index("Noticed") :]
        assert words in after[after.index("Without them") :][:200]


def test_sources_are_linked_and_ours_is_said(tmp_path):
    page = page_of(tmp_path)
    assert '<a href="https://arxiv.org/abs/2001.08361">2001.08361</a>' in page
    link = '<a href="https://doi.org/10.5281/zenodo.17118793">10.5281/zenodo.17118793</a>.'
    assert link in page, "the full stop is no part of a DOI"
    assert "The prediction is ours." in page
    assert "3 claims are judged here" in page and "(0.15)" in page


def test_a_mark_says_which_run_it_is(tmp_path):
    page = page_of(tmp_path, claims=CLAIMS[:1])
    tips = re.findall(r"<title>(run \w{12}: seed \d, n [^<]*)</title>", page)
    assert len(tips) == len(runs()) and len(set(tips)) == len(tips)


def test_a_finding_of_ones_own_names_its_figure(tmp_path):
    from allometry.figures import panels

    def curve(table, analysis):
        """A curve."""
        figure, axes = panels(1, 1)
        axes[0, 0].plot([1, 2])
        axes[0, 0].set_xlabel("x")
        return figure

    found = replace(CLAIMS[2].judge(runs()).finding, figure="curve")
    page = page_of(tmp_path, claims=(), figures=(curve,), analyse=lambda table: [found])
    assert page.count("<svg") == 1 and 'id="figures"' not in page


def test_the_index_says_first_what_was_reproduced_and_counts_all_claims(tmp_path):
    mine = study()
    entry = IndexEntry(mine, mine.analysis(runs()).findings, "mine.html", "quick", 18)
    page = write_index([entry], tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.index("Reproduced:") < page.index('class="sentence"')
    assert "3 claims in all: 3 agree" in page


@pytest.mark.parametrize("text", ["3.14159 and 1234.5", "no.2001.08361", "<b>2001.08361</b>"])
def test_only_what_is_an_address_is_linked(text):
    from allometry.report.rendering import _linked

    out = str(_linked(text))
    assert ("<a " in out) == ("<b>" in text) and "<b>" not in out


def test_symbols_are_defined_once_and_on_hover(tmp_path):
    """A symbol is a word of its own: N, not the N of None, nor that of a tag."""
    page = page_of(tmp_path, question="Does L fall as N^-alpha? No.", symbols={"L": "test loss"})
    facts = page[page.index('class="facts"') : page.index("</dl>")]
    assert '<abbr title="test loss">L</abbr>: test loss' in facts
    assert "exponent of a power law" in facts and "training compute" not in facts
    assert with_meanings("None <sub>N</sub>", {"N": "n"}) == "None <sub>N</sub>"
    hostile = with_meanings("N", {"N": '"><script>'})
    assert hostile == '<abbr title="&#34;&gt;&lt;script&gt;">N</abbr>'


def test_a_raised_symbol_is_one_too_and_an_indexed_one_another():
    marked = with_meanings(to_html("N^-0.3 and N_inf"), {"N": "n"})
    assert marked == '<abbr title="n">N</abbr><sup>−0.3</sup> and N<sub>∞</sub>'


def test_a_study_without_claims_has_no_meanings_that_it_did_not_give(tmp_path):
    """N is the number of points in one of the notebooks, not that of parameters."""
    found = CLAIMS[2].judge(runs()).finding
    fields = {"claims": (), "analyse": lambda table: [found], "question": "Does L grow with N?"}
    assert "number of parameters" not in page_of(tmp_path, **fields)
    own = page_of(tmp_path, **fields, symbols={"N": "number of points"})
    assert ": number of points" in own and "number of parameters" not in own


def test_figures_are_numbered_as_they_stand_on_the_page(tmp_path):
    from allometry.figures import panels

    def first(table, analysis):
        """The first figure of the study."""
        return panels(1, 1)[0]

    def second(table, analysis):
        """The second figure of the study."""
        return panels(1, 1)[0]

    finding = CLAIMS[2].judge(runs()).finding
    found = [replace(finding, figure="second"), replace(finding, claim="Other", figure="first")]
    page = page_of(tmp_path, claims=(), figures=(first, second), analyse=lambda table: found)
    numbers = re.findall(r"Figure\s+(\d)", page)
    assert numbers == sorted(numbers) and set(numbers) == {"1", "2"}
    assert page.index("The second figure") < page.index("The first figure")


def test_the_answer_at_the_top_is_not_repeated(tmp_path):
    page = page_of(tmp_path, claims=CLAIMS[2:])
    answer = CLAIMS[2].judge(runs()).finding.answer[:40]
    assert page.count(answer) == 1
