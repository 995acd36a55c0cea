"""Files of data that were made up or damaged: refused in words, in little memory, at once."""

import io
import os
import random
import struct
import subprocess
import sys
import textwrap
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from allometry.datasets import (
    Arrays,
    bounds,
    image_folder,
    read_csv,
    read_images,
    read_npy,
    read_npz,
    read_parquet,
)
from allometry.errors import AllometryError, DataError, UsageError

X, Y = np.arange(24.0).reshape(12, 2), np.arange(12) % 3
SHAPE = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"


def npy(header, values=b"", version=(1, 0)):
    """A file as `numpy.save` writes it, with any header."""
    text = header if isinstance(header, bytes) else header.encode("latin1")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + values


def saved(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def zipped(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


HEADERS = {
    "more elements than memory": (npy(SHAPE.format("<f8", "(1000000000000,)")),
                                  "0 bytes of values, expected"),
    "a product beyond 64 bits": (npy(SHAPE.format("<f8", "(4294967296, 4294967296)")),
                                 "0 bytes of values, expected"),
    "less than nothing": (npy(SHAPE.format("<f8", "(-1,)"), bytes(64)), r"of shape \(-1,\)"),
    "objects": (npy(SHAPE.format("|O", "(1,)"), b"cposix\nsystem\n."), "Object arrays"),
    "objects in records": (npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}"),
                           "Object arrays"),
    "records": (npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", bytes(8)),
                "an array of"),
    "cells of no width": (npy(SHAPE.format("|S0", "(1000000000000000,)")), r"an array of \|S0"),
    "nested": (npy("[" * 1900), "its header"),
    "many signs": (npy("-" * 1900 + "1"), "its header"),
    "half a line": (npy("{'descr': ("), "its header"),
    "keys of two kinds": (npy("{'descr': 1, 2: 3}"), "its header"),
    "no type": (npy("{'descr': (), 'fortran_order': False, 'shape': (1,)}"), "its header"),
    "a NUL": (npy("\0" * 64), "its header"),
    "many digits": (npy(SHAPE.format("<f8", f"({'9' * 1000},)")), "0 bytes of values, expected"),
    "a long header": (npy(" " * 60_000), "a header of 60,000 bytes"),
    "a header of 4 GB": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "a header of 4,294,967,295 bytes"),
    "another version": (npy(SHAPE.format("<f8", "(1,)"), version=(9, 0)), "version 9"),
    "cut short": (saved(X)[:-8], r"184 bytes of values, expected were 192 of shape \(12, 2\)"),
    "a header cut short": (saved(X)[:40], "its header"),
    "a pickle": (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.", "magic string"),
    "empty": (b"", "magic string"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), HEADERS.values(), ids=HEADERS)
def test_what_an_array_says_of_itself_is_looked_at_first(tmp_path, content, words):
    one, y = tmp_path / "x.npy", tmp_path / "y.npy"
    one.write_bytes(content)
    y.write_bytes(saved(Y))
    with pytest.raises(DataError, match=words) as alone:
        read_npy(one, y, test=0.5)
    path = zipped(tmp_path / "all.npz", {"x": content, "y": saved(Y)})
    with pytest.raises(DataError, match=words) as packed:
        read_npz(path, test=0.5)
    for refusal, name in ((alone, "x.npy"), (packed, "all.npz")):
        assert name in str(refusal.value) and "\n" not in str(refusal.value)


def test_what_unpacks_to_more_than_is_read_is_refused_before(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "LARGEST", 1000)
    x = np.zeros((12, 20), np.uint8)  # 960 bytes as they are held
    fits = zipped(tmp_path / "fits.npz", {"x": saved(x), "y": saved(Y[:10].astype(np.uint8))})
    with pytest.raises(UsageError, match="12 examples"):  # read, and refused for other reasons
        read_npz(fits, test=2)
    for name in ("x", "y", "test_x", "test_y"):
        (tmp_path / f"{name}.npy").write_bytes(saved(x if name[-1] == "x" else Y))
    x_file, y_file = tmp_path / "x.npy", tmp_path / "y.npy"
    with pytest.raises(DataError, match=r"y.npy: with its 12 numbers the data set is larger than"):
        read_npy(x_file, y_file, test=2)
    with pytest.raises(DataError, match=r"test_y.npy: with its 12 numbers"):
        read_npy(x_file, y_file, test=(tmp_path / "test_x.npy", tmp_path / "test_y.npy"))


def test_arrays_that_are_not_used_are_not_read(tmp_path):
    members = {"x": saved(X), "y": saved(Y), "log": HEADERS["objects"][0]}
    path = zipped(tmp_path / "all.npz", members)
    assert read_npz(path, test=2) == Arrays.of(X, Y, test=2)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_without_a_limit_is_refused(tmp_path, method):
    path = zipped(tmp_path / "a.npz", {"x": saved(X), "y": saved(Y)}, compression=method)
    with pytest.raises(DataError, match=r"a.npz, array 'x': stored or deflated was expected"):
        read_npz(path, test=2)


def test_a_zip_file_of_very_many_names_is_refused(tmp_path):
    path = zipped(tmp_path / "many.npz", {f"{i:0100}": b"" for i in range(8_000)})
    with pytest.raises(DataError, match=r"many.npz: .*a piece of"):
        read_npz(path, test=2)


BOMB = """
    import resource, sys
    from allometry.datasets import bounds, read_npz
    from allometry.errors import DataError
    bounds.LARGEST = 1 << 26
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_npz(sys.argv[1], test=2)
    except DataError as error:
        print(error)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(grown // 1024)
"""


@pytest.mark.parametrize("truth", [True, False])
def test_a_bomb_takes_no_memory(tmp_path, truth):
    """192 MiB of zeros in 1 MB, as values, and as a header that is said to have 4 GB."""
    path, zeros = tmp_path / "bomb.npz", bytes(1 << 24)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as file:
            start = npy(SHAPE.format("<f4", f"({12 << 22}, 1)"))
            file.write(start if truth else b"\x93NUMPY\x02\x00\xff\xff\xff\xff")
            for _ in range(12):
                file.write(zeros)
        archive.writestr("y.npy", saved(Y))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BOMB), str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    message, grown = done.stdout.strip().split("\n")
    assert ("larger than the 0.0625 GiB" if truth else "a header of 4,294,967,295") in message
    assert int(grown) < 100  # MiB


