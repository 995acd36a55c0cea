"""Progress on stderr: what is left is told from the rate of training, not of compiling."""

import itertools
import os
import pty
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from allometry.engines import displays
from allometry.engines.displays import Bar, display
from allometry.engines.progress import Silent
from allometry.errors import UsageError
from tests.screens import read_screen

WITH_TESTS = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


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


# ---- where it is shown ---------------------------------------------------------------------

RUN = """
import sys
import allometry as al
from tests.store.cases import Imagined, study
outcome = al.run(study(3, 1), store="s.db", engine=Imagined(){})
print(outcome.trained, "IPython" in sys.modules, "rich" in sys.modules)
"""


def test_off_a_terminal_nothing_is_shown_unless_it_is_asked_for(capsys):
    assert type(display(None)) is Silent and type(display(False)) is Silent
    assert type(display(True)) is Bar
    mine = Silent()
    assert display(mine) is mine
    with pytest.raises(UsageError, match="progress=True, False, None or an object"):
        display("yes")


def test_a_script_off_a_terminal_says_nothing_and_loads_nothing_to_show_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN.format("")],
        cwd=tmp_path, capture_output=True, text=True, check=True, env=WITH_TESTS,
    )  # fmt: skip
    assert done.stdout == "3 False False\n" and not done.stderr


def test_a_script_off_a_terminal_says_plain_lines_where_it_is_asked_to(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(", progress=True")],
        cwd=tmp_path, capture_output=True, text=True, check=True, env=WITH_TESTS,
    )  # fmt: skip
    first, last = done.stderr.splitlines()
    assert first == "3 runs to train in 1 pack (30 model-steps); 0 stored"
    assert re.fullmatch(r"3 of 3 runs trained in \d+\.\d s", last)


@pytest.mark.parametrize(("option", "is_shown"), [("", True), (", progress=False", False)])
def test_from_python_a_terminal_shows_the_bar_of_the_command_line(tmp_path, option, is_shown):
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN.format(option)], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=terminal, env={**WITH_TESTS, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(terminal)
    shown = read_screen(screen)
    out, _ = process.communicate()
    assert out.startswith(b"3 False")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert ("3 runs to train in 1 pack" in text and "3 of 3 runs trained" in text) == is_shown
    assert ("training" in text) == is_shown
    assert is_shown or not text
