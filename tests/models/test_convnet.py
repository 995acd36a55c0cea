"""The convolution with its own gradient, and the network made of it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allometry.draws import TorchDraws
from allometry.errors import UsageError
from allometry.models import ConvNet
from allometry.models.convolution import conv_relu_pool, image_relu_pool


def by_definition(x, weight, bias):
    """XLA's convolution and automatic gradient; x ``(in, H, W, B)``."""
    y = jax.lax.conv_general_dilated(
        x, weight, (1, 1), "SAME", dimension_numbers=("CHWN", "OIHW", "CHWN"), precision="highest"
    )
    c, height, width, n = y.shape
    y = jax.nn.relu(y + bias[:, None, None, None])
    return y.reshape(c, height // 2, 2, width // 2, 2, n).max(axis=(2, 4))


def arrays(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [jnp.array(rng.normal(size=s), jnp.float32) for s in shapes]


def assert_close(found, expected, tolerance=2e-5):
    scale = float(jnp.abs(expected).max()) + 1e-6
    assert found.shape == expected.shape
    assert float(jnp.abs(found - expected).max()) <= tolerance * scale


@settings(max_examples=12, deadline=None)
@given(
    c_in=st.integers(1, 9), c_out=st.integers(1, 9), height=st.integers(1, 5),
    width=st.integers(1, 5), n=st.integers(1, 4), seed=st.integers(0, 99),
)  # fmt: skip
def test_values_and_gradients_are_those_of_the_definition(c_in, c_out, height, width, n, seed):
    x, w, b, g = arrays(
        seed, (c_in, 2 * height, 2 * width, n), (c_out, c_in, 3, 3), (c_out,),
        (c_out, height, width, n),
    )  # fmt: skip
    assert_close(conv_relu_pool(x, w, b), by_definition(x, w, b))
    ours = jax.grad(lambda *a: (conv_relu_pool(*a) * g).sum(), (0, 1, 2))(x, w, b)
    stock = jax.grad(lambda *a: (by_definition(*a) * g).sum(), (0, 1, 2))(x, w, b)
    for one, other in zip(ours, stock, strict=True):
        assert_close(one, other)


@settings(max_examples=8, deadline=None)
@given(
    c=st.integers(1, 9), height=st.integers(1, 5), width=st.integers(1, 5),
    n=st.integers(1, 4), seed=st.integers(0, 99),
)  # fmt: skip
def test_an_image_gives_what_one_channel_gives(c, height, width, n, seed):
    x, w, b, g = arrays(seed, (2 * height, 2 * width, n), (c, 1, 3, 3), (c,), (c, height, width, n))
    assert_close(image_relu_pool(x, w, b), by_definition(x[None], w, b))
    ours = jax.grad(lambda *a: (image_relu_pool(x, *a) * g).sum(), (0, 1))(w, b)
    stock = jax.grad(lambda *a: (by_definition(x[None], *a) * g).sum(), (0, 1))(w, b)
    for one, other in zip(ours, stock, strict=True):
        assert_close(one, other)


def test_the_gradient_is_the_slope_in_float64():
    """Central differences in NumPy float64, where no block is near a tie."""
    x, w, b = (np.asarray(a, np.float64) for a in arrays(3, (2, 4, 4, 2), (3, 2, 3, 3), (3,)))

    def total(weight):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        out = np.zeros((3, 4, 4, 2))
        for i, j in itertools.product(range(3), range(3)):
            out += np.einsum("oi,ihwn->ohwn", weight[:, :, i, j], padded[:, i : i + 4, j : j + 4])
        out = np.maximum(out + b[:, None, None, None], 0)
        return out.reshape(3, 2, 2, 2, 2, 2).max(axis=(2, 4)).sum()

    single = [jnp.array(a, jnp.float32) for a in (x, w, b)]
    found = np.asarray(jax.grad(lambda a: conv_relu_pool(single[0], a, single[2]).sum())(single[1]))
    for place in itertools.product(range(3), range(2), range(3), range(3)):
        step = np.zeros_like(w)
        step[place] = 1e-6
        slope = (total(w + step) - total(w - step)) / 2e-6
        assert found[place] == pytest.approx(slope, abs=1e-3)


def test_of_equal_values_the_first_gets_the_gradient():
    """Zero weights make every value of a block the bias: the upper left input is the one chosen."""
    x = jnp.ones((1, 4, 4, 1))
    w, b = jnp.zeros((1, 1, 3, 3)), jnp.ones(1)
    of_w = jax.grad(lambda a: conv_relu_pool(x, a, b).sum())(w)[0, 0]
    # The four chosen places are (0, 0), (0, 2), (2, 0), (2, 2): neighbours outside count nothing.
    assert of_w.tolist() == [[1, 2, 2], [2, 4, 4], [2, 4, 4]]


def plain(params, x):
    """The network by its definition, batch first."""
    h = x.reshape(-1, 28, 28).transpose(1, 2, 0)[None]
    for k in "12":
        h = by_definition(h, params[f"weight{k}"], params[f"bias{k}"])
    h = h.reshape(-1, len(x))
    h = jax.nn.relu(params["weight3"] @ h + params["bias3"][:, None])
    return (params["weight4"] @ h + params["bias4"][:, None]).T


@pytest.mark.parametrize("channels", [1, 6, 11])
def test_the_network_and_its_gradient_are_those_of_the_definition(channels):
    model = ConvNet(channels=channels)
    params = {n: jnp.array(a) for n, a in model.init(TorchDraws(7)).items()}
    (x,) = arrays(1, (8, 784))
    assert_close(model.apply(params, x), plain(params, x))
    ours = jax.grad(lambda p: jnp.square(model.apply(p, x)).sum())(params)
    stock = jax.grad(lambda p: jnp.square(plain(p, x)).sum())(params)
    for name in params:
        assert_close(ours[name], stock[name], 1e-4)


def test_counts_are_the_formulas():
    for c in (6, 8, 11, 16, 23, 33, 47, 67):
        model = ConvNet(channels=c)
        counts, params = model.counts(), model.init(TorchDraws(0))
        assert counts.n_params == 9 * c * c + 3147 * c + 714
        assert counts.n_params == sum(a.size for a in params.values())
        assert counts.n_params_no_biases == sum(w.size for w in model.weights(params))
        products = 784 * 9 * c + 196 * 9 * c * c + 49 * 64 * c + 640
        biases = 784 * c + 196 * c + 74
        assert counts.forward_flop == 2 * products + biases
        assert counts.backward_flop == 4 * products - 2 * 784 * 9 * c + biases


def test_the_start_is_the_one_pytorch_draws():
    """Drawn by torch 2.13.0: torch.manual_seed(654), then the notebook's CNN(6)."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(654)
    layers = [
        torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.Conv2d(6, 6, 3, padding=1),
        torch.nn.Linear(294, 64), torch.nn.Linear(64, 10),
    ]  # fmt: skip
    params = ConvNet(channels=6).init(TorchDraws(654))
    for k, layer in enumerate(layers, start=1):
        np.testing.assert_array_equal(params[f"weight{k}"], layer.weight.detach().numpy())
        np.testing.assert_array_equal(params[f"bias{k}"], layer.bias.detach().numpy())


def test_dropout_is_off_where_nothing_trains_and_keeps_the_mean():
    model, sure = ConvNet(channels=3, dropout=0.2), ConvNet(channels=3)
    params = {n: jnp.array(a) for n, a in model.init(TorchDraws(0)).items()}
    (x,) = arrays(0, (4, 784))
    np.testing.assert_array_equal(model.apply(params, x), sure.apply(params, x))
    key = jax.random.key(0)
    np.testing.assert_array_equal(sure.apply_training(params, x, key), sure.apply(params, x))
    noisy = jax.jit(jax.vmap(lambda k: model.apply_training(params, x, k)))
    draws = noisy(jax.random.split(key, 3000))
    assert float(draws.std(axis=0).min()) > 0
    # Not exactly the mean: a ReLU lies between the two.
    assert_close(draws.mean(axis=0), model.apply(params, x), 0.2)


def test_other_images_are_refused_in_words():
    with pytest.raises(UsageError, match="28 x 28"):
        ConvNet(channels=3).check(100, 10)
