"""R3: how soon a store that was killed takes in the next run."""

import multiprocessing
import os
import shutil
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from allometry.engines.progress import Silent
from allometry.run import run
from allometry.store import Store
from tests.reliability.campaign import record_if_asked
from tests.store.cases import PROVENANCE, Imagined, result, specs, study

BOUND = 30.0  # seconds: what a slow and busy machine may take; the figures are what counts
LOG = 50  # transactions in the log that the killed process left


class _Stored(BaseException):
    """Raised when the first new run is stored."""


class _AtOnce(Silent):
    def finished(self, results: object) -> None:
        raise _Stored


def _fill_and_die(path: Path, runs: int, batch: int, declared: bool) -> None:
    """Store all but the last of `runs`, the last ones so that they stand in the log; then die.

    With `declared` they are the runs of a study, otherwise networks of a size with many seeds.
    """
    store = Store(path, write=True)
    all_specs = specs(runs) if declared else []
    if declared:
        store.declare("tiny", "quick", "", all_specs)
    for start in range(0, runs - 1, batch):
        stop = min(start + batch, runs - 1)
        chosen = all_specs[start:stop] or specs(1, tuple(range(start, stop)))
        made = [result(spec) for spec in chosen]
        if not declared:
            made = [replace(one, trajectories={}) for one in made]
        if stop < runs - 1:
            store.commit(made, PROVENANCE)
            continue
        for part in range(LOG):
            store.commit(made[part::LOG], PROVENANCE)
    os.kill(os.getpid(), signal.SIGKILL)


def _killed(path: Path, runs: int, batch: int, *, declared: bool) -> None:
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_fill_and_die, args=(path, runs, batch, declared))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert path.with_name(path.name + "-wal").stat().st_size > 0


def _copied(path: Path, folder: Path) -> Path:
    """The killed store as it was left."""
    folder.mkdir()
    for file in path.parent.iterdir():
        shutil.copyfile(file, folder / file.name)
    return folder / path.name


def _first_commit(path: Path, new: int) -> float:
    """Seconds from opening the store to a new run in it."""
    one = result(specs(1, (new,))[0])
    began = time.perf_counter()
    with Store(path, write=True) as store:
        assert store.commit([one], PROVENANCE) == 1
        return time.perf_counter() - began


def _first_run(path: Path, runs: int) -> float:
    """Seconds of `run`, which reads and hashes what is stored, to the first new run."""
    resumed = study(runs, 1)
    began = time.perf_counter()
    with pytest.raises(_Stored):
        run(resumed, store=path, engine=Imagined(), progress=_AtOnce())
    return time.perf_counter() - began


def _figures(store: list[float], command: list[float]) -> Counter[str]:
    named = {"open_to_commit": store, "run_to_first_result": command}
    return Counter({
        f"{name}_{which}_ms": round(1e3 * choose(seconds))
        for name, seconds in named.items() if seconds
        for which, choose in (("median", statistics.median), ("max", max))
    })  # fmt: skip


@pytest.mark.parametrize(
    ("runs", "times"), [(300, 2), pytest.param(10_000, 20, marks=pytest.mark.slow)]
)
def test_a_killed_store_soon_takes_in_the_next_run(tmp_path, runs, times):
    path = tmp_path / "killed" / "s.db"
    path.parent.mkdir()
    began = time.perf_counter()
    _killed(path, runs, 100, declared=True)
    opened, resumed = [], []
    for i in range(times):
        opened.append(_first_commit(_copied(path, tmp_path / f"a{i}"), 10**7))
        resumed.append(_first_run(_copied(path, tmp_path / f"b{i}"), runs))
        with Store(tmp_path / f"b{i}" / "s.db") as store:
            assert len(store.run_ids()) == runs
    assert max(opened + resumed) < BOUND
    if runs >= 10_000:
        record_if_asked("recovery", time.perf_counter() - began,
                        Counter(runs=runs, times=times, **_figures(opened, resumed)))  # fmt: skip


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Room for a gigabyte or two, in memory where there is room."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shutil.disk_usage(shared).free < 8 << 30:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [1_000_000])
def test_a_killed_store_of_a_million_runs(memory, runs):
    path = memory / "killed" / "s.db"
    path.parent.mkdir()
    began = time.perf_counter()
    _killed(path, runs, 5_000, declared=False)
    filled, size = time.perf_counter() - began, path.stat().st_size
    seconds = [_first_commit(path, runs)]
    began = time.perf_counter()
    with Store(path) as store:
        verified = store.verify()
    assert (verified.runs, verified.damaged) == (runs, ())
    figures = Counter(
        runs=runs, MB=round(size / 1e6), verify_seconds=round(time.perf_counter() - began),
        **_figures(seconds, []),
    )  # fmt: skip
    assert max(seconds) < BOUND
    record_if_asked("recovery_of_a_million_runs", filled, figures)
