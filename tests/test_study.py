"""A study gives its runs, and refuses what it cannot give."""

import ast
import math
import re
from dataclasses import FrozenInstanceError, replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allometry import studies
from allometry.errors import UsageError
from allometry.findings import Analysis, Finding, at_least
from allometry.spec import Experiment, run_ids
from allometry.spec.variants import variant
from allometry.stats.interval import Interval
from allometry.tables.table import Table
from tests.store.cases import study

FINDING = Finding(
    claim="c", prediction="p", source="s", measured=0.5, low=0.25, high=0.751, verdict="agrees",
    answer="a",
)  # fmt: skip


def test_a_study_gives_its_own_seeds_or_as_many_as_asked_for():
    assert sorted({s.seed for s in study(n=3, seeds=2).specs("quick")}) == [42, 43]
    asked = study(n=3).specs("quick", seeds=4)
    assert sorted({s.seed for s in asked}) == [42, 43, 44, 45]
    assert len(asked) == 12


def test_a_study_without_seeds_takes_the_seed_0():
    bare = replace(study(n=3), seeds={})
    assert {s.seed for s in bare.specs("quick")} == {0}
    assert sorted({s.seed for s in bare.specs("quick", seeds=3)}) == [0, 1, 2]


def test_a_size_may_have_any_name():
    own = replace(study(n=3), sizes=("tiny", "overnight"), seeds={"overnight": (7, 8)})
    assert {s.seed for s in own.specs("tiny")} == {0}
    assert {s.seed for s in own.specs("overnight")} == {7, 8}
    with pytest.raises(UsageError, match=r"no size 'quick'; it has tiny, overnight"):
        own.specs("quick")


def test_more_seeds_leave_the_first_ones_as_they_are():
    few, many = study().specs("quick", seeds=1), study().specs("quick", seeds=3)
    assert [s.run_id for s in many][: len(few)] == [s.run_id for s in few]


def test_what_is_measured_is_part_of_the_run():
    plain = study(n=2)
    more = replace(plain, measures={"losses": dict}, trajectory={"paths": dict})
    assert more.specs("quick")[0].measures == ("losses", "trajectory:paths")
    assert more.specs("quick")[0].run_id != plain.specs("quick")[0].run_id


def test_changes_reach_every_run():
    changed = study(n=3).specs("quick", None, {"train.epochs": "9"})
    assert {s.train.epochs for s in changed} == {9}


def test_seeds_may_be_listed_and_anything_else_is_refused_in_words():
    assert sorted({s.seed for s in study(n=3).specs("quick", seeds=[0, 5])}) == [0, 5]
    for seeds in ("2", 1.5, [0.5], object()):
        with pytest.raises(UsageError, match=r"such as 3, or a list such as \[0, 1\]"):
            study(n=3).specs("quick", seeds=seeds)


@pytest.mark.parametrize("given", [None, [None], 3, ["spec"]])
def test_runs_that_are_no_specs_are_refused_in_words(given):
    with pytest.raises(
        UsageError, match=r"study tiny: runs\(size, seeds\) must be a list of RunSpec"
    ):
        replace(study(), runs=lambda size, seeds: given).specs("quick")


@pytest.mark.parametrize("given", [None, 3, [1], "agrees"])
def test_an_analysis_that_is_none_is_refused_in_words(given):
    with pytest.raises(UsageError, match=r"analyse.*gives an Analysis or a list of findings"):
        replace(study(), analyse=lambda table: given).analysis(Table({}))


@pytest.mark.parametrize("sizes", [(), "quick"])
def test_sizes_are_names_in_a_tuple(sizes):
    with pytest.raises(UsageError, match=r"sizes=\('quick',\), names in a tuple"):
        replace(study(), sizes=sizes)


@pytest.mark.parametrize("given", [[dict], dict, {"losses": 3}])
@pytest.mark.parametrize("kind", ["measures", "trajectory"])
def test_measures_are_functions_by_name(kind, given):
    with pytest.raises(UsageError, match=rf"{kind}=.*functions by name, expected, got"):
        replace(study(), **{kind: given})