def test_damage_anywhere_is_told_in_words(tmp_path):
    """Bytes put in at random places: read as before or refused, nothing else."""
    rng = random.Random(0)
    whole = zipped(tmp_path / "whole.npz", {"x": saved(X), "y": saved(Y)}).read_bytes()
    packed = zipped(tmp_path / "p.npz", {"x": saved(X), "y": saved(Y)}, compression=8).read_bytes()
    (tmp_path / "y.npy").write_bytes(saved(Y))
    refused = 0
    for i in range(600):
        content = bytearray((whole, packed, saved(X))[i % 3])
        for _ in range(rng.choice((1, 1, 2, 8))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path = tmp_path / f"damaged{i}"
        path.write_bytes(content[: rng.choice((None, None, rng.randrange(len(content))))])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NumPy's, of headers of Python 2
                if i % 3 == 2:
                    read_npy(path, tmp_path / "y.npy", test=2)
                else:
                    read_npz(path, test=2)
        except AllometryError as error:
            refused += 1
            assert len(str(error)) < 1000
    assert refused > 300


# ---- images -----------------------------------------------------------------------------------


def png(width, height, colour=0, rows=b""):
    """A PNG file that says it has such a size."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + (chunk(b"IEND", b""))
    )


@pytest.fixture
def pets(tmp_path):
    for label in ("cats", "dogs"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "pets" / label / "a.png")
    return tmp_path / "pets"


IMAGES = {
    "huge": (png(60_000, 60_000), r"fewer pixels expected: .*3600000000 pixels\) exceeds"),
    "large": (png(10_000, 10_000), r"fewer pixels expected: .*100000000 pixels\) exceeds"),
    "cut short": (png(6, 4), "cannot be read"),
    "a program of PostScript": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n",
        "none of PNG",
    ),
    "empty": (b"", "none of PNG"),
}


@pytest.mark.parametrize(("content", "words"), IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("warned", ["error", "ignore"])
def test_images_that_do_not_serve_are_refused(pets, content, words, warned):
    (pets / "dogs" / "z.png").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter(warned)
        with pytest.raises(DataError, match=f"z.png: .*{words}"):
            read_images(pets, test=0.5)


def test_images_are_counted_before_they_are_unpacked(pets, monkeypatch):
    monkeypatch.setattr(bounds, "LARGEST", 6 * 4 * 4 * 2)
    read_images(pets, test=1)
    (pets / "dogs" / "z.png").write_bytes(png(1, 1))
    with pytest.raises(DataError, match=r"z.png: with its 1 numbers the data set is larger"):
        read_images(pets, test=1)


def test_a_folder_of_too_many_files_is_refused_while_it_is_listed(pets, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_FILES", 50)
    for i in range(60):
        (pets / "dogs" / f"{i}.png").touch()
    with pytest.raises(DataError, match=r"dogs: with it the data set has more than the 50 files"):
        read_images(pets, test=1)


def test_an_image_file_larger_than_any_image_is_not_read(pets, monkeypatch):
    monkeypatch.setattr(image_folder, "LARGEST_FILE", 1_000_000)
    with (pets / "dogs" / "z.webp").open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(DataError, match=r"z.webp is larger than the 1 MB that are read"):
        read_images(pets, test=1)


def test_an_image_in_pieces_of_rubbish_is_refused_or_read(pets):
    rng = random.Random(1)
    files = {}
    for kind in ("png", "jpg", "bmp", "gif", "tiff", "webp", "ppm"):
        content = io.BytesIO()
        Image.fromarray(np.arange(72, dtype=np.uint8).reshape(4, 6, 3)).save(
            content, {"jpg": "jpeg"}.get(kind, kind)
        )
        files[kind] = content.getvalue()
    for i in range(280):
        kind = list(files)[i % len(files)]
        content = bytearray(files[kind])
        for _ in range(rng.choice((1, 2, 8))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path = pets / "dogs" / f"z.{kind}"
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, on what it passes over
            try:
                read_images(pets, test=1)
            except DataError as error:
                assert str(path) in str(error)
        path.unlink()


# ---- names ------------------------------------------------------------------------------------

READERS = {
    "npz": lambda path: read_npz(path, test=0.5),
    "npy": lambda path: read_npy(path, path, test=0.5),
    "csv": lambda path: read_csv(path, test=0.5),
    "parquet": lambda path: read_parquet(path, test=0.5),
    "png": lambda path: read_images(path.parent.parent, test=0.5),
}


@pytest.fixture(params=READERS)
def read_of(request, tmp_path):
    """How such files are read, and the path of one that is still to be made."""
    folder = tmp_path / "pets" / "cats"
    folder.mkdir(parents=True)
    return READERS[request.param], folder / f"a.{request.param}"


def test_what_is_no_file_is_neither_opened_nor_waited_for(read_of):
    read, path = read_of
    os.mkfifo(path)
    with pytest.raises(UsageError, match="is a pipe"):
        read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        read(path)
    path.rmdir()
    path.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="is a device"):
        read(path)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(UsageError, match="links lead in a circle"):
        read(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(read_of):
    read, path = read_of
    path.write_bytes(b"a,y\n1,2\n")
    path.chmod(0)
    with pytest.raises(DataError, match=r"could not be read: Permission denied"):
        read(path)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "\udc80\ud800", "~nobody-of-this-name/x"])
@pytest.mark.parametrize("kind", ["npz", "npy", "csv", "parquet"])
def test_a_name_that_no_file_has_is_refused(kind, name):
    with pytest.raises(UsageError, match=r"no file|no home folder") as refusal:
        READERS[kind](f"{name}.{kind}")
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "~nobody-of-this-name/x", "/dev/null"])
def test_a_name_that_no_folder_has_is_refused(name):
    with pytest.raises(UsageError, match=r"no folder|no home folder") as refusal:
        read_images(name, test=0.5)
    assert len(str(refusal.value)) < 600


def test_a_path_may_begin_with_the_home_folder(tmp_path, pets, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    (tmp_path / "a.csv").write_text("x,y\n1,0.5\n2,1.5\n")
    assert read_npz("~/a.npz", test=2) == Arrays.of(X, Y, test=2)
    assert read_csv("~/a.csv", test="~/a.csv").n_data == 2
    assert read_images("~/pets", test="~/pets").n_data == 2


def test_whole_numbers_that_no_float_keeps_are_no_text(tmp_path):
    """A column of them is Python's numbers, where a column of text is of objects, too."""
    path = tmp_path / "a.csv"
    path.write_text(f"x,y\n1,{2**60 + 1}\n2,-1\n3,{2**63}\n")
    with pytest.raises(UsageError, match="whole numbers may be classes or real targets"):
        read_csv(path, test=1)
    assert read_csv(path, test=1, classes=True).classes == ("-1", str(2**60 + 1), str(2**63))
    assert read_csv(path, test=1, classes=False).classes == ()
