"""The tab key: what a shell completes, how fast, and that nothing is written or said."""

import gzip
import json
import os
import pty
import select
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import click
import pytest

from allometry import cli
from allometry.cli import completion
from allometry.store import Store
from tests.cli.test_imports import ALL, COMMAND
from tests.store.cases import PROVENANCE, result, specs

ROWS = "params,tokens,test loss\n1e6,1e7,3\n2e6,1e7,2.9\n"
MINE = (
    'import allometry as al\nSTUDY = al.Study(name="mine", sizes=("small", "large"), runs=runs)\n'
)


@pytest.fixture
def place(tmp_path):
    """A folder with tables, studies, and a store with a study of which the file is gone."""
    (tmp_path / "runs.csv").write_text(ROWS)
    (tmp_path / "other.csv").write_text("# a comment\nsize;error\n1;2\n2;3\n")
    (tmp_path / "rows.jsonl").write_text('{"N": 1, "loss": 2}\n{"N": 2, "later": 1}\n')
    (tmp_path / "array.json").write_text('[{"N": 1, "loss": 2}, {"N": 2}]')
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(ROWS.encode()))
    (tmp_path / "broken.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "bad.py").write_text("no (Python")
    (tmp_path / "mine.py").write_text(MINE + "raise SystemExit('this file is parsed, not run')\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "study.py").write_text(MINE)
    runs = specs(2)
    with Store(tmp_path / "allometry.db", write=True) as store:
        store.declare("gone_study", "vast", "", runs)
        store.declare("gone_study", "tiny", "", runs)
        store.declare("mine", "middle", "", runs)
        store.commit([result(spec) for spec in runs], PROVENANCE)
    (tmp_path / "damaged.db").write_bytes(b"SQLite format 3\0" + b"damaged" * 1000)
    return tmp_path


def environment(shell, words):
    """What the script of a shell sets when the tab key is pressed behind these words."""
    return {
        "COMP_WORDS": "\n".join(("allometry", *words)),
        "COMP_CWORD": words[-1] if shell == "fish" else str(len(words)),
        "_ALLOMETRY_COMPLETE": f"{shell}_complete",
    }


@pytest.fixture
def completed(place, monkeypatch, capfd):
    """Call: the values that a shell is given for the last of these words."""
    monkeypatch.chdir(place)
    monkeypatch.delenv("ALLOMETRY_STORE", raising=False)

    def call(*words, shell="bash"):
        capfd.readouterr()
        for name, value in environment(shell, words).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            cli.main([])
        out, err = capfd.readouterr()
        assert not ended.value.code and not err
        if shell == "zsh":
            return out.splitlines()[1::3]
        return [line.partition(",")[2].partition("\t")[0] for line in out.splitlines() if line]

    return call


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("pl", ["plan"]),
        ("run mlp_p", ["mlp_parameter_scaling"]),
        ("table gone", ["gone_study"]),
        ("run mi", ["mine", "mine.py"]),
        ("report fol", ["folder"]),
        ("run sparse_parity --size ", ["quick", "notebook", "paper"]),
        ("run grokking_phases --size ", ["quick", "paper"]),
        ("table gone_study --size ", ["tiny", "vast"]),
        ("run mine.py --size ", ["small", "large", "middle"]),
        ("run folder --size s", ["small"]),
        ("run bad.py --size qu", ["quick"]),
        ("exclude gone_study --where test", ["test_loss"]),
        ("exclude mine.py --where see", ["seed"]),
        ("fit runs.csv --law power_f", ["power_floor"]),
        ("compare runs.csv --laws power,chinchilla_", ["power,chinchilla_tied"]),
        ("fit runs.csv --objective abs", ["absolute_log"]),
        ("multiverse runs.csv --try-objective sq", ["squared_log", "squared"]),
        ("plan runs.csv --flops de", ["deepseek"]),
        ("plan runs.csv --try-flops deepseek,m", ["deepseek,measured"]),
        ("fit runs.csv --by ", ["params", "tokens", "test loss"]),
        ("fit runs.csv --map N=pa", ["N=params"]),
        ("fit runs.csv --filter tok", ["tokens"]),
        ("fit other.csv --noise ", ["size", "error"]),
        ("fit rows.jsonl --by ", ["N", "loss", "later"]),
        ("fit array.json --by ", ["N", "loss"]),
        ("fit packed.csv.gz --by tok", ["tokens"]),
        ("plan runs.csv --run pa", ["params"]),
        ("data get mni", ["mnist"]),
        # Nothing can be read, and nothing is said.
        ("fit broken.csv.gz --by ", []),
        ("fit none.csv --by ", []),
        ("fit --by ", []),
        ("table --store damaged.db gone", ["gone"]),  # the shell looks for files of that name
        ("table --store none.db gone_study --size v", []),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_is_completed(completed, line, values, shell):
    shown = [value.replace(" ", "\\ ") for value in values] if shell == "bash" else values
    assert completed(*line.split(" "), shell=shell) == shown


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["--map", "N", "=", "pa"], ["params"]),
        (["--map", "N", "="], ["params", "tokens", r"test\ loss"]),
        (["--objective", "=", "hub"], ["huber_log"]),
        (["--map", "N", "=", "params", "--by", ""], ["params", "tokens", r"test\ loss"]),
        (["--by", "'test l"], ["test loss"]),
    ],
)
def test_words_that_bash_splits_are_put_together(completed, words, values):
    assert completed("fit", "runs.csv", *words) == values


