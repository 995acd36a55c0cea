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

from allometry.errors import UsageError
from allometry.models import MLP
from allometry.spec.torch_draws import TorchDraws
from tests import ASSETS

GOLDEN: dict[str, Any] = json.loads((ASSETS / "torch_draws.json").read_text())["seeds"]
WIDTHS = st.lists(st.integers(1, 12), min_size=2, max_size=6).map(tuple)
ACTIVATIONS: dict[str, Any] = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}


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
    got = np.asarray(jax.jit(model.apply)(params, x))
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
    with pytest.raises(ValidationError, match="'relu', 'tanh', 'gelu'"):
        MLP(widths=(2, 3, 2), activation="swish")


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
    assert "init_scale" in MLP.member_fields


# ---- options ----------------------------------------------------------------------------------

OPTIONS: list[dict[str, Any]] = [
    {"norm": "layer", "activation": "tanh"},
    {"norm": "rms", "bias": False},
    {"norm": "group", "norm_groups": 4, "residual": True},
    {"bias": False, "norm": "layer", "residual": True},
    {"parametrisation": "ntk", "activation": "sin"},
    {"parametrisation": "mup", "base_width": 32},
]


def normalised(x: Any, norm: str, groups: int) -> Any:
    """In NumPy, by the definitions; x ``(B, units)``."""
    parts = x.reshape(len(x), groups, -1)
    if norm != "rms":
        parts = parts - parts.mean(axis=2, keepdims=True)
    return (parts / np.sqrt((parts**2).mean(axis=2, keepdims=True) + 1e-5)).reshape(x.shape)


@pytest.mark.parametrize("options", OPTIONS)
def test_options_compute_what_their_definitions_say(options: dict[str, Any]) -> None:
    model = MLP(widths=(5, 16, 16, 16, 3), **options)
    random = np.random.default_rng(0)
    # Away from the start: scales that are not 1, shifts that are not 0.
    params = {
        name: (array + 0.3 * random.normal(size=array.shape)).astype(np.float32)
        for name, array in model.init(TorchDraws(0)).items()
    }
    x = random.normal(size=(7, 5)).astype(np.float32)
    acts = {**ACTIVATIONS, "sin": np.sin}
    h = x.astype(float)
    for i, weight in enumerate(model.weights(params)):
        z = h @ weight.T / (np.sqrt(weight.shape[1]) if model.parametrisation == "ntk" else 1)
        z = z + params[f"bias{i}"] if model.bias else z
        if i == 3:
            h = z
            break
        if model.norm != "none":
            z = normalised(z, model.norm, model.norm_groups) * params[f"scale{i}"]
            z = z + params.get(f"shift{i}", 0)
        z = acts[model.activation](z)
        h = h + z if model.residual and i else z
    got = jax.jit(model.apply)(params, x)
    np.testing.assert_allclose(got, h, rtol=1e-4, atol=1e-4)


# Groups are sums over masks here, which no formula counts.
@pytest.mark.parametrize("options", [{}, *(o for o in OPTIONS if o.get("norm") != "group")])
def test_counts_of_options_are_the_sizes_and_the_work_of_the_program(
    options: dict[str, Any],
) -> None:
    """Sizes exactly; work within 3% of what XLA counts, for an activation that costs nothing."""
    model = MLP(widths=(50, 512, 512, 512, 10), **{**options, "activation": "relu"})
    params, counts = model.init(TorchDraws(0)), model.counts()
    assert counts.n_params == sum(a.size for a in params.values())
    assert counts.n_params_no_biases == sum(a.size for a in params.values() if a.ndim > 1)
    x = np.zeros((8, 50), np.float32)
    cost: Any = jax.jit(model.apply).lower(params, x).compile().cost_analysis()
    assert cost["flops"] / 8 == pytest.approx(counts.forward_flop, rel=0.03)


