"""Perceptrons: sizes, work, PyTorch's start and what they compute."""

import hashlib
import json
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from allometry.models import MLP
from allometry.spec.torch_draws import TorchDraws
from tests import ASSETS

GOLDEN: dict[str, Any] = json.loads((ASSETS / "torch_draws.json").read_text())["seeds"]
WIDTHS = st.lists(st.integers(1, 12), min_size=2, max_size=6).map(tuple)
ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}


@given(widths=WIDTHS)
def test_counts_are_the_sizes_of_the_arrays(widths: tuple[int, ...]) -> None:
    model = MLP(widths=widths)
    params, counts = model.init(TorchDraws(0)), model.counts()
    weights = model.weights(params)
    assert counts.n_params == sum(a.size for a in params.values())
    assert counts.n_params_no_biases == sum(a.size for a in weights)
    assert [w.shape for w in weights] == [(b, a) for a, b in pairwise(widths)]


@given(widths=WIDTHS)
def test_a_forward_pass_costs_two_flop_a_weight_and_one_a_bias(widths: tuple[int, ...]) -> None:
    counts = MLP(widths=widths).counts()
    biases = counts.n_params - counts.n_params_no_biases
    assert counts.forward_flop == 2 * counts.n_params_no_biases + biases


@given(widths=WIDTHS)
def test_a_backward_pass_costs_the_products_it_needs(widths: tuple[int, ...]) -> None:
    # Of one example: each weight's gradient is a product (as is each input's), each bias's
    # gradient an addition; nothing needs the gradient of the network's own input.
    flop = 0
    for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
        flop += 2 * fan_in * fan_out + fan_out + (2 * fan_in * fan_out if i else 0)
    assert MLP(widths=widths).counts().backward_flop == flop


@pytest.mark.parametrize("hidden", ["5,2", "43,22"])
@pytest.mark.parametrize("seed", sorted(GOLDEN))
def test_a_start_is_pytorchs_to_the_last_bit(seed: str, hidden: str) -> None:
    draws, golden = TorchDraws(int(seed)), GOLDEN[seed]["mlp"][hidden]
    draws.randperm(60_000)
    params = MLP(widths=(784, *map(int, hidden.split(",")), 10)).init(draws)
    assert len(params) == len(golden) == 6
    for i in range(3):
        for name in ("weight", "bias"):
            array, expected = params[f"{name}{i}"], golden[f"linear{i + 1}.{name}"]
            assert list(array.shape) == expected["shape"]
            assert hashlib.sha256(array.tobytes()).hexdigest() == expected["sha256"]


@given(widths=WIDTHS, activation=st.sampled_from(sorted(ACTIVATIONS)), seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_apply_is_the_textbook_forward_pass(
    widths: tuple[int, ...], activation: Any, seed: int
) -> None:
    model = MLP(widths=widths, activation=activation)
    params = model.init(TorchDraws(seed))
    x = np.random.default_rng(seed).normal(size=(7, widths[0])).astype(np.float32)
    expected = x.astype(float)
    for i, weight in enumerate(model.weights(params)):
        expected = expected @ weight.T.astype(float) + params[f"bias{i}"]
        if i < len(widths) - 2:
            expected = ACTIVATIONS[activation](expected)
    got = np.asarray(model.apply(jax.tree.map(jnp.asarray, params), jnp.asarray(x)))
    assert got.shape == (7, widths[-1])
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@given(widths=WIDTHS, n=st.integers(1, 5))
def test_features_are_the_examples_laid_flat(widths: tuple[int, ...], n: int) -> None:
    x = np.arange(n * 28 * 28, dtype=np.float32).reshape(n, 28, 28)
    [flat] = MLP(widths=widths).features(TorchDraws(0), [x])
    assert (flat == x.reshape(n, 784)).all()


@pytest.mark.parametrize("widths", [(), (3,), (3, 0, 2), (3, -1)])
def test_widths_that_make_no_network_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        MLP(widths=widths)


def test_an_unknown_activation_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="'relu' or 'tanh'"):
        MLP(widths=(2, 3, 2), activation="sigmoid")  # type: ignore[arg-type]


@given(widths=WIDTHS, scale=st.sampled_from([0.5, 8.0, 9.0]), seed=st.integers(0, 2**31))
def test_a_scale_multiplies_every_weight_and_bias_of_the_same_start(
    widths: tuple[int, ...], scale: float, seed: int
) -> None:
    """Omnigrok multiplies `mlp.parameters()`, biases among them."""
    plain = MLP(widths=widths).init(TorchDraws(seed))
    scaled = MLP(widths=widths, init_scale=scale).init(TorchDraws(seed))
    assert plain.keys() == scaled.keys()
    for name, array in plain.items():
        assert scaled[name].dtype == np.float32
        np.testing.assert_array_equal(scaled[name], array * np.float32(scale))


def test_a_scale_of_one_leaves_stored_runs_their_names_and_another_renames() -> None:
    plain = MLP(widths=(2, 3, 2))
    assert "init_scale" not in plain.document(defaults=False)
    assert plain == MLP(widths=(2, 3, 2), init_scale=1.0)
    assert "init_scale" in MLP(widths=(2, 3, 2), init_scale=9.0).document(defaults=False)
