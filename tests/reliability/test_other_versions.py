"""R8: another version of JAX between two sittings: finished runs stay, the pack starts afresh."""

import importlib.metadata
import shutil

import jax
import pytest

from allometry.engines import provenance
from allometry.engines.local import LocalEngine
from allometry.run import run
from allometry.store import Store
from allometry.training import checkpoints
from tests.engines.cases import content
from tests.faults.test_kill_real_run import stored_in
from tests.training.test_checkpoints import FILE, MOMENT, Stop, StopAt, kept_by

pytestmark = pytest.mark.slow  # tests/training/test_checkpoints.py asks the file alone, quickly
OTHER = "0.0.99"
HALF = 1.5 * 200 * 7 * 3  # model-steps: the first pack is stored, the second half-way


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A folder with a store whose second pack is half-way."""
    path = tmp_path_factory.mktemp("interrupted") / "s.db"
    with pytest.raises(Stop):
        run(FILE, store=path, checkpoint_every=MOMENT, progress=StopAt(HALF))
    assert len(kept_by(path)) == 1 and len(stored_in(path)) == 3
    return path.parent


@pytest.fixture
def other_jax(monkeypatch):
    version = importlib.metadata.version

    def another(name):
        return OTHER if name in ("jax", "jaxlib") else version(name)

    for module in (checkpoints, provenance):
        monkeypatch.setattr(module, "version", another)
    monkeypatch.setattr(jax, "__version__", OTHER)
    checkpoints._writer.cache_clear()
    yield
    checkpoints._writer.cache_clear()


def _versions(path):
    """Which versions of JAX made the runs, as the provenance has it."""
    with Store(path) as store:
        return {str(entry["jax"]) for entry, _ in store.provenance("long_study", "quick")}


@pytest.mark.parametrize("workers", [None, 1])
def test_with_another_jax_a_pack_starts_afresh_and_finished_runs_stay(
    interrupted, other_jax, tmp_path, caplog, workers
):
    path = shutil.copytree(interrupted, tmp_path / "s") / "s.db"
    before = stored_in(path)
    outcome = run(FILE, store=path, engine=LocalEngine(workers=workers))
    assert f"jax was {importlib.metadata.version('jax')} and is {OTHER} now" in caplog.text
    assert caplog.text.count("starting afresh") == 1
    assert (outcome.stored_before, outcome.trained, outcome.pending) == (3, 3, 0)
    assert before.items() <= stored_in(path).items()
    if workers is None:  # a worker asks its own
        assert _versions(path) == {importlib.metadata.version("jax"), OTHER}
    whole = tmp_path / "whole.db"
    run(FILE, store=whole, checkpoint_every=0)
    assert content(path) == content(whole)
