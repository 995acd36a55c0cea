"""Whatever a path names, it is read, or refused in one sentence, at once."""

import os
import socket
import time

import pytest

from allometry.errors import DataError, UsageError
from allometry.files import foreign
from allometry.files.foreign import check_regular, opened, read_bytes


@pytest.fixture
def short(tmp_path, monkeypatch):
    """The folder as working directory: a socket's path has to be short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_and_a_link_to_it_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * (foreign.PIECE + 3))
    (tmp_path / "b").symlink_to("a")
    assert read_bytes(tmp_path / "b", 10**7) == b"x" * (foreign.PIECE + 3)
    assert read_bytes(str(tmp_path / "a"), foreign.PIECE + 3)[-1:] == b"x"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pipe", "is a pipe"),
        ("folder", "is a folder"),
        ("socket", "is a socket"),
        ("circle", "no file circle: its links lead in a circle"),
        ("nothing", "no file nothing"),
        ("file/below", "no file file/below"),
        ("n" * 300, "no file n{200}…: its name is too long"),
        ("~nobody/x.csv", "no file ~nobody/x.csv"),
        ("nul\0", "no file"),
        ("half \ud800", "no file"),
        ("/dev/null", "is a device"),
        ("/dev/zero", "is a device"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(short, name, said):
    os.mkfifo("pipe")
    (short / "folder").mkdir()
    (short / "file").touch()
    (short / "circle").symlink_to("circle")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        begun = time.monotonic()
        for read in (check_regular, opened, lambda path: read_bytes(path, 100)):
            with pytest.raises(UsageError, match=said):
                read(name)
    assert time.monotonic() - begun < 1


def test_a_pipe_put_in_place_of_a_file_after_it_was_looked_at_cannot_hang(short, monkeypatch):
    os.mkfifo("pipe")
    monkeypatch.setattr(foreign, "check_regular", lambda path: None)
    with pytest.raises(UsageError, match="is a pipe"):
        read_bytes("pipe", 100)


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a").touch()

    def denied(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(DataError, match="a could not be read: Permission denied"):
        read_bytes(tmp_path / "a", 100)


def test_a_file_beyond_the_limit_is_refused_with_advice(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 2001)
    with pytest.raises(DataError, match=r"a is larger than the 0\.002 MB that are read; cut it"):
        read_bytes(path, 2000, "cut it")


def test_a_file_that_does_not_tell_its_size_is_read_to_the_limit(tmp_path):
    """Files of the kernel have size 0 and content."""
    assert b"Name:" in read_bytes("/proc/self/status", 10**6)
    with pytest.raises(DataError, match="larger"):
        read_bytes("/proc/self/status", 10)
