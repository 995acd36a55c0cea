"""A study that trains by a function of its own, on the local engine."""

import math
import os
import random
import subprocess
import sys
import types
from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest

from allometry import studies
from allometry.engines.local import LocalEngine
from allometry.errors import UsageError
from allometry.run import run
from allometry.training.function import Function, columns, pin_seeds
from allometry.training.procedure import Pack
from tests.engines.imagined import Inner, Job

STUDY = dedent('''
    """A linear fit by gradient descent, with nothing of the package in it."""
    import os, random, sys
    import numpy as np
    from allometry import Study
    from allometry.training.function import Function
    from allometry.spec import Experiment


    class Line(Experiment):
        n: int
        steps: int = 4
        trouble: str = ""


    def train(spec):
        draw = np.random.default_rng(spec.seed)
        x, w = draw.normal(size=spec.n), random.random() + np.random.random()
        sys.stdout.write(f"n = {spec.n}\\\\n")
        for step in range(spec.steps + 1):
            loss = float(np.mean((w * x - x) ** 2))
            yield step, {"loss": loss, "w": w, "pid": os.getpid()}
            w -= 0.1 * 2 * np.mean((w * x - x) * x)
            if spec.n == 8 and spec.trouble == "raise":
                raise ArithmeticError("eight is too many")
            if spec.n == 8 and spec.trouble == "segfault":
                os.kill(os.getpid(), 11)


    def runs(size, seeds):
        return [Line(n=n, seed=s) for s in seeds for n in (4, 8, 16)]


    STUDY = Study(
        name="line", title="Line", question=__doc__, prediction="", source="none", runs=runs,
        measures={}, analyse=lambda table: [], sizes=("quick",), seeds={"quick": (1, 2)},
        procedure=Function(train, updates=lambda spec: spec.steps),
    )
''').strip().replace("\\\\n", "\\n")  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "line.py"
    path.write_text(STUDY)
    return path


def row(train, spec=None, measures=None):
    """The one run of a function."""
    spec = spec or Job(width=2, seed=5)
    pack = Pack((spec,))
    (result,) = Function(train).run(pack, measures or {}, {}, lambda units: None)
    return result


def test_measures_become_the_row_beside_the_specs_own_fields():
    result = row(lambda spec: {"loss": 0.5, "n_params": np.int64(3)})
    assert result.status == "done"
    assert result.row["loss"] == 0.5 and result.row["n_params"] == 3
    assert result.row["width"] == 2 and result.row["inner_rate"] == 0.5
    assert result.trajectories == {}


def test_an_iterator_gives_trajectories_and_its_last_measures():
    def train(spec):
        for step in (0, 10, 20):
            yield step, {"loss": 1 / (1 + step), "weights": np.full(2, step)}

    result = row(train)
    assert result.row["loss"] == 1 / 21 and "weights" not in result.row
    assert result.trajectories["step"].tolist() == [0, 10, 20]
    assert result.trajectories["weights"].shape == (3, 2)


def test_the_studys_measures_see_what_the_function_gave():
    result = row(lambda spec: {"loss": 0.25}, measures={"m": lambda v: {"root": v["loss"] ** 0.5}})
    assert result.row["root"] == 0.5


@pytest.mark.parametrize("loss", [math.nan, math.inf, np.float32("nan")])
def test_a_measure_that_is_not_finite_is_a_diverged_run(loss):
    assert row(lambda spec: {"loss": loss}).status == "diverged"


@pytest.mark.parametrize("given", [None, 3.0, {}, [("loss", 1.0)]])
def test_what_is_no_measures_is_refused_in_words(given):
    with pytest.raises(UsageError, match="measures by name expected"):
        row(lambda spec: given)


def test_a_measure_named_as_a_field_is_refused():
    with pytest.raises(UsageError, match="'width', which is a field"):
        row(lambda spec: {"width": 3})


def test_steps_with_other_measures_are_refused():
    with pytest.raises(UsageError, match="the same measures expected at every step"):
        row(lambda spec: iter([(0, {"a": 1}), (1, {"b": 1})]))


def test_every_global_generator_starts_from_the_seed(monkeypatch):
    seeds = []
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(manual_seed=seeds.append))
    pin_seeds(7)
    first = (random.random(), np.random.random())  # noqa: NPY002
    pin_seeds(7)
    assert (random.random(), np.random.random()) == first  # noqa: NPY002
    assert seeds == [7, 7]


def test_columns_flatten_inner_specs_and_leave_out_what_tables_have():
    found = columns(Job(width=3, seed=1, inner=Inner(rate=0.25)))
    assert found == {"width": 3, "inner_rate": 0.25, "trouble": "", "folder": "", "per_pack": 3}


def test_a_function_runs_in_a_process_of_its_own_with_pinned_seeds(file, tmp_path):
    outcome = run(file, store=tmp_path / "s.db")
    assert (outcome.trained, outcome.pending, outcome.failures) == (6, 0, ())
    assert set(outcome.table["pid"]) != {os.getpid()} and len(set(outcome.table["pid"])) == 1
    again = run(file, store=tmp_path / "again.db", engine=LocalEngine(workers=2))
    assert outcome.table["loss"].tolist() == again.table["loss"].tolist()
    assert outcome.table.trajectories[outcome.table["run_id"][0]]["loss"].shape == (5,)


@pytest.mark.parametrize(
    ("trouble", "reason", "word"),
    [
        ("raise", "ArithmeticError: eight is too many", "Traceback"),
        ("segfault", "SIGSEGV", "Fatal"),
    ],
)
def test_a_function_that_fails_is_reported_with_its_log_and_the_others_are_stored(
    file, tmp_path, trouble, reason, word
):
    outcome = run(file, store=tmp_path / "s.db", seeds=1, changes={"trouble": trouble})
    assert (outcome.trained, outcome.pending, outcome.exit_code) == (2, 1, 70)
    (failure,) = outcome.failures
    assert reason in failure.reason
    assert "n = 8" in failure.log and word in failure.log
    assert set(outcome.table["n"]) == {4, 16}
    assert outcome.findings == []


def test_a_study_from_memory_runs_here_and_its_failure_is_reported_too(file, tmp_path):
    memory = replace(studies.study(file), origin="")
    outcome = run(memory, store=tmp_path / "s.db", changes={"trouble": "raise"})
    assert (outcome.trained, outcome.pending) == (4, 2)
    assert set(outcome.table["pid"]) == {os.getpid()}
    assert "ArithmeticError" in outcome.failures[0].log


def test_the_package_does_not_import_torch():
    code = "import allometry.training.function, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
