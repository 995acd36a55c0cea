"""Which examples a run trains and is tested on, as frozen values."""

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.datasets.data import Data
from allometry.datasets.images import load_images
from allometry.datasets.moons import make_moons
from allometry.datasets.split import Split, read_only
from allometry.spec.torch_draws import TorchDraws

__all__ = ["Data", "ImageSubset", "LeadingImages", "Moons", "Split"]


class ImageSubset(Data):
    """The first `n_train` of ``torch.randperm`` over a set of images, tested on its test set.

    Pixels are scaled to [0, 1] and not standardised, classes are not balanced,
    as in seed 000.

    Attributes:
        n_test: test images used, from the first on (10,000: all of them).
    """

    name: Literal["fashion-mnist", "mnist"]
    n_train: int = Field(ge=1, le=60_000)
    n_test: int = Field(default=10_000, ge=1, le=10_000)

    @property
    def n_data(self) -> int:
        return self.n_train

    def load(self, draws: TorchDraws) -> Split:
        images = load_images(self.name)
        rows = draws.randperm(len(images.train_x))[: self.n_train]
        test_x, test_y = _scaled_test(self.name)
        return Split(
            read_only(_scaled(images.train_x[rows])),
            read_only(images.train_y[rows].astype(np.int32)),
            test_x[: self.n_test],
            test_y[: self.n_test],
        )


@lru_cache(maxsize=2)
def _scaled_test(name: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Test images and labels: all runs see this one copy."""
    images = load_images(name)
    return read_only(_scaled(images.test_x)), read_only(images.test_y.astype(np.int32))


def _scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / np.float32(255)


class LeadingImages(Data):
    """The first share of a set of images in the order of its file, standardised.

    ``Dataset.load`` of seed 001: pixels minus the mean of all pixels, divided by their unbiased
    standard deviation. Training and test set are standardised separately, the training set by all
    its images, whatever the share. Nothing is drawn.

    Attributes:
        fraction: f: int(f n) of the n training images are used, at least one.
        n_test: test images used, from the first on (10,000: all of them).
    """

    name: Literal["fashion-mnist", "mnist"] = "mnist"
    fraction: float = Field(gt=0, le=1)
    n_test: int = Field(default=10_000, ge=1, le=10_000)

    @property
    def n_data(self) -> int:
        return max(1, int(self.fraction * 60_000))

    def load(self, draws: TorchDraws) -> Split:
        x, y = _standardised(self.name)
        n, test = self.n_data, slice(60_000, 60_000 + self.n_test)
        return Split(x[:n], y[:n], x[test], y[test])


@lru_cache(maxsize=1)
def _standardised(name: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Images and labels, training set before test set, read-only: all runs see this one copy."""
    images = load_images(name)
    x = np.concatenate([_standard(images.train_x), _standard(images.test_x)])
    y = np.concatenate([images.train_y, images.test_y]).astype(np.int32)
    return read_only(x), read_only(y)


def _standard(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    x = pixels.astype(np.float32)
    # Sums over this many float32 numbers are computed in float64.
    x -= np.float32(x.mean(dtype=np.float64))
    x /= np.float32(x.std(ddof=1, dtype=np.float64))
    return x


class Moons(Data):
    """Two interleaved half circles with Gaussian noise, the same for every seed.

    There is no test set in the source (`logarithmic_dynamics_demo`): the test
    columns are of the training examples.
    """

    n_samples: int = Field(default=2000, ge=2)
    noise: float = Field(default=0.1, ge=0)
    random_state: int = 42

    @property
    def n_data(self) -> int:
        return self.n_samples

    def load(self, draws: TorchDraws) -> Split:
        points, labels = make_moons(self.n_samples, self.noise, self.random_state)
        x, y = read_only(points.astype(np.float32)), read_only(labels.astype(np.int32))
        return Split(x, y, x, y)
