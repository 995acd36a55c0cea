"""R1: SIGKILL at any moment, of sweeps, of the real command with workers, and of what writes files.

What was acknowledged stays, nothing that was finished is made again, the end is that of a run never
stopped, and what has its final name is the file from before or the new one, whole.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from allometry.engines.local import LocalEngine
from allometry.errors import UsageError
from allometry.run import run
from allometry.store import Store
from allometry.store.networks import weights
from tests.engines.cases import FILE as IMAGINED
from tests.engines.cases import content
from tests.faults.conftest import Sweep, Victim, victim
from tests.faults.test_kill import sweeps_until
from tests.faults.test_kill_real_run import stored_in
from tests.reliability.campaign import campaign
from tests.training.test_checkpoints import FILE, kept_by

__all__ = ["victim"]

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


# ---- tiny sweeps: most of the kills ----------------------------------------------------------

KILLS = 25  # of a case


@pytest.mark.slow
@pytest.mark.parametrize("total", [72])
def test_sweeps_killed_at_any_moment(victim, tmp_path, total):
    def case(draw: random.Random) -> Counter[str]:
        folder = tmp_path / "case"
        folder.mkdir()
        kills, sweeps = sweeps_until(victim, folder, KILLS, draw, runs=60, pack=5)
        shutil.rmtree(folder)
        return Counter(kills=kills, sweeps_resumed=sweeps, lost=0, finished_work_done_again=0)

    assert campaign("kills_of_sweeps", total, case)["kills"] == KILLS * total


# ---- the real command ------------------------------------------------------------------------

SEEDS = 4  # one pack a seed, for two workers


def _command(store: Path) -> list[str]:
    return [
        sys.executable, "-m", "allometry", "run", str(FILE), "--store", str(store), "--json",
        "--workers", "2", "--checkpoint-every", "0.001", "--seeds", str(SEEDS),
    ]  # fmt: skip


def _finish(store: Path) -> dict[str, int]:
    done = subprocess.run(_command(store), capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _killed(child: "subprocess.Popen[str]", whom: str) -> bool:
    """Kill now; whether there was something to kill."""
    workers = _children(child.pid)
    while whom == "a_worker" and not workers and child.poll() is None:
        time.sleep(0.002)
        workers = _children(child.pid)
    if child.poll() is not None:
        return False
    whose = {"the_coordinator": [child.pid], "a_worker": workers[:1], "all": [child.pid, *workers]}
    for pid in whose[whom]:
        os.kill(pid, signal.SIGKILL)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("total", [40])
def test_the_command_killed_with_workers_and_checkpoints_under_way(tmp_path, total):
    whole = tmp_path / "whole.db"
    _finish(tmp_path / "first.db")  # compiles what the others find
    began = time.perf_counter()
    runs = _finish(whole)["runs"]
    seconds, expected = time.perf_counter() - began, content(whole)

    def case(draw: random.Random) -> Counter[str]:
        folder = tmp_path / "case"
        folder.mkdir()
        store, whom = folder / "s.db", draw.choice(["the_coordinator", "a_worker", "all"])
        child = subprocess.Popen(
            _command(store), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env=ENVIRONMENT,
        )  # fmt: skip
        time.sleep(draw.uniform(0.2, 0.9) * seconds)
        hit, seen = _killed(child, whom), stored_in(store)
        said = child.communicate(timeout=300)[1]
        assert child.returncode == (-signal.SIGKILL if hit and whom != "a_worker" else 0), said
        half_way = any(kept_by(store))
        before = stored_in(store)
        assert seen.items() <= before.items(), "a stored run was lost or written again"
        outcome = _finish(store)
        assert outcome["stored_before"] == len(before)
        assert outcome["trained"] == runs - len(before)
        assert before.items() <= stored_in(store).items()
        assert content(store) == expected and not kept_by(store)
        shutil.rmtree(folder)
        counts = Counter(lost=0, finished_work_done_again=0, went_on_from_a_checkpoint=half_way)
        counts[f"kills_of_{whom}" if hit else "too_late"] += 1
        return counts

    counts = campaign("kills_of_the_command", total, case)
    assert counts["too_late"] < total / 2


# ---- what writes files -----------------------------------------------------------------------

OLD = b"what was there before\n"


def _tables(folder: Path) -> tuple[Path, Path]:
    """A store and a table to read from."""
    store, csv = folder / "source.db", folder / "runs.csv"
    assert run(IMAGINED, store=store, engine=LocalEngine(), seeds=10).pending == 0
    draw = np.random.default_rng(0)
    sizes = 100 * 2 ** np.arange(12.0)
    rows = [(n, 3 * n**-0.3 * np.exp(draw.normal(0, 0.02))) for n in sizes for _ in range(20)]
    csv.write_text("n,loss\n" + "".join(f"{n:.0f},{loss}\n" for n, loss in rows))
    return store, csv


def _writers(source: Path, csv: Path, out: Path) -> dict[str, tuple[Path, list[str]]]:
    """Each command that writes a file, and the file."""
    stored = ["--store", str(source)]
    law = ["--law", "power", "--map", "x=n", "--map", "y=loss", "--resamples", "50"]
    fit, table, page, copy = (out / name for name in ("f.json", "t.csv", "r.html", "c.db"))
    return {
        "fit": (fit, ["fit", str(csv), *law, "-o", str(fit)]),
        "table": (table, ["table", str(IMAGINED), *stored, "-o", str(table)]),
        "report": (page, ["report", str(IMAGINED), *stored, "-o", str(page)]),
        "backup": (copy, ["backup", str(copy), *stored]),
        "merge": (copy, ["merge", str(source), str(source), "-o", str(copy)]),
    }


def _new_content(path: Path) -> object:
    """What a file says, but for the time it took: of a store its runs, after all were hashed."""
    if path.suffix == ".json":
        document = json.loads(path.read_text("utf-8"))
        return {name: part for name, part in document.items() if name not in ("seconds", "sha256")}
    if path.suffix != ".db":
        return path.read_bytes()
    with Store(path) as store:
        assert store.verify().damaged == ()
    return content(path)


def _is_old(path: Path) -> bool:
    """Whether what was there is still there: for a new store, nothing."""
    return not path.exists() if path.suffix == ".db" else path.read_bytes() == OLD


def _killed_writer(victim: Victim, job: dict[str, object], seconds: float) -> int:
    pid = victim.prepare(job)
    victim.go()
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return victim.wait()


@pytest.fixture(scope="module")
def writers(victim, tmp_path_factory) -> Callable[[Path], dict[str, tuple[Path, list[str]]]]:
    source, csv = _tables(tmp_path_factory.mktemp("source"))
    return lambda out: _writers(source, csv, out)


def _moment(draw: random.Random, seconds: float) -> float:
    """Any moment, and as often one towards the end, where the file is written."""
    return seconds * draw.choice((draw.uniform(0, 1), draw.uniform(0.7, 1)))


@pytest.mark.parametrize(
    ("total", "names"),
    [
        (8, ("table", "backup")),
        pytest.param(
            240, ("fit", "table", "report", "backup", "merge"), marks=pytest.mark.slow, id="all"
        ),
    ],
)
def test_a_file_of_a_killed_writer_is_the_old_one_or_the_new_one(
    victim, writers, tmp_path, total, names
):
    out, log = tmp_path / "out", str(tmp_path / "log")
    out.mkdir()
    took, expected = {}, {}
    for name in names:
        path, command = writers(out)[name]
        for _ in range(2):  # the first call reads from disk what the others find in memory
            path.unlink(missing_ok=True)
            began = time.perf_counter()
            assert victim.run({"log": log, "command": command}) == 0, Path(f"{log}.err").read_text()
            took[name], expected[name] = time.perf_counter() - began, _new_content(path)

    def case(draw: random.Random) -> Counter[str]:
        shutil.rmtree(out)
        out.mkdir()
        name = draw.choice(names)
        path, command = writers(out)[name]
        job = {"log": log, "command": command}
        if path.suffix != ".db":
            path.write_bytes(OLD)
        status = _killed_writer(victim, job, _moment(draw, took[name]))
        assert status in (0, -signal.SIGKILL), Path(f"{log}.err").read_text()
        old = _is_old(path)
        assert old or _new_content(path) == expected[name], f"{name}: half a file has its name"
        in_the_midst = any(out.glob(".allometry-*.part*"))
        if old:
            assert victim.run(job) == 0, Path(f"{log}.err").read_text()
            assert _new_content(path) == expected[name]
        killed = status != 0
        counts = Counter(half_files=0, too_late=not killed, while_writing=in_the_midst)
        counts[f"kills_of_{name}"] += killed
        return counts

    counts = campaign("kills_of_writers", total, case, kept=total > 8)
    assert counts["too_late"] < 0.8 * total


# ---- kept networks ---------------------------------------------------------------------------


def _keeping(store: Path) -> list[str]:
    return [
        sys.executable, "-m", "allometry", "run", str(FILE), "--store", str(store),
        "--keep", "weights",
    ]  # fmt: skip


def _networks(store: Path, run_ids: list[str]) -> dict[str, dict[str, bytes]]:
    """The networks that are there, each one read and hashed."""
    found = {}
    for run_id in run_ids:
        try:
            arrays = weights(run_id, store)
        except UsageError as error:
            assert "no weights" in str(error)
            continue
        found[run_id] = {name: array.tobytes() for name, array in arrays.items()}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("total", [40])
def test_kept_networks_of_a_killed_command_are_whole(tmp_path, total):
    whole = tmp_path / "whole.db"
    for store in (tmp_path / "first.db", whole):  # the first compiles what the others find
        began = time.perf_counter()
        subprocess.run(_keeping(store), check=True, capture_output=True, env=ENVIRONMENT)
    seconds = time.perf_counter() - began
    names = [row[0] for row in content(whole)]
    expected = _networks(whole, names)
    assert len(expected) == len(names)

    def case(draw: random.Random) -> Counter[str]:
        folder = tmp_path / "case"
        folder.mkdir()
        store = folder / "s.db"
        child = subprocess.Popen(_keeping(store), stderr=subprocess.DEVNULL, env=ENVIRONMENT,
                                 stdout=subprocess.DEVNULL)  # fmt: skip
        time.sleep(draw.uniform(0.4, 0.9) * seconds)
        child.kill()
        hit = child.wait() == -signal.SIGKILL
        found = _networks(store, names) if store.exists() else {}
        assert all(expected[name] == arrays for name, arrays in found.items())
        subprocess.run(_keeping(store), check=True, capture_output=True, env=ENVIRONMENT)
        assert _networks(store, names) == expected and content(store) == content(whole)
        shutil.rmtree(folder)
        some = 0 < len(found) < len(names)
        return Counter(kills=hit, too_late=not hit, with_some_networks_there=some, half_files=0)

    assert campaign("kills_of_kept_networks", total, case)["kills"] > total / 2


def test_a_sweep_is_what_the_campaigns_think(victim, tmp_path):
    """The job of a command is one of ours, and a wrong one ends in words, not in silence."""
    sweep = Sweep(tmp_path / "s")
    job = {"log": str(sweep.log), "command": ["status", "--store", str(tmp_path / "none.db")]}
    assert victim.run(job) != 0
    assert "no store at" in sweep.said()
