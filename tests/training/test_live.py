"""What a run shows of itself is there while it lasts, and is not believed after its end."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from allometry.engines.local import LocalEngine
from allometry.engines.progress import Silent
from allometry.run import run
from allometry.spec import Experiment
from allometry.store import Store
from allometry.study import Study
from allometry.training import live as live_module
from allometry.training.function import Function
from allometry.training.live import Live
from tests.store.cases import Imagined, specs
from tests.store.cases import study as tiny


class Look(Silent):
    """Progress that looks at the folder as someone else would."""

    def __init__(self, folder):
        self.live = Live(folder)
        self.states, self.curves, self.held = [], [], []

    def advance(self, model_steps):
        self.held.append(self.live.is_under_way())
        self.states.append(self.live.state())
        self.curves.append(self.live.curves())

    finished = advance


class Yielding(Experiment):
    width: int = 1


def train(spec, watch=lambda: None):
    for step in range(30):
        watch()
        yield step, {"loss": spec.width / (1 + step), "bad": float("nan")}


def of_own_function(train=train):
    return Study(
        name="yielding", title="t", question="q", prediction="p", source="s",
        runs=lambda size, seeds: [Yielding(width=w, seed=s) for s in seeds for w in (1, 2)],
        procedure=Function(train), measures={}, analyse=lambda table: [], sizes=("quick",),
    )  # fmt: skip


@pytest.fixture
def at_once(monkeypatch):
    """Every write is made, however soon after the last one."""
    monkeypatch.setattr(live_module, "INTERVAL", 0.0)
    monkeypatch.setattr("allometry.engines.watched.INTERVAL", 0.0)


def test_a_run_says_how_far_it_is_and_leaves_nothing(tmp_path, at_once):
    look = Look(tmp_path / "s.db.live")
    run(tiny(), store=tmp_path / "s.db", engine=Imagined(), progress=look)
    assert all(look.held) and len(look.held) == 16
    last = look.states[-1]
    assert last[:3] == ("tiny", "quick", "")
    assert (last.runs, last.packs, last.steps) == (24, 8, 240)
    assert [state.steps_done for state in look.states[::2]] == [*range(0, 240, 30)]
    assert last.done == 21  # the last of eight packs of three is not written yet
    assert not (tmp_path / "s.db.live").exists()


def test_curves_of_a_pack_grow_and_go_with_it(tmp_path, at_once):
    seen = []
    study = of_own_function(
        lambda spec: train(spec, lambda: seen.extend(Live(tmp_path / "s.db.live").curves()))
    )
    outcome = run(study, store=tmp_path / "s.db", engine=LocalEngine(), seeds=1)
    assert outcome.trained == 2
    names = {spec.run_id: spec.width for spec in study.specs("quick", 1)}
    assert {curve.run_id for curve in seen} <= names.keys() and seen
    longest = max(seen, key=lambda curve: len(curve.values["loss"]))
    assert set(longest.values) == {"loss"}, "numbers alone, and finite ones"
    expected = [(s, names[longest.run_id] / (1 + s)) for s in range(len(longest.values["loss"]))]
    np.testing.assert_allclose(longest.values["loss"], expected)
    assert {len(c.values["loss"]) for c in seen} == {*range(1, 30)}, "they grew"
    assert not (tmp_path / "s.db.live").exists()


def test_networks_along_training_are_shown_to_who_watches(tmp_path, at_once):
    import allometry as al

    study = Study(
        name="short", title="t", question="q", prediction="p", source="s",
        runs=lambda size, seeds: [
            al.RunSpec(
                model=al.models.MLP(widths=(2, width, 2)),
                data=al.datasets.Moons(n_samples=60),
                train=al.TrainSpec(optimizer=al.optimizers.Adam(), epochs=6, measure_every=2),
                seed=seed,
            )
            for seed in seeds for width in (4, 8)
        ],
        measures={}, trajectory={"losses": al.measures.losses}, analyse=lambda table: [],
        sizes=("quick",),
    )  # fmt: skip
    look = Look(tmp_path / "s.db.live")
    run(study, store=tmp_path / "s.db", progress=look, seeds=1)
    shown = {c.run_id: c.values for curves in look.curves for c in curves}
    with Store(tmp_path / "s.db") as store:
        for run_id, values in shown.items():
            stored = store.trajectories(run_id)
            by_step = dict(zip(stored["step"], stored["test_loss"], strict=True))
            assert values["test_loss"] == [(s, by_step[s]) for s, _ in values["test_loss"]]
    assert len(shown) == 2


KILLED = """
    import os, signal, sys
    from allometry.run import run
    from tests.store.cases import Imagined, study
    def kill(pack):
        if os.path.exists(sys.argv[1] + ".live/run.json"):
            os.kill(os.getpid(), signal.SIGKILL)
    run(study(), store=sys.argv[1], engine=Imagined(kill))
"""


def test_what_a_killed_run_left_is_not_believed_and_cleared(tmp_path, at_once):
    store = tmp_path / "s.db"
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(store)], check=False)
    assert done.returncode == -signal.SIGKILL
    live = Live.beside(store)
    assert (live.folder / "run.json").is_file()
    assert not live.is_under_way() and live.state() is None and live.curves() == []
    (live.folder / "mine.txt").write_text("of a person")
    run(tiny(), store=store, engine=Imagined(), progress=Look(live.folder))
    assert [path.name for path in live.folder.iterdir()] == ["mine.txt"]


def test_who_looks_is_never_in_the_way_of_a_run(tmp_path):
    import fcntl

    live = Live(tmp_path / "live")
    first = live.begin()
    looking = os.open(live.folder / "lock", os.O_RDONLY)
    os.close(first)
    fcntl.flock(looking, fcntl.LOCK_SH)  # somebody holds what the run before left
    second = live.begin()
    assert second is not None and live.is_under_way()
    os.close(second)
    os.close(looking)


OTHER = (
    *("", "no json", "[1]\n", "{}\n", "\x00\n", '["a"]\n[0, 1', '["a"]\n[9, 1, {"l": 2}]\n'),
    *('["a"]\n[0, "x", {"l": "y"}]\n', '{"schema": "allometry/live/1", "study": 3}'),
)


@pytest.mark.parametrize("content", OTHER)
def test_a_file_of_something_else_shows_nothing(tmp_path, content):
    live = Live(tmp_path / "live")
    lock = live.begin()
    (live.folder / ("0" * 64 + ".jsonl")).write_text(content)
    (live.folder / "run.json").write_text(content)
    assert live.curves() == [] and live.state() is None
    os.close(lock)


def test_a_large_pack_shows_some_members(tmp_path, at_once):
    live = Live(tmp_path / "live")
    lock = live.begin()
    pack = specs(1000)
    curves = live.pack(pack)
    for step in range(3):
        for place in range(1000):
            curves.add(place, step, {"loss": 1.0})
    shown = live.curves()
    assert 24 < len(shown) <= live_module.SHOWN
    assert json.dumps([c.run_id for c in shown])
    assert {c.run_id for c in shown} < {spec.run_id for spec in pack}
    os.close(lock)


def test_a_full_disk_is_said_once_and_costs_nothing(tmp_path, caplog, at_once):
    (tmp_path / "s.db.live").write_text("a file where the folder would be")
    outcome = run(tiny(), store=tmp_path / "s.db", engine=Imagined())
    assert outcome.trained == 24
    assert caplog.text.count("will not show") == 1
