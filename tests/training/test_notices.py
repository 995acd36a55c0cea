"""What cannot be, or has learnt nothing, is noticed; what learns is not."""

from dataclasses import replace

import numpy as np
import pytest

from allometry import measures
from allometry.datasets import Arrays
from allometry.findings import Finding
from allometry.models import MLP
from allometry.run import run
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.losses import CrossEntropy, SquaredError
from allometry.spec.optimizers import SGD
from allometry.study import Study
from allometry.training.loop import train_pack
from allometry.training.procedure import Pack

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int32)
CLASSES = Arrays.of(X, LABELS, test=0.25, name="classes")
REAL = Arrays.of(X, X.sum(axis=1), test=0.25, name="real")


class Zero(MLP):
    """Says the same of everything."""

    def apply(self, params, x):
        return 0 * super().apply(params, x)


def notice(model, data, rate, loss, steps=200):
    train = TrainSpec(optimizer=SGD(learning_rate=rate), steps=steps, batch_size=50, loss=loss)
    (result,) = train_pack(
        Pack((RunSpec(model=model, data=data, train=train, seed=0),)),
        {"losses": measures.losses}, {},
    )  # fmt: skip
    assert result.status == "done"
    return result.row.get("notice", "")


CASES = [
    (MLP(widths=(3, 8, 2)), CLASSES, 0.5, CrossEntropy(), ""),
    (MLP(widths=(3, 8, 2)), CLASSES, 1e-6, CrossEntropy(), "never left chance"),
    (Zero(widths=(3, 8, 2)), CLASSES, 0.5, CrossEntropy(), "the same for all examples"),
    (MLP(widths=(3, 8, 1)), REAL, 0.1, SquaredError(), ""),
    (Zero(widths=(3, 8, 1)), REAL, 0.1, SquaredError(), "the same for all examples"),
]


@pytest.mark.parametrize(("model", "data", "rate", "loss", "words"), CASES)
def test_a_network_that_learnt_nothing_is_noticed_and_one_that_learnt_is_not(
    model, data, rate, loss, words
):
    said = notice(model, data, rate, loss)
    assert words in said and bool(words) == bool(said)


def test_nothing_is_said_of_a_few_updates():
    assert notice(MLP(widths=(3, 8, 2)), CLASSES, 1e-6, CrossEntropy(), steps=50) == ""


def test_the_study_is_judged_without_them_too(tmp_path):
    def runs(size, seeds):
        return [
            RunSpec(
                model=MLP(widths=(3, 8, 2)), data=CLASSES, seed=0,
                train=TrainSpec(optimizer=SGD(learning_rate=rate), steps=200, batch_size=50),
            )
            for rate in (1e-6, 0.5)
        ]  # fmt: skip

    def analyse(table):
        worst = float(table["train_loss"].max())
        verdict = "agrees" if worst < 0.5 else "disagrees"
        return [Finding(claim="All learn", prediction="below 0.5", source="me", measured=worst,
                        low=worst, high=worst, verdict=verdict, answer="")]  # fmt: skip

    study = Study(
        name="judged", title="t", question="q", prediction="p", source="me", runs=runs,
        sizes=("quick",), measures={"losses": measures.losses}, analyse=analyse,
    )  # fmt: skip
    outcome = run(study, store=tmp_path / "s.db")
    assert list(outcome.notices.values()) == [1]
    assert [f.verdict for f in outcome.findings] == ["disagrees"]
    findings, reason = study.without_noticed(outcome.table)
    assert [f.verdict for f in findings] == ["agrees"] and reason == ""
    needs_all = replace(study, analyse=lambda table: analyse(table.take(table["seed"] > 0)))
    assert "ValueError" in needs_all.without_noticed(outcome.table)[1]
