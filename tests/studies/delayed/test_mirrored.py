"""Pairs shown the other way round, told from the rest by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from allometry.datasets.modular import ModularAddition
from allometry.datasets.splits import Split
from allometry.errors import DataError
from allometry.measures.network import Network
from allometry.models import OneLayerTransformer
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import AdamW
from allometry.spec.torch_draws import TorchDraws
from allometry.studies.delayed.mirrored import mirrored, mirrored_accuracy


def floats(pairs: list[tuple[int, int]]) -> NDArray[np.float32]:
    return np.array(pairs, dtype=np.float32)


def test_mirrored_pairs_are_those_shown_the_other_way_round() -> None:
    shown, asked = (
        floats([(0, 1), (2, 2), (3, 1)]),
        floats([(1, 0), (0, 3), (1, 3), (2, 2), (0, 1)]),
    )
    assert mirrored(shown, asked).tolist() == [True, False, True, True, False]


def test_about_the_fraction_shown_is_mirrored() -> None:
    split = ModularAddition(p=53, fraction=0.4).load(TorchDraws(0))
    assert mirrored(split.train_x, split.test_x).mean() == pytest.approx(0.4, abs=0.03)


def network(split: Split, **params: Any) -> Network:
    model = OneLayerTransformer(p=5, d_model=8, n_heads=2, d_mlp=4)
    train = TrainSpec(optimizer=AdamW(), epochs=1)
    spec = RunSpec(model=model, data=ModularAddition(p=5, fraction=0.5), train=train, seed=0)
    return Network(spec, model, {**model.init(TorchDraws(0)), **params}, {}, split, 0, 0)


def test_accuracies_are_counted_apart() -> None:
    """A network that answers 3 whatever it is asked: right where the sum is 3."""
    asked = floats([(1, 2), (0, 3), (4, 4), (1, 1), (0, 0)])
    y = (asked.sum(axis=1) % 5).astype(np.int32)
    shown = floats([(2, 1), (3, 0), (1, 1), (0, 2)])
    answer = np.zeros((5, 8), dtype=np.float32)
    bias = np.zeros(8, dtype=np.float32)
    answer[3, 0], bias[0] = 1e3, 1e3
    net = network(Split(shown, y[:4], asked, y), answer=answer, outer_bias=bias)
    found = mirrored_accuracy(net)
    assert found["accuracy_mirrored"] == pytest.approx(2 / 3)  # 1 + 2 and 0 + 3 of three
    assert found["accuracy_unmirrored"] == pytest.approx(1 / 2)  # 4 + 4 = 3 of two


def test_a_kind_there_is_none_of_has_no_accuracy() -> None:
    asked = floats([(1, 2)])
    net = network(Split(floats([(2, 1)]), np.array([3], np.int32), asked, np.array([3], np.int32)))
    assert np.isnan(mirrored_accuracy(net)["accuracy_unmirrored"])


def test_anything_but_pairs_is_refused() -> None:
    with pytest.raises(DataError, match="pairs expected"):
        mirrored(np.zeros((3, 3), np.float32), np.zeros((3, 2), np.float32))
