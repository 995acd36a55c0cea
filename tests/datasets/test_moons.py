"""The moons are scikit-learn's, point for point."""

import hashlib

import numpy as np
import pytest

from allometry.datasets.moons import make_moons
from allometry.errors import UsageError


def test_the_points_scikit_learn_draws():
    """From scikit-learn 1.9.1: make_moons(2000, noise=0.1, random_state=42)."""
    points, moon = make_moons(2000, 0.1, 42)
    assert (points.shape, points.dtype) == ((2000, 2), np.float64)
    assert (moon.shape, moon.dtype) == ((2000,), np.int64)
    # Sines differ in the last bit between processors, so points are compared by value.
    expected = [
        [1.776507103548349, 0.19275202268131741],
        [0.3978087226090635, 0.9303901118583269],
        [0.49530794211208146, -0.31832132106212646],
        [0.15184529272154862, 0.09356277461819959],
    ]
    np.testing.assert_allclose(points[[0, 1, 2, -1]], expected, rtol=1e-13)
    np.testing.assert_allclose(points.sum(0), [998.4341696622989, 501.4122071111182], rtol=1e-12)
    digest = hashlib.sha256(moon.astype(np.uint8).tobytes()).hexdigest()
    assert digest == "8ec626c74a09365f482047cc3a382b9b7dfeeb8b063cb44f043813e48c680a26"


@pytest.mark.parametrize(
    ("n_samples", "noise", "seed"), [(2000, 0.1, 42), (7, 0.3, 0), (1, 0.0, 3), (256, 1.0, 2**31)]
)
def test_bit_for_bit_beside_scikit_learn(n_samples, noise, seed):
    datasets = pytest.importorskip("sklearn.datasets")
    points, moon = make_moons(n_samples, noise, seed)
    theirs, labels = datasets.make_moons(n_samples, noise=noise, random_state=seed, shuffle=True)
    assert points.tobytes() == np.ascontiguousarray(theirs).tobytes()
    np.testing.assert_array_equal(moon, labels)


def test_without_noise_every_point_lies_on_its_half_circle():
    points, moon = make_moons(501, 0.0, 1)
    centre = np.where(moon[:, None] == 0, [0.0, 0.0], [1.0, 0.5])
    np.testing.assert_allclose(np.linalg.norm(points - centre, axis=1), 1.0, rtol=1e-12)
    assert np.bincount(moon).tolist() == [250, 251]


@pytest.mark.parametrize(("n_samples", "noise"), [(0, 0.1), (10, -0.1), (10, float("nan"))])
def test_impossible_moons_are_refused(n_samples, noise):
    with pytest.raises(UsageError, match="expected, got"):
        make_moons(n_samples, noise, 0)
