"""Losses are means over the examples that a run asks to be measured, and over no others."""

from typing import Any

import jax
import numpy as np
import pytest

from allometry import RunSpec, TrainSpec, measures
from allometry.models import LanguageModel
from allometry.spec.optimizers import SGD
from allometry.training.loop import train_pack
from allometry.training.procedure import Pack
from tests.models.windows import Windows

MODEL = LanguageModel(vocabulary=13, context=10, d_model=8, n_layers=1, d_head=4, d_mlp=8)


def networks(seeds: tuple[int, ...] = (0,), **train: Any) -> list[Any]:
    """The trained networks of a pack and their rows."""
    train = {"optimizer": SGD(), "steps": 2, "batch_size": 4, **train}
    specs = [
        RunSpec(model=MODEL, data=Windows(valid=True), train=TrainSpec(**train), seed=seed)
        for seed in seeds
    ]
    kept: list[Any] = []

    def keep(net: Any) -> dict[str, float]:
        kept.append(net)
        return {}

    results = train_pack(Pack(tuple(specs)), {"keep": keep, "losses": measures.losses}, {},
                         untrained=False)  # fmt: skip
    return list(zip(kept, (result.row for result in results), strict=True))  # type: ignore[union-attr]


def mean_loss(net: Any, rows: Any) -> float:
    x, y = net.split.train_x[rows], net.split.train_y[rows]
    logits = np.asarray(net.model.apply(dict(net.params), x), np.float64)
    logs = jax.nn.log_softmax(logits, axis=-1)
    return float(-np.take_along_axis(np.asarray(logs), y[..., None], axis=-1).mean())


@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["shared batches", "own batches"])
def test_the_training_loss_is_that_of_evenly_spaced_examples(seeds: tuple[int, ...]) -> None:
    for net, row in networks(seeds, measure_examples=5):
        assert abs(row["train_loss"] - mean_loss(net, [0, 2, 4, 7, 9])) < 1e-6
        assert abs(row["train_loss"] - mean_loss(net, np.arange(12))) > 1e-5
    for net, row in networks(seeds, measure_examples=50):
        assert abs(row["train_loss"] - mean_loss(net, np.arange(12))) < 1e-6


def test_no_training_examples_are_no_training_loss() -> None:
    ((net, row),) = networks(measure_examples=0)
    assert {"test_loss", "test_accuracy", "valid_loss"} < row.keys()
    assert not any(name.startswith("train_") for name in row)
    assert measures.test_losses(net) == net.losses


def test_test_losses_are_those_of_the_test_and_validation_set() -> None:
    ((net, _),) = networks()
    assert list(measures.test_losses(net)) == [
        "test_loss", "valid_loss", "test_accuracy", "valid_accuracy",
    ]  # fmt: skip


def test_a_run_that_measures_all_examples_keeps_its_name() -> None:
    def spec(**fields: Any) -> RunSpec:
        train = TrainSpec(optimizer=SGD(), epochs=1, **fields)
        return RunSpec(model=MODEL, data=Windows(), train=train, seed=0)

    assert spec().run_id == spec(measure_examples=None).run_id != spec(measure_examples=5).run_id
