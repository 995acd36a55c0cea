"""Worker processes on this machine, for real: same runs, deaths, stops, pinned processors."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from allometry.engines.local import LocalEngine
from allometry.engines.pool import pool
from allometry.engines.pool_worker import MOST_BYTES, read_frame
from allometry.engines.resources import Needs
from allometry.errors import DataError
from allometry.run import run
from tests.engines.cases import FILE, RUNS, InterruptOnce, begun, content, made_here, when

TOGETHER = {"per_pack": "6"}  # four packs
SIX_SECONDS = 0.1  # minutes


def in_pool(path, trouble="", workers=2, progress=None, hung_after=60.0, **changes):
    changes = {**TOGETHER, "trouble": trouble, "folder": str(path.parent), **changes}
    engine = LocalEngine(workers=workers, hung_after=hung_after)
    options = {"engine": engine, "progress": progress, "when_stopped": "return"}
    return run(FILE, store=path, changes=changes, **options)


def test_a_pool_stores_what_this_process_stores(tmp_path):
    assert in_pool(tmp_path / "s.db").pending == 0
    changes = {**TOGETHER, "trouble": "", "folder": str(tmp_path)}
    assert content(tmp_path / "s.db") == made_here(tmp_path, **changes)


def test_a_worker_that_dies_once_costs_nothing(tmp_path):
    outcome = in_pool(tmp_path / "s.db", "die_once_at_5")
    assert (outcome.trained, outcome.pending, outcome.failures) == (RUNS, 0, ())


class Trickle(io.RawIOBase):
    """A pipe that announces a frame and gives so many bytes of it."""

    def __init__(self, announced, given):
        self._left = announced.to_bytes(8, "little") + bytes(given)

    def readable(self):
        return True

    def readinto(self, buffer):
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


@pytest.mark.parametrize("announced", [MOST_BYTES + 1, 2**62, 2**64 - 1])
def test_a_frame_longer_than_any_is_refused_before_it_is_read(announced):
    with pytest.raises(DataError, match=f"{announced} are announced"):
        read_frame(io.BufferedReader(Trickle(announced, 9)))


def test_memory_is_taken_for_what_came_not_for_what_was_announced():
    tracemalloc.start()
    try:
        assert read_frame(io.BufferedReader(Trickle(MOST_BYTES, 9))) is None
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    whole = io.BufferedReader(Trickle(3 * 2**20 + 1, 3 * 2**20 + 1))
    assert read_frame(whole) == bytes(3 * 2**20 + 1)


def test_a_worker_that_talks_nonsense_is_ended_and_costs_no_other(tmp_path):
    """What a study writes to the pipe of the deliveries is no delivery."""
    outcome = in_pool(tmp_path / "s.db", "babble_at_5")
    assert (outcome.trained, outcome.pending) == (RUNS - 12, 12)
    assert len(outcome.failures) == 2
    for failure in outcome.failures:
        assert "was ended: a frame of at most" in failure.reason and "(3 times)" in failure.reason
        assert failure.log.startswith("making width"), "without what earlier packs wrote"
    assert not _children(os.getpid())


def test_a_pack_that_kills_its_workers_is_reported_and_costs_no_other(tmp_path):
    outcome = in_pool(tmp_path / "s.db", "exit_at_5")
    assert (outcome.trained, outcome.pending, outcome.exit_code) == (RUNS - 12, 12, 70)
    assert len(outcome.failures) == 2
    assert all("exit code 3 (3 times)" in failure.reason for failure in outcome.failures)
    assert "making width 5" in outcome.failures[0].log


def test_an_exception_comes_back_with_its_traceback_and_what_was_written(tmp_path):
    outcome = in_pool(tmp_path / "s.db", "raise_at_5")
    assert (outcome.trained, outcome.pending) == (RUNS - 12, 12)
    failure = outcome.failures[0]
    assert failure.reason.startswith("ValueError: width 5 cannot be (")
    assert failure.reason.endswith("in raise_error)") and "imagined.py, line" in failure.reason
    assert "making width 4" in failure.log and "raise ValueError" in failure.log


def test_a_worker_that_is_stopped_is_noticed_and_costs_nothing(tmp_path):
    """As by SIGSTOP, or a debugger: it cannot say so itself."""
    thread, stopped = when(
        lambda: len(begun(tmp_path)) > 3, lambda: os.kill(begun(tmp_path)[-1][1], signal.SIGSTOP)
    )
    changes = {"per_pack": "1", "folder": str(tmp_path), "trouble": "slow"}
    outcome = in_pool(tmp_path / "s.db", hung_after=SIX_SECONDS, **changes)
    thread.join()
    assert stopped and (outcome.trained, outcome.failures) == (RUNS, ())
    assert len(begun(tmp_path)) > RUNS, "the pack that was stopped was made again"
    assert not _children(os.getpid())
    assert content(tmp_path / "s.db") == made_here(tmp_path, **changes)


@pytest.mark.slow
def test_a_pack_that_hangs_is_ended_three_times_and_costs_no_other(tmp_path):
    path = tmp_path / "s.db"
    outcome = in_pool(path, "hang_at_5", hung_after=SIX_SECONDS)
    assert (outcome.trained, outcome.pending, outcome.exit_code) == (RUNS - 12, 12, 70)
    assert [width for width, _ in begun(tmp_path)] == [5] * 6, "two packs, three times each"
    for failure in outcome.failures:
        assert "no sign of life for 0.1 minutes" in failure.reason
        assert "(3 times)" in failure.reason
        assert "making width 5" in failure.log
        assert "in hang" in failure.log, "where it hung"


def test_a_worker_that_takes_long_and_says_so_is_left_alone(tmp_path):
    outcome = in_pool(tmp_path / "s.db", "dawdle_at_5", hung_after=8 / 60)
    assert (outcome.trained, outcome.failures) == (RUNS, ())


def test_each_worker_keeps_to_its_processors():
    """As many as there are, shared out: what numerical libraries see before they start."""
    workers = pool(2)
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    try:
        workers.submit("x", b"{}", Needs())
        workers.arrived(30)
        children = _children(os.getpid())
        threads = [
            dict(e.split("=", 1) for e in Path(f"/proc/{c}/environ").read_text().split("\0") if e)
            for c in children
        ]
        assert {t["OMP_NUM_THREADS"] for t in threads} == {t["NPROC"] for t in threads}
        assert {int(t["OMP_NUM_THREADS"]) for t in threads} == {share}
        assert {len(os.sched_getaffinity(c)) for c in children} == {share}
    finally:
        workers.close()
    assert not _children(os.getpid())


def _children(pid):
    """Worker processes of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            words = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z" and "allometry.engines.pool_worker" in words:
            found.append(int(stat.parent.name))
    return found


