"""R9: jobs that SLURM signals, sends back to the queue again and again, or ends at their limit."""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from allometry.run import run
from tests.engines.cases import FILE, RUNS, begun, when
from tests.engines.test_slurm import (
    LONG,
    assert_as_here,
    cluster,
    empty,
    in_slurm,
    running,
    slurm_engine,
    submitted,
)
from tests.reliability.campaign import record_if_asked

__all__ = ["cluster", "empty"]

pytestmark = pytest.mark.slow
pytest.importorskip("submitit", reason="submitit is missing: pip install 'allometry[slurm]'")
TROUBLES = 6  # done to jobs while four packs are made


def _told_to_end(folder: Path) -> bool:
    """SIGTERM to the process that began a run last, as a queue sends it before it kills."""
    try:
        os.kill(begun(folder)[-1][1], signal.SIGTERM)
    except ProcessLookupError:  # it has delivered
        return False
    return True


def test_a_job_told_to_end_ends_or_goes_on_and_its_pack_is_stored(empty, tmp_path):
    thread, told = when(lambda: len(begun(tmp_path)) >= 2, lambda: _told_to_end(tmp_path))
    outcome = in_slurm(tmp_path, **LONG)
    thread.join()
    assert told == [True] and (outcome.trained, outcome.failures) == (RUNS, ())
    assert_as_here(tmp_path, **LONG)


def test_jobs_sent_back_again_and_again_are_made_in_the_end(empty, tmp_path):
    draw, counts, done = random.Random(9), Counter(), threading.Event()

    def trouble():
        while sum(counts.values()) < TROUBLES and not done.is_set():
            time.sleep(draw.uniform(1, 3))
            jobs = running(empty)
            if jobs and draw.random() < 0.5:
                sent = subprocess.run(["scontrol", "requeue", jobs[0]], capture_output=True)
                counts["sent_back"] += sent.returncode == 0  # it may have ended meanwhile
            elif jobs and begun(tmp_path):
                counts["told_to_end"] += _told_to_end(tmp_path)

    thread = threading.Thread(target=trouble)
    began = time.monotonic()
    thread.start()
    outcome = in_slurm(tmp_path, **LONG)
    done.set()
    thread.join()
    assert (outcome.trained, outcome.failures) == (RUNS, ()) and counts.total()
    assert_as_here(tmp_path, **LONG)
    figures = Counter(runs=RUNS, lost=0, jobs=submitted(tmp_path), **counts)
    record_if_asked("jobs_in_a_queue", time.monotonic() - began, figures)


@pytest.mark.parametrize("limit", ["engine", "sbatch"])
def test_a_job_that_times_out_fails_in_words_and_costs_no_other(
    empty, tmp_path, monkeypatch, limit
):
    """A hang that nothing else ends, at a limit of one minute; submitit is told before SLURM ends
    the job, and the pack is not ordered again: it would take as long."""
    changes = {"folder": str(tmp_path), "trouble": "hang_at_5", "per_pack": "6"}
    if limit == "sbatch":
        monkeypatch.setenv("SBATCH_TIMELIMIT", "00:01:00")
    options = {"minutes": 1} if limit == "engine" else {}
    engine = slurm_engine(tmp_path, **options)
    outcome = run(FILE, store=tmp_path / "s.db", engine=engine, changes=changes)
    assert (outcome.trained, outcome.pending, outcome.exit_code) == (RUNS - 12, 12, 70)
    assert len(outcome.failures) == 2, "width 5, in two seeds"
    for failure in outcome.failures:
        assert "reached the time limit of 1 min" in failure.reason and "in hang" in failure.reason
        assert "SBATCH_TIMELIMIT=00:02:00" in failure.reason
