"""In this process too a run that fails costs no other, and what is refused ends the sweep."""

from dataclasses import replace

import pytest

from allometry.engines.local import LocalEngine
from allometry.errors import UsageError
from allometry.run import run
from allometry.store import Store
from allometry.training.result import RunFailure
from tests.store.cases import InPacks, result, study


class Failing(InPacks):
    """Packs of three runs, in which some come to nothing."""

    def __init__(self, make):
        super().__init__(3)
        self._make = make

    def run(self, pack, measures, trajectory, advance, checkpoints=None):
        return [self._make(spec) for spec in pack.specs]


def outcome(path, make):
    failing = replace(study(6, 1), procedure=Failing(make))
    return run(failing, store=path, engine=LocalEngine())


def stored(path):
    with Store(path) as store:
        return len(store.table("tiny", "quick"))


def at_width_2(act):
    return lambda spec: act(spec) if spec.model.width == 2 else result(spec)


def test_a_pack_that_raises_is_a_failure_and_the_others_go_on(tmp_path):
    ended = outcome(tmp_path / "s.db", at_width_2(lambda spec: 1 / 0))
    assert (ended.trained, ended.pending, ended.exit_code) == (3, 3, 70)
    (failure,) = ended.failures
    assert len(failure.run_ids) == 3 and "Traceback" in failure.log
    assert failure.reason.startswith("ZeroDivisionError: division by zero (")
    assert "test_local.py, line" in failure.reason


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda spec: RunFailure(spec, "no luck"), "no luck"),
        (lambda spec: replace(result(spec), row={"x": [1]}), "column 'x': a number or a string"),
        (
            lambda spec: replace(result(spec), row={"seed": 1}),
            "'seed', which every table already has",
        ),
        (lambda spec: replace(result(spec), trajectories={"w": "a"}), "trajectory 'w'"),
    ],
)
def test_one_run_that_fails_or_cannot_be_stored_costs_no_other_of_its_pack(tmp_path, make, reason):
    ended = outcome(tmp_path / "s.db", at_width_2(make))
    assert (ended.trained, ended.pending, stored(tmp_path / "s.db")) == (5, 1, 5)
    (failure,) = ended.failures
    assert failure.run_ids == (ended.study.specs("quick")[1].run_id,) and reason in failure.reason


@pytest.mark.parametrize("width", [1, 5])
def test_what_is_refused_of_the_first_pack_ends_the_run_and_later_costs_its_pack(tmp_path, width):
    def refuse(spec):
        if spec.model.width == width:
            raise UsageError("whole numbers expected")
        return result(spec)

    if width == 1:
        with pytest.raises(UsageError, match="whole numbers expected"):
            outcome(tmp_path / "s.db", refuse)
        assert stored(tmp_path / "s.db") == 0
        return
    ended = outcome(tmp_path / "s.db", refuse)
    assert (ended.trained, ended.pending, ended.exit_code) == (3, 3, 70)
    assert "whole numbers expected" in ended.failures[0].reason
