"""R2: every system call of a sweep that touches its store, each killed at and each made to fail."""

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import victim
from tests.faults.test_syscalls import Point, fail_at, kill_at, points_of
from tests.reliability.campaign import campaign_of

__all__ = ["victim"]

# What takes room; the others do not fail for want of it.
TAKES_ROOM = {"write", "pwrite64", "fsync", "fdatasync", "ftruncate", "link", "linkat", "openat"}
LEAST = 500

Fault = tuple[Point, str]


def _faults(points: list[Point]) -> list[Fault]:
    """A kill and a failing disk at every point; a full one, once and lasting, where it can be."""
    return [
        (point, fault)
        for point in points
        for fault in ("kill", "EIO", "ENOSPC", "ENOSPC lasting")
        if point[0] in TAKES_ROOM or not fault.startswith("ENOSPC")
    ]


@pytest.mark.slow
def test_every_system_call_killed_at_or_failing_costs_nothing(victim, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    faults = _faults(points_of(victim, tmp_path, logs))
    assert len(faults) >= LEAST

    def case(fault: Fault) -> Counter[str]:
        for file in logs.iterdir():
            file.unlink()
        return _case(victim, tmp_path / "case", logs, *fault)

    counts = campaign_of("system_calls", faults, case)
    assert counts["kills"] > 0.9 * sum(what == "kill" for _, what in faults)


def _case(victim, folder: Path, logs: Path, point: Point, what: str) -> Counter[str]:
    if what == "kill":
        hit = kill_at(victim, folder, point, logs) != 0
        return Counter(kills=hit, calls_that_did_not_come=not hit, lost=0)
    error, _, lasting = what.partition(" ")
    status = fail_at(victim, folder, point, error, lasting=bool(lasting), logs=logs)
    return Counter({f"{error}_told": status == 74, f"{error}_without_effect": status == 0})
