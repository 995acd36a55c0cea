"""kill -9 at any moment loses nothing that was acknowledged and repeats no finished work."""

import os
import random
import signal
import time

import pytest

from allometry.errors import StoreBusyError
from allometry.store import Store
from tests.faults.conftest import Sweep

KILLS = 30
SEED = 20240901


def _kill_after(victim, job, seconds):
    """The exit code of a child killed after so long, if it lived that long."""
    pid = victim.prepare(job)
    victim.go()
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return victim.wait()


def sweeps_until(victim, tmp_path, kills, draw, **kind):
    """Kill sweeps at random moments, resume each to its end; (kills that hit, sweeps)."""
    whole = Sweep(tmp_path / "whole", **kind)
    began = time.perf_counter()
    assert victim.run(whole.job()) == 0, whole.said()
    horizon = time.perf_counter() - began
    hit, sweeps = 0, 0
    while hit < kills:
        sweep = Sweep(tmp_path / f"sweep{sweeps}", **kind)
        sweeps += 1
        status = -signal.SIGKILL
        # Near the start as often as anywhere later: that is where the file is made.
        while status == -signal.SIGKILL and hit < kills:
            scale = draw.choice((0.15, 0.6))
            status = _kill_after(victim, sweep.job(), draw.uniform(0, scale * horizon))
            assert status in (0, -signal.SIGKILL), (hit, sweep.said())
            hit += status == -signal.SIGKILL
            sweep.check()
        assert victim.run(sweep.job()) == 0, sweep.said()
        assert sweep.check() == sweep.runs
        assert sweep.stored() == whole.stored()
    return hit, sweeps


def test_killed_at_random_and_resumed_a_sweep_ends_as_if_never_stopped(victim, tmp_path):
    hit, sweeps = sweeps_until(victim, tmp_path, KILLS, random.Random(SEED))
    print(f"{hit} kills over {sweeps} sweeps, seed {SEED}")  # noqa: T201
    assert hit == KILLS


def test_a_writer_stopped_by_the_shell_still_holds_its_store(victim, tmp_path):
    sweep = Sweep(tmp_path / "s", pause=0.05)
    pid = victim.prepare(sweep.job())
    victim.go()
    while not (sweep.log.exists() and sweep.log.read_text()):
        time.sleep(0.005)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreBusyError, match=f"process {pid} "):
            Store(sweep.store, write=True)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert victim.wait() == 0
    assert sweep.check() == sweep.runs
