"""Frequencies, components and rings of vectors that are known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from allometry.datasets.modular import ModularAddition
from allometry.datasets.splits import Moons
from allometry.errors import DataError
from allometry.measures.network import Network
from allometry.measures.norms import weight_norm
from allometry.models import MLP, OneLayerTransformer
from allometry.spec import RunSpec, TrainSpec
from allometry.spec.optimizers import AdamW
from allometry.spec.torch_draws import TorchDraws
from allometry.studies.delayed.fourier import (
    LARGEST,
    components,
    embedding_structure,
    embedding_trajectories,
    entropy,
    frequencies,
    ring,
)

Array = NDArray[np.float64]
P = 53


def circles(sizes: dict[int, float], p: int = P, d: int = 40, seed: int = 0) -> Array:
    """Vectors ``(p, d)`` of circles of these radii at these frequencies, each in its own plane,
    turned at random and moved off the origin."""
    random = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(random.normal(size=(d, d)))
    angle, points = 2 * np.pi * np.arange(p) / p, np.zeros((p, d))
    for i, (k, size) in enumerate(sizes.items()):
        points += size * np.outer(np.cos(k * angle), turned[2 * i])
        points += size * np.outer(np.sin(k * angle), turned[2 * i + 1])
    return points + random.normal(size=d)


@given(
    sizes=st.dictionaries(st.integers(1, P // 2), st.floats(0.1, 10), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_circles_come_back_with_their_frequencies_and_sizes(
    sizes: dict[int, float], seed: int
) -> None:
    shares = frequencies(circles(sizes, seed=seed))
    expected = np.zeros(P // 2)
    for k, size in sizes.items():
        expected[k - 1] = size**2
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=1e-12)


@given(p=st.integers(3, 40), d=st.integers(1, 12), seed=st.integers(0, 99))
def test_shares_are_those_of_projecting_on_each_cosine_and_sine(p: int, d: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(p, d))
    centred, expected = vectors - vectors.mean(axis=0), []
    for k in range(1, p // 2 + 1):
        angle = 2 * np.pi * k * np.arange(p) / p
        waves = [w for w in (np.cos(angle), np.sin(angle)) if np.linalg.norm(w) > 1e-6]
        expected.append(sum(((w @ centred) ** 2).sum() / (w @ w) for w in waves))
    total = (centred**2).sum()
    np.testing.assert_allclose(frequencies(vectors), np.array(expected) / total, atol=1e-9)
    assert frequencies(vectors).sum() == pytest.approx(1)


def test_noise_has_no_frequency_and_no_ring() -> None:
    shares, rings = [], []
    for seed in range(20):
        vectors = np.random.default_rng(seed).normal(size=(P, 64))
        shares.append(np.sort(frequencies(vectors))[-LARGEST:].sum())
        rings.append(ring(components(vectors)[1]).share)
    # Five of 26 frequencies hold 19% on average, a little more where they are the largest five.
    assert 5 / 26 < min(shares) <= max(shares) < 0.3
    assert max(rings) < 0.5


def test_the_strongest_circle_is_the_ring_of_the_first_two_components() -> None:
    spectrum, points = components(circles({7: 3.0, 11: 1.0, 2: 0.5}))
    assert ring(points).frequency == 7
    assert ring(points).share == pytest.approx(1)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 3.0, rtol=1e-9)
    power = np.repeat([9, 1, 0.25], 2)
    np.testing.assert_allclose(spectrum[:6], power / power.sum())
    assert spectrum[6:].max() < 1e-12


def test_a_line_is_half_a_ring_of_any_one_frequency_and_more() -> None:
    line = np.stack([np.arange(P), np.zeros(P)], axis=1)
    # Of the variance of a line, 6 / pi^2 lies at the first frequency.
    assert ring(line).frequency == 1
    assert ring(line).share == pytest.approx(6 / np.pi**2, abs=1e-2)


@given(n=st.integers(1, 30))
def test_entropy_counts_equal_shares(n: int) -> None:
    shares = np.concatenate([np.full(n, 1 / n), np.zeros(3)])
    assert entropy(shares) == pytest.approx(np.log(n))


def test_equal_vectors_have_no_shape_rather_than_nan() -> None:
    vectors = np.ones((P, 4))
    assert not frequencies(vectors).any()
    assert entropy(components(vectors)[0]) == 0


def network(model: Any, **params: NDArray[np.float32]) -> Network:
    data = ModularAddition(p=P, fraction=0.5)
    train = TrainSpec(optimizer=AdamW(), epochs=1)
    spec = RunSpec(model=model, data=data, train=train, seed=0)
    own = {**model.init(TorchDraws(0)), **params}
    return Network(spec, model, own, {}, data.load(TorchDraws(0)), 0, 0)


def test_the_measure_is_of_the_numbers_and_leaves_the_equals_sign_out() -> None:
    model = OneLayerTransformer(p=P, d_model=40, d_mlp=4)
    far = np.full((1, 40), 1e3)
    embed = np.concatenate([circles({7: 2.0, 3: 1.0}), far]).astype(np.float32)
    found = embedding_structure(network(model, embed=embed))
    assert found["fourier_share"] == pytest.approx(1, abs=1e-6)
    assert (found["ring_frequency"], found["ring_share"]) == (7, pytest.approx(1, abs=1e-6))
    halves = np.array([0.8, 0.2])
    assert found["fourier_entropy"] == pytest.approx(entropy(halves), abs=1e-4)
    assert found["pca_entropy"] == pytest.approx(entropy(np.repeat(halves / 2, 2)), abs=1e-4)
    courses = embedding_trajectories(network(model, embed=embed))
    assert courses["fourier"].shape == (26,) and courses["plane"].shape == (P, 2)
    assert courses["fourier"].argmax() == 7 - 1


def test_a_network_without_embeddings_is_refused() -> None:
    model = MLP(widths=(2, 3, 2))
    train = TrainSpec(optimizer=AdamW(), epochs=1)
    spec = RunSpec(model=model, data=Moons(), train=train, seed=0)
    split = Moons().load(TorchDraws(0))
    net = Network(spec, model, model.init(TorchDraws(0)), {}, split, 0, 0)
    with pytest.raises(DataError, match="OneLayerTransformer expected, got MLP"):
        embedding_structure(net)


def test_the_norm_is_of_all_numbers_and_follows_the_scale_of_the_start() -> None:
    norms = []
    for scale in (1.0, 9.0):
        model = MLP(widths=(2, 30, 2), init_scale=scale)
        params = model.init(TorchDraws(0))
        norms.append(weight_norm(network(model))["weight_norm"])
        every = np.concatenate([a.ravel() for a in params.values()])
        assert norms[-1] == pytest.approx(float(np.linalg.norm(every)), rel=1e-5)
    assert norms[1] == pytest.approx(9 * norms[0], rel=1e-6)
