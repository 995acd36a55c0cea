"""Files that are whole under their name: `allometry.files.durable`."""

import os
import stat
import threading

import pytest

from allometry.files.durable import PART, copied_aside, written


def _names(folder):
    return [path.name for path in folder.iterdir()]


def _no_links(*_):
    raise PermissionError(1, "Operation not permitted")


def test_what_was_there_stays_until_the_new_file_is_whole(tmp_path):
    path = tmp_path / "fit.json"
    path.write_text("good")
    with written(path) as part:
        part.write_text("better")
        assert path.read_text() == "good" and PART.fullmatch(part.name)
    assert path.read_text() == "better" and _names(tmp_path) == ["fit.json"]


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "fit.json"
    path.write_text("good")
    with pytest.raises(ValueError), written(path) as part:
        part.write_text("half of it")
        raise ValueError
    assert path.read_text() == "good" and _names(tmp_path) == ["fit.json"]


def test_rights_are_those_of_the_file_or_of_the_umask(tmp_path):
    old = tmp_path / "old"
    old.write_text("")
    old.chmod(0o640)
    before = os.umask(0o027)
    try:
        for path in (old, tmp_path / "new"):
            with written(path) as part:
                part.write_text("x")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "new")]
    assert modes == [0o640, 0o640]


def test_a_link_keeps_leading_to_the_file_it_names(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "out.json"
    link.symlink_to(tmp_path / "disk" / "out.json")
    with written(link) as part:
        part.write_text("x")
    assert link.is_symlink() and (tmp_path / "disk" / "out.json").read_text() == "x"


def test_what_is_no_regular_file_is_written_itself(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    with written(pipe) as part:
        part.write_text("x")
    reader.join(10)
    assert got == ["x"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_new_file_takes_no_name_that_is_taken_meanwhile(tmp_path, monkeypatch):
    path = tmp_path / "copy.db"
    for linked in (True, False):
        if not linked:  # as on a filesystem without hard links
            monkeypatch.setattr(os, "link", _no_links)
        with pytest.raises(FileExistsError), written(path, new=True) as part:
            part.write_text("second")
            path.write_text("first")
        assert path.read_text() == "first" and _names(tmp_path) == ["copy.db"]
        path.unlink()
        with written(path, new=True) as part:
            part.write_text("x")
        assert path.read_text() == "x" and _names(tmp_path) == ["copy.db"]
        with pytest.raises(FileExistsError), written(path, new=True):
            raise AssertionError
        path.unlink()


def test_a_copy_aside_has_a_name_of_its_own(tmp_path):
    path = tmp_path / "x"
    path.write_text("1")
    copies = [copied_aside(path, "damaged") for _ in range(2)]
    assert len({path, *copies}) == 3 and {p.read_text() for p in (path, *copies)} == {"1"}
    assert all(copy.name.startswith("x.damaged-") for copy in copies)


def test_parts_that_a_killed_writer_left_are_removed_a_day_later_and_no_other_file(tmp_path):
    names = [".allometry-0123456789abcdef.part", ".allometry-fedcba9876543210.part", "notes.part"]
    for name in names:
        (tmp_path / name).write_text("")
    for name in (names[0], names[2]):
        os.utime(tmp_path / name, (0, 0))
    with written(tmp_path / "x"):
        pass
    assert set(_names(tmp_path)) == {names[1], names[2], "x"}


def test_what_has_the_name_of_a_part_and_is_not_ours_stays(tmp_path):
    folder = tmp_path / ".allometry-0123456789abcdef.part"
    folder.mkdir()
    link = tmp_path / ".allometry-0123456789abcde0.part"
    link.symlink_to("elsewhere")
    for path in (folder, link):
        os.utime(path, (0, 0), follow_symlinks=False)
    with written(tmp_path / "out") as part:
        part.write_text("x")
    assert folder.is_dir()
    assert link.is_symlink()


def test_a_copy_aside_of_a_file_with_holes_is_the_same_file(tmp_path):
    path = tmp_path / "holes"
    with path.open("wb") as file:
        for place in (5_000, 10_000_000):
            file.seek(place)
            file.write(b"content" * 3_000)
        file.truncate(20_000_000)
    copy = copied_aside(path, "damaged")
    assert copy.read_bytes() == path.read_bytes()
    assert copy.stat().st_blocks < 500
