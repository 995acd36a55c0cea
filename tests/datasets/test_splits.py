"""The leading images of a set: the notebook's rule, and one copy for all runs."""

import numpy as np
import pytest

from allometry.datasets.splits import LeadingImages
from allometry.spec.torch_draws import TorchDraws
from allometry.training.examples import resident


@pytest.fixture
def half(mnist):
    return LeadingImages(fraction=0.5).load(TorchDraws(0))


def test_the_sizes_are_the_notebooks():
    sizes = [LeadingImages(fraction=2.0**-k).n_data for k in range(10)]
    assert sizes == [60000, 30000, 15000, 7500, 3750, 1875, 937, 468, 234, 117]


def test_training_images_are_standardised_by_all_and_cut_in_order(mnist, half):
    counts = np.bincount(mnist.train_x.ravel(), minlength=256)  # of each brightness
    n, values = counts.sum(), np.arange(256)
    mean = counts @ values / n
    deviation = np.sqrt(counts @ (values - mean) ** 2 / (n - 1))
    some = slice(0, 30000, 10)
    assert half.train_x.shape == (30000, 28, 28) and half.train_x.dtype == np.float32
    expected = (mnist.train_x[some] - mean) / deviation
    np.testing.assert_allclose(half.train_x[some], expected, atol=2e-6)
    np.testing.assert_array_equal(half.train_y, mnist.train_y[:30000])


def test_test_images_are_standardised_by_their_own(mnist, half):
    assert half.test_x.shape == (10000, 28, 28)
    assert half.test_x.mean(dtype=np.float64) == pytest.approx(0, abs=1e-5)
    assert half.test_x.std(ddof=1, dtype=np.float64) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(half.test_y, mnist.test_y)


def test_runs_share_one_copy_in_memory_and_on_the_device(half):
    other = LeadingImages(fraction=0.01, n_test=50).load(TorchDraws(5))
    assert np.shares_memory(half.train_x, other.train_x)
    with pytest.raises(ValueError, match="read-only"):
        other.train_x[0] = 0
    for name in ("train_x", "test_x", "train_y", "test_y"):
        one, two = (resident(getattr(split, name)) for split in (half, other))
        assert one.array is two.array and one.first == two.first
        own = getattr(other, name)
        np.testing.assert_array_equal(one.array[one.first : one.first + len(own)], own)
    flat = resident(other.train_x.reshape(len(other.train_x), -1))
    assert flat.array.shape == (70_000, 784) and flat.first == 0
    assert (len(other.train_x), len(other.test_x)) == (600, 50)


def test_an_array_of_its_own_is_taken_as_it_is():
    x = np.arange(24, dtype=np.float32).reshape(6, 4)
    x.setflags(write=False)
    for part in (x, x[2:], x[:, :1], x[::-1], x[1:3].reshape(4, 2), x.reshape(12, 2)[1:3]):
        found = resident(part)
        np.testing.assert_array_equal(found.array[found.first : found.first + len(part)], part)
