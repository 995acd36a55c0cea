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
CALLS = "write,pwrite64,fsync,fdatasync,rename,unlink,ftruncate,openat"
WRITES = ("pwrite64", "fdatasync", "fsync", "ftruncate")
POINTS = 150  # of the killing kind in an ordinary test run
FAILURES = 60  # over three errors, once and lasting

Point = tuple[str, int]


def _traced(victim: Victim, job: dict[str, object], *options: str) -> int:
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


@pytest.fixture(scope="module")
def traceable(victim: Victim, tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    """Each call of a whole sweep that touches its folder, as (name, how many-th of that name)."""
    if shutil.which("strace") is None:
        pytest.skip("no strace on PATH: 0 system calls tried")
    folder = tmp_path_factory.mktemp("traced")
    sweep, out = Sweep(folder / "s"), folder / "trace"
    try:
        status = _traced(victim, sweep.job(), "-y", "-o", str(out), "-e", f"trace={CALLS}")
    except AssertionError as error:
        pytest.skip(f"strace may not attach here, 0 system calls tried: {error}")
    assert status == 0, sweep.said()
    count: Counter[str] = Counter()
    points = []
    for line in out.read_text().splitlines():
        found = re.match(r"(\w+)\(", line)
        if found:
            count[found[1]] += 1
            if str(folder) in line:
                points.append((found[1], count[found[1]]))
    assert len(points) > POINTS
    return points


def _spread(points: list[Point], n: int) -> list[Point]:
    """n of them, evenly over the sweep, and the first and last among them."""
    if n >= len(points):
        return points
    return [points[round(i * (len(points) - 1) / (n - 1))] for i in range(n)]


def _kill_at(victim: Victim, folder: Path, point: Point) -> int:
    name, k = point
    sweep = Sweep(folder)
    status = _traced(
        victim, sweep.job(), "-o", "/dev/null", "-e", f"trace={name}",
        "-e", f"inject={name}:signal=SIGKILL:when={k}",
    )  # fmt: skip
    assert status in (0, -signal.SIGKILL), (point, sweep.said())
    sweep.check()
    assert victim.run(sweep.job()) == 0, (point, sweep.said())
    assert sweep.check() == sweep.runs, point
    shutil.rmtree(folder)
    return status


def test_killed_at_a_system_call_a_sweep_is_resumed_whole(victim, tmp_path, traceable):
    points = _spread(traceable, POINTS)
    hit = sum(_kill_at(victim, tmp_path / "s", p) == -signal.SIGKILL for p in points)
    print(f"killed at {hit} of {len(traceable)} system calls")  # noqa: T201
    assert hit >= 0.9 * len(points)


@pytest.mark.slow
def test_killed_at_every_system_call_a_sweep_is_resumed_whole(victim, tmp_path, traceable):
    hit = sum(_kill_at(victim, tmp_path / "s", p) == -signal.SIGKILL for p in traceable)
    assert hit >= 0.9 * len(traceable)


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
@pytest.mark.parametrize("lasting", [False, True])
def test_a_failing_disk_is_told_and_costs_no_finished_run(
    victim, tmp_path, traceable, error, lasting
):
    writes = [point for point in traceable if point[0] in WRITES]
    told = 0
    for name, k in _spread(writes, FAILURES // 6):
        sweep = Sweep(tmp_path / "s")
        status = _traced(
            victim, sweep.job(), "-o", "/dev/null", "-e", f"trace={name}",
            "-e", f"inject={name}:error={error}:when={k}{'+' * lasting}",
        )  # fmt: skip
        # 0: SQLite puts off a checkpoint that failed, and every commit had succeeded.
        assert status in (0, 74), (name, k, status, sweep.said())
        if status == 74:
            told += 1
            assert str(sweep.store) in sweep.said()
        sweep.check()
        assert victim.run(sweep.job()) == 0, (name, k, sweep.said())
        assert sweep.check() == sweep.runs
        shutil.rmtree(sweep.folder)
    assert told > 0
