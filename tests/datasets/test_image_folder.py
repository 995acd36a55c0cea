"""A folder of images as data."""

import numpy as np
import pytest
from PIL import Image

from allometry.datasets import Arrays, read_images
from allometry.errors import DataError, UsageError
from allometry.spec.torch_draws import TorchDraws

RANDOM = np.random.default_rng(2)
GREY = RANDOM.integers(0, 256, (5, 4, 6), dtype=np.uint8)
RGB = RANDOM.integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
LABELS = np.array([0, 0, 1, 1, 1])  # of cats and dogs


def save(folder, images, ending="png", names="abcde"):
    """Two images of cats and three of dogs."""
    for image, label, name in zip(images, LABELS, names, strict=True):
        place = folder / ("cats", "dogs")[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{name}.{ending}")
    return folder


@pytest.mark.parametrize(("images", "ending"), [(GREY, "png"), (GREY, "pgm"), (RGB, "png"),
                                                (RGB, "ppm"), (RGB, "bmp")])  # fmt: skip
def test_images_come_back_as_they_were_saved(tmp_path, images, ending):
    data = read_images(save(tmp_path / "mine", images, ending), test=2, name="pets")
    x = images.astype(np.float32) / np.float32(255)
    assert data == Arrays.of(x, LABELS, test=2, name="pets", classes=("cats", "dogs"))


def test_the_folder_and_the_kind_of_file_do_not_matter(tmp_path):
    one = read_images(save(tmp_path / "one", GREY), test=0.4)
    assert one == read_images(save(tmp_path / "two", GREY, "pgm", "vwxyz"), test=0.4)
    (tmp_path / "one" / "README.txt").write_text("beside the subfolders")
    (tmp_path / "one" / "cats" / ".thumbnails").write_text("hidden")
    assert one == read_images(tmp_path / "one", test=0.4)


def test_jpeg_is_read_as_pillow_decodes_it(tmp_path):
    folder = save(tmp_path / "mine", RGB, "jpg")
    split = read_images(folder, test=folder).prepare(TorchDraws(0))
    with Image.open(folder / "cats" / "a.jpg") as image:
        np.testing.assert_array_equal(split.train_x[0], np.float32(np.array(image)) / 255)
    np.testing.assert_array_equal(split.train_x, split.test_x)


def test_a_test_folder_shares_the_classes(tmp_path):
    train = save(tmp_path / "train", GREY)
    dogs = tmp_path / "test" / "dogs"
    dogs.mkdir(parents=True)
    Image.fromarray(GREY[0]).save(dogs / "x.png")
    split = read_images(train, test=str(tmp_path / "test")).prepare(TorchDraws(0))
    assert split.test_y.tolist() == [1] and split.train_y.tolist() == LABELS.tolist()


def test_what_is_no_folder_of_images_is_refused_by_name(tmp_path):
    folder = save(tmp_path / "mine", GREY)
    odd = folder / "dogs" / "z.png"

    def replaced(image):
        Image.fromarray(image).save(odd)
        return folder

    def text():
        odd.write_text("no image")
        return folder

    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow" / "cats").mkdir(parents=True)
    refusals = [
        (lambda: tmp_path / "gone", UsageError, r"no folder .*gone; for one beside the study"),
        (lambda: tmp_path / "empty", UsageError, "empty: a subfolder of images for each class"),
        (lambda: tmp_path / "hollow", DataError, "hollow/cats: images of a class expected"),
        (lambda: replaced(GREY[0, :3]), DataError,
         r"dogs/z.png is 6 x 3 greyscale, .*cats/a.png 6 x 4 greyscale; images of one size"),
        (lambda: replaced(RGB[0]), DataError, "z.png is 6 x 4 RGB, .* 6 x 4 greyscale"),
        (lambda: replaced(np.dstack([RGB[0], GREY[0]])), DataError, "z.png: .* mode RGBA"),
        (lambda: replaced(GREY[0].astype(np.uint16)), DataError, r"z.png: an 8-bit .* mode I;16"),
        (text, DataError, "z.png: an image expected, and this cannot be read"),
    ]  # fmt: skip
    for make, kind, words in refusals:
        with pytest.raises(kind, match=words):
            read_images(make(), test=0.5)
