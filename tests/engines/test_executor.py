"""Any executor in the way of concurrent.futures makes the same runs."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from allometry.engines.executor import ExecutorEngine
from allometry.errors import UnavailableError
from allometry.run import run
from tests.engines.cases import FILE, RUNS, begun, content, made_here


def spawned(workers):
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, spawned])
def test_an_executor_stores_what_this_process_stores(tmp_path, kind):
    with kind(2) as executor:
        outcome = run(FILE, store=tmp_path / "s.db", engine=ExecutorEngine(executor))
        assert (outcome.trained, outcome.pending) == (RUNS, 0)
        assert executor.submit(abs, -1).result() == 1, "it stays open"
    assert content(tmp_path / "s.db") == made_here(tmp_path)


def test_an_executor_that_broke_is_said_in_words_and_nothing_stored_is_lost(tmp_path):
    changes = {"trouble": "die_at_5", "folder": str(tmp_path)}
    with spawned(1) as executor:
        engine = ExecutorEngine(executor, workers=2)
        with pytest.raises(UnavailableError, match="takes no more work"):
            run(FILE, store=tmp_path / "s.db", engine=engine, changes=changes)
    assert len(content(tmp_path / "s.db")) == 3, "the pack before the one that killed it"


def test_an_order_that_takes_too_long_is_given_up_and_made_elsewhere(tmp_path):
    """A thread cannot be ended: its order goes to another; what it still delivers is dropped."""
    changes = {"trouble": "long", "folder": str(tmp_path), "per_pack": "6"}
    with ThreadPoolExecutor(4) as executor:
        engine = ExecutorEngine(executor, workers=1, hung_after=3 / 60)
        outcome = run(FILE, store=tmp_path / "s.db", engine=engine, changes=changes)
    assert (outcome.trained, outcome.failures) == (RUNS, ())
    assert len(begun(tmp_path)) == 8, "each of the four packs twice"
    assert content(tmp_path / "s.db") == made_here(tmp_path, **changes)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_dask_stores_what_this_process_stores_and_a_killed_worker_costs_nothing(tmp_path):
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not installed: pip install distributed"
    )
    changes = {"trouble": "die_once_at_5", "folder": str(tmp_path)}
    (tmp_path / "died5").touch()
    here = made_here(tmp_path, **changes)
    (tmp_path / "died5").unlink()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        engine = ExecutorEngine(client.get_executor())
        outcome = run(FILE, store=tmp_path / "s.db", engine=engine, changes=changes)
    assert (outcome.trained, outcome.failures) == (RUNS, ())
    assert (tmp_path / "died5").exists()
    assert content(tmp_path / "s.db") == here
