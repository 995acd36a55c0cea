"""Networks side by side: the written-out gradient against autodiff of the literal dense model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allometry.studies.sparse_parity import network, program
from allometry.studies.sparse_parity.spec import ParityRun
from allometry.studies.sparse_parity.task import Task, bits, draw, labels, stream

LN2 = np.log(2)


gradient = jax.jit(network.gradient, static_argnames=("widths", "n"))


def made(widths, n_tasks=7, n_bits=37, n=600, seed=4):
    """Specs, started parameters, samples and masks."""
    specs = [
        ParityRun(seed=seed, n_tasks=n_tasks, n_bits=n_bits, width=w, distinct=True) for w in widths
    ]
    task = Task.of(specs[0])
    samples = draw(stream(seed, "x"), n, task.masks.shape[1], jnp.asarray(task.thresholds))
    return specs, network.start(specs), samples, jnp.asarray(task.masks)


def dense(params, samples, masks, n_bits):
    """The notebook's network on [one-hot | bits], its loss as `BCELoss` has it."""
    x = jnp.concatenate(
        [jax.nn.one_hot(samples.tasks, len(masks)), bits(samples.words, n_bits)], axis=1
    )
    first = jnp.concatenate([params.control, params.data])
    y = labels(samples, masks)
    p = jax.nn.sigmoid(jax.nn.relu(x @ first + params.bias) @ params.out + params.out_bias[0])
    return -(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)).mean()


@pytest.mark.parametrize("n_tasks", [7, 40])
def test_the_gradient_is_that_of_the_dense_model(n_tasks):
    """Seven tasks go through the product with the bits; forty are looked up and summed."""
    assert (n_tasks > network.FEW_TASKS) == (n_tasks == 40)
    _, params, samples, masks = made((30,), n_tasks)
    loss, slope = gradient(params, (30,), samples, masks, len(samples.tasks))
    expected, by_autodiff = jax.jit(jax.value_and_grad(dense), static_argnums=3)(
        params, samples, masks, 37
    )
    np.testing.assert_allclose(loss[0], expected, rtol=1e-5)
    for name, ours, theirs in zip(params._fields, slope, by_autodiff, strict=True):
        scale = float(jnp.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, atol=2e-5 * scale, err_msg=name)


def test_networks_side_by_side_are_the_networks_alone():
    widths = (5, 30, 1)
    specs, params, samples, masks = made(widths)
    loss, slope = gradient(params, widths, samples, masks, 600)
    units = np.cumsum((0, *widths))
    for k, spec in enumerate(specs):
        alone = network.start([spec])
        of_k = slice(units[k], units[k + 1])
        np.testing.assert_array_equal(params.data[:, of_k], alone.data)
        own_loss, own = gradient(alone, (spec.width,), samples, masks, 600)
        np.testing.assert_allclose(loss[k], own_loss[0], rtol=1e-5)
        np.testing.assert_allclose(slope.data[:, of_k], own.data, atol=1e-7)
        np.testing.assert_allclose(slope.out[of_k], own.out, atol=1e-6)
        np.testing.assert_allclose(slope.out_bias[k], own.out_bias[0], atol=1e-6)


def test_a_network_that_diverges_leaves_its_neighbours_alone():
    widths = (5, 6)
    _, params, samples, masks = made(widths)
    broken = params._replace(data=params.data.at[:, :5].set(jnp.inf))
    loss, slope = gradient(broken, widths, samples, masks, 600)
    assert not np.isfinite(loss[0]) and np.isfinite(loss[1])
    assert all(np.isfinite(np.asarray(a)[..., 5:]).all() for a in slope[:4])


@pytest.mark.parametrize("tile_floats", [700, 5_000])
def test_a_batch_in_tiles_is_the_batch(monkeypatch, tile_floats):
    _, params, samples, masks = made((30,))

    def total():
        def part(s):
            return network.gradient(params, (30,), s, masks, 600)

        return program._summed(part, samples, 30 + 37)

    monkeypatch.setattr(program, "_tile_floats", lambda: tile_floats)
    tiled = total()
    monkeypatch.setattr(program, "_tile_floats", lambda: 10**9)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), tiled, total())


def test_losses_of_tiles_filled_up_are_the_samples_own(monkeypatch):
    _, params, samples, masks = made((30,))
    whole = network.cross_entropy(network.logits(params, (30,), samples), labels(samples, masks))
    monkeypatch.setattr(program, "_tile_floats", lambda: 67 * 77)  # 600 is no multiple of 77
    np.testing.assert_allclose(program._losses((30,), params, masks, samples), whole, atol=1e-6)


def test_without_weights_the_loss_is_ln_2_and_all_units_rest():
    _, params, samples, masks = made((30,))
    empty = jax.tree.map(jnp.zeros_like, params)
    loss, slope = gradient(empty, (30,), samples, masks, 600)
    np.testing.assert_allclose(loss, LN2, rtol=1e-6)
    assert not any(np.asarray(a).any() for a in slope[:4])


def test_the_start_is_pytorchs():
    (spec,), params, *_ = made((200,), n_tasks=10, n_bits=100)
    assert sum(a.size for a in params) == spec.n_params
    bound = 1 / np.sqrt(110)
    for a in (params.control, params.data, params.bias):
        assert 0.98 * bound < np.abs(a).max() <= bound
    assert np.abs(params.out).max() <= 1 / np.sqrt(200)
    torch = pytest.importorskip("torch")
    torch.manual_seed(spec.seed)
    first, second = torch.nn.Linear(110, 200), torch.nn.Linear(200, 1)
    np.testing.assert_array_equal(params.data, first.weight.detach().numpy().T[10:])
    np.testing.assert_array_equal(params.bias, first.bias.detach().numpy())
    np.testing.assert_array_equal(params.out, second.weight.detach().numpy()[0])
