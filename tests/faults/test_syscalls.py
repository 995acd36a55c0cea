"""kill -9 and failing disks at single system calls, chosen one by one, with strace."""

import re
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import Sweep, Victim

# What changes the disk, and what opens files.
CALLS = (
    "write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,link,linkat,"
    "ftruncate,openat,close"
)
WRITES = ("pwrite64", "fdatasync", "fsync", "ftruncate")
POINTS = 60  # of the killing kind in an ordinary test run
FAILURES = 60  # over three errors, once and lasting

Point = tuple[str, int]


def traced(victim: Victim, job: dict[str, object], *options: str) -> int:
    """Run a child with strace attached before its first own step; its exit code."""
    pid = victim.prepare(job)
    strace = subprocess.Popen(
        ["strace", "-p", str(pid), *options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    assert strace.stderr is not None
    attached = strace.stderr.readline()
    victim.go()
    status = victim.wait()
    strace.communicate()
    assert "attached" in attached, attached
    return status


def points_of(victim: Victim, folder: Path, logs: Path | None = None) -> list[Point]:
    """Each call of a whole sweep that touches its folder, as (name, how many-th of that name).

    Args:
        folder: to make the sweep in. logs: where the oracle is written, if not there.
    """
    if shutil.which("strace") is None:
        pytest.skip("no strace on PATH: 0 system calls tried")
    sweep, out = Sweep(folder / "s", logs=logs), folder / "trace"
    try:
        status = traced(victim, sweep.job(), "-y", "-o", str(out), "-e", f"trace={CALLS}")
    except AssertionError as error:
        pytest.skip(f"strace may not attach here, 0 system calls tried: {error}")
    assert status == 0, sweep.said()
    count: Counter[str] = Counter()
    points = []
    for line in out.read_text().splitlines():
        found = re.match(r"(\w+)\(", line)
        if found:
            count[found[1]] += 1
            if str(sweep.folder) in line:
                points.append((found[1], count[found[1]]))
    return points


@pytest.fixture(scope="module")
def traceable(victim: Victim, tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    """Each call of a sweep, those that write its log among them."""
    points = points_of(victim, tmp_path_factory.mktemp("traced"))
    assert len(points) > POINTS
    return points


def _spread(points: list[Point], n: int) -> list[Point]:
    """n of them, evenly over the sweep, and the first and last among them."""
    if n >= len(points):
        return points
    return [points[round(i * (len(points) - 1) / (n - 1))] for i in range(n)]


def kill_at(victim: Victim, folder: Path, point: Point, logs: Path | None = None) -> int:
    """Kill a sweep at a call and resume it to its end; how the first one ended."""
    name, k = point
    sweep = Sweep(folder, logs=logs)
    status = traced(
        victim, sweep.job(), "-o", "/dev/null", "-e", f"trace={name}",
        "-e", f"inject={name}:signal=SIGKILL:when={k}",
    )  # fmt: skip
    assert status in (0, -signal.SIGKILL), (point, sweep.said())
    _resume(victim, sweep)
    return status


def fail_at(
    victim: Victim, folder: Path, point: Point, error: str, *, lasting: bool = False,
    logs: Path | None = None,
) -> int:  # fmt: skip
    """Let a call of a sweep fail, then resume it to its end; how the first one ended."""
    name, k = point
    sweep = Sweep(folder, logs=logs)
    status = traced(
        victim, sweep.job(), "-o", "/dev/null", "-e", f"trace={name}",
        "-e", f"inject={name}:error={error}:when={k}{'+' * lasting}",
    )  # fmt: skip
    # 0: SQLite puts off a checkpoint that failed, and every commit had succeeded.
    assert status in (0, 74), (point, error, lasting, status, sweep.said())
    assert status == 0 or str(sweep.folder) in sweep.said()
    _resume(victim, sweep)
    return status


def _resume(victim: Victim, sweep: Sweep) -> None:
    """Nothing acknowledged is lost, and the same command ends the sweep."""
    sweep.check()
    assert victim.run(sweep.job()) == 0, sweep.said()
    assert sweep.check() == sweep.runs
    shutil.rmtree(sweep.folder)


def test_killed_at_a_system_call_a_sweep_is_resumed_whole(victim, tmp_path, traceable):
    points = _spread(traceable, POINTS)
    hit = sum(kill_at(victim, tmp_path / "s", p) == -signal.SIGKILL for p in points)
    print(f"killed at {hit} of {len(traceable)} system calls")  # noqa: T201
    assert hit >= 0.9 * len(points)


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
@pytest.mark.parametrize("lasting", [False, True])
def test_a_failing_disk_is_told_and_costs_no_finished_run(
    victim, tmp_path, traceable, error, lasting
):
    writes = [point for point in traceable if point[0] in WRITES]
    told = 0
    for point in _spread(writes, FAILURES // 6):
        told += fail_at(victim, tmp_path / "s", point, error, lasting=lasting) == 74
    assert told > 0
