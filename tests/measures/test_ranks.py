"""Effective dimensions of features: closed forms and second ways."""

from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from allometry.measures import effective_rank
from allometry.measures.examples import drawn_rows
from allometry.measures.ranks import effective_rank_of, participation_ratio_of
from allometry.models import MLP
from tests.measures.untrained import drawn_split, untrained

Matrix = NDArray[np.float64]


def with_values(values: Any, n: int = 30, seed: int = 0) -> Matrix:
    """A matrix ``(n, units)`` of these singular values whose columns have a mean of zero."""
    random = np.random.default_rng(seed)
    centred = random.normal(size=(n, len(values)))
    left, _ = np.linalg.qr(centred - centred.mean(axis=0))
    right, _ = np.linalg.qr(random.normal(size=(len(values), len(values))))
    return np.asarray(left @ np.diag(values) @ right)


@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_equal_values_are_counted(k: int) -> None:
    features = with_values([2.0] * k + [0.0] * (8 - k))
    # Zeros come out as rounding, whose share has an entropy of its own.
    assert effective_rank_of(features) == pytest.approx(k, rel=1e-10)
    assert participation_ratio_of(features) == pytest.approx(k, rel=1e-10)


@given(
    values=st.lists(st.floats(0.01, 10), min_size=1, max_size=8), scale=st.floats(0.1, 10),
    n=st.sampled_from([5, 30]), seed=st.integers(0, 100),
)  # fmt: skip
def test_other_ways_give_the_same(values: list[float], scale: float, n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    features = random.normal(1, 1, size=(n, len(values))) * values
    gram = np.clip(np.linalg.eigvalsh(features.T @ features), 0, None)
    entropy = scipy.stats.entropy(np.sqrt(gram))
    assert effective_rank_of(scale * features) == pytest.approx(np.exp(entropy), rel=1e-5)
    eigenvalues = np.linalg.eigvalsh(np.atleast_2d(np.cov(features.T)))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert participation_ratio_of(scale * features) == pytest.approx(expected, rel=1e-9)


def test_a_mean_is_a_dimension_of_one_and_not_of_the_other() -> None:
    features = with_values([1.0, 1.0])
    assert participation_ratio_of(features + 100) == pytest.approx(2, rel=1e-6)
    assert effective_rank_of(features + 100) < 1.2


def test_features_that_are_nowhere_have_no_dimensions() -> None:
    assert np.isnan(effective_rank_of(np.zeros((4, 3))))
    assert np.isnan(participation_ratio_of(np.zeros((4, 3))))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_features_are_of_the_last_hidden_layer_for_test_examples(precision: str) -> None:
    split = drawn_split(300, 5, classes=3, dtype="f8" if precision == "float64" else "f4")
    net = untrained(MLP(widths=(5, 9, 7, 3)), split, seed=4, precision=precision)
    units = split.test_x.astype(np.float64)
    for i in range(2):
        units = np.maximum(units @ net.params[f"weight{i}"].T + net.params[f"bias{i}"], 0)
    for examples in (270, 1000):  # of 300
        some = units[drawn_rows(300, examples, 4)]
        found = effective_rank(net, examples=examples)
        assert found["effective_rank"] == pytest.approx(effective_rank_of(some), rel=1e-4)
        assert found["participation_ratio"] == pytest.approx(participation_ratio_of(some), rel=1e-4)
