"""Text from files and stores is shown as text: it steers no terminal and is no markup."""

import ast
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import unicodedata
from io import StringIO
from pathlib import Path

import pytest
from rich.table import Table as RichTable
from rich.text import Text

from allometry import cli
from allometry.cli.terminal import Screen
from allometry.store import Store
from allometry.store.record import digest
from tests.screens import read_screen

EVIL = "\x1b]0;PWNED\x07\x1b[2J[bold red]x[/]\u202e\x9b31m\r"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # of our own
FAST = ["--starts", "1", "--resamples", "0"]

STUDY = """
import logging
import warnings
from allometry import Study
from allometry.spec import Experiment
from allometry.training.function import Function


class Tiny(Experiment):
    i: int


def train(spec):
    if spec.i == 3:
        raise ValueError({evil!r})
    return {{"loss": 1 / (spec.i + 1), {evil!r}: 1.0, "text": {evil!r}}}


def analyse(table):
    logging.getLogger("a.library").warning("warned of %s", {evil!r})
    warnings.warn({evil!r})
    return []


STUDY = Study(
    name={name!r}, title="t", question="q", prediction="p", source="s", measures={{}},
    procedure=Function(train), analyse=analyse, seeds={{"quick": (0,), "notebook": (0,)}},
    runs=lambda size, seeds: [Tiny(i=i, seed=s) for s in seeds for i in range(4)],
)
"""


def raw(text):
    """Characters that would steer the terminal, without the colours of the screens."""
    return {c for c in COLOUR.sub("", text) if unicodedata.category(c)[0] == "C"} - {"\n", "\t"}


@pytest.fixture
def said(capfd):
    """Call the command line in this process: exit code, stdout and stderr."""

    def call(*words):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def on_a_terminal(*words, **environment):
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "allometry", *map(str, words)], stdin=terminal, stdout=terminal,
        stderr=terminal, env={**os.environ, "TERM": "xterm", "COLUMNS": "300", **environment},
    )  # fmt: skip
    os.close(terminal)
    shown = read_screen(screen)
    process.wait()
    return shown.decode().replace("\r\n", "\n")  # as the terminal was given them


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """A folder with evil names in every place that a name can come from."""
    folder = tmp_path_factory.mktemp("evil")
    rows = [(100 * 2**i, 3 * (100 * 2**i) ** -0.3 * (1 + 0.01 * (i % 3))) for i in range(8)]
    quoted = '"' + EVIL + '"'
    lines = [f"{n},{y},{g}" for n, y in rows for g in (quoted, "[/x]", "[bold red]A")]
    (folder / "rows.csv").write_text("\n".join([f"{quoted},loss,g", *lines]) + "\n", newline="")
    (folder / "bad.csv").write_text(f"{quoted},loss\n1,2,3\n", newline="")
    (folder / "cell.csv").write_text(f"n,loss\n{quoted},2\n", newline="")
    (folder / f"{EVIL.replace('/', '')}.csv").write_text("n,loss\n1,2,3\n")
    (folder / "law.py").write_text(f"raise ValueError({EVIL!r})")
    (folder / "own.py").write_text(STUDY.format(evil=EVIL, name="own"))
    (folder / "raises.py").write_text(f"raise ValueError({EVIL!r})")
    (folder / "not.py").write_text(f"STUDY = {EVIL!r}")
    with pytest.raises(SystemExit):
        cli.main(["run", str(folder / "own.py"), "--store", str(folder / "own.db")])
    return folder


@pytest.fixture
def damaged(evil, tmp_path):
    """A store in which a run, a study and a reason have evil names."""
    with Store(evil / "own.db") as stored:
        stored.backup(tmp_path / "s.db")
    with Store(tmp_path / "s.db", write=True) as opened:
        opened.exclude(
            opened.run_ids()[:1]
            if hasattr(opened.run_ids(), "__getitem__")
            else list(opened.run_ids())[:1],
            f"because {EVIL}",
        )
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("PRAGMA foreign_keys = off")
        connection.execute("UPDATE runs SET run_id = ? || run_id", (EVIL,))
        for row in connection.execute("SELECT * FROM declared").fetchall():
            fields = (EVIL, *row[1:-1])
            connection.execute(
                "UPDATE declared SET study = ?, sha256 = ? WHERE run_id = ?",
                (EVIL, digest(*fields), row[3]),
            )
    connection.close()
    return tmp_path / "s.db"


MAPPED = ["--map", f"x={EVIL}", "--map", "y=loss"]


