"""A full disk ends a run with words and code 74, and costs no finished run."""

import errno
import os
import subprocess

import pytest

from allometry.errors import DiskError
from allometry.store import Store
from tests.faults.conftest import Sweep


@pytest.mark.parametrize("kib", [1, 4, 5, 12, 20, 33, 40, 48, 57, 64, 80, 100])
def test_files_that_may_not_grow_are_told_and_resumed(victim, tmp_path, kib):
    sweep = Sweep(tmp_path / "s", runs=60)
    status = victim.run(sweep.job(file_bytes=kib * 1024))
    assert status == 74, sweep.said()
    assert str(sweep.folder) in sweep.said()
    stored = sweep.check()
    assert stored < sweep.runs
    assert victim.run(sweep.job()) == 0, sweep.said()
    assert sweep.check() == sweep.runs


@pytest.fixture
def small_disk(tmp_path):
    """Eight MiB of memory as a disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"no small disk can be made here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("kib", [4, 40, 150, 400])
def test_a_real_disk_that_fills_up_says_what_it_needs(victim, small_disk, tmp_path, kib):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (8 * 1024 - kib) * 1024)
    sweep = Sweep(small_disk / "s", runs=400, pack=10, logs=tmp_path)
    status = victim.run(sweep.job())
    assert status == 74, sweep.said()
    assert "free" in sweep.said() or "No space left" in sweep.said()
    ballast.unlink()
    sweep.check()
    assert victim.run(sweep.job()) == 0, sweep.said()
    assert sweep.check() == sweep.runs


def test_a_lock_that_cannot_be_closed_is_told_and_is_free(tmp_path, monkeypatch):
    store, close = Store(tmp_path / "s.db", write=True), os.close

    def failing(descriptor):
        close(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "close", failing)
    with pytest.raises(DiskError, match=r"s\.db\.lock: Input/output error"):
        store.close()
    monkeypatch.undo()
    Store(tmp_path / "s.db", write=True).close()
