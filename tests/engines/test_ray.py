"""A real Ray: several worker processes, one killed in the middle of a pack, a node lost."""

import os
import signal
import subprocess
import sys
import time

import pytest

from allometry.engines.ray import RayEngine
from allometry.run import run
from tests.engines.cases import FILE, RUNS, InterruptOnce, begun, content, made_here, when

pytestmark = [
    pytest.mark.slow,
    # Of Ray's own: it warns of its future and leaves sockets to the interpreter.
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'allometry[ray]'")


@pytest.fixture(scope="module")
def cluster():
    """A head without processors and two nodes with one each, in processes of their own."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    made.wait_for_nodes()
    ray.init(address=made.address, log_to_driver=False, logging_level="error")
    yield made, nodes
    ray.shutdown()
    made.shutdown()


def slowly(folder, **more):
    """Changes that give 24 packs of a tenth of a second, each noted with its process."""
    return {"trouble": "slow", "folder": str(folder), "per_pack": "1", **more}


def test_ray_stores_what_this_process_stores(cluster, tmp_path):
    outcome = run(FILE, store=tmp_path / "s.db", engine=RayEngine(), changes=slowly(tmp_path))
    assert (outcome.trained, outcome.pending) == (RUNS, 0)
    assert len({pid for _, pid in begun(tmp_path)}) >= 2, "several processes"
    (tmp_path / "made").unlink()
    assert content(tmp_path / "s.db") == made_here(tmp_path, **slowly(tmp_path))


def test_an_exception_and_a_death_are_reported_and_cost_no_other(cluster, tmp_path):
    for trouble, word in (("raise_at_5", "ValueError"), ("die_at_5", "WorkerCrashedError")):
        path = tmp_path / f"{trouble}.db"
        changes = slowly(tmp_path, trouble=trouble)
        outcome = run(FILE, store=path, engine=RayEngine(), changes=changes)
        assert (outcome.trained, outcome.pending) == (RUNS - 2, 2)
        assert all(word in failure.reason for failure in outcome.failures)


def test_a_worker_killed_in_the_middle_of_a_pack_costs_nothing(cluster, tmp_path):
    thread, killed = when(
        lambda: len(begun(tmp_path)) > 3, lambda: os.kill(begun(tmp_path)[-1][1], signal.SIGKILL)
    )
    changes = slowly(tmp_path)
    outcome = run(FILE, store=tmp_path / "s.db", engine=RayEngine(workers=2), changes=changes)
    thread.join()
    assert killed and (outcome.trained, outcome.failures) == (RUNS, ())
    assert len(begun(tmp_path)) > RUNS, "the pack that was killed was made again"
    assert content(tmp_path / "s.db") == made_here(tmp_path, **changes)


def test_a_pack_that_hangs_ends_its_worker_and_costs_no_other(cluster, tmp_path):
    engine = RayEngine(hung_after=0.1)
    changes = slowly(tmp_path, trouble="hang_at_5")
    outcome = run(FILE, store=tmp_path / "s.db", engine=engine, changes=changes)
    assert (outcome.trained, outcome.pending, outcome.exit_code) == (RUNS - 2, 2, 70)
    assert [width for width, _ in begun(tmp_path)] == [5] * 6, "two packs, three times each"
    assert all("(3 times)" in failure.reason for failure in outcome.failures)


def test_one_signal_drains_what_is_in_flight(cluster, tmp_path):
    changes = slowly(tmp_path)
    engine = RayEngine(workers=2)
    options = {"engine": engine, "progress": InterruptOnce(), "when_stopped": "return"}
    outcome = run(FILE, store=tmp_path / "s.db", changes=changes, **options)
    assert outcome.exit_code == 143 and 0 < outcome.trained < RUNS
    assert outcome.trained == len(begun(tmp_path))


def test_a_node_lost_in_the_middle_of_a_pack_costs_nothing(cluster, tmp_path):
    """Last of the cluster's tests: what is left has one node."""
    made, nodes = cluster
    thread, lost = when(
        lambda: len({pid for _, pid in begun(tmp_path)}) > 1,
        lambda: made.remove_node(nodes[0], allow_graceful=False),
    )
    changes = slowly(tmp_path)
    outcome = run(FILE, store=tmp_path / "s.db", engine=RayEngine(workers=2), changes=changes)
    thread.join()
    assert lost and (outcome.trained, outcome.pending, outcome.failures) == (RUNS, 0, ())
    assert content(tmp_path / "s.db") == made_here(tmp_path, **changes)
    until = time.monotonic() + 30  # Ray may find out after the last pack has come in
    while sum(node["Alive"] for node in ray.nodes()) > 2:
        assert time.monotonic() < until, "the head and one node are left"
        time.sleep(0.2)


def test_without_a_cluster_one_is_started_and_ended(tmp_path, fashion_mnist):
    """A real study on it is that of this process, bit for bit."""
    if ray.is_initialized():
        ray.shutdown()
    name = "path_dynamics"
    outcome = run(name, store=tmp_path / "s.db", engine=RayEngine(workers=2, address="local"))
    assert outcome.pending == 0 and not ray.is_initialized()
    run(name, store=tmp_path / "here.db")
    assert content(tmp_path / "s.db") == content(tmp_path / "here.db")


def test_no_file_of_the_current_folder_runs_in_a_worker(tmp_path):
    """Ray has its workers look there before anywhere else; a study's own neighbours are found."""
    for name in ("platformdirs", "safetensors", "pydantic", "optax"):
        (tmp_path / f"{name}.py").write_text("open('PWNED', 'w'); raise ImportError('mine')")
    (tmp_path / "widths.py").write_text("WIDTHS = (1, 2)")
    (tmp_path / "mine.py").write_text(
        "from allometry import Study\n"
        "from allometry.spec import Experiment\n"
        "from allometry.training.function import Function\n"
        "from widths import WIDTHS\n"
        "class Net(Experiment):\n"
        "    width: int\n"
        "def train(spec):\n"
        "    return {'loss': 1.0 / spec.width}\n"
        "STUDY = Study(name='mine', procedure=Function(train), sizes=('quick',), measures={},\n"
        "    runs=lambda size, seeds: [Net(width=w, seed=s) for s in seeds for w in WIDTHS])\n"
    )
    command = ["-P", "-m", "allometry", "run", "./mine.py", "--engine", "ray", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
    )  # fmt: skip
    assert "2 runs trained" in done.stderr, done.stderr
    assert not (tmp_path / "PWNED").exists()
