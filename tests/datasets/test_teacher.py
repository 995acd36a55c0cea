"""The teacher: the distribution that its docstring states, the same teacher for all seeds."""

import numpy as np
import pytest

from allometry.datasets import Teacher
from allometry.datasets import teacher as teachers
from allometry.datasets.teacher import _network
from allometry.spec.torch_draws import TorchDraws

BIG = Teacher(n_in=5, n_train=20_000, n_out=2, hidden=(50, 40))


def prepared(teacher, seed=0):
    return teacher.prepare(TorchDraws(seed))


def test_inputs_are_standard_normal_and_outputs_of_mean_zero_and_variance_one():
    split = prepared(BIG)
    assert split.train_x.shape == (20_000, 5) and split.train_y.shape == (20_000, 2)
    # Five standard errors of a mean, a covariance and a variance over 20,000 draws.
    assert abs(split.train_x.mean(axis=0)).max() < 5 / np.sqrt(20_000)
    assert abs(np.cov(split.train_x.T) - np.eye(5)).max() < 5 * np.sqrt(2 / 20_000)
    # Outputs have heavier tails, and the scale is itself measured over 10,240 inputs.
    assert abs(split.train_y.mean(axis=0)).max() < 0.05
    assert abs(split.train_y.std(axis=0) - 1).max() < 0.05


@pytest.mark.parametrize(("activation", "gain"), [("relu", 2), ("tanh", 1)])
def test_targets_are_the_stated_network_computed_by_another_way(activation, gain):
    teacher = Teacher(n_in=3, n_train=40, n_test=30, hidden=(400, 300), activation=activation)
    layers, mean, spread = _network((3, 400, 300, 1), activation, 0)
    for (weight, bias), fan_in, g in zip(layers, (3, 400, 300), (gain, gain, 1), strict=True):
        assert weight.shape == (fan_in, len(bias))
        tolerance = 5 / np.sqrt(2 * weight.size)
        assert weight.std() == pytest.approx(np.sqrt(g / fan_in), rel=tolerance)
        if len(bias) > 1:
            assert bias.std() == pytest.approx(0.1, rel=5 / np.sqrt(2 * len(bias)))
    split = prepared(teacher)
    for x, y in ((split.train_x, split.train_y), (split.test_x, split.test_y)):
        h = x.astype(np.float64).T
        for i, (weight, bias) in enumerate(layers):
            z = np.einsum("io,in->on", weight, h) + bias[:, None]
            last = i + 1 == len(layers)
            h = z if last else np.tanh(z) if activation == "tanh" else np.where(z > 0, z, 0)
        np.testing.assert_allclose(y, (h.T - mean) / spread, rtol=1e-5, atol=1e-6)


def test_training_sets_of_other_sizes_are_nested_to_the_bit():
    large = prepared(Teacher(n_in=4, n_train=3000))
    for n in (1, 1000, 1024, 2500):
        small = prepared(Teacher(n_in=4, n_train=n))
        np.testing.assert_array_equal(small.train_x, large.train_x[:n])
        np.testing.assert_array_equal(small.train_y, large.train_y[:n])
        np.testing.assert_array_equal(small.test_y, large.test_y)


def test_all_seeds_have_one_teacher_and_one_test_set():
    shared, fresh = Teacher(n_in=4, n_train=100), Teacher(n_in=4, n_train=100, fresh=True)
    one, two, three = prepared(shared, 0), prepared(shared, 1), prepared(fresh, 1)
    assert all(a is b for a, b in zip(one, two, strict=True))
    assert not np.array_equal(prepared(fresh, 0).train_x, three.train_x)
    np.testing.assert_array_equal(prepared(fresh, 0).test_y, three.test_y)
    other = prepared(Teacher(n_in=4, n_train=100, teacher_seed=1))
    assert not np.array_equal(other.train_x, one.train_x)


def test_a_study_over_sizes_and_dimensions_is_answered_once_for_all_seeds(monkeypatch):
    """Two dimensions and twelve sizes: more sets than there are between two equal ones."""
    answer, asked = teachers._answer, []
    monkeypatch.setattr(teachers, "_answer", lambda *given: asked.append(1) or answer(*given))
    data = [Teacher(n_in=n, n_train=10 + k, teacher_seed=7) for n in (2, 3) for k in range(12)]
    for one in data:
        prepared(one, seed=0)
    first = len(asked)
    for one in data:
        prepared(one, seed=1)
    assert first > 0
    assert len(asked) == first


def test_no_input_is_in_training_and_test_set():
    for fresh in (False, True):
        split = prepared(Teacher(n_in=2, n_train=2000, n_test=2000, fresh=fresh))
        rows = {tuple(row) for part in (split.train_x, split.test_x) for row in part}
        assert len(rows) == 4000


def test_a_teacher_without_hidden_layers_is_linear():
    split = prepared(Teacher(n_in=3, n_train=200, hidden=()))
    x = np.column_stack([split.train_x, np.ones(200)])
    _, residual, *_ = np.linalg.lstsq(x, split.train_y, rcond=None)
    assert residual < 1e-9


def test_drawing_a_teacher_leaves_the_stream_of_the_run():
    draws = TorchDraws(3)
    Teacher(n_in=3, n_train=20, fresh=True).prepare(draws)
    np.testing.assert_array_equal(draws.randperm(9), TorchDraws(3).randperm(9))
