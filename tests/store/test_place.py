"""A store and what lies beside it, by each name a person may give it."""

import pytest

from allometry.errors import UsageError
from allometry.store.place import resolved


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "s.db").touch()
    (tmp_path / "link.db").symlink_to("data/s.db")
    (tmp_path / "disk").symlink_to("data")
    monkeypatch.chdir(tmp_path / "data")
    return tmp_path.resolve()


@pytest.mark.parametrize(
    "name", ["s.db", "./s.db", "../data/s.db", "../link.db", "../disk/s.db", "~/data/s.db",
             "~/link.db", "../nothing/../data/s.db"]
)  # fmt: skip
def test_every_name_of_a_store_is_one_path(name, home):
    assert resolved(name) == home / "data" / "s.db"


def test_a_store_that_is_not_there_yet_has_a_path(home):
    assert resolved("~/disk/new.db") == home / "data" / "new.db"


@pytest.mark.parametrize("name", ["loop", "~no-such-user-here/s.db", "a" * 5000, "a" * 300, "a\0b"])
def test_what_no_file_can_be_called_is_said_in_words(name, home):
    (home / "data" / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="store"):
        resolved(name)
