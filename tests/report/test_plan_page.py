"""The page of a plan: the answer first, every alarm with what to do, nothing from outside."""

import ast
import html
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from allometry import cli, laws
from allometry.cli.again import command_line
from allometry.fitting.options import FitOptions
from allometry.plan import alarms
from allometry.plan.alarm import Alarm
from allometry.plan.document import Plan
from allometry.plan.frontier.conventions import Counting
from allometry.plan.question import plan as make_plan
from allometry.report.again import python_call
from allometry.report.alarm_advice import ADVICE, alarm_rows
from allometry.report.plan_page import write_plan_page
from allometry.report.rendering import LIMIT
from allometry.stats.digits import shown
from tests.plan.tables import TRUTH, isoflop_table
from tests.report.test_page import HOSTILE, Document

COMPUTE = 1e23
FEW = FitOptions(resamples=40, starts=32)
COMMAND = "allometry plan runs.csv --map N=params --compute 1e23 && true"


@pytest.fixture(scope="module")
def plan():
    columns = {"N": "params", "D": "tokens", "L": "loss"}
    return make_plan(isoflop_table(), columns, laws=["chinchilla", "kaplan"], compute=COMPUTE,
                     fit=FEW)  # fmt: skip


@pytest.fixture(scope="module")
def page(plan, tmp_path_factory):
    return write(plan, tmp_path_factory.mktemp("plan") / "plan.html", command=COMMAND)


def write(plan, path, **words):
    return write_plan_page(plan, path, **words).read_text(encoding="utf-8")


def test_is_one_well_formed_small_file_that_needs_nothing_else(page):
    document = Document(page)
    assert not document.open and len(page.encode()) <= LIMIT
    names = [attrs["id"] for _, attrs in document.elements if "id" in attrs]
    assert len(names) == len(set(names))
    for _, attrs in document.elements:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            assert re.match(r"#|data:", attrs.get(name, "#")), attrs
        assert "style" not in attrs and not any(name.startswith("on") for name in attrs)
    assert "default-src 'none'" in html.unescape(page)
    assert len(document.all("script")) == 1


def test_links_within_the_page_lead_somewhere(page):
    document = Document(page)
    names = {attrs["id"] for _, attrs in document.elements if "id" in attrs}
    links = [a["href"].removeprefix("#") for a in document.all("a")]
    assert links and set(links) <= names


def test_the_first_screen_has_the_numbers_of_the_plan(plan, page):
    first, start = plan.first, page.index("<h1>")
    top = Document(page[start : page.index("<nav")]).text
    low, high = first.waste_band[0.05]
    assert plan.question[1:] in top
    for value in (first.n_opt, first.d_opt, first.tokens_per_param):
        for number in (value.value, value.low, value.high):
            assert shown(number) in top
    for number in (*first.loss, *first.loss_new_run[1:]):
        assert shown(number, 4) in top
    assert f"{shown(low)} to {shown(high)}" in top
    assert f"{100 * first.expected_waste:.2g}%" in top
    count = len(plan.alarms)
    assert f"{count} alarm" in top and alarm_rows(plan.alarms)[0].message in top


def test_all_parts_are_there_in_order(plan, page):
    order = ['class="answer', 'id="figures"', 'id="laws"', 'id="approaches"', 'id="disagreement"',
             'id="alarms"', 'id="fits"', 'id="assumptions"', 'id="runs"', 'id="again"']  # fmt: skip
    assert sorted(order, key=page.index) == order
    document, text = Document(page), Document(page).text
    assert len(document.all("svg")) == 5
    for alarm in plan.alarms:
        assert alarm.message in text and alarm.code in text and ADVICE[alarm.code] in text
    for pair in plan.disagreement:
        assert f"{100 * pair.waste:.2g}%" in text
    for reason in (a for a in plan.approaches.values() if isinstance(a, str)):
        assert reason.rstrip(".") in text
    assert plan.counting in text and COMMAND in text
    assert f"{plan.rows} runs that were used" in text and "N = params, D = tokens" in text


def test_every_alarm_of_a_plan_has_advice():
    tree = ast.parse(Path(alarms.__file__).read_text(encoding="utf-8"))
    codes = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Alarm"
    }
    assert codes and codes <= ADVICE.keys()


