"""What a data set of one's own promises, and what is refused in words."""

import numpy as np
import pytest

from allometry.datasets import Arrays, Data, Moons, Split
from allometry.errors import UsageError
from allometry.spec.torch_draws import TorchDraws

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(30, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
REAL = X @ np.array([1, -2, 0.5], dtype=np.float32)
GIVEN = {"train_x": X[:20], "train_y": Y[:20], "test_x": X[20:], "test_y": Y[20:]}


def data_of(n_data=20, **parts):
    """A data set whose `load` gives these parts."""

    class Mine(Data):
        @property
        def n_data(self):
            return n_data

        def load(self, draws):
            return Split(**{**GIVEN, **parts})

    return Mine()


def both(function):
    """Training and test labels changed alike."""
    return {"train_y": function(Y[:20]), "test_y": function(Y[20:])}


def prepared(data, seed=0):
    return data.prepare(TorchDraws(seed))


# ---- what comes through -----------------------------------------------------------------------


def test_examples_come_as_float32_and_int32_that_nobody_can_write_to():
    split = prepared(data_of(
        train_x=X[:20].astype(np.float64), test_x=X[20:].astype(">f8"), **both(np.uint8),
    ))  # fmt: skip
    for array, dtype in zip(split, (np.float32, np.int32) * 2, strict=False):
        assert array.dtype == dtype and not array.flags.writeable
    np.testing.assert_array_equal(split.train_x, X[:20])
    assert X.flags.writeable  # what the author keeps stays his


def test_a_later_change_of_the_authors_arrays_changes_nothing():
    x = X[:20].copy()
    split = prepared(data_of(train_x=x))
    x[:] = 0
    np.testing.assert_array_equal(split.train_x, X[:20])


def test_a_class_for_each_symbol_comes_through():
    """Symbols ``(n, T)`` with ``(n, T)`` classes, as of text; other features are refused."""
    tokens = RANDOM.integers(0, 9, size=(30, 6))
    x, y = tokens[:, :-1], tokens[:, 1:]
    parts = {"train_x": x[:20], "train_y": y[:20], "test_x": x[20:], "test_y": y[20:]}
    split = prepared(data_of(**parts))
    assert split.train_x.dtype == np.float32 and split.train_y.dtype == np.int32
    np.testing.assert_array_equal(split.train_y, y[:20])
    half = np.minimum(x[:20] + 0.5, 8)
    for wrong in ({"train_x": half}, {"train_y": y[:20, 1:]}, {"train_y": -y[:20]}):
        with pytest.raises(UsageError, match="train_y: whole numbers 0 to K - 1 are expected"):
            prepared(data_of(**parts | wrong))
    noisy = data_of(**parts).with_options(label_noise=0.5)
    with pytest.raises(UsageError, match="one class per example, and these have 5"):
        prepared(noisy)


def test_real_targets_of_any_dimension_come_through():
    for real in (REAL, REAL[:, None], np.stack([REAL, 2 * REAL], axis=1).astype(np.float64)):
        split = prepared(data_of(train_y=real[:20], test_y=real[20:]))
        assert split.train_y.dtype == np.float32
        np.testing.assert_allclose(split.train_y, real[:20], rtol=1e-6)


def test_whole_numbers_and_pixels_are_features():
    for x in (np.arange(60, dtype=np.uint8).reshape(20, 3), X[:20] > 0, np.ones((20, 4, 4), int)):
        split = prepared(data_of(train_x=x, test_x=x[:10]))
        np.testing.assert_array_equal(split.train_x, x)
        assert split.train_x.dtype == np.float32


def test_runs_of_other_seeds_see_the_same_arrays():
    """Even where `load` makes new ones each time."""
    first, second = prepared(Moons(n_samples=50), 0), prepared(Moons(n_samples=50), 1)
    other = prepared(Moons(n_samples=50, noise=0.2), 0)
    assert all(one is two for one, two in zip(first, second, strict=True))
    assert first.train_x is not other.train_x
    subset = prepared(Moons(n_samples=50, subset=9), 0)
    assert subset.test_x is first.test_x and len(subset.train_x) == 9


def test_data_that_depend_on_the_seed_are_never_mixed_up():
    class Seeded(Data):
        @property
        def n_data(self):
            return 20

        def load(self, draws):
            x = np.random.default_rng(draws.seed).normal(size=(30, 2)).astype(np.float32)
            return Split(x[:20], Y[:20], x[20:], Y[20:])

    first, second, again = (prepared(Seeded(), seed) for seed in (0, 1, 0))
    assert not np.array_equal(first.train_x, second.train_x)
    np.testing.assert_array_equal(first.train_x, again.train_x)
    assert first.train_y is second.train_y


def test_a_copy_of_the_stream_keeps_its_seed():
    assert TorchDraws(5).copy().seed == TorchDraws(5).seed == 5


# ---- what does not ----------------------------------------------------------------------------

CLASSES = "whole numbers 0 to K - 1 are expected"
HOT = np.eye(2, dtype=int)
REFUSED = {
    "labels -1 and 1": (both(lambda y: 2 * y - 1), rf"train_y: {CLASSES}.*-1 to 1.*np\.unique.*"
                        "for a regression give float targets and the loss squared_error"),
    "one-hot": (both(lambda y: HOT[y]), r"train_y.*shape \(20, 2\).*one-hot: y\.argmax\(axis=1\)"),
    "(n, 1) labels": (both(lambda y: y[:, None]), r"train_y.*\(20, 1\).*y\[:, 0\]"),
    "two classes an example": (both(lambda y: np.stack([y, y], 1)), "an example has one class"),
    "boolean labels": (both(lambda y: y > 0), rf"{CLASSES}.*True and False; y\.astype\(np\.int32"),
    "text labels": (both(lambda y: np.array(["a", "b"])[y]), rf"{CLASSES}.*got text; np\.unique"),
    "labels as objects": (both(lambda y: y.astype(object)), "got objects"),
    "complex labels": (both(lambda y: y + 0j), "got complex numbers"),
    "a list of labels": (both(lambda y: y.tolist()), r"train_y: a NumPy.*list; write np\.arr"),
    "huge labels": (both(lambda y: y.astype(np.int64) << 40), rf"{CLASSES}.*1099511627776"),
    "targets of three axes": (both(lambda y: np.zeros((len(y), 1, 1))), r"\(n,\) or \(n, d\)"),
    "NaN targets": (both(lambda y: np.where(y, np.nan, 1.0)), r"train_y: finite.*got nan at \["),
    "test labels of another kind": ({"test_y": REAL[20:]}, r"one kind.*classes.*real targets"),
    "targets of another dimension": (
        {"train_y": REAL[:20], "test_y": np.stack([REAL, REAL], 1)[20:]}, r"\(n,\).*\(n, 2\)"
    ),
    "no test set": ({"test_x": X[:0], "test_y": Y[:0]}, "test_x.*one row or more.*empty array"),
    "an empty list's array": ({"test_x": np.array([])}, "test_x.*an empty array"),
    "None": ({"test_x": None}, "test_x: a NumPy array is expected, got NoneType"),
    "text features": ({"train_x": np.full((20, 3), "a")}, "train_x: numbers.*got text"),
    "dates": ({"train_x": np.zeros((20, 3), "M8[s]")}, "got dates"),
    "objects": ({"train_x": X[:20].astype(object)}, "got objects"),
    "complex features": ({"train_x": X[:20] + 0j}, "got complex numbers"),
    "NaN features": ({"train_x": np.where(X[:20] > 1, np.nan, X[:20])}, "train_x: finite float32"),
    "beyond float32": ({"train_x": X[:20].astype(float) * 1e300}, r"finite float32 numbers.*e\+"),
    "masked": ({"train_x": np.ma.masked_array(X[:20], X[:20] > 0)}, "a masked array"),
    "a list of features": ({"train_x": X[:20].tolist()}, "NumPy array is expected, got list"),
    "one axis": ({"train_x": X[:20, 0], "test_x": X[20:, 0]}, r"shape \(20,\).*x\[:, None\]"),
    "no features": ({"train_x": X[:20, :0], "test_x": X[20:, :0]}, r"shape \(20, 0\)"),
    "test images of another size": ({"test_x": X[20:, :2]}, r"one shape.*\(3,\).*\(2,\) in test_x"),
    "fewer labels": ({"train_y": Y[:19]}, "20 examples in train_x and 19 targets in train_y"),
    "half a validation set": ({"valid_x": X[:3]}, "valid_x is given without valid_y"),
    "validation of another size": ({"valid_x": X[:3, :2], "valid_y": Y[:3]}, "in valid_x"),
}  # fmt: skip


@pytest.mark.parametrize(("parts", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trained_on_is_refused_in_words(parts, words):
    with pytest.raises(UsageError, match=words) as caught:
        prepared(data_of(**parts))
    assert str(caught.value).startswith("Mine: ")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("given", [15, 20])
def test_a_declared_size_that_load_does_not_give_is_refused(given):
    with pytest.raises(UsageError, match=rf"n_data is 17, but load gave {given} training"):
        prepared(data_of(17, train_x=X[:given], train_y=Y[:given]))


def test_load_that_gives_no_split_is_refused():
    class Mine(Moons):
        def load(self, draws):
            return tuple(GIVEN.values())

    with pytest.raises(UsageError, match=r"load must return Split\(.*got tuple"):
        prepared(Mine())


def test_a_field_named_like_an_option_is_refused_when_the_class_is_made():
    with pytest.raises(UsageError, match="subset is an option of every data set"):

        class Mine(Data):
            subset: str = "all"

    class Scaled(Data):
        standardise: bool = True  # another default is no other meaning

    assert Scaled().standardise


def test_messages_about_arrays_name_them():
    with pytest.raises(UsageError, match=r"digits: train_y: .*\[:, 0\]"):
        Arrays.of(X, Y[:, None], test=(X, Y[:, None]), name="digits")
