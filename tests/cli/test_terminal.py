"""Progress in plain lines: what is left is told from the rate of training, not of compiling."""

from types import SimpleNamespace

from allometry.cli import terminal
from allometry.cli.terminal import Bar


def test_time_left_does_not_count_the_first_compilation(monkeypatch, capsys):
    seconds = iter((0.0, 0.0, 60.0, 61.0, 75.0, 75.0))
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
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
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    bar = Bar()
    bar.begin(runs=40, stored=0, packs=40, steps=40)
    bar.advance(1)
    bar.advance(5)
    assert "0.25 model-steps/s, about 136 s left" in capsys.readouterr().err
