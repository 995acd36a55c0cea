"""A study whose training takes no time, for the tests of store, run and faults."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from allometry.engines import Engine, Finished
from allometry.spec import RunSpec, Spec, TrainSpec
from allometry.store import Store
from allometry.study import Study
from allometry.training.checkpoints import Checkpoints
from allometry.training.procedure import Pack, Procedure
from allometry.training.result import RunResult

PROVENANCE = {"allometry": "0", "device": "imagined", "when": "2026-01-01T00:00:00+00:00"}


class Net(Spec):
    width: int
    activation: str = "relu"


class Points(Spec):
    n: int = 100


class Descent(Spec):
    learning_rate: float = 0.1


def specs(n: int, seeds: Sequence[int] = (42,), activation: str = "relu") -> list[RunSpec]:
    """Runs as `study` declares them, with the code of this file."""
    code = _code()
    return [spec.model_copy(update={"code": code}) for spec in listed(n, seeds, activation)]


@cache
def _code() -> str:
    return study().specs("quick")[0].code


def listed(n: int, seeds: Sequence[int], activation: str = "relu") -> list[RunSpec]:
    train = TrainSpec(optimizer=Descent(), epochs=3)
    return [
        RunSpec(model=Net(width=w, activation=activation), data=Points(), train=train, seed=s)
        for s in seeds
        for w in range(1, n + 1)
    ]


def beside(path: Path, suffix: str) -> Path:
    """The file of SQLite's, or of ours, that belongs to a store: ``-wal``, ``.lock``."""
    return path.with_name(path.name + suffix)


def fill(path: Path, some: Sequence[RunSpec]) -> Path:
    """A store that declares these runs and has them."""
    with Store(path, write=True) as store:
        store.declare("tiny", "quick", "", some)
        store.commit([result(s) for s in some], PROVENANCE)
    return path


def result(spec: RunSpec) -> RunResult:
    """A result that follows from the spec alone; every seventh width diverges."""
    draw = np.random.default_rng(int(hashlib.sha256(spec.run_id.encode()).hexdigest()[:8], 16))
    width = spec.model.width  # type: ignore[attr-defined]
    bad = width % 7 == 0
    row = {
        "n_params": width,
        "test_loss": math.nan if bad else float(draw.random()),
        "train_loss": math.inf if bad else float(draw.random()),
        "hidden_sizes": f"({width}, {width}) é\N{SNOWMAN}",
    }
    along = {"epoch": np.arange(4), "test_loss": draw.random((4, 3)).astype(np.float32)}
    return RunResult(spec, "diverged" if bad else "done", row, 0.25, along)


class InPacks(Procedure):
    """Packs of `size` runs in the order given, ten units of work a run."""

    def __init__(self, size: int = 3):
        self.size = size

    def packs(self, specs: Sequence[RunSpec]) -> list[Pack]:
        starts = range(0, len(specs), self.size)
        return [Pack(tuple(specs[i : i + self.size])) for i in starts]

    def updates(self, spec: RunSpec) -> int:
        return 10


def study(n: int = 12, seeds: int = 2, size: int = 3) -> Study:
    return Study(
        name="tiny",
        title="Tiny",
        question="Does the store keep what it is given?",
        prediction="Yes.",
        source="none",
        runs=lambda size, chosen: listed(n, chosen),
        measures={},
        analyse=lambda table: [],
        sizes=("quick",),
        seeds={"quick": tuple(range(42, 42 + seeds))},
        procedure=InPacks(size),
    )


class Imagined(Engine):
    """An engine that trains in no time."""

    def __init__(self, before: Callable[[Sequence[RunSpec]], None] | None = None):
        self.before = before or (lambda pack: None)
        self.trained: list[str] = []

    def run(
        self,
        packs: Sequence[Pack],
        study: Study,
        advance: Callable[[int], None],
        stop: Callable[[], bool],
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[Finished]:
        for pack in packs:
            if stop():
                return
            self.before(pack.specs)
            advance(10 * len(pack.specs))
            self.trained += [spec.run_id for spec in pack.specs]
            yield Finished([result(spec) for spec in pack.specs], PROVENANCE)