@pytest.mark.parametrize("seeds", [3, (0, 1), {"quick": 3}, {"quik": (0, 1)}])
def test_seeds_are_those_of_a_size_there_is(seeds):
    with pytest.raises(UsageError, match=r"seeds=\{'quick': \(0, 1, 2\).*seeds by size, expected"):
        replace(study(), seeds=seeds)


def test_runs_takes_a_size_and_seeds():
    with pytest.raises(UsageError, match=r"runs\(size, seeds\): TypeError: .* takes 1 "):
        replace(study(), runs=lambda seeds: []).specs("quick")


@pytest.mark.parametrize(
    ("field", "given", "expected"),
    [
        ("name", 3, "'mine', a word without '/',"), ("name", "../x", "'mine'"),
        ("name", "", "'mine'"), ("runs", {}, "a function of (size, seeds)"),
        ("later", 3, "a function of (size, table)"), ("procedure", dict, "a Procedure"),
        ("title", None, "text"), ("claims", 3, "[...] of allometry.claims"),
        ("analyse", (), "a function of a table"), ("figures", None, "(draw,), functions of"),
        ("views", {"v": 1}, "{'losses': "), ("symbols", {1: "N"}, "{'N': 'parameters'}"),
        ("notebook", "n", "a Notebook"), ("notes", "one", "('a sentence',)"),
    ],
)  # fmt: skip
def test_every_field_is_of_its_kind(field, given, expected):
    with pytest.raises(UsageError, match=rf"{field}={re.escape(expected)}.* expected, got "):
        replace(study(), **{field: given})


def test_what_cannot_be_shown_is_refused_in_words_too():
    class Hostile:
        def __repr__(self):
            raise RuntimeError("do not look at me")

    for odd in (Hostile(), [Hostile()], ["x" * 10**6], [[]] * 10**5):
        with pytest.raises(UsageError, match=r"measures=.* expected, got ") as refused:
            replace(study(), measures=odd)
        assert len(str(refused.value)) < 500


def test_a_function_of_a_library_that_does_not_fit_is_told_as_the_studys():
    for runs in (int, np.linalg.inv):
        with pytest.raises(UsageError, match=r"runs is called as runs\(size, seeds\): \w+"):
            replace(study(), runs=runs).specs("quick")
    with pytest.raises(UsageError, match=r"analyse is called as analyse\(table\): LinAlgE"):
        replace(study(), analyse=np.linalg.inv).analysis(Table({"a": [1.0]}))
    with pytest.raises(UsageError, match=r"view 'v' of a table gives a Table, got None"):
        replace(study(), views={"v": lambda table: None}).view("v", Table({"a": [1.0]}))


@pytest.mark.parametrize("change", [{"measured": None}, {"verdict": "maybe"}, {"claim": 3}])
def test_a_finding_is_of_words_and_numbers(change):
    with pytest.raises(UsageError, match=r"a Finding: \w+=.* expected, got "):
        replace(FINDING, **change)


def test_an_analysis_is_of_findings_fits_and_figures():
    for change in ({"findings": [1]}, {"fits": {"f": 1}}, {"figures": {"f": 1}}, {"numbers": 3}):
        with pytest.raises(UsageError, match=r"an Analysis: \w+=.* expected, got "):
            Analysis(**change)


def test_a_spec_whose_field_is_no_data_is_refused():
    class Strange(Experiment):
        what: object

    for what in (object(), [int], {"a": {1, 2}}):
        with pytest.raises(UsageError, match="Strange: fields of numbers, texts, lists and Specs"):
            run_ids([Strange(what=what, seed=0)])


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**400])
def test_a_whole_number_that_no_store_reads_back_is_refused(number):
    class Sized(Experiment):
        what: int | list[int]

    for what in (number, [1, number]):
        with pytest.raises(ValueError, match="what: whole numbers from -2\\*\\*63 to 2"):
            Sized(what=what, seed=0)
    assert Sized(what=[2**64 - 1, -(2**63)], seed=0).run_id


