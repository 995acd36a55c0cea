"""Sharpness: the largest eigenvalue of the whole Hessian, of closed forms and of matrices."""

import math
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from allometry.measures import sharpness
from allometry.measures.examples import Batch, drawn_rows
from allometry.measures.sharpness import _hessian_product, largest_eigenvalue
from allometry.models import CNN, MLP, ConvNet, EmbeddingDecoder, OneLayerTransformer
from allometry.models.precision import scope
from allometry.spec.losses import CrossEntropy, SquaredError
from tests.measures.untrained import drawn_split, untrained


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-4), ("bfloat16", 1e-4), ("float64", 1e-8)]
)
def test_of_a_linear_network_it_has_its_closed_form(precision: str, tolerance: float) -> None:
    """The Hessian of mean squares is 2 / n of the products of the features and 1."""
    dtype = "f8" if precision == "float64" else "f4"
    split = drawn_split(300, 5, dtype=dtype)
    net = untrained(MLP(widths=(5, 1)), split, SquaredError(), precision=precision)
    x = np.column_stack([split.train_x, np.ones(300)]).astype(np.float64)
    expected = np.linalg.eigvalsh(2 / 300 * x.T @ x)[-1]
    found = sharpness(net, tolerance=tolerance)
    assert found == {"sharpness": pytest.approx(expected, rel=tolerance)}


@pytest.mark.parametrize("seed", range(2))
def test_it_is_the_largest_eigenvalue_of_the_whole_hessian(seed: int) -> None:
    split = drawn_split(30, 3, classes=4, dtype="f8")
    model = MLP(widths=(3, 6, 4), activation="tanh", init_scale=2.0)
    net = untrained(model, split, seed=seed, precision="float64")
    with scope("float64"):
        flat, unravel = ravel_pytree(dict(net.params))
        labels = jax.numpy.asarray(split.train_y)

        def loss(numbers: Any) -> Any:
            outputs = model.apply(unravel(numbers), jax.numpy.asarray(split.train_x))
            return CrossEntropy().each(outputs, labels).mean()

        values = np.linalg.eigvalsh(np.asarray(jax.jit(jax.hessian(loss))(flat)))
    assert values[0] < 0 < values[-1]
    assert sharpness(net, tolerance=1e-7)["sharpness"] == pytest.approx(values[-1], rel=1e-7)
    # The default is what papers need, three digits.
    assert sharpness(net)["sharpness"] == pytest.approx(values[-1], rel=1e-3)


PAIRS = np.random.default_rng(0).integers(0, 7, (6, 2)).astype(np.float64)
IMAGES = np.random.default_rng(0).normal(size=(6, 784))


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (MLP(widths=(784, 5, 7), norm="layer", dropout=0.5), IMAGES),
        (EmbeddingDecoder(p=7, d_embed=4, hidden=(5,)), PAIRS),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                (CNN(channels=(2,)), IMAGES),
                (ConvNet(channels=1), IMAGES),
                (OneLayerTransformer(p=7, d_model=8, d_mlp=5), PAIRS),
            ]
        ),
    ],
    ids=lambda part: type(part).__name__,
)
def test_products_are_differences_of_gradients_along_the_vector(model: Any, x: Any) -> None:
    with scope("float64"):
        start = untrained(model, drawn_split(6, 2), precision="float64").params
        flat, unravel = ravel_pytree(dict(start))
        labels = jax.numpy.arange(6) % 7
        batch = Batch(jax.numpy.asarray(x), labels, jax.numpy.ones(6))
        vector = np.random.default_rng(1).normal(size=flat.shape)

        @jax.jit
        @jax.grad
        def gradient(numbers: Any) -> Any:
            return CrossEntropy().each(model.apply(unravel(numbers), x), labels).sum()

        step = 1e-6
        expected = (gradient(flat + step * vector) - gradient(flat - step * vector)) / (2 * step)
        found = _hessian_product(model, CrossEntropy(), unravel(flat), vector, batch)
    largest = float(np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * largest)


def test_fewer_examples_are_those_the_seed_draws() -> None:
    split = drawn_split(600, 5)
    net = untrained(MLP(widths=(5, 1)), split, SquaredError(), seed=2)
    x = np.column_stack([split.train_x, np.ones(600)])[drawn_rows(600, 300, 2)]
    expected = np.linalg.eigvalsh(2 / 300 * x.T @ x)[-1]
    assert sharpness(net, examples=300)["sharpness"] == pytest.approx(expected, rel=1e-3)


# ---- Lanczos' method --------------------------------------------------------------------------


@given(n=st.integers(1, 40), seed=st.integers(0, 1000), shift=st.sampled_from([-10.0, 0, 10]))
@settings(max_examples=60, deadline=None)
def test_the_largest_by_sign_is_found(n: int, seed: int, shift: float) -> None:
    random = np.random.default_rng(seed)
    half = random.normal(size=(n, n))
    matrix = half + half.T + shift * np.eye(n)
    values = np.linalg.eigvalsh(matrix)
    found = largest_eigenvalue(lambda v: matrix @ v, n, 1e-9, 200, 1e-16)
    assert found == pytest.approx(values[-1], abs=1e-7 * np.abs(values).max())


def test_a_negative_eigenvalue_of_larger_size_is_not_it() -> None:
    diagonal = np.array([-100.0, 3, 1, 0, 0, 0.5])
    assert largest_eigenvalue(lambda v: diagonal * v, 6, 1e-9) == pytest.approx(3, rel=1e-8)


def test_matrices_of_one_eigenvalue_are_found_at_once() -> None:
    for value in (0.0, -2.0, 7.0):
        found = largest_eigenvalue(partial(np.multiply, value), 5, products=1, noise=1e-16)
        assert found == pytest.approx(value, rel=1e-12)


def test_too_few_products_and_numbers_that_are_not_finite_give_nan() -> None:
    diagonal = np.linspace(0, 1, 1000)
    assert math.isnan(largest_eigenvalue(lambda v: diagonal * v, 1000, 1e-9, products=5))
    assert math.isnan(largest_eigenvalue(lambda v: v * np.inf, 5))
