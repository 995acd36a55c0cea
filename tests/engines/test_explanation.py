"""`al.explain`: the packs a run would train, as a value; nothing is trained or written."""

import math

import pytest

import allometry as al
from allometry.errors import UsageError
from tests.store.cases import Imagined, study


def test_it_says_what_would_be_trained_and_leaves_no_store(tmp_path):
    store = tmp_path / "none.db"
    explanation = al.explain("mlp_parameter_scaling", seeds=1, store=store)
    assert not store.exists()
    assert (explanation.study, explanation.size) == ("mlp_parameter_scaling", "quick")
    assert sum(explanation.pack_sizes) == explanation.runs == 7
    assert [plan.runs for plan in explanation.plans] == list(explanation.pack_sizes)
    assert explanation.seconds == sum(plan.seconds for plan in explanation.plans) > 0


def test_a_procedure_that_the_cost_model_does_not_know_has_packs_and_no_cost(tmp_path):
    explanation = al.explain(al.study("ntk_depth"), store=tmp_path / "none.db")
    assert not explanation.predicted and explanation.plans == ()
    assert explanation.pack_sizes and math.isnan(explanation.seconds)


def test_changes_are_those_of_a_run(tmp_path):
    one, two = (
        al.explain("mlp_parameter_scaling", changes={"train.epochs": n}, store=tmp_path / "none.db")
        for n in (1, 20)
    )
    assert two.plans[0].updates == 20 * one.plans[0].updates
    with pytest.raises(UsageError, match="no size 'huge'; it has quick"):
        al.explain("mlp_parameter_scaling", "huge")


def test_a_store_below_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    al.run(study(3, seeds=1), store=tmp_path / "s.db", engine=Imagined())
    assert al.explain(study(3, seeds=1), store="~/s.db").runs == 0
    assert al.explain(study(3, seeds=1), store="~/none.db").runs == 3
