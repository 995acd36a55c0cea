"""Findings and figures of the runs so far: those of the report, drawn beside the server, seldom."""

import asyncio
import json
import re
import time

import pytest

from allometry.errors import DataError
from allometry.report.page import partial_report
from allometry.serve import findings as findings_module
from allometry.serve.findings import Findings
from allometry.serve.live import Watch, slug
from allometry.store import Store
from tests.figures.fake_study import STUDY, runs
from tests.serve.served import served
from tests.store.cases import fill, specs

OWN = '''
"""A study whose runs take no time."""
import numpy as np
import allometry as al
from allometry.training.function import Function

class Net(al.Experiment):
    width: int = 1

def train(spec):
    for step in range(1, 20):
        yield step, {"loss": 1 / (step * spec.width)}

def analyse(table):
    print("what an analysis prints is nobody's document")
    if len(table) < 3:
        raise ValueError("three runs at least <b>here</b>")
    answer = f"It falls in {len(table)} runs <i>."
    return [al.Finding(claim="Loss falls?", prediction="it does", source="ours", measured=1.0,
                       low=0.9, high=1.1, verdict="agrees", answer=answer)]

def loss_figure(table, analysis):
    """The loss of each run."""
    figure, axes = al.figures.panels(width=89)
    axes[0, 0].plot(table["width"], table["loss"], "o")
    al.figures.headline(figure, "Loss falls")
    return figure

STUDY = al.Study(
    name="own", title="A study of <my> own", question="?", prediction="!", source="me",
    runs=lambda size, seeds: [Net(width=w, seed=s) for s in seeds for w in range(1, 9)],
    procedure=Function(train), measures={}, analyse=analyse, figures=(loss_figure,),
    sizes=("quick",),
)
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A file with a study, and a store with five of its eight runs."""
    from allometry.run import run
    from allometry.studies import study

    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(OWN)
    loaded = study(folder / "own.py")
    run(loaded, store=folder / "s.db", seeds=1)
    with Store(folder / "s.db", write=True) as store:
        store.forget([spec.run_id for spec in loaded.specs("quick", 1)[5:]])
    return folder / "own.py", folder / "s.db"


def drawn(page, path, seconds=60):
    """The part with findings once it is drawn."""
    end = time.monotonic() + seconds
    while "being drawn" in (text := page.get(path).text):
        assert time.monotonic() < end
        time.sleep(0.1)
    return text


def test_findings_and_figures_are_those_of_the_report_and_marked_as_partial(
    own, tmp_path, monkeypatch
):
    file, store = own
    (tmp_path / "json.py").write_text("raise SystemExit('not a library')")
    monkeypatch.chdir(tmp_path)
    path = f"/study/{slug(('own', 'quick', ''))}"
    with served(store, studies={"own": str(file)}) as page:
        assert page.get(f"{path}/report.json").status == 503
        text = drawn(page, f"{path}/findings")
        document = json.loads(page.get(f"{path}/report.json").body)
        whole = page.get(path).text
    assert "Partial:" in text and "from 5 of 8 runs" in text
    assert "It falls in 5 runs &lt;i&gt;." in text and "agrees" in text
    assert text.count("<svg") == 1 and "The loss of each run." in text
    assert text in whole, "the page has it from the start"
    assert document["schema"] == "allometry/report/1"
    assert (document["study"], document["size"]) == ("own", "quick")
    (finding,) = document["findings"]
    assert (finding["verdict"], finding["measured"]) == ("agrees", 1.0)


def test_an_analysis_that_fails_is_said_in_its_place(own, tmp_path):
    from allometry.studies import study

    file, store = own
    with Store(store) as opened:
        opened.backup(tmp_path / "few.db")
    with Store(tmp_path / "few.db", write=True) as few:
        few.forget([spec.run_id for spec in study(file).specs("quick", 1)[2:]])
    path = f"/study/{slug(('own', 'quick', ''))}/findings"
    with served(tmp_path / "few.db", studies={"own": str(file)}) as page:
        text = drawn(page, path)
    assert "three runs at least &lt;b&gt;here&lt;/b&gt;" in text
    assert "so far" in text and "Traceback" not in text


def test_a_study_that_is_not_at_hand_is_said_to_be(tmp_path):
    with served(fill(tmp_path / "s.db", specs(3))) as page:
        text = page.get(f"/study/{slug(('tiny', 'quick', ''))}/findings").text
    assert "allometry serve ./mine.py" in text


def test_a_partial_report_of_a_shipped_template_has_the_parts_of_the_report():
    html, findings = partial_report(STUDY, runs(), 30)
    assert [f.claim for f in findings] == [f.claim for f in STUDY.analysis(runs()).findings]
    assert "from 18 of 30 runs" in html and html.count("<svg") == 2
    assert 'class="answer agrees"' in html and len(re.findall('class="finding"', html)) == 2
    assert "<script" not in html and "style=" not in html


# ---- when something is drawn --------------------------------------------------------------------


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


async def asked(monkeypatch, tmp_path, steps):
    """How many drawings are begun when the page asks at these times, with these runs done."""
    clock, orders = Clock(), []
    monkeypatch.setattr(findings_module, "time", clock)

    async def elsewhere(order):
        orders.append(list(order))
        clock.now += 4.0
        return {"html": "<p>drawn</p>", "findings": []}

    monkeypatch.setattr(findings_module, "_drawn_elsewhere", elsewhere)
    watch = Watch(fill(tmp_path / "s.db", specs(5)))
    (entry,) = watch.refresh().entries.values()
    findings, counts = Findings(watch.store, {"tiny": "tiny"}), []
    for at, done, pending in steps:
        clock.now = max(clock.now, 1000.0 + at)
        status = entry.status._replace(done=done, pending=pending)
        state = object() if pending else None
        findings.part(entry._replace(status=status, state=state), lambda: None)
        while findings._under_way:
            await asyncio.sleep(0)
        counts.append(len(orders))
    return counts


def test_drawing_takes_a_share_of_the_time_and_the_last_runs_are_drawn_at_once(
    monkeypatch, tmp_path
):
    steps = [(0, 1, 9), (5, 1, 9), (10, 2, 8), (30, 3, 7), (37, 4, 6), (50, 5, 5), (52, 10, 0)]
    counts = asyncio.run(asked(monkeypatch, tmp_path, steps))
    # Drawn at 0; nothing new at 5; 4 s of work are followed by 32 s without; at 37; the end at 52.
    assert counts == [1, 1, 1, 1, 2, 2, 3]


def test_what_is_drawn_ends_with_the_server(own, monkeypatch):
    import subprocess

    file, store = own
    before = subprocess.run(["pgrep", "-f", f"serve.drawing {file}"], capture_output=True).stdout
    with served(store, studies={"own": str(file)}) as page:
        assert "being drawn" in page.get(f"/study/{slug(('own', 'quick', ''))}/findings").text
        time.sleep(0.3)
    after = subprocess.run(["pgrep", "-f", f"serve.drawing {file}"], capture_output=True).stdout
    assert before == after == b""


def test_a_page_that_cannot_be_read_is_said(tmp_path, monkeypatch):
    store = fill(tmp_path / "s.db", specs(3))

    def damaged(*arguments):
        raise DataError("run abc is damaged <i>")

    monkeypatch.setattr(Watch, "sample", damaged)
    with served(store) as page:
        reply = page.get(f"/study/{slug(('tiny', 'quick', ''))}")
    assert reply.status == 200 and "run abc is damaged &lt;i&gt;" in reply.text