def test_the_worst_alarm_comes_first_and_an_unknown_one_is_kept():
    expected = ["one_ratio", "of_tomorrow", "approach2_bias"]
    raised = [Alarm(code, code) for code in reversed(expected)]
    assert [row.code for row in alarm_rows(raised)] == expected


def test_a_plan_of_values_says_that_it_has_no_intervals(tmp_path):
    made = make_plan(parameters=TRUTH, compute=COMPUTE, inference_tokens=1e12, account="lifetime")
    text = Document(write(made, tmp_path / "a.html")).text
    assert "from given values" in text and "no interval" in text
    assert shown(made.first.inference.n_opt.value) in text and "account lifetime" in text
    assert "The command was not kept" in text


def test_a_plan_that_was_read_has_a_page_without_runs_and_fits(plan, tmp_path):
    page = write(Plan.from_json(plan.to_json()), tmp_path / "a.html")
    document = Document(page)
    assert not document.open and shown(plan.first.n_opt.value) in document.text
    assert 'id="runs"' not in page and 'id="fits"' not in page


def test_hostile_names_stay_text(tmp_path):
    names = [f"{HOSTILE}{k}" for k in range(3)]
    columns = dict(zip("NDL", names, strict=True))
    hostile = replace(laws.chinchilla, name=HOSTILE)
    made = make_plan(isoflop_table(names), columns, laws=[hostile, "kaplan"], compute=COMPUTE,
                     fit=FEW)  # fmt: skip
    made = replace(made, notes=(HOSTILE,), question=f"q{HOSTILE}", counting=HOSTILE,
                   alarms=(Alarm(HOSTILE, HOSTILE),))  # fmt: skip
    page = write(made, tmp_path / "a.html", command=HOSTILE, python=HOSTILE)
    document = Document(page)
    assert not document.open and len(document.all("script")) == 1 and not document.all("img")
    assert HOSTILE in document.text
    for _, attrs in document.elements:
        assert not any(name.startswith("on") for name in attrs)


def words_of(target):
    parameters = ",".join(f"{name}={value}" for name, value in TRUTH.items())
    return ["plan", "--parameters", parameters, "--compute", "1e+23", "--output", str(target)]


def test_the_command_writes_a_page_that_says_how_to_make_it_again(tmp_path):
    target = tmp_path / "plan.html"
    done = CliRunner().invoke(cli.commands, words_of(target))
    assert done.exit_code == 0, done.output
    page = target.read_text(encoding="utf-8")
    command, python = map(html.unescape, re.findall(r"<pre[^>]*><code>(.*?)</code>", page, re.S))
    assert shlex.split(command)[1:] == words_of(target)
    scope: dict = {}
    exec(python.replace("print(plan.to_json())", ""), scope)
    assert shown(scope["plan"].first.n_opt.value) in page


def test_the_python_call_of_a_table_gives_the_same_plan(tmp_path):
    isoflop_table().to_csv(tmp_path / "runs.csv")
    words = [str(tmp_path / "runs.csv"), "--map", "N=params", "--map", "D=tokens", "--map",
             "L=loss", "--laws", "kaplan", "--compute", "1e+23", "--flops", "6nd_total", "--filter",
             "loss < 5", "--resamples", "20"]  # fmt: skip
    context = cli.commands.commands["plan"].make_context("plan", list(words))
    assert sorted(shlex.split(command_line(context))) == sorted(["allometry", "plan", *words])
    columns = {"N": "params", "D": "tokens", "L": "loss"}
    fit = FitOptions(resamples=20, where=("loss < 5",), drop_largest={})
    python = python_call(tmp_path / "runs.csv", columns, laws=["kaplan"], compute=1e23, fit=fit,
                         repeat="law", size=None, counting=Counting())  # fmt: skip
    assert not re.search("repeat|drop_largest|Counting|size", python)
    scope: dict = {}
    exec(python.replace("print(plan.to_json())", ""), scope)
    plan = make_plan(tmp_path / "runs.csv", columns, laws="kaplan", compute=1e23, fit=fit)
    assert scope["plan"].first.n_opt == plan.first.n_opt


def test_any_other_ending_is_the_plan_document(tmp_path):
    target = tmp_path / "plan.json"
    assert CliRunner().invoke(cli.commands, words_of(target)).exit_code == 0
    assert Plan.from_json(target.read_text()).first.law == "chinchilla"
