"""What lies in the folder of a SLURM cluster: deliveries, and what only looks like one."""

import hashlib
import os

import pytest

from allometry.engines import slurm
from allometry.engines.coordinator import Lost
from allometry.engines.resources import Needs
from allometry.engines.slurm import _delivery, _Jobs, _order_file

ORDER = "a" * 64


@pytest.fixture
def jobs(tmp_path):
    """The coordinator's side of a folder, with one order out; no SLURM is asked for anything."""
    made = object.__new__(_Jobs)
    made._folder, made._jobs, made._gathered, made._ended = tmp_path, {ORDER: None}, {}, {}
    for part in ("orders", "deliveries"):
        (tmp_path / part).mkdir()
    slurm._put(_order_file(tmp_path, ORDER), b"{}")
    return made


def place(folder, data):
    path = folder / "deliveries" / f"{ORDER}-{hashlib.sha256(data).hexdigest()}"
    slurm._put(path, data)
    return path


def test_a_delivery_is_taken_once_and_its_order_goes(jobs, tmp_path):
    place(tmp_path, b"made")
    assert jobs._delivered() == [(ORDER, b"made")]
    assert [*tmp_path.glob("*/*")] == []
    assert jobs._delivered() == []


def test_one_that_was_altered_is_lost_and_its_order_stays(jobs, tmp_path):
    place(tmp_path, b"made").write_bytes(b"altered")
    ((_, lost),) = jobs._delivered()
    assert isinstance(lost, Lost) and "match its name" in lost.reason
    assert [path.name for path in tmp_path.glob("*/*")] == [f"{ORDER}.json"]


def test_one_that_is_longer_than_any_is_not_read(jobs, tmp_path):
    path = place(tmp_path, b"made")
    with path.open("r+b") as file:
        file.truncate(2**40)  # no block of it is on disk
    ((_, lost),) = jobs._delivered()
    assert f"it has {2**40}" in lost.reason and not path.exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_neither_read_nor_followed(jobs, tmp_path, make):
    path = place(tmp_path, b"")
    path.unlink()
    make(path)
    assert jobs._delivered() == [] and os.path.lexists(path)
    assert _delivery(path.with_name("gone"), "") is None


def test_an_order_under_another_content_is_written_again(jobs, tmp_path):
    _order_file(tmp_path, ORDER).write_bytes(b"cut")
    jobs._minutes = 60
    jobs.submit(ORDER, b"whole", Needs())
    assert _order_file(tmp_path, ORDER).read_bytes() == b"whole"
    assert len([*(tmp_path / "orders").iterdir()]) == 1
