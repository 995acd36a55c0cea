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
from allometry.run import run
from allometry.training.function import Function, columns, pin_seeds
from allometry.training.procedure import Pack
from allometry.training.result import RunFailure, RunResult
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


def made(train, measures=None, trajectory=None):
    """What comes of the one run of a function: a result, or a failure."""
    pack = Pack((Job(width=2, seed=5),))
    (one,) = Function(train).run(pack, measures or {}, trajectory or {}, lambda units: None)
    return one


def row(train, measures=None, trajectory=None):
    """The result of the one run of a function."""
    result = made(train, measures, trajectory)
    assert isinstance(result, RunResult), result.reason
    return result


def refused(train, measures=None, trajectory=None):
    """Why the one run of a function came to nothing."""
    failure = made(train, measures, trajectory)
    assert isinstance(failure, RunFailure)
    return failure.reason


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
@pytest.mark.parametrize("name", ["loss", "test_loss"])
def test_a_loss_that_is_not_finite_is_a_diverged_run(name, loss):
    assert row(lambda spec: {name: loss}).status == "diverged"


def test_nan_that_means_never_is_a_missing_value_and_infinity_is_not():
    """The step at which a network groks, of one that never does."""
    never = row(lambda spec: {"test_loss": 0.3, "t_grok": math.nan})
    assert never.status == "done" and math.isnan(never.row["t_grok"])
    assert row(lambda spec: {"t_grok": math.inf}).status == "diverged"
    assert row(lambda spec: {"a": 1}, {"m": lambda v: {"b": math.nan}}).status == "done"


def test_a_loss_that_is_nan_half_way_marks_the_run():
    def train(spec):
        for step, loss in enumerate((1.0, math.nan, 0.5)):
            yield step, {"train_loss": loss, "t_grok": math.nan}

    assert row(train).status == "diverged"
    assert row(lambda spec: {"curve_loss": [1.0, math.nan], "n": 1}).status == "diverged"


def test_arrays_and_lists_are_kept_as_arrays_of_the_run():
    def train(spec):
        return {"loss": 1.0, "weights": np.ones((2, 2)), "curve": [3.0, 2.0], "pairs": [[1, 2]]}

    result = row(train)
    assert set(result.row) & {"weights", "curve", "pairs"} == set() and result.row["loss"] == 1.0
    assert result.trajectories["weights"].tolist() == [[1, 1], [1, 1]]
    assert result.trajectories["curve"].tolist() == [3.0, 2.0]
    assert result.trajectories["pairs"].shape == (1, 2)


class Tensor:
    """As PyTorch's, of which no array can be made before it is detached."""

    def __init__(self, *values):
        self.values = np.array(values, np.float32)
        self.shape = self.values.shape

    def __array__(self, *arguments, **options):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")

    def item(self):
        return self.values.item()

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.values


@pytest.mark.parametrize("one", [np.ones(1), np.ones((1, 1)), np.float32(1), Tensor(1)])
def test_an_array_or_a_tensor_of_one_element_is_a_number(one):
    value = row(lambda spec: {"loss": one}).row["loss"]
    assert type(value) is float and value == 1.0


def test_tensors_are_arrays_also_in_lists():
    kept = row(lambda spec: {"a": Tensor(1, 2), "b": [Tensor(1, 2), Tensor(3, 4)]}).trajectories
    assert kept["a"].tolist() == [1, 2] and kept["b"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "value",
    [object(), {"a": 1}, [[1], [1, 2]], ["a", "b"], {1, 2}, 1j, np.array([None, 1]), lambda: 0],
)
def test_what_cannot_be_kept_is_refused_by_name(value):
    assert "train(spec) gave 'thing'" in refused(lambda spec: {"loss": 1.0, "thing": value})


def test_what_a_generator_returns_joins_its_last_measures():
    def train(spec):
        for step in range(3):
            yield step, {"loss": 1 / (step + 1)}
        return {"final_accuracy": 0.9, "weights": np.ones(3), "loss": 0.25}

    result = row(train)
    assert result.row["final_accuracy"] == 0.9 and result.row["loss"] == 0.25
    assert result.trajectories["loss"].tolist() == [1, 1 / 2, 1 / 3]
    assert result.trajectories["weights"].shape == (3,)


def test_arrays_are_copied_when_they_are_yielded():
    """A program goes on changing the weights it yielded."""

    def train(spec):
        weights = np.zeros(2)
        for step in range(3):
            weights += 1
            yield step, {"weights": weights}

    assert row(train).trajectories["weights"].tolist() == [[1, 1], [2, 2], [3, 3]]


def test_a_studys_trajectory_is_taken_at_every_point():
    def train(spec):
        yield from ((step, {"loss": 2.0**-step}) for step in range(3))

    bits = {"bits": lambda values: {"bits": -math.log2(values["loss"])}}
    assert row(train, trajectory=bits).trajectories["bits"].tolist() == [0, 1, 2]
    assert "yields (step, measures)" in refused(lambda spec: {"loss": 1.0}, trajectory=bits)


@pytest.mark.parametrize("given", [None, 3.0, {}, [("loss", 1.0)], iter([])])
def test_what_is_no_measures_is_refused_in_words(given):
    assert "measures by name expected" in refused(lambda spec: given)


@pytest.mark.parametrize("pair", [{"loss": 1}, 0.5, ("a", {"loss": 1}), (1, 0.5), (1, 2, 3)])
def test_a_yield_that_is_no_pair_is_refused_in_words(pair):
    assert "pairs (step, measures by name)" in refused(lambda spec: iter([pair]))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": 3}, "'width', which is a field"),
        ({"status": "good"}, "'status', which every table already has"),
        (iter([(0, {"step": 3})]), "'step', which every trajectory has"),
    ],
)
def test_a_name_that_is_taken_is_refused(given, words):
    assert words in refused(lambda spec: given)


def test_steps_with_other_measures_are_refused():
    reason = refused(lambda spec: iter([(0, {"a": 1}), (1, {"b": 1})]))
    assert "the same measures expected at every step" in reason


def test_a_failure_costs_no_other_run_of_its_pack():
    def train(spec):
        return {"loss": 1 / (spec.width - 2)}

    pack = Pack(tuple(Job(width=w, seed=0) for w in (1, 2, 3)))
    first, failure, last = Function(train).run(pack, {}, {}, lambda units: None)
    assert (first.row["loss"], last.row["loss"]) == (-1.0, 1.0)
    assert failure.spec.width == 2 and "Traceback" in failure.log
    assert failure.reason.startswith("ZeroDivisionError: division by zero (")
    assert "test_function.py, line" in failure.reason and failure.reason.endswith("in train)")


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
