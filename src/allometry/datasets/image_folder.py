"""Your own data from a folder of images: a subfolder for each class."""

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from allometry.datasets.arrays import Arrays
from allometry.datasets.bounds import Room
from allometry.datasets.numpy_files import beside
from allometry.errors import AllometryError, DataError, UsageError
from allometry.files.foreign import expanded, is_folder, read_bytes

__all__ = ["read_images"]

READ_AS = {"1": "L", "L": "L", "RGB": "RGB"}  # modes of Pillow
# They state their size at the start. Some others run a program (EPS) or unpack without limit.
FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF", "TIFF", "WEBP")
LARGEST_FILE = 300_000_000  # bytes; Pillow's limit, 89 million pixels, takes 270 million as RGB


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
    where all are RGB: 8-bit values over 255. Files are PNG, JPEG, PGM or PPM, BMP, GIF (the first
    picture), TIFF and WebP. Another version of the decoder may decode a JPEG file to other values,
    which count as other data.

    Args:
        folder: each of its subfolders holds the images of a class; other files in it are ignored.
            Images are taken in the order of their names.
        test: a second such folder to test on; or the share or number of images held out.
        name, options: as for `Arrays.of`.

    Raises:
        UsageError: no such folder, or no subfolders in it.
        DataError: naming a file that is not such an image, or whose size or colours differ from
            those of the first; more than 4 GiB of values as float32, or a million files.
    """
    folders = [folder, test] if isinstance(test, str | Path) else [folder]
    room = Room()
    parts = [_pictures(expanded(path), room) for path in folders]
    _check_alike([picture for part in parts for picture in part])
    classes = sorted({picture.label for part in parts for picture in part})
    number = {label: i for i, label in enumerate(classes)}
    x = [np.stack([p.values for p in part]).astype(np.float32) for part in parts]
    for values in x:
        values /= np.float32(255)
    y = [np.array([number[p.label] for p in part], dtype=np.int32) for part in parts]
    held_out: Any = (x[1], y[1]) if len(parts) > 1 else test
    return Arrays.of(x[0], y[0], test=held_out, name=name, classes=classes, **options)


def _pictures(folder: Path, room: Room) -> list[_Picture]:
    if not is_folder(folder):
        raise UsageError(f"no folder {str(folder.absolute())[:200]}{beside(folder)}")
    subfolders = [path for path in _visible(folder, room) if is_folder(path)]
    if not subfolders:
        raise UsageError(f"{folder}: a subfolder of images for each class expected, there is none")
    pictures = []
    for subfolder in subfolders:
        files = _visible(subfolder, room)
        if not files:
            raise DataError(f"{subfolder}: images of a class expected, there are none")
        pictures += [_Picture(path, subfolder.name, _values(path, room)) for path in files]
    return pictures


def _visible(folder: Path, room: Room) -> list[Path]:
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                room.take_file(folder)
                names.append(entry.name)
    except OSError as error:
        raise DataError(f"{folder} could not be read: {error.strerror or error}") from None
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def _values(path: Path, room: Room) -> NDArray[np.uint8]:
    content = io.BytesIO(read_bytes(path, LARGEST_FILE))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(content, formats=FORMATS) as image:
                if image.mode not in READ_AS:
                    raise DataError(
                        f"{path}: an 8-bit greyscale or RGB image expected, got Pillow's mode "
                        f"{image.mode}; save it as one of these"
                    )
                colours = len(READ_AS[image.mode])
                room.take(path, image.width * image.height * colours, 1)
                return np.array(image.convert(READ_AS[image.mode]))
    except AllometryError:
        raise
    except UnidentifiedImageError:
        raise DataError(
            f"{path}: an image expected, and this cannot be read: none of {', '.join(FORMATS)}"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{path}: an image of fewer pixels expected: {str(error).partition(',')[0]}; make the "
            "images smaller"
        ) from None
    except Exception as error:  # decoders may raise any exception on a malformed file
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