def test_names_of_other_people_run_nothing_and_steer_no_terminal(place, completed):
    names = ["$(touch x)", "a`b`", 'say "x"', "esc\x1b[2J", "two\tcells", "it's", "plain"]
    (place / "evil.jsonl").write_text(json.dumps(dict.fromkeys(names, 1)) + "\n")
    escaped = [r"\$\(touch\ x\)", r"a\`b\`", r"say\ \"x\"", "plain"]
    assert completed("fit", "evil.jsonl", "--by", "") == escaped
    between = [r"\$(touch x)", r"a\`b\`", r"say \"x\"", "plain"]
    assert completed("fit", "evil.jsonl", "--by", '"') == between
    assert completed("fit", "evil.jsonl", "--by", "'") == ["$(touch x)", "a`b`", 'say "x"', "plain"]


def test_nothing_is_written_and_the_store_is_as_it_was(place, completed):
    before = {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
    content = (place / "allometry.db").read_bytes()
    for line in ("table gone", "table gone_study --size ", "run mi", "exclude mine --where see"):
        assert completed(*line.split(" "))
    assert {path.name: path.stat().st_mtime_ns for path in place.iterdir()} == before
    assert (place / "allometry.db").read_bytes() == content
    (place / "allometry.db").unlink()
    completed("table", "gone")
    assert not (place / "allometry.db").exists()


@pytest.mark.parametrize("words", ["table gone", "fit runs.csv --by ", "run mine.py --size "])
def test_it_loads_no_library_of_numbers(place, words):
    words = words.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], cwd=place, capture_output=True, text=True, check=True,
        env={**os.environ, **environment("bash", words)},
    )  # fmt: skip
    assert done.stdout.strip()
    loaded = done.stderr
    assert "click" in loaded
    assert not {name for name in ALL if f'"{name}"' in loaded}


def test_a_million_declared_runs_are_not_read_one_by_one(place, monkeypatch):
    """Counted in steps of SQLite, which another process cannot take away."""
    with closing(sqlite3.connect(place / "allometry.db")) as store, store:
        rows = (("large", "quick", "", f"{i:064x}", i, "", "") for i in range(20_000))
        store.executemany("INSERT INTO declared VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    steps, connect = [], sqlite3.connect

    def counted(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_progress_handler(lambda: steps.append(10), 10)
        return connection

    context = click.Context(click.Command("table"))
    context.params["store"] = place / "allometry.db"
    monkeypatch.setattr(sqlite3, "connect", counted)
    found = completion.studies(context, click.Argument(["study"]), "large")
    assert [item.value for item in found] == ["large"]
    assert sum(steps) < 1000


def test_the_tab_key_in_bash(place, tmp_path):
    """In bash itself, at a terminal, with the line that the page on the command line gives."""
    tools = tmp_path / "bin"
    tools.mkdir()
    program = tools / "allometry"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m allometry "$@"\n')
    program.chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    screen, terminal = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"], cwd=place, start_new_session=True,
        stdin=terminal, stdout=terminal, stderr=terminal,
        env={**os.environ, "PATH": path, "PS1": "$ ", "TERM": "dumb"},
    )  # fmt: skip
    os.close(terminal)
    try:
        os.write(screen, b'eval "$(_ALLOMETRY_COMPLETE=bash_source allometry)"; echo rea""dy\n')
        assert "ready" in shown(screen, "ready")
        for typed, expected in (
            ("allometry ru", "allometry run "),
            ("allometry run mlp_p", "mlp_parameter_scaling "),
            ("allometry table gone_study --size v", "vast "),
            ("allometry fit runs.csv --map N=pa", "N=params "),
            ("allometry fit runs.csv --filter 'tok", "'tokens'"),
            ("allometry fit run", "runs.csv "),
        ):
            os.write(screen, f"\x15{typed}\t".encode())
            assert expected in shown(screen, expected), typed
    finally:
        os.close(screen)
        shell.kill()
        shell.wait()


def shown(screen, expected, seconds=20.0):
    """What a terminal shows until this text is in it."""
    text, end = "", time.monotonic() + seconds
    while expected not in text and time.monotonic() < end:
        if select.select([screen], [], [], 0.1)[0]:
            with suppress(OSError):
                text += os.read(screen, 4096).decode(errors="replace")
    return text
