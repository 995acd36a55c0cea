"""The convolution with its own gradient, and the network made of it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allometry.errors import UsageError
from allometry.models import ConvNet
from allometry.models.convolution import conv_relu_pool, image_relu_pool
from allometry.spec.torch_draws import TorchDraws


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


SHAPES = [(1, 1, 1, 1, 1), (2, 5, 1, 4, 3), (9, 4, 5, 1, 2), (6, 8, 3, 2, 4)]  # in, out, H, W, B


def with_slopes(function, places, g, *arguments):
    """Value, and gradient of its product with g, in one program."""
    both = jax.value_and_grad(lambda *a: (function(*a) * g).sum(), places)
    return jax.jit(lambda *a: (function(*a), both(*a)[1]))(*arguments)


@pytest.mark.parametrize(("c_in", "c_out", "height", "width", "n"), SHAPES)
def test_values_and_gradients_are_those_of_the_definition(c_in, c_out, height, width, n):
    x, w, b, g = arrays(
        0, (c_in, 2 * height, 2 * width, n), (c_out, c_in, 3, 3), (c_out,),
        (c_out, height, width, n),
    )  # fmt: skip
    ours, own = with_slopes(conv_relu_pool, (0, 1, 2), g, x, w, b)
    theirs, stock = with_slopes(by_definition, (0, 1, 2), g, x, w, b)
    for one, other in zip((ours, *own), (theirs, *stock), strict=True):
        assert_close(one, other)


@pytest.mark.parametrize(("c", "height", "width", "n"), [s[1:] for s in SHAPES])
def test_an_image_gives_what_one_channel_gives(c, height, width, n):
    x, w, b, g = arrays(1, (2 * height, 2 * width, n), (c, 1, 3, 3), (c,), (c, height, width, n))
    ours, own = with_slopes(image_relu_pool, (1, 2), g, x, w, b)
    theirs, stock = with_slopes(by_definition, (1, 2), g, x[None], w, b)
    for one, other in zip((ours, *own), (theirs, *stock), strict=True):
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
    _, (found,) = with_slopes(conv_relu_pool, (1,), 1.0, *single)
    found = np.asarray(found)
    for place in itertools.product(range(3), range(2), range(3), range(3)):
        step = np.zeros_like(w)
        step[place] = 1e-6
        slope = (total(w + step) - total(w - step)) / 2e-6
        assert found[place] == pytest.approx(slope, abs=1e-3)


def test_of_equal_values_the_first_gets_the_gradient():
    """Zero weights make every value of a block the bias: the upper left input is the one chosen."""
    x = jnp.ones((1, 4, 4, 1))
    w, b = jnp.zeros((1, 1, 3, 3)), jnp.ones(1)
    _, (of_w,) = with_slopes(conv_relu_pool, (1,), 1.0, x, w, b)
    # The four chosen places are (0, 0), (0, 2), (2, 0), (2, 2): neighbours outside count nothing.
    assert of_w[0, 0].tolist() == [[1, 2, 2], [2, 4, 4], [2, 4, 4]]


def plain(params, x):
    """The network by its definition, batch first."""
    h = x.reshape(-1, 28, 28).transpose(1, 2, 0)[None]
    for k in "12":
        h = by_definition(h, params[f"weight{k}"], params[f"bias{k}"])
    h = h.reshape(-1, len(x))
    h = jax.nn.relu(params["weight3"] @ h + params["bias3"][:, None])
    return (params["weight4"] @ h + params["bias4"][:, None]).T


@pytest.mark.parametrize("channels", [1, 11])
def test_the_network_and_its_gradient_are_those_of_the_definition(channels):
    model = ConvNet(channels=channels)
    params = {n: jnp.array(a) for n, a in model.init(TorchDraws(7)).items()}
    (x,) = arrays(1, (8, 784))
    # Squares: gradients of both signs would cancel, down to their rounding.
    ours, (own,) = with_slopes(lambda p: jnp.square(model.apply(p, x)), (0,), 1.0, params)
    theirs, (stock,) = with_slopes(lambda p: jnp.square(plain(p, x)), (0,), 1.0, params)
    assert_close(ours, theirs)
    for name in params:
        assert_close(own[name], stock[name], 1e-4)


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
    key, expected = jax.random.key(0), jax.jit(sure.apply)(params, x)
    np.testing.assert_array_equal(jax.jit(model.apply)(params, x), expected)
    np.testing.assert_array_equal(jax.jit(sure.apply_training)(params, x, key), expected)
    noisy = jax.jit(jax.vmap(lambda k: model.apply_training(params, x, k)))
    draws = noisy(jax.random.split(key, 500))
    assert float(draws.std(axis=0).min()) > 0
    # Not exactly the mean: a ReLU lies between the two.
    assert_close(draws.mean(axis=0), expected, 0.2)


def test_other_images_are_refused_in_words():
    with pytest.raises(UsageError, match="28 x 28"):
        ConvNet(channels=3).check(100, 10)
