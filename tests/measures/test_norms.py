"""Norms of parameters and of their way from the start."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from allometry.datasets.splits import Moons
from allometry.errors import UsageError
from allometry.measures import Network, activation_changes, distance_from_start, weight_norms
from allometry.measures.norms import weight_norm
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import SGD
from allometry.spec.torch_draws import TorchDraws
from allometry.training.loop import train_pack
from allometry.training.procedure import Pack
from tests.measures.untrained import drawn_split, untrained

NET = untrained(MLP(widths=(3, 4, 2)), drawn_split(5, 3, classes=2))


def test_norms_of_known_arrays() -> None:
    params = {"weight0": np.array([[3.0, 4.0]]), "bias0": np.array([12.0])}
    found = weight_norms(replace(NET, params=params))
    assert found == {"weight_norm": 13, "weight_norm_weight0": 5, "weight_norm_bias0": 12}


def test_the_whole_is_that_of_the_other_measure_and_of_the_parts() -> None:
    found = weight_norms(NET)
    assert found["weight_norm"] == weight_norm(NET)["weight_norm"]
    parts = [value for name, value in found.items() if name != "weight_norm"]
    assert len(parts) == len(NET.params) == 4
    assert found["weight_norm"] == pytest.approx(np.linalg.norm(parts), rel=1e-12)


def test_the_distance_is_that_of_a_known_move() -> None:
    moved = {**NET.params, "bias1": NET.params["bias1"] + np.array([3, 4], np.float32)}
    found = distance_from_start(replace(NET, params=moved))
    assert found["distance_from_start"] == pytest.approx(5, rel=1e-6)
    assert found["distance_from_start_bias1"] == pytest.approx(5, rel=1e-6)
    assert found["distance_from_start_weight0"] == 0
    assert set(distance_from_start(NET).values()) == {0.0}


def seen(precision: str, *, untrained: bool = True) -> tuple[list[Network], list[Any]]:
    """What measures see of two networks of one pack, and its results."""
    train = TrainSpec(
        optimizer=SGD(learning_rate=0.5), steps=4, measure_steps=2, precision=precision
    )
    data = Moons(n_samples=64)
    specs = [RunSpec(model=MLP(widths=(2, n, 2)), data=data, train=train, seed=n) for n in (3, 6)]
    nets: list[Network] = []

    def collect(net: Network) -> dict[str, float]:
        nets.append(net)
        return distance_from_start(net)

    measures = {"collect": collect}
    results = train_pack(Pack(tuple(specs)), measures, measures, untrained=untrained)
    return nets, results


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_measures_see_the_start_exactly_as_it_was_drawn(precision: str) -> None:
    nets, results = seen(precision)
    assert len(nets) == 2 * 5  # start and end, and three points of the trajectory
    for net in nets:
        assert net.start is not None and net.start.keys() == net.params.keys()
        drawn = net.model.init(TorchDraws(net.spec.seed))  # the data draw nothing
        for name, array in net.start.items():
            np.testing.assert_array_equal(array, drawn[name])
            assert not array.flags.writeable
    for result in results:
        row, along = result.row, result.trajectories["distance_from_start"]
        assert row["distance_from_start_untrained"] == along[0] == 0
        assert 0 < along[1] < row["distance_from_start"] == along[-1]


def test_where_nothing_is_measured_before_training_there_is_no_start() -> None:
    for measure in (distance_from_start, activation_changes):
        with pytest.raises(UsageError, match="before its first update"):
            measure(replace(NET, start=None))