@pytest.mark.parametrize(
    "words",
    [
        ["fit", "{f}/rows.csv", "--law", "power", *MAPPED, *FAST],
        ["fit", "{f}/rows.csv", "--law", "power", *MAPPED, *FAST, "--by", "g"],
        ["fit", "{f}/rows.csv", "--law", EVIL, *MAPPED],
        ["fit", "{f}/rows.csv", "--law", "{f}/law.py", *MAPPED],
        ["fit", "{f}/rows.csv", "--law", "power", *MAPPED, *FAST, "--figure", f"{{f}}/{EVIL}.txt"],
        ["fit", "{f}/rows.csv", "--law", "power", *MAPPED, *FAST, "-o", f"{{f}}/no/{EVIL}/\0"],
        ["fit", "{f}/bad.csv", "--law", "power", *MAPPED],
        ["fit", "{f}/cell.csv", "--law", "power", "--map", "x=n", "--map", "y=loss"],
        ["fit", f"{{f}}/{EVIL.replace('/', '')}.csv", "--law", "power", *MAPPED],
        ["fit", f"{{f}}/none{EVIL}.csv", "--law", "power", *MAPPED],
        ["fit", "{f}/rows.csv", "--law", "power", *MAPPED, "--filter", EVIL],
        ["compare", "{f}/rows.csv", "--laws", "power,power_floor", *MAPPED, "--by", "g"],
        ["influence", "{f}/rows.csv", "--law", "power", *MAPPED, *FAST, "--leave-out", "g"],
        ["multiverse", "{f}/rows.csv", "--law", "power", *MAPPED, *FAST],
        ["run", "{f}/own.py", "--store", "{f}/own.db"],
        ["run", "{f}/raises.py", "--store", "{f}/new.db"],
        ["run", "{f}/not.py", "--store", "{f}/new.db"],
        ["run", f"{{f}}/{EVIL}.py", "--store", "{f}/new.db"],
        ["table", EVIL, "--store", "{f}/own.db"],
        ["status", "--store", f"{{f}}/{EVIL}.db"],
        ["status", f"--{EVIL}"],
        [EVIL],
        ["data", "get", EVIL],
        ["new", f"{{f}}/{EVIL}"],
    ],
    ids=lambda words: " ".join(words)[:40].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_no_name_from_a_file_or_a_person_reaches_the_terminal_raw(evil, said, words):
    _, out, err = said(*(word.replace("{f}", str(evil)) for word in words))
    assert not raw(out + err)
    assert out + err


@pytest.mark.parametrize("command", ["status", "verify", "merge", "table", "exclude", "forget"])
def test_what_a_damaged_store_holds_is_shown_printably(damaged, said, tmp_path, command):
    words = {
        "merge": [damaged, "-o", tmp_path / "both.db"],
        "table": [EVIL, "--store", damaged, "-o", tmp_path / "t.csv"],
        "exclude": [EVIL, "--store", damaged, "--reason", EVIL],
        "forget": [EVIL, "--store", damaged, "--yes"],
    }.get(command, ["--store", damaged])
    _, out, err = said(command, *words)
    assert not raw(out + err)
    assert "PWNED" in out + err


def test_the_holder_of_a_lock_is_told_printably(evil, said, tmp_path):
    holder = {"pid": EVIL, "host": EVIL, "since": EVIL, "command": EVIL}
    with Store(evil / "own.db") as stored:
        stored.backup(tmp_path / "s.db")
    with Store(tmp_path / "s.db", write=True):
        (tmp_path / "s.db.lock").write_text(json.dumps(holder))
        code, out, err = said("run", evil / "own.py", "--store", tmp_path / "s.db")
    assert code == 75
    assert not raw(out + err)


@pytest.mark.slow
def test_on_a_terminal_too(evil, damaged):
    commands = (
        ["fit", evil / "bad.csv", "--law", "power", "--map", "x=n", "--map", "y=loss"],
        ["compare", evil / "rows.csv", "--laws", "power,log", *MAPPED, "--by", "g"],
        ["status", "--store", damaged],
        ["run", evil / "own.py", "--store", evil / "own.db"],  # warns, and a run of it fails
        ["table", "own", "--store", evil / "own.db"],
        ["--debug", "run", evil / "raises.py", "--store", evil / "new.db"],
    )
    for words in commands:
        shown = on_a_terminal(*words)
        # What rich does to the cursor while it draws its bar is its own.
        assert not raw(re.sub(r"\x1b\[(\?25[lh]|1A|2K)|\r", "", shown)), words
        assert "PWNED" in shown, words


def test_a_table_that_goes_to_a_file_is_exact(evil, said):
    _, out, _ = said("table", "own", "--store", evil / "own.db", "--size", "quick")
    assert EVIL in out


def test_json_is_the_same_data_without_raw_characters(evil, said):
    _, out, _ = said("table", "own", "--store", evil / "own.db", "--json")
    assert out.isascii() and not raw(out)
    assert json.loads(out)["rows"][0]["text"] == EVIL


def test_a_screen_takes_no_markup_from_text_or_cells():
    file = StringIO()
    screen = Screen(file=file, width=100)
    table = RichTable("[red]head[/red]", "\x1b[2J")
    table.add_row("[/x] :smile:", "[bold]\x1b[2J")
    screen.print(table)
    screen.print("[/y]", Text("\x1b]0;t\x07"))
    shown = file.getvalue()
    assert not raw(shown)
    for text in ("[red]head[/red]", "[/x] :smile:", r"[bold]\x1b[2J", "[/y]", r"\x1b]0;t"):
        assert text in shown


def test_a_forged_line_stays_in_its_own(said, tmp_path):
    _, _, err = said("fit", tmp_path / "a\nallometry: all is well.csv", "--law", "power", *MAPPED)
    assert len(err.splitlines()) == 1


def test_nothing_of_the_command_line_writes_to_the_terminal_by_another_way():
    ways = {"echo", "secho", "print", "Console", "write", "show", "echo_via_pager"}
    for path in sorted(Path(cli.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            named = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else named
            of = node.func.value if isinstance(node.func, ast.Attribute) else None
            on_console = ast.unparse(of) in ("console", "super()", "self._console") if of else False
            on_file = called == "write" and not of  # `write` of output.py, which makes files
            allowed = on_console or on_file or path.stem in ("output", "streams")
            assert called not in ways or allowed, f"{path.name}, line {node.lineno}: {called}"
