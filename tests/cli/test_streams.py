"""Stdout that is full or closed, a locale of ASCII, outputs that are cut short."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from allometry import cli
from allometry.files import durable

FIT = ["--law", "power", "--map", "x=n", "--map", "y=loss", "--resamples", "0", "--starts", "1"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "Größe.csv"
    lines = [f"{100 * 2**i},{3 * (100 * 2**i) ** -0.3 * (1 + 0.01 * (i % 3))}" for i in range(8)]
    file.write_text("\n".join(["n,loss", *lines]) + "\n")
    return file


def shell(line, *arguments, **environment):
    """A command line of the shell, in which "$@" is allometry with these arguments."""
    words = [sys.executable, "-m", "allometry", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", line, "bash", *words],
        capture_output=True, text=True, check=False, timeout=100,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_stdout_on_a_full_disk_is_told(rows, options):
    done = shell('"$@" > /dev/full', "fit", rows, *FIT, *options)
    assert done.returncode == 74
    assert done.stderr == "allometry: cannot write to stdout: No space left on device\n"


@pytest.mark.parametrize("words", [["--help"], ["data", "list"]])
def test_stdout_on_a_full_disk_is_told_by_every_kind_of_output(words):
    done = shell('"$@" > /dev/full', *words)
    assert done.returncode == 74
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr


def test_stdout_that_is_closed_is_told(rows):
    done = shell('"$@" >&-', "fit", rows, *FIT)
    assert done.returncode == 74
    assert "cannot write to stdout" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('"$@" 2> /dev/full', marks=pytest.mark.slow),
        '"$@" 2>&-',
        pytest.param('"$@" <&-', marks=pytest.mark.slow),
    ],
)
def test_talk_that_nobody_hears_changes_no_exit_code(rows, line):
    assert shell(line, "fit", rows, *FIT).returncode == 0
    assert shell(line, "fit", rows.parent / "none.csv", *FIT).returncode == 2


def test_a_reader_that_leaves_early_is_no_error(rows):
    done = shell('"$@" | head -c 1; exit ${PIPESTATUS[0]}', "data", "list")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        pytest.param(
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, marks=pytest.mark.slow
        ),
    ],
)
def test_a_terminal_of_ascii_gets_what_it_can_show(rows, environment):
    done = shell('"$@"', "fit", rows, *FIT, **environment)
    assert done.returncode == 0, done.stderr
    done.stdout.encode("ascii")
    document = shell('"$@"', "fit", rows, *FIT, "--json", **environment)
    assert json.loads(document.stdout)["schema"] == "allometry/fit/1"
    missing = shell('"$@"', "fit", rows.parent / "Ü.csv", *FIT, **environment)
    assert missing.returncode == 2 and "Traceback" not in missing.stderr


@pytest.fixture
def full_disk(monkeypatch):
    """A disk on which no file's content reaches the platter."""

    def refuse(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(durable.os, "fsync", refuse)


@pytest.mark.parametrize("name", ["f.svg", "f.png", "f.pdf"])
def test_a_figure_on_a_full_disk_leaves_the_one_before(rows, tmp_path, name, full_disk, capfd):
    (tmp_path / name).write_bytes(b"good")
    with pytest.raises(SystemExit) as ended:
        cli.main(["fit", str(rows), *FIT, "--figure", str(tmp_path / name)])
    assert ended.value.code == 74
    assert f"cannot write {tmp_path / name}: No space left on device" in capfd.readouterr().err
    assert (tmp_path / name).read_bytes() == b"good"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_new_study_takes_nobody_elses_name(tmp_path, capfd):
    (tmp_path / "mine.py").write_text("good")
    (tmp_path / "link.py").symlink_to(tmp_path / "mine.py")
    for name in ("mine.py", "link.py"):
        with pytest.raises(SystemExit) as ended:
            cli.main(["new", str(tmp_path / name)])
        assert ended.value.code == 2
        assert "already exists" in capfd.readouterr().err
    assert (tmp_path / "mine.py").read_text() == "good"


def test_a_figure_goes_down_a_pipe(rows, tmp_path):
    pipe = tmp_path / "pipe.svg"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        with pytest.raises(SystemExit) as ended:
            cli.main(["fit", str(rows), *FIT, "--figure", str(pipe)])
        assert not ended.value.code
        assert reader.stdout.read().startswith(b"<?xml")


def test_a_home_folder_is_meant_where_the_shell_left_it(rows, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "law.py").write_text("from allometry.laws import power\n\nLAW = power\n")
    line = ["fit", str(rows), *FIT, "--law", "~/law.py", "--figure", "~/f.svg"]
    with pytest.raises(SystemExit) as ended:
        cli.main(line)
    assert not ended.value.code
    assert (tmp_path / "f.svg").is_file() and not Path("~").exists()
    with pytest.raises(SystemExit) as ended:
        cli.main(["new", "~nobody-here/x.py"])
    assert ended.value.code == 2
    assert "./~nobody-here" in capfd.readouterr().err
    (tmp_path / "~nobody-here.csv").write_bytes(Path(rows).read_bytes())
    with pytest.raises(SystemExit) as ended:
        cli.main(["fit", "./~nobody-here.csv", *FIT, "--law", "power"])
    assert not ended.value.code
