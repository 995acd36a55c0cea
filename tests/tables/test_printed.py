"""What `print` shows: few lines, aligned, none wider than a terminal."""

from dataclasses import replace

import numpy as np
import pytest

import allometry as al
from allometry.errors import UsageError
from allometry.findings import Analysis, Finding
from allometry.run import run
from allometry.tables.printed import aligned
from allometry.tables.table import Table
from tests.store.cases import Imagined, study

LONG = "a sentence that goes on and on, about nothing in particular, " * 6


def lines_of(value):
    """The lines of a value at the prompt, which are those that are printed."""
    assert repr(value) == str(value)
    lines = repr(value).splitlines()
    assert len(lines) <= 12 and max(map(len, lines)) <= 80, repr(value)
    return lines


def test_numbers_end_at_one_edge_and_words_begin_at_one():
    assert aligned([("n", "1"), ("name", "200")], [1]) == ["n       1", "name  200"]


def test_a_long_table_shows_its_ends_and_names_the_columns_without_room():
    columns = {f"column_{i}": np.arange(500) * 10.0**i for i in range(30)}
    lines = lines_of(Table({"run_id": [f"{i:064d}" for i in range(500)], "same": ["x"] * 500,
                            **columns}))  # fmt: skip
    assert lines[0] == "Table: 500 rows, 32 columns"
    assert lines[1].split()[:2] == ["run_id", "column_0"] and "…" in lines[6]
    assert lines[7].split()[1] == "498" and lines[8].split()[1] == "499"
    assert lines[9].startswith("not shown: same, column_") and lines[-1].endswith("…")


@pytest.mark.parametrize("rows", range(9))
def test_a_short_table_is_shown_whole(rows):
    lines = lines_of(Table({"x": list(range(rows)), "y": [None] * rows}))
    assert lines[0] == f"Table: {rows} row{'s' * (rows != 1)}, 2 columns"
    assert ("…" in repr(lines)) == (rows > 7)


def test_an_empty_table_and_one_of_text_are_printed():
    assert lines_of(Table({})) == ["Table: 0 rows, 0 columns"]
    assert lines_of(Table({"a": ["x\ny", "z" * 99]}))[2:] == ["x y", "z" * 12 + "…"]


def test_a_study_says_what_it_asks_and_how_many_runs_its_sizes_have():
    lines = lines_of(replace(study(6, 2), question=LONG, prediction=LONG, source=LONG, title=LONG))
    assert lines[0].startswith("Study tiny: a sentence") and lines[0].endswith("…")
    assert "  sizes      quick (12 runs)" in lines


def test_an_outcome_says_what_was_done_and_found(tmp_path):
    finding = Finding(LONG, "p", "s", 0.5, 0.4, 0.6, "agrees", LONG)
    words = replace(finding, claim="Short", measured=np.nan, low=np.nan, high=np.nan)
    findings = [finding, replace(words, verdict="undecided"), *[finding] * 20]
    mine = replace(study(6), analyse=lambda table: Analysis(findings))
    lines = lines_of(run(mine, store=tmp_path / "s.db", engine=Imagined()))
    assert lines[0] == "Outcome of tiny: Tiny"
    assert lines[1].startswith("  12 runs trained, 0 stored before, 0 diverged, 0 pending; ")
    assert lines[2].startswith("  ✓ agrees     a sentence") and lines[2].endswith("0.5 [0.4, 0.6]")
    assert lines[3] == "  ? undecided  Short" and lines[-1] == "  and 14 more: .findings"


def test_a_fit_says_its_law_its_numbers_and_what_limits_them():
    x = np.geomspace(1, 1e4, 12)
    noise = np.random.default_rng(0).normal(0, 0.02, 12)
    good = al.fit(Table({"x": x, "y": 3 * x**-0.5 * np.exp(noise)}), "power", {"x": "x", "y": "y"})
    lines = lines_of(good)
    assert lines[0].startswith("Fit of power: y = A x^-alpha; 12 rows, ")
    assert [line.split()[0] for line in lines[1:3]] == ["A", "alpha"]
    assert lines[-1].startswith("converged: ")
    weak = al.fit(Table({"x": x, "y": 3 * x**-0.5 * np.exp(noise)}), "bnsl2",
                  {"x": "x", "y": "y"}, resamples=0, starts=4)  # fmt: skip
    lines = lines_of(weak)
    assert lines[0].startswith(f"{weak.status.code}: ") and weak.status.code != "converged"
    assert "d2" in lines[-1], "the last parameters are named"


def test_what_would_steer_a_terminal_is_written_out():
    """In names and cells, also of one that is cut, at the prompt and in a notebook."""
    table = Table({"a\x1b[2J": ["x\x1b[31m", "\u202ey" + "\x07" * 30], "n\x9b": [1, 2]})
    text = "\n".join(lines_of(table))
    assert "a\\x1b[2J" in text and "n\\x9b" in text and "x\\x1b[31m" in text and "\\u202ey" in text
    html = table._repr_html_()
    assert "<td>x\\x1b[31m</td>" in html and "<th>a\\x1b[2J</th>" in html
    same = lines_of(Table({"same\x1b": ["x"] * 3, "b": [1, 2, 3]}))
    assert same[-1] == "not shown: same\\x1b"
    named = lines_of(replace(study(2, 2), prediction="p\x1b]0;t\x07", question="q\x1b[2J" + LONG))
    hostile = replace(study(2, 2), title="a\x1b]0;t\x07")
    with pytest.raises(UsageError, match=r"name='mine', .* expected") as refused:
        replace(study(2, 2), name="a\x1b]0;t\x07")
    for shown in (text, html, *same, *named, hostile._repr_html_(), str(refused.value)):
        assert shown.replace("\n", "").isprintable()


def test_a_column_of_pythons_numbers_ends_at_the_right_edge():
    lines = lines_of(Table({"n": [1, None, 2**60 + 1], "m": [2**64 - 1, 1, 2], "a": list("xyz")}))
    ends = {line.index(letter) for line, letter in zip(lines[2:], "xyz", strict=True)}
    assert lines[2].startswith(" ") and len(ends) == 1
