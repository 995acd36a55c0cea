"""The way of one pack from `run` to the commit: which modules it enters, how often it comes back.

The study's model, data, and measure are this file's, as a person's own would be, and its programs
are compiled before: what is counted is the package's own way, not the compiler's.
"""

import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from allometry.datasets.splits import Data, Split
from allometry.engines.local import LocalEngine
from allometry.models.model import Counts, Model
from allometry.run import run
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import Adam
from allometry.store import Store
from allometry.study import Study
from allometry.training.source import package_root

# A module of the machinery: the parts that a spec names (models, data, optimisers) are not.
MACHINERY = ("run", "engines.", "training.")
# Ten that a pack cannot do without, and what a stranger's parts asked for: the check that data,
# model and loss fit, what members may differ in, evaluation of each its own sets, notices. Two
# more say to others how far a run is (`engines.watched`, `training.live`).
MOST_MODULES = 21
STOPWATCH = "training.phases"  # which nothing passes through
# Half of those of the loop before it had one program and one progress, 51; and twelve to show
# points of a pack under way and to ask whether a stranger's program calls LAPACK.
MOST_RETURNS = 63


class Points(Data):
    @property
    def n_data(self):
        return 200

    def load(self, draws):
        x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
        y = (x[:, 0] > 0).astype(np.int32)
        return Split(x, y, x, y)


class Line(Model):
    def counts(self):
        return Counts(6, 4, 8, 8)

    def init(self, draws):
        weight = np.random.default_rng(1).normal(size=(2, 2)).astype(np.float32)
        return {"weight": weight, "bias": np.zeros(2, np.float32)}

    def features(self, draws, inputs):
        return inputs

    def check(self, n_in, n_classes):
        assert (n_in, n_classes) == (2, 2)

    def apply(self, params, x):
        return x @ params["weight"].T + params["bias"]


def weight_norm(net):
    return {"weight_norm": float(np.abs(net.params["weight"]).sum())}


STUDY = Study(
    name="one_pack",
    title="One pack",
    question="Which way does it go?",
    prediction="A short one.",
    source="none",
    runs=lambda size, seeds: [
        RunSpec(
            model=Line(),
            data=Points(),
            train=TrainSpec(optimizer=Adam(learning_rate=1e-3), epochs=3, batch_size=32),
            seed=seed,
        )
        for seed in seeds
    ],
    measures={"weight_norm": weight_norm},
    analyse=lambda table: [],
    sizes=("quick",),
    seeds={"quick": (0,)},
)


class Walk:
    """The modules of the package in the order in which they are entered and come back to."""

    def __init__(self):
        self.modules = []
        self._root = f"{package_root()}/"
        self.on = False

    def __call__(self, frame, event, argument):
        if not self.on or event not in ("call", "return"):
            return
        frame = frame if event == "call" else frame.f_back
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(self._root):
                module = file.removeprefix(self._root).removesuffix(".py").replace("/", ".")
                if module != (self.modules or [""])[-1]:
                    self.modules.append(module)
                return
            frame = frame.f_back


@pytest.fixture
def walk(monkeypatch, tmp_path):
    """Of a second pack, from when the engine is given it to when its results are committed."""
    way, engine_run, commit = Walk(), LocalEngine.run, Store.commit

    def watched_run(*arguments):
        way.on = True
        yield from engine_run(*arguments)

    def watched_commit(*arguments):
        way.on = False
        return commit(*arguments)

    run(replace(STUDY, seeds={"quick": (99,)}), store=tmp_path / "compiled.db")
    monkeypatch.setattr(LocalEngine, "run", watched_run)
    monkeypatch.setattr(Store, "commit", watched_commit)
    before = sys.getprofile()
    threading.setprofile(way)
    sys.setprofile(way)
    try:
        outcome = run(STUDY, store=tmp_path / "s.db")
    finally:
        sys.setprofile(before)
        threading.setprofile(before)
    assert outcome.trained == 1
    return way.modules


def test_one_pack_goes_a_short_way_through_few_modules(walk):
    machinery = {m for m in walk if m == "run" or m.startswith(MACHINERY[1:])} - {STOPWATCH}
    assert {"engines.local", "training.loop", "training.descent"} <= machinery, "the walk is seen"
    assert len(machinery) <= MOST_MODULES, sorted(machinery)
    road = [m for m in walk if m in machinery]
    road = [m for m, before in zip(road, ["", *road], strict=False) if m != before]
    returns = len(road) - len(set(road))
    assert returns <= MOST_RETURNS, " ".join(road)
