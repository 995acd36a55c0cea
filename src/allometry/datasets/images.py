"""Image sets as arrays: FashionMNIST and MNIST."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.cache import cache_root, read
from allometry.datasets.catalogue import describe
from allometry.datasets.idx import read_idx
from allometry.errors import DataError

__all__ = ["ImageArrays", "load_images", "parse_images"]


class ImageArrays(NamedTuple):
    """Images and labels, read-only.

    train_x: uint8, shape ``(n_train, height, width)``, 0 black to 255 white.
    train_y: uint8, shape ``(n_train,)``, the class.
    test_x: uint8, shape ``(n_test, height, width)``.
    test_y: uint8, shape ``(n_test,)``.
    """

    train_x: NDArray[np.uint8]
    train_y: NDArray[np.uint8]
    test_x: NDArray[np.uint8]
    test_y: NDArray[np.uint8]


@lru_cache(maxsize=2)
def load_images(name: str) -> ImageArrays:
    """An image set, fetched if it is not in the cache, and checked by SHA-256.

    Loaded once per process; the arrays are shared and cannot be written to.
    Fetching is logged under `allometry.datasets`.

    Args:
        name: `fashion-mnist` or `mnist`: 60,000 training and 10,000 test images of
            28 x 28.

    Raises:
        UsageError: no data set of that name.
        UnavailableError: it is not in the cache and no source could serve.
        DiskError: a file could not be read, written or removed.
    """
    return parse_images(read(describe(name), cache_root()))


def parse_images(contents: Mapping[str, bytes]) -> ImageArrays:
    """The arrays in the four files of MNIST's layout.

    Args:
        contents: file name to bytes, for `{train,t10k}-images-idx3-ubyte` and
            `{train,t10k}-labels-idx1-ubyte`. The arrays share their memory.

    Raises:
        DataError: a file is not strict IDX, or images and labels differ in number.
    """
    arrays = []
    for split in ("train", "t10k"):
        images, labels = f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"
        x = read_idx(contents[images], 3, images)
        y = read_idx(contents[labels], 1, labels)
        if len(x) != len(y):
            raise DataError(f"{len(x)} images in {images}, but {len(y)} labels in {labels}")
        arrays += [x, y]
    return ImageArrays(*arrays)
