"""The closed form of the empirical NTK against automatic differentiation and its limit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allometry.studies.ntk_depth.empirical import empirical_ntk, output
from allometry.studies.ntk_depth.limit import limit_ntk


def drawn(seed, sizes, points):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((points, sizes[0]))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    pairs = zip(sizes[1:], sizes[:-1], strict=True)
    return [jnp.asarray(rng.standard_normal(p), jnp.float32) for p in pairs], jnp.asarray(x)


def by_differentiation(weights, x):
    """Gradient inner products of the network as it is written, no formula."""
    jacobian = jax.jacrev(output)(weights, x)
    return sum(np.einsum("nij,mij->nm", *(np.asarray(j, float),) * 2) for j in jacobian)


@pytest.mark.parametrize("sizes", [(4, 6, 1), (5, 7, 3, 1), (3, 12, 12, 12, 12, 12, 1)])
def test_it_is_what_differentiation_gives(sizes):
    weights, x = drawn(1, sizes, 5)
    found, exact = empirical_ntk(weights, x), by_differentiation(weights, x)
    np.testing.assert_allclose(found, exact, atol=1e-5 * np.abs(exact).max())


def test_the_comparison_would_see_a_layer_left_out():
    weights, x = drawn(1, (5, 7, 3, 1), 5)
    exact = by_differentiation(weights, x)
    wrong = exact - 2 / 5 * np.asarray(x @ x.T)
    assert np.abs(wrong - exact).max() > 1e-3 * np.abs(exact).max()


def test_no_hidden_layer_is_the_linear_kernel():
    weights, x = drawn(2, (6, 1), 4)
    np.testing.assert_allclose(empirical_ntk(weights, x), 2 / 6 * (x @ x.T), rtol=1e-6)


def test_it_tends_to_the_matched_limit_at_rate_one_over_root_width():
    """Mean distance from (2/D) K_inf^(L+1) halves as the width grows fourfold."""
    depth, d_in = 2, 10

    def distance(width):
        each = []
        for seed in range(40):
            weights, x = drawn(seed, (d_in, *[width] * depth, 1), 4)
            limit = 2 / d_in * limit_ntk(jnp.clip(x @ x.T, -1, 1), depth + 1)
            each.append(np.linalg.norm(empirical_ntk(weights, x) - limit))
        return np.sqrt(np.mean(np.square(each)))

    widths = np.array([32, 128, 512])
    slope = np.polyfit(np.log(widths), np.log([distance(w) for w in widths]), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.12)
