"""docs/benchmarks.md is what the kept results give, no more and no less."""

import json

import pytest
from benchmarks.page import HERE, NO_BENCHMARKS, PAGE, description, page, ratios

from benchmarks import machine

SPREAD = {"median": 2.0, "low": 1.5, "high": 123.4}


def test_the_page_is_made_from_the_kept_results():
    assert PAGE.read_text("utf-8") == page(), "make it again: python benchmarks/page.py"


def test_every_ratio_of_every_result_is_on_the_page():
    """Counted another way: every spread below a word for a ratio, in the text of the documents."""
    text = page()
    for path in (HERE / "results").glob("*.json"):
        document = json.loads(path.read_text("utf-8"))
        section = text.partition(f"## `{path.stem}`\n")[2].partition("\n## ")[0]
        assert section.count("\n| ") == counted(document) + bool(counted(document)), path


def counted(value, below=False):
    if isinstance(value, list):
        return sum(counted(item, below) for item in value)
    if not isinstance(value, dict):
        return 0
    if set(value) == {"median", "low", "high"}:
        return int(below)
    of_words = ("times_", "ratio", "share_of_m", "share_of_p")
    return ("ratio_range" in value) + sum(
        counted(v, below or name.startswith(of_words)) for name, v in value.items()
    )


def test_a_ratio_has_the_words_that_lead_to_it_and_times_have_none():
    document = {
        "seconds": {"ours": SPREAD},
        "cells": [{"width": 16, "count": 2000, "best_rival": "a loop", "times_faster": SPREAD}],
        "rows": [{"runs": 10, "ratio": 2.0, "ratio_range": [1.5, 123.4]}],
    }
    assert list(ratios(document)) == [
        ("width 16, count 2,000: times faster than a loop", SPREAD), ("runs 10: ratio", SPREAD),
    ]  # fmt: skip


def test_what_a_result_records_of_its_machine_is_shown_and_the_rest_is_called_missing(tmp_path):
    facts = machine.facts() | {"versions": {"jax": "9.9"}, "date": "2026-01-02"}
    document = {"machine": facts, "rounds": 5, "times_faster": {"a_loop": SPREAD}}
    (tmp_path / "ntk.json").write_text(json.dumps(document), "utf-8")
    (tmp_path / "engines.json").write_text(json.dumps({"plan": {}}), "utf-8")
    text = page(tmp_path)
    assert "| times faster: a loop | 2.00 | 1.50 to 123 |" in text
    assert f"Processor: {machine.cpu()}; " in text
    assert "versions: jax 9.9; rounds: 5; date: 2026-01-02. [ntk.json]" in text
    assert "It forms no ratio" in text
    assert "Processor: not recorded; how many: not recorded" in text


@pytest.mark.parametrize("path", sorted(HERE.glob("*.py")), ids=lambda path: path.stem)
def test_every_file_says_what_it_is_in_a_sentence(path):
    assert description(path.stem).endswith((".", "?"))
    listed = (HERE / "README.md").read_text("utf-8")
    assert path.stem in NO_BENCHMARKS or f"`{path.name}`" in listed


def test_the_processor_has_the_name_that_linux_gives_it(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: AMD EPYC 9R14\nflags\t: fpu\n", "utf-8")
    assert machine.cpu(file) == "AMD EPYC 9R14"
    assert machine.cpu(tmp_path / "none")  # another system: its architecture at least
