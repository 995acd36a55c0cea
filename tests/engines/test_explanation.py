"""`al.explain`: the packs a run would train, as a value; nothing is trained or written."""

import math

import pytest

import allometry as al
from allometry.errors import UsageError


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