def test_one_signal_drains_the_packs_in_flight(tmp_path):
    outcome = in_pool(tmp_path / "s.db", "slow", workers=2, progress=InterruptOnce(), per_pack="1")
    begun = (tmp_path / "made").read_text().splitlines()
    assert outcome.exit_code == 143
    assert outcome.trained == len(begun), "everything begun was stored, nothing else begun"
    assert 1 <= outcome.trained <= 6
    assert not _children(os.getpid())


COORDINATOR = """
import sys
from allometry.engines.local import LocalEngine
from allometry.run import run
changes = {"trouble": "slow", "folder": sys.argv[2], "per_pack": "1"}
run(sys.argv[1], store=sys.argv[2] + "/s.db", engine=LocalEngine(workers=2), changes=changes)
"""


def test_workers_end_when_the_coordinator_is_killed(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", COORDINATOR, str(FILE), str(tmp_path)])
    until = time.monotonic() + 30
    while not (tmp_path / "made").exists():
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    workers = _children(child.pid)
    assert len(workers) == 2
    child.kill()
    child.wait()
    until = time.monotonic() + 5
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < until, "a worker outlived its coordinator"
        time.sleep(0.05)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_command_line_says_which_runs_failed_and_exits_70(tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "allometry", "run", str(FILE), "--workers", "2", "--json",
            "--store", str(tmp_path / "s.db"), "--set", "trouble=raise_at_5",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 70, done.stderr
    assert "ValueError: width 5 cannot be" in done.stderr and "tries them again" in done.stderr
    (first, second) = json.loads(done.stdout)["failures"]
    assert len(first["run_ids"]) == 3 and "Traceback" in second["log"]


@pytest.mark.slow
def test_a_real_study_in_a_pool_is_that_of_this_process(tmp_path, fashion_mnist):
    """The quick size of the first study: two processes of one processor each, bit for bit."""
    name = "mlp_parameter_scaling"
    outcome = run(name, store=tmp_path / "s.db", seeds=4, engine=LocalEngine(workers=2))
    assert outcome.pending == 0
    here = tmp_path / "here.db"
    run(name, store=here, seeds=4, engine=LocalEngine())
    assert content(tmp_path / "s.db") == content(here)
