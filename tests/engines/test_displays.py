"""Progress on stderr: what is left is told from the rate of training, not of compiling."""

import itertools
import re
from types import SimpleNamespace

import pytest

from allometry.engines import displays
from allometry.engines.displays import Bar


def test_time_left_does_not_count_the_first_compilation(monkeypatch, capsys):
    seconds = iter((0.0, 0.0, 60.0, 61.0, 75.0, 75.0))
    monkeypatch.setattr(displays, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    bar = Bar()
    bar.begin(runs=4, stored=0, packs=1, steps=1000)
    bar.advance(100)  # at 60 s: compiled, and the first updates made
    bar.advance(10)  # at 61 s: too soon for another line
    bar.advance(140)  # at 75 s: 150 updates in 15 s
    bar.end()
    lines = capsys.readouterr().err.splitlines()
    assert "left" not in lines[1]
    assert "10 model-steps/s, about 75 s left" in lines[2]


def test_a_slow_rate_is_not_printed_as_none(monkeypatch, capsys):
    seconds = iter((0.0, 0.0, 5.0, 25.0))
    monkeypatch.setattr(displays, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    bar = Bar()
    bar.begin(runs=40, stored=0, packs=40, steps=40)
    bar.advance(1)
    bar.advance(5)
    assert "0.25 model-steps/s, about 136 s left" in capsys.readouterr().err


@pytest.fixture(params=["lines", "terminal"])
def bar(request, monkeypatch):
    if request.param == "terminal":
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    seconds = itertools.count(0.0, 12.0)
    monkeypatch.setattr(displays, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    bar = Bar()
    assert bar._live == (request.param == "terminal")
    return bar


def test_each_stage_is_counted_by_itself(bar, capsys):
    """A larger second stage, so that counts of both together would show."""
    for runs, stored, steps in ((15, 0, 600), (1, 15, 1000)):
        bar.begin(runs=runs, stored=stored, packs=1, steps=steps)
        for _ in range(4):
            bar.advance(steps // 4)
        bar.finished([SimpleNamespace(status="diverged")] * runs)
        bar.advance(0)
        bar.end()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "\n", capsys.readouterr().err).replace("\r", "\n")
    assert "15 runs to train in 1 pack (600 model-steps); 0 stored" in text
    assert "1 run planned from the results of 15: 1 pack (1,000 model-steps)" in text
    assert "15 of 15 runs trained" in text and "\n1 of 1 runs trained" in text
    first, second = text.split("planned from")
    assert "15/15 runs" in first and "15 diverged" in first
    assert "1/1 runs" in second and ", 1 diverged" in second and "/15" not in second
    # 500 of 1,000 model-steps after the first 12 s, and 250 in each 12 s since.
    assert bar._live or "0/1 runs, 21 model-steps/s, about 24 s left" in second
