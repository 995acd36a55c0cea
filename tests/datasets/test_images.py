"""Images as arrays: a tiny set, and FashionMNIST itself."""

import socket

import numpy as np
import pytest

from allometry import datasets
from allometry.datasets.images import load_images, parse_images
from allometry.errors import DataError, UnavailableError


def test_four_files_become_four_arrays(contents):
    arrays = parse_images(contents)
    assert [array.shape for array in arrays] == [(12, 4, 3), (12,), (5, 4, 3), (5,)]
    assert all(array.dtype == np.uint8 for array in arrays)
    assert arrays.test_y.tobytes() == contents["t10k-labels-idx1-ubyte"][8:]
    assert arrays.train_x[3, 1, 2] == contents["train-images-idx3-ubyte"][16 + 3 * 12 + 1 * 3 + 2]


def test_images_and_labels_must_be_of_one_number(contents, to_idx):
    wrong = {**contents, "t10k-labels-idx1-ubyte": to_idx(np.zeros(4, np.uint8))}
    with pytest.raises(DataError, match=r"5 images in t10k-images.* 4 labels in t10k-labels"):
        parse_images(wrong)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of its own, and none of the arrays loaded before."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLOMETRY_CACHE", str(folder))
        load_images.cache_clear()
        yield folder
    load_images.cache_clear()


@pytest.fixture(scope="module")
def fashion(cache):
    """FashionMNIST itself, through whatever source this machine has."""
    try:
        return load_images("fashion-mnist")
    except UnavailableError as error:
        pytest.skip(str(error))


def test_fashion_mnist_is_the_published_one(fashion):
    assert [a.shape for a in fashion] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert np.bincount(fashion.train_y).tolist() == [6000] * 10
    assert np.bincount(fashion.test_y).tolist() == [1000] * 10
    assert fashion.train_x.mean() / 255 == pytest.approx(0.286041, abs=5e-7)
    assert fashion.train_x.std() / 255 == pytest.approx(0.353024, abs=5e-7)


def test_the_arrays_are_loaded_once_and_read_only(fashion):
    assert load_images("fashion-mnist") is fashion
    for array in fashion:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_once_fetched_it_loads_without_a_network(fashion, cache, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setenv("PATH", "")
    load_images.cache_clear()
    again = load_images("fashion-mnist")
    assert again is not fashion
    np.testing.assert_array_equal(again.test_x, fashion.test_x)
    assert datasets.find("fashion-mnist") == cache / "datasets" / "fashion-mnist"


def test_a_bit_turned_after_the_download_is_never_trained_on(fashion, cache, monkeypatch):
    path = datasets.get("fashion-mnist") / "t10k-images-idx3-ubyte"
    with path.open("r+b") as file:
        file.seek(5_000_000)
        byte = file.read(1)[0]
        file.seek(5_000_000)
        file.write(bytes([byte ^ 16]))
    assert datasets.find("fashion-mnist") is None
    load_images.cache_clear()
    again = load_images("fashion-mnist")
    np.testing.assert_array_equal(again.test_x, fashion.test_x)
    assert datasets.find("fashion-mnist") is not None
