"""R14: after a loss of power at any moment, what was acknowledged is there (`power.py`)."""

import random
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from allometry.errors import AllometryError
from tests.faults.conftest import Sweep, Victim, victim
from tests.faults.sweep import sweep as run_sweep
from tests.reliability.campaign import campaign
from tests.reliability.power import CALLS, Disk, Event, events

__all__ = ["victim"]


@pytest.fixture(scope="module")
def recorded(victim: Victim, tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, list[Event]]:
    """A sweep from nothing to its end, and the system calls that it made."""
    if shutil.which("strace") is None:
        pytest.skip("no strace on PATH: 0 states tried")
    folder = tmp_path_factory.mktemp("recorded")
    sweep, out = Sweep(folder / "s", logs=folder), folder / "trace"
    pid = victim.prepare(sweep.job())
    options = ["-y", "-xx", "-s", "10000000", "-o", str(out), "-e", f"trace={CALLS}"]
    strace = subprocess.Popen(
        ["strace", "-p", str(pid), *options], stderr=subprocess.PIPE, text=True
    )
    assert strace.stderr is not None
    attached = strace.stderr.readline()
    victim.go()
    status = victim.wait()
    strace.communicate()
    if "attached" not in attached:
        pytest.skip(f"strace may not attach here, 0 states tried: {attached}")
    assert status == 0, sweep.said()
    return sweep, list(events(out.read_text()))


def test_the_recording_gives_the_files_that_are_there(recorded):
    sweep, calls = recorded
    disk = Disk(sweep.folder)
    for event in calls:
        disk.do(event)
    found = disk.after_loss(random.Random(0))
    assert found["s.db"] == sweep.store.read_bytes()
    assert sum(event.kind == "sync" for event in calls) > sweep.runs / sweep.pack


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder where syncing costs nothing: the disk that forgets is imagined."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def _state(sweep: Sweep, calls: Sequence[Event], folder: Path, draw: random.Random) -> Sweep:
    """What is left of a sweep when the power goes after some of its calls."""
    disk, said = Disk(sweep.folder), b""
    for event in calls[: draw.randrange(1, len(calls) + 1)]:
        disk.do(event)
        said += event.data if event.path == str(sweep.log) else b""
    left = Sweep(folder / "s", logs=folder)
    left.log.write_bytes(said)
    for name, content in disk.after_loss(draw).items():
        (left.folder / name).write_bytes(content)
    if draw.random() < 0.3:  # memory that was shared, of another moment
        (left.folder / "s.db-shm").write_bytes(draw.randbytes(32768))
    return left


def _resumed(left: Sweep) -> Counter[str]:
    """Resume to the end, nothing acknowledged lost or made again, and count."""
    acknowledged = left.log.read_text().count("stored")
    left.attempts += 1  # the one that was cut short
    assert run_sweep(left.job()) == 0, left.said()
    assert left.check() == left.runs
    return Counter(
        acknowledged=acknowledged, log_named_as_damaged=any(left.folder.glob("*.damaged-*"))
    )


@pytest.mark.parametrize("total", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_loss_of_power_costs_nothing_that_was_acknowledged(recorded, memory, total):
    sweep, calls = recorded

    def case(draw: random.Random) -> Counter[str]:
        left = _state(sweep, calls, memory, draw)
        counts = _resumed(left)
        shutil.rmtree(left.folder)
        for file in memory.glob("log*"):
            file.unlink()
        return counts

    counts = campaign("power_loss", total, case, kept=total > 60)
    assert counts["acknowledged"] > 2 * total  # the losses came late enough to cost something


def test_on_a_disk_that_syncs_nothing_these_tests_would_see_the_loss(recorded, memory):
    sweep, calls = recorded
    lazy = [event for event in calls if event.kind != "sync" or event.path != str(sweep.store)]
    lazy = [event for event in lazy if event.kind != "sync" or "-wal" not in event.path]
    lost = 0
    for seed in range(10):
        left = _state(sweep, lazy, memory, random.Random(seed))
        try:
            _resumed(left)
        except (AssertionError, AllometryError):
            lost += 1
        shutil.rmtree(left.folder)
        for file in memory.glob("log*"):
            file.unlink()
    assert lost > 2
