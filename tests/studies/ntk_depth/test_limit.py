"""The limit kernel: its diagonal, its closed forms, and a numerical integral."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from allometry.studies.ntk_depth.limit import derivative_map, limit_ntk, value_map


@pytest.mark.parametrize("depth", [1, 2, 5, 58])
def test_its_diagonal_is_the_number_of_layers(depth):
    assert float(limit_ntk(jnp.ones(()), depth)) == pytest.approx(depth, rel=1e-6)


def test_one_layer_is_the_cosine_itself():
    cosine = jnp.linspace(-1, 1, 9)
    np.testing.assert_array_equal(limit_ntk(cosine, 1), cosine)


def test_orthogonal_inputs_have_known_values():
    assert float(value_map(jnp.zeros(()))) == pytest.approx(1 / np.pi, rel=1e-6)
    assert float(limit_ntk(jnp.zeros(()), 2)) == pytest.approx(1 / np.pi, rel=1e-6)


@pytest.mark.parametrize("cosine", [-0.9, -0.2, 0.3, 0.8])
def test_the_maps_are_the_gaussian_means_they_stand_for(cosine):
    """2 E[relu(u) relu(v)] and 2 P(u > 0, v > 0) for a Gaussian pair, by quadrature over u."""
    rest = np.sqrt(1 - cosine**2)
    phi, below = stats.norm.pdf, stats.norm.cdf

    def relu_v(u):
        return cosine * u * below(cosine * u / rest) + rest * phi(cosine * u / rest)

    value = 2 * integrate.quad(lambda u: phi(u) * u * relu_v(u), 0, 12)[0]
    both = 2 * integrate.quad(lambda u: phi(u) * below(cosine * u / rest), 0, 12)[0]
    assert float(value_map(jnp.array(cosine))) == pytest.approx(value, abs=1e-6)
    assert float(derivative_map(jnp.array(cosine))) == pytest.approx(both, abs=1e-6)


def test_the_derivative_is_that_of_the_value():
    cosine = jnp.linspace(-0.95, 0.95, 11)
    by_jax = jax.vmap(jax.grad(value_map))(cosine)
    np.testing.assert_allclose(derivative_map(cosine), by_jax, rtol=1e-4)


def test_deep_entries_tend_to_a_quarter_of_the_diagonal():
    assert float(limit_ntk(jnp.array(0.1), 2000)) / 2000 == pytest.approx(0.25, abs=0.03)
