"""Data of one's own from a folder of images: a subfolder for each class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from allometry.datasets.arrays import Arrays
from allometry.errors import DataError, UsageError

__all__ = ["read_images"]

READ_AS = {"1": "L", "L": "L", "RGB": "RGB"}  # modes of Pillow


class _Picture(NamedTuple):
    """A file, the class it belongs to, and its values: uint8, (height, width) or with 3 colours."""

    path: Path
    label: str
    values: NDArray[np.uint8]


def read_images(
    folder: str | Path, *, test: float | str | Path, name: str = "arrays", **options: Any
) -> Arrays:
    """Data of images in subfolders, whose names are the classes in sorted order.

    Features are ``(n, height, width)`` where all images are greyscale and ``(n, height, width, 3)``
    where all are RGB: 8-bit values over 255. A JPEG file may be decoded to other values by
    another version of the decoder, and is other data then.

    Args:
        folder: its subfolders hold the images of a class each; files beside them are left out.
            Images are taken in the order of their names.
        test: a second such folder to test on; or the share or number of images held out for it.
        name, options: as for `Arrays.of`.

    Raises:
        UsageError: no such folder, or no subfolders in it.
        DataError: a file that is no such image, or an image unlike the first, by name.
    """
    folders = [folder, test] if isinstance(test, str | Path) else [folder]
    parts = [_pictures(Path(path)) for path in folders]
    _check_alike([picture for part in parts for picture in part])
    classes = sorted({picture.label for part in parts for picture in part})
    x = [np.stack([p.values for p in part]).astype(np.float32) / np.float32(255) for part in parts]
    y = [np.array([classes.index(p.label) for p in part], dtype=np.int32) for part in parts]
    held_out: Any = (x[1], y[1]) if len(parts) > 1 else test
    return Arrays.of(x[0], y[0], test=held_out, name=name, classes=classes, **options)


def _pictures(folder: Path) -> list[_Picture]:
    if not folder.is_dir():
        raise UsageError(
            f"no folder {folder.absolute()}; for one beside the study's file: "
            f"Path(__file__).with_name({folder.name!r})"
        )
    subfolders = [path for path in _visible(folder) if path.is_dir()]
    if not subfolders:
        raise UsageError(f"{folder}: a subfolder of images for each class expected, there is none")
    pictures = []
    for subfolder in subfolders:
        files = _visible(subfolder)
        if not files:
            raise DataError(f"{subfolder}: images of a class expected, there are none")
        pictures += [_Picture(path, subfolder.name, _values(path)) for path in files]
    return pictures


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _values(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            if image.mode not in READ_AS:
                raise DataError(
                    f"{path}: an 8-bit greyscale or RGB image expected, got Pillow's mode "
                    f"{image.mode}; save it as one of these"
                )
            return np.array(image.convert(READ_AS[image.mode]))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: an image expected, and this cannot be read: {error}") from None


def _check_alike(pictures: Sequence[_Picture]) -> None:
    first = pictures[0]
    for picture in pictures:
        if picture.values.shape != first.values.shape:
            raise DataError(
                f"{picture.path} is {_described(picture)}, {first.path} {_described(first)}; "
                "images of one size, all greyscale or all RGB, are expected"
            )


def _described(picture: _Picture) -> str:
    height, width, *colours = picture.values.shape
    return f"{width} x {height} {'RGB' if colours else 'greyscale'}"