@pytest.mark.parametrize("text", ["[" * 5000, "[" * 900 + "]" * 900, '{"a":' * 5000, "9" * 5000])
def test_a_change_nested_without_end_or_of_endless_digits_is_refused(text):
    for call in (partial(study().specs, "quick", None), variant):
        with pytest.raises(UsageError, match="new value: a number, text or list expected, got '"):
            call({"train.epochs": text})


def test_a_trajectory_without_points_is_refused_before_training():
    curves = replace(study(n=2), trajectory={"losses": dict}, procedure=None)
    with pytest.raises(UsageError, match=r"trajectory= records nothing.*measure_every"):
        curves.specs("quick")
    assert len(curves.specs("quick", changes={"train.measure_every": 1})) == 4
    # A procedure of one's own has points of its own.
    assert replace(study(n=2), trajectory={"losses": dict}).specs("quick")


def test_two_equal_runs_are_refused():
    with pytest.raises(UsageError, match="two runs of size 'quick' are the same, number 0 and 1"):
        study(n=3).specs("quick", None, {"model.width": "5"})


def test_a_size_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"no size 'paper'; it has quick"):
        study().specs("paper")


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5))
def test_a_verdict_says_what_the_interval_says(a, b, bound):
    low, high = sorted((a, b))
    expected = "agrees" if low >= bound else "disagrees" if high < bound else "undecided"
    assert at_least(Interval((low + high) / 2, low, high), bound) == expected


def test_without_an_interval_nothing_is_decided():
    assert at_least(Interval(1.0, math.nan, math.nan), 0.0) == "undecided"


def test_a_finding_shows_value_interval_and_unit():
    assert FINDING.shown == "0.5 [0.25, 0.751]"
    assert replace(FINDING, unit="bits").shown == "0.5 [0.25, 0.751] bits"
    assert replace(FINDING, measured=math.nan).shown == ""
    with pytest.raises(FrozenInstanceError):
        FINDING.verdict = "disagrees"


def test_a_name_there_is_not_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match="mlp_parameter_scaling") as refused:
        studies.study("mlp")
    assert "./mine.py" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("STUDY = 1", "STUDY = Study"),
        ("", "STUDY = Study"),
        ("def broken(:", r"line 1: not Python"),
        ("x = '\0'", r"mine\.py: not Python"),
        ("-" * 100_000 + "1", "nested too deeply"),
    ],
)
def test_a_file_that_is_no_study_is_refused_in_words(tmp_path, text, word):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=word):
        studies.study(path)


def test_a_null_byte_is_refused_by_every_python(tmp_path, monkeypatch):
    """Before 3.11.4 Python answers it with a ValueError, not with a SyntaxError."""
    path = tmp_path / "mine.py"
    path.write_text("x = '\0'")

    def parse(source, name):
        raise ValueError("source code string cannot contain null bytes")

    monkeypatch.setattr(ast, "parse", parse)
    with pytest.raises(UsageError, match=r"mine\.py: not Python: source code string"):
        studies.study(path)


def test_a_name_that_is_a_file_here_is_answered_with_the_file(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"did you mean \./mine\.py\?$"):
        studies.study("mine")


def test_a_file_of_ones_own_is_a_study(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from tests.store.cases import study\nSTUDY = study()\n")
    assert studies.study(path).specs("quick")[0].run_id == study().specs("quick")[0].run_id


def test_a_command_names_a_study_of_ones_own_by_its_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from tests.store.cases import study\nSTUDY = study()\n")
    assert studies.study(path).command_name == "./mine.py"
    assert studies.study("sparse_parity").command_name == "sparse_parity"


def test_no_file_is_said_so(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        studies.study(tmp_path / "none.py")
