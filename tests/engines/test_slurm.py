"""A real SLURM on this machine: jobs cancelled, preempted and requeued; the coordinator killed."""

import subprocess
import sys
import time

import pytest

from allometry.errors import UnavailableError
from allometry.run import run
from tests import ROOT
from tests.engines.cases import FILE, RUNS, InterruptOnce, begun, content, made_here, when
from tests.engines.slurm_cluster import Cluster

pytestmark = pytest.mark.slow
pytest.importorskip("submitit", reason="submitit is missing: pip install 'allometry[slurm]'")
PACKS = 4
LONG = {"trouble": "long", "per_pack": "6"}  # four packs of eight seconds, when first made


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two processors, a partition `urgent` that preempts the other."""
    missing = Cluster.missing()
    if missing:
        pytest.skip(missing)
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    patch = pytest.MonkeyPatch()
    try:
        made.start()
        for name, value in made.environment.items():
            patch.setenv(name, value)
        patch.setattr("allometry.engines.slurm.LOOK", 1.0)
        patch.setattr("allometry.engines.slurm.GRACE", 3.0)
        yield made
    finally:
        made.stop()
        patch.undo()


@pytest.fixture
def empty(cluster):
    """No job of an earlier test left."""
    cluster.call("scancel", "--me")
    until = time.monotonic() + 30
    while cluster.call("squeue", "--noheader") and time.monotonic() < until:
        time.sleep(0.2)
    return cluster


def slurm_engine(folder, workers=None, **options):
    from allometry.engines.slurm import SlurmEngine

    return SlurmEngine(workers, folder=folder / "shared", **options)


def in_slurm(folder, progress=None, workers=None, **changes):
    changes = {"folder": str(folder), **changes}
    engine = slurm_engine(folder, workers)
    options = {"engine": engine, "progress": progress, "when_stopped": "return"}
    return run(FILE, store=folder / "s.db", changes=changes, **options)


def assert_as_here(folder, **changes):
    """The store is that of this process, hash for hash."""
    made = {"folder": str(folder), **changes}
    assert content(folder / "s.db") == made_here(folder, **made)


def submitted(folder):
    """How many jobs were ever submitted."""
    return len(list((folder / "shared" / "jobs").glob("*_submitted.pkl")))


def running(cluster):
    return cluster.call("squeue", "--noheader", "--array", "-t", "R", "-o", "%i").split()


def left(folder):
    return [f for part in ("orders", "deliveries") for f in (folder / "shared" / part).iterdir()]


def test_slurm_stores_what_this_process_stores(empty, tmp_path):
    outcome = in_slurm(tmp_path)
    assert (outcome.trained, outcome.pending) == (RUNS, 0)
    assert submitted(tmp_path) == 8 and left(tmp_path) == []
    assert_as_here(tmp_path)


def test_an_exception_and_a_death_are_reported_with_their_logs(empty, tmp_path):
    for trouble, words in (
        ("raise_at_5", ("ValueError", "Traceback")),
        ("die_at_5", ("ended early (3 times)", "last words")),
    ):
        folder = tmp_path / trouble
        folder.mkdir()
        outcome = in_slurm(folder, trouble=trouble)
        assert (outcome.trained, outcome.pending, outcome.exit_code) == (RUNS - 6, 6, 70)
        failure = outcome.failures[0]
        assert words[0] in failure.reason and words[1] in failure.log


def test_a_job_that_hangs_ends_itself_and_says_where(empty, tmp_path):
    engine = slurm_engine(tmp_path, hung_after=0.1)
    changes = {"folder": str(tmp_path), "trouble": "hang_at_5", "per_pack": "6"}
    outcome = run(FILE, store=tmp_path / "s.db", engine=engine, changes=changes)
    assert (outcome.trained, outcome.pending, outcome.exit_code) == (RUNS - 12, 12, 70)
    for failure in outcome.failures:
        assert "ended early (3 times)" in failure.reason
        assert "Timeout (0:00:06)" in failure.log and "in hang" in failure.log


def test_a_cancelled_job_is_submitted_again(empty, tmp_path):
    def cancel():
        (job, *_) = running(empty)
        return empty.call("scancel", job) == ""

    thread, cancelled = when(lambda: begun(tmp_path), cancel)
    outcome = in_slurm(tmp_path, **LONG)
    thread.join()
    assert cancelled == [True] and (outcome.trained, outcome.failures) == (RUNS, ())
    assert submitted(tmp_path) == PACKS + 1
    assert_as_here(tmp_path, **LONG)


@pytest.mark.parametrize("how", ["preempted", "requeued"])
def test_a_job_that_goes_back_to_the_queue_makes_its_pack_again(empty, tmp_path, how):
    def push_back():
        if how == "requeued":
            return empty.call("scontrol", "requeue", running(empty)[0]) == ""
        job = ("sbatch", "--partition=urgent", "--cpus-per-task=2", "--output=/dev/null")
        return "Submitted" in empty.call(*job, "--wrap=sleep 1")

    thread, pushed = when(lambda: len(begun(tmp_path)) >= 2, push_back)
    outcome = in_slurm(tmp_path, **LONG)
    thread.join()
    assert pushed == [True] and (outcome.trained, outcome.failures) == (RUNS, ())
    assert submitted(tmp_path) == PACKS, "SLURM itself started it again"
    assert len(begun(tmp_path)) > PACKS, "a pack was begun twice"
    assert_as_here(tmp_path, **LONG)


def test_one_signal_takes_waiting_jobs_back_and_drains_the_running_ones(empty, tmp_path):
    changes = {"trouble": "slow", "per_pack": "1"}
    outcome = in_slurm(tmp_path, progress=InterruptOnce(), **changes)
    assert outcome.exit_code == 143
    assert 0 < outcome.trained < RUNS
    assert outcome.trained == len(begun(tmp_path)), "what had begun was stored"
    assert "allometry" not in empty.call("squeue", "--noheader", "-t", "PD", "-o", "%j")


COORDINATOR = """
import sys
from pathlib import Path
from tests.engines.test_slurm import LONG, in_slurm
in_slurm(Path(sys.argv[1]), **LONG)
"""


def test_what_jobs_deliver_while_no_coordinator_runs_is_taken_in_by_the_next(empty, tmp_path):
    root = ROOT
    child = subprocess.Popen([sys.executable, "-c", COORDINATOR, str(tmp_path)], cwd=root)
    until = time.monotonic() + 60
    while not begun(tmp_path):
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    child.kill()
    child.wait()
    while empty.call("squeue", "--noheader"):
        assert time.monotonic() < until
        time.sleep(0.2)
    assert len(left(tmp_path)) == 2 * PACKS, "every order was made, and waits"
    outcome = in_slurm(tmp_path, **LONG)
    assert (outcome.trained, outcome.pending) == (RUNS, 0)
    assert len(begun(tmp_path)) == submitted(tmp_path) == PACKS, "nothing was made twice"
    assert_as_here(tmp_path, **LONG)


def test_without_slurm_it_is_said_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"engine slurm: .*srun"):
        in_slurm(tmp_path)


def test_a_real_study_in_slurm_is_that_of_this_process(empty, tmp_path, fashion_mnist):
    from allometry.engines.slurm import SlurmEngine

    name = "path_dynamics"
    engine = SlurmEngine(2, folder=tmp_path / "shared")
    assert run(name, store=tmp_path / "s.db", engine=engine).pending == 0
    run(name, store=tmp_path / "here.db")
    assert content(tmp_path / "s.db") == content(tmp_path / "here.db")
    scripts = [f.read_text() for f in (tmp_path / "shared" / "jobs").glob("*submission*.sh")]
    assert scripts, "submitit keeps them"
    for script in scripts:
        assert "--cpus-per-task=1\n" in script and "--mem=2048M\n" in script
