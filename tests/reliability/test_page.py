"""The table of docs/reliability.md is what the figures give, no more and no less."""

import re

from tests.reliability.campaign import ROOT
from tests.reliability.page import CAMPAIGNS, PAGE, known, table, with_table

NAMED = re.compile(r'(?:campaign|campaign_of|record_if_asked)\(\s*"(\w+)"')


def test_the_page_holds_exactly_the_figures():
    page = PAGE.read_text("utf-8")
    assert with_table(page, known()) == page, "make it again: python -m tests.reliability.page"


def test_a_row_shows_each_figure_and_one_without_says_so():
    entry = {"date": "2026-01-02", "processor": "X", "seconds": 1234, "kills_of_all": 2000}
    made = table({"clocks": entry})
    assert "| kills of all 2,000 | 2026-01-02, 1,234 s |" in made
    assert made.count("not measured yet") == len(CAMPAIGNS) - 1


def test_every_campaign_is_on_the_page():
    files = (ROOT / "tests" / "reliability").glob("test_*.py")
    assert {name for file in files for name in NAMED.findall(file.read_text("utf-8"))} == (
        CAMPAIGNS.keys()
    )
