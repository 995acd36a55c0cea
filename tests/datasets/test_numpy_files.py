"""Arrays in NumPy's files are the arrays; where the file lies does not matter."""

import numpy as np
import pytest

from allometry.datasets import Arrays, read_npy, read_npz
from allometry.errors import DataError, UsageError

RANDOM = np.random.default_rng(1)
X, Y = RANDOM.normal(size=(12, 2, 3)), RANDOM.integers(0, 4, 12)
PARTS = {"train_x": X[:8], "train_y": Y[:8], "test_x": X[8:], "test_y": Y[8:]}


@pytest.fixture
def npz(tmp_path):
    def save(name="data.npz", **arrays):
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return save


def test_npz_gives_the_arrays_whatever_the_file_is_called(npz, tmp_path):
    expected = Arrays.of(X[:8], Y[:8], test=(X[8:], Y[8:]), name="mine", subset=3)
    path = npz(**PARTS)
    assert read_npz(path, name="mine", subset=3) == expected
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    np.savez_compressed(moved / "other.npz", **PARTS)
    assert read_npz(str(moved / "other.npz"), name="mine", subset=3) == expected
    swapped = {"_".join(name.split("_")[::-1]): array for name, array in PARTS.items()}
    assert read_npz(npz(**swapped), name="mine", subset=3) == expected


def test_npz_with_a_validation_set(npz):
    data = read_npz(npz(**PARTS, valid_x=X[:2], valid_y=Y[:2]))
    assert data == Arrays.of(X[:8], Y[:8], test=(X[8:], Y[8:]), valid=(X[:2], Y[:2]))


def test_npz_of_one_set_is_divided(npz):
    assert read_npz(npz(x=X, y=Y), test=0.25) == Arrays.of(X, Y, test=0.25)


def test_npy_gives_the_arrays(tmp_path):
    files = {name: tmp_path / f"{name}.npy" for name in PARTS}
    for name, array in PARTS.items():
        np.save(files[name], array)
    x, y, *test = files.values()
    assert read_npy(x, y, test=tuple(test)) == Arrays.of(X[:8], Y[:8], test=(X[8:], Y[8:]))
    assert read_npy(x, y, test=2) == Arrays.of(X[:8], Y[:8], test=2)


def test_files_that_do_not_serve_are_refused_in_words(npz, tmp_path):
    objects = np.array([{"a": 1}, None], dtype=object)
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "text.npz").write_text("x,y\n1,2\n")
    whole = npz("whole.npz", **PARTS).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    refusals = [
        (lambda: read_npz("nowhere.npz"), UsageError, r"no file .*nowhere.npz; .*with_name\('now"),
        (lambda: read_npz(npz(x=X, y=Y)), UsageError, r"nothing to test on; say test=0\.2"),
        (lambda: read_npz(npz(a=X, b=Y)), UsageError, r"train_x, .* expected, got a, b"),
        (lambda: read_npz(npz(train_x=X, train_y=Y)), UsageError, "got train_x, train_y"),
        (lambda: read_npz(npz(**PARTS), test=0.5), UsageError, "a test set of its own"),
        (lambda: read_npz(npz(x=objects, y=Y), test=0.5), DataError,
         r"data.npz, array .x.: .*Object arrays"),
        (lambda: read_npz(tmp_path / "one.npy"), DataError, "holds one array"),
        (lambda: read_npz(tmp_path / "text.npz"), DataError, "text.npz: .* kind or damaged"),
        (lambda: read_npz(tmp_path / "cut.npz"), DataError, "cut.npz: .* another kind or damaged"),
        (
            lambda: read_npy(npz(**PARTS), tmp_path / "one.npy", test=0.5), DataError,
            "several arrays; read_npz",
        ),
    ]  # fmt: skip
    for ask, kind, words in refusals:
        with pytest.raises(kind, match=words):
            ask()
