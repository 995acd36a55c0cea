"""Real processes, stopped as systems stop them: the whole group at once, or its terminal gone.

Packs in flight are finished and stored, the same command goes on, no process and no file stays.
"""

import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from allometry.engines.local import LocalEngine
from allometry.engines.progress import SAME
from allometry.run import run
from tests.engines.cases import FILE, RUNS, begun

SECONDS = 60


def command(folder, workers, trouble="slow"):
    changes = {"trouble": trouble, "folder": str(folder), "per_pack": "1"}
    return [
        sys.executable, "-m", "allometry", "run", str(FILE), "--store", str(folder / "s.db"),
        *(("--workers", str(workers)) if workers else ()),
        *[word for name, value in changes.items() for word in ("--set", f"{name}={value}")],
    ]  # fmt: skip


@pytest.fixture
def groups():
    """The process groups that a test starts, ended with it."""
    started = []
    yield started
    for child in started:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stderr is not None:
            child.stderr.close()


def in_a_group(groups, folder, workers, trouble="slow", runs=4, before=(), **streams):
    """The command in a process group of its own, so many of whose runs are begun."""
    temporary = folder / "temporary"
    temporary.mkdir()
    child = subprocess.Popen(
        [*before, *command(folder, workers, trouble)],
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, **streams},
    )
    groups.append(child)
    wait_for(lambda: len(begun(folder)) >= runs or child.poll() is not None)
    assert child.poll() is None, "it ended before it could be stopped"
    return child


def wait_for(condition):
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def group(number):
    """Processes of a process group that have not ended."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == number and state != "Z":
            members.append(int(stat.parent.name))
    return members


def stored(folder):
    with sqlite3.connect(folder / "s.db") as raw:
        (runs,) = raw.execute("SELECT count(*) FROM runs").fetchone()
    raw.close()
    return runs


def check_drained(folder, child):
    """Nothing begun was lost, nothing is left behind, and the same runs go on."""
    wait_for(lambda: not group(child.pid))
    assert not list((folder / "temporary").iterdir())
    made = len(begun(folder))
    assert stored(folder) == made, "what was begun is finished and stored, nothing else begun"
    assert 4 <= made < RUNS
    changes = {"trouble": "slow", "folder": str(folder), "per_pack": "1"}
    outcome = run(FILE, store=folder / "s.db", changes=changes, engine=LocalEngine())
    assert (outcome.stored_before, outcome.pending) == (made, 0)


@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [
        (signal.SIGTERM, 143, 2),
        (signal.SIGTERM, 143, 0),
        *[pytest.param(signal.SIGINT, 130, n, marks=pytest.mark.slow) for n in (0, 2)],
        *[pytest.param(signal.SIGHUP, 129, n, marks=pytest.mark.slow) for n in (0, 2)],
    ],
)
def test_a_signal_to_the_whole_group_drains(tmp_path, groups, number, code, workers):
    """Ctrl-C; `systemctl stop`, `scancel`; a shell that ends."""
    child = in_a_group(groups, tmp_path, workers)
    os.killpg(child.pid, number)
    said = child.communicate(timeout=SECONDS)[1]
    assert child.returncode == code, said
    assert "stopping after the pack in flight" in said and "Traceback" not in said
    check_drained(tmp_path, child)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("timeout") is None, reason="no `timeout` of coreutils")
def test_timeout_which_signals_process_and_group_drains(tmp_path, groups):
    child = in_a_group(groups, tmp_path, 2, before=("timeout", "--preserve-status", "600"))
    child.send_signal(signal.SIGTERM)  # which it does with as when the time is up
    said = child.communicate(timeout=SECONDS)[1]
    assert child.returncode == 143, said
    assert "stopping after the pack in flight" in said and "interrupted" not in said
    check_drained(tmp_path, child)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_closed_terminal_drains(tmp_path, groups, workers):
    """Its outputs fail from then on, which must not end the run before its packs are stored."""
    master, terminal = pty.openpty()
    child = in_a_group(
        groups, tmp_path, workers, stdin=terminal, stdout=terminal, stderr=terminal, text=False
    )
    os.close(terminal)
    os.close(master)
    os.killpg(child.pid, signal.SIGHUP)  # as the kernel does where it is the session's terminal
    assert child.wait(SECONDS) == 129
    check_drained(tmp_path, child)


def test_nothing_stays_of_a_group_that_is_killed(tmp_path, groups):
    child = in_a_group(groups, tmp_path, 2)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    wait_for(lambda: not group(child.pid))
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.slow
def test_a_second_signal_to_the_group_stops_at_once(tmp_path, groups):
    child = in_a_group(groups, tmp_path, 2, "hang_at_5", runs=2)
    os.killpg(child.pid, signal.SIGTERM)
    time.sleep(2 * SAME)
    assert child.poll() is None, "it waits for the packs in flight, which hang"
    os.killpg(child.pid, signal.SIGTERM)
    assert child.wait(SECONDS) == 130
    assert "Traceback" not in child.communicate()[1]
    wait_for(lambda: not group(child.pid))
    assert not list((tmp_path / "temporary").iterdir())
    assert stored(tmp_path) >= 8, "widths before the first that hangs"


TERMINATES = """
import multiprocessing, subprocess, sys, time
from allometry.engines.pool_worker import _leave_stopping_to_the_coordinator
_leave_stopping_to_the_coordinator()
multiprocessing.set_start_method("fork")
forked = multiprocessing.Process(target=time.sleep, args=(60,))
forked.start()
started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
time.sleep(0.5)
forked.terminate(); started.terminate()
forked.join(10); started.wait(10)
print(forked.exitcode, started.returncode)
"""


def test_what_a_study_starts_in_a_worker_can_be_ended_by_it():
    """A data loader's processes are ended by SIGTERM, which the worker itself outlives."""
    done = subprocess.run(
        [sys.executable, "-c", TERMINATES], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["-15", "-15"], done.stderr