ADDING: list[dict[str, Any]] = [
    {"norm": "layer"}, {"norm": "group", "norm_groups": 2}, {"norm": "rms"}, {"residual": True},
]  # fmt: skip


@pytest.mark.parametrize("options", ADDING)
def test_options_cost_what_they_add_to_a_plain_perceptron(options: dict[str, Any]) -> None:
    """Three hidden layers of 8 units: norms of 24, two residual sums of 8, forward and backward."""
    plain, more = MLP(widths=(5, 8, 8, 8, 3)), MLP(widths=(5, 8, 8, 8, 3), **options)
    added = tuple(b - a for a, b in zip(plain.counts(), more.counts(), strict=True))
    units = 24
    expected = {
        "layer": (2 * units, 0, 7 * units, 11 * units),  # scale and shift
        "group": (2 * units, 0, 7 * units, 11 * units),
        "rms": (units, 0, 4 * units, 8 * units),  # scale alone
        "none": (0, 0, 16, 16),
    }
    assert added == expected[options.get("norm", "none")]


def test_what_dense_layers_alone_compute_is_said_of_them_alone() -> None:
    widths = (4, 8, 8, 3)
    dense: list[dict[str, Any]] = [
        {},
        {"activation": "gelu"},
        {"parametrisation": "mup", "base_width": 4},
    ]
    more: list[dict[str, Any]] = [
        {"norm": "rms"}, {"residual": True}, {"dropout": 0.1}, {"bias": False},
        {"parametrisation": "ntk"}, {"activation": "sigmoid"},
    ]  # fmt: skip
    assert all(MLP(widths=widths, **options).dense for options in dense)
    assert not any(MLP(widths=widths, **options).dense for options in more)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"residual": True}, "hidden layers of one width"),
        ({"norm": "group", "norm_groups": 3}, "divides the hidden widths"),
        ({"norm_groups": 2}, "needs norm='group'"),
        ({"parametrisation": "mup"}, "belong together"),
        ({"base_width": 8}, "belong together"),
        ({"dropout": 1.0}, "less than 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MLP(widths=(2, 4, 8, 2), **options)


def test_options_left_alone_leave_stored_runs_their_names() -> None:
    assert MLP(widths=(2, 3, 2)).document(defaults=False) == {"kind": "MLP", "widths": [2, 3, 2]}


def test_dropout_sets_its_share_to_zero_and_keeps_the_mean() -> None:
    """One linear layer after the units dropped, so that the mean of outputs is exact."""
    model = MLP(widths=(6, 400, 2), dropout=0.25)
    params = model.init(TorchDraws(0))
    x: Any = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    several = jax.jit(jax.vmap(lambda key: model.apply_training(params, x, key)))
    draws = np.asarray(several(jax.random.split(jax.random.key(0), 2000)))
    error = draws.std(axis=0) / np.sqrt(len(draws))
    expected = jax.jit(model.apply)(params, x)
    assert (np.abs(draws.mean(axis=0) - expected) <= 4 * error).all()
    # Var of a sum of w h m / (1 - s), m Bernoulli: s / (1 - s) times the sum of squares.
    h = np.maximum(x @ params["weight0"].T + params["bias0"], 0)
    variance = 0.25 / 0.75 * (h**2) @ (params["weight1"] ** 2).T
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.15)


def test_a_subclass_that_computes_something_else_never_trains_with_the_dropout_of_mlp() -> None:
    class Doubled(MLP):
        def apply(self, params: Any, x: Any) -> Any:
            return 2 * super().apply(params, x)

    x, key = jnp.ones((1, 2)), jax.random.key(0)
    plain = Doubled(widths=(2, 3, 2))
    params = plain.init(TorchDraws(0))
    assert (plain.apply_training(params, x, key) == plain.apply(params, x)).all()
    with pytest.raises(UsageError, match="write its `apply_training`"):
        Doubled(widths=(2, 3, 2), dropout=0.5).apply_training(params, x, key)
