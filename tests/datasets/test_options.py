"""Options of any data set: what each promises, for any sizes, seeds and shares."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from allometry.datasets import Data, LeadingImages, ModularAddition, Moons, Split
from allometry.errors import UsageError
from allometry.spec import texts
from allometry.spec.torch_draws import TorchDraws

N_TEST = 7
OPTIONS = dict(
    subset=20, label_noise=0.2, target_noise=0.1, standardise=True, standardise_targets=True,
    validation=0.1,
)  # fmt: skip


class Numbered(Data):
    """Example i has the features (i, 3, i²), and the class i modulo `classes` or the target 3 i."""

    n: int
    classes: int = 5  # 0: real targets

    @property
    def n_data(self):
        return self.n

    def load(self, draws):
        i = np.arange(self.n + N_TEST)
        x = np.stack([i, np.full_like(i, 3), i**2], axis=1).astype(np.float32)
        y = (i % self.classes).astype(np.int32) if self.classes else np.float32(3 * i)
        return Split(x[: self.n], y[: self.n], x[self.n :], y[self.n :])


class Drawn(Numbered):
    """The same, after 3 draws of the run's stream."""

    def load(self, draws):
        draws.uniform((3,), 0, 1)
        return super().load(draws)


def prepared(data, seed=0):
    return data.prepare(TorchDraws(seed))


def rows(x):
    return x[:, 0].astype(int)


sizes = st.integers(2, 300)
seeds = st.integers(0, 2**32 - 1)
shares = st.integers(0, 1000).map(lambda k: k / 1000)
quick = settings(max_examples=40)


# ---- subset -----------------------------------------------------------------------------------


@quick
@given(sizes, seeds, st.data())
def test_a_subset_is_part_of_every_larger_one(n, seed, data):
    few, more = sorted(data.draw(st.tuples(st.integers(1, n), st.integers(1, n))))
    small, large = (prepared(Numbered(n=n, subset=k), seed) for k in (few, more))
    assert Numbered(n=n, subset=few).n_used == len(small.train_x) == len(small.train_y) == few
    assert len(set(rows(large.train_x))) == more  # without replacement
    np.testing.assert_array_equal(small.train_x, large.train_x[:few])
    np.testing.assert_array_equal(small.train_y, rows(small.train_x) % 5)  # labels go along
    assert len(small.test_x) == N_TEST


def test_subsets_of_other_seeds_are_others():
    one, two = (set(rows(prepared(Numbered(n=200, subset=50), seed).train_x)) for seed in (0, 1))
    assert one != two


def test_every_example_is_as_likely_in_a_subset():
    chosen = np.zeros(10)
    for seed in range(2000):
        chosen[rows(prepared(Numbered(n=10, subset=3), seed).train_x)] += 1
    # Binomial(2000, 0.3): a standard deviation is 20.5.
    assert abs(chosen - 600).max() < 5 * 20.5


def test_a_subset_of_more_than_there_are_is_refused():
    data = Numbered(n=100, subset=95, validation=0.1)
    for ask in (lambda: data.n_used, lambda: prepared(data)):
        with pytest.raises(UsageError, match=r"subset=95, but there are 90 .* beside 10 for val"):
            ask()


# ---- noise ------------------------------------------------------------------------------------


@quick
@given(sizes, seeds, shares, st.integers(2, 5))
def test_exactly_the_share_of_labels_is_of_another_class(n, seed, share, classes):
    y = prepared(Numbered(n=n, classes=classes, label_noise=share), seed).train_y
    classes = min(n, classes)
    wrong = y != np.arange(n) % classes
    assert wrong.sum() == int(Fraction(str(share)) * n)
    assert y.dtype == np.int32 and y.min() >= 0 and y.max() < classes


@quick
@given(sizes, seeds, shares, st.data())
def test_noise_is_the_same_in_subsets_of_every_size(n, seed, share, data):
    k = data.draw(st.integers(1, n))
    whole = prepared(Numbered(n=n, label_noise=share), seed)
    some = prepared(Numbered(n=n, label_noise=share, subset=k), seed)
    np.testing.assert_array_equal(some.train_y, whole.train_y[rows(some.train_x)])
    assert (some.train_y != rows(some.train_x) % 5).sum() == int(Fraction(str(share)) * k)


def test_other_classes_are_drawn_uniformly():
    y = prepared(Numbered(n=6000, classes=4, label_noise=1)).train_y
    shift = (y - np.arange(6000)) % 4
    # Binomial(6000, 1/3): a standard deviation is 36.5.
    assert abs(np.bincount(shift, minlength=4) - [0, 2000, 2000, 2000]).max() < 5 * 36.5


def test_noise_of_targets_is_in_units_of_their_deviation():
    data = Numbered(n=20_000, classes=0, target_noise=0.25)
    true = 3 * np.arange(20_000)
    noise = (prepared(data).train_y - true) / true.std()
    # Standard errors: of a mean 0.25/sqrt(n), of a deviation 0.25/sqrt(2 n).
    assert abs(noise.mean()) < 5 * 0.25 / np.sqrt(20_000)
    assert abs(noise.std() - 0.25) < 5 * 0.25 / np.sqrt(40_000)
    some = prepared(data.with_options(subset=100))
    np.testing.assert_allclose(some.train_y, prepared(data).train_y[rows(some.train_x)])


def test_test_and_validation_sets_are_without_noise():
    for noise, classes in ({"label_noise": 1.0}, 5), ({"target_noise": 1.0}, 0):
        split = prepared(Numbered(n=50, classes=classes, validation=10, **noise))
        plain = prepared(Numbered(n=50, classes=classes, validation=10))
        np.testing.assert_array_equal(split.test_y, plain.test_y)
        np.testing.assert_array_equal(split.valid_y, plain.valid_y)
        assert (split.train_y != plain.train_y).all()


def test_noise_of_the_wrong_kind_is_refused():
    refusals = {
        r"label_noise is for classes, .* target_noise": Numbered(n=9, classes=0, label_noise=0.5),
        r"target_noise is for real targets, .* label_noise": Numbered(n=9, target_noise=0.5),
        r"standardise_targets is for real targets": Numbered(n=9, standardise_targets=True),
        r"two classes or more expected": Numbered(n=9, classes=1, label_noise=0.5),
    }
    for words, data in refusals.items():
        with pytest.raises(UsageError, match=words):
            prepared(data)


# ---- standardisation --------------------------------------------------------------------------


@quick
@given(st.integers(2, 300), seeds, st.data())
def test_features_have_mean_zero_and_deviation_one_over_the_examples_used(n, seed, data):
    k = data.draw(st.integers(2, n))
    plain = prepared(Numbered(n=n, subset=k), seed)
    split = prepared(Numbered(n=n, subset=k, standardise=True), seed)
    x = split.train_x.astype(np.float64)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x[:, [0, 2]].std(axis=0), 1, rtol=1e-5)
    assert (x[:, 1] == 0).all()  # constant: centred alone
    mean, spread = (f(plain.train_x.astype(float), axis=0) for f in (np.mean, np.std))
    spread[1] = 1
    np.testing.assert_allclose(split.test_x, (plain.test_x - mean) / spread, rtol=1e-4, atol=1e-5)


def test_large_arrays_are_standardised_block_by_block_as_at_once(monkeypatch):
    data = Numbered(n=100, classes=0, standardise=True, standardise_targets=True, validation=9)
    at_once = prepared(data)
    monkeypatch.setattr("allometry.datasets.options.BLOCK_BYTES", 64)
    for one, two in zip(at_once, prepared(data), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-7)
    assert at_once.train_y.mean() == pytest.approx(0, abs=1e-6)
    assert at_once.train_y.std() == pytest.approx(1)


def test_a_test_value_far_outside_a_nearly_constant_feature_is_refused():
    class Constant(Numbered):
        def load(self, draws):
            split = super().load(draws)
            return split._replace(train_x=split.train_x * np.float32(1e-38))

    with pytest.raises(UsageError, match="a column of test_x has a value too far"):
        prepared(Constant(n=9, standardise=True))


def test_symbols_are_not_standardised():
    with pytest.raises(ValidationError, match="symbols"):
        ModularAddition(p=5, fraction=0.5, standardise=True)


# ---- validation -------------------------------------------------------------------------------


@quick
@given(sizes, seeds, seeds, st.data())
def test_validation_takes_the_same_examples_from_training_for_all_seeds(n, one, two, data):
    held = data.draw(st.integers(1, n - 1))
    numbered = Numbered(n=n, validation=held)
    first, second = prepared(numbered, one), prepared(numbered, two)
    assert sorted([*rows(first.train_x), *rows(first.valid_x)]) == list(range(n))
    assert len(first.valid_x) == len(first.valid_y) == held and numbered.n_used == n - held
    np.testing.assert_array_equal(first.valid_y, rows(first.valid_x) % 5)
    assert all(a is b for a, b in zip(first, second, strict=True))
    subset = prepared(Numbered(n=n, validation=held, subset=1), one)
    assert subset.valid_x is first.valid_x  # held out before the subset is drawn


def test_validation_is_a_share_below_one_or_a_whole_number():
    assert Numbered(n=100, validation=0.29).n_used == 71
    assert Numbered(n=100, validation=1).n_used == 99
    assert Numbered(n=100, validation=np.int64(1), subset=np.int64(5)).n_left(100) == 5
    with pytest.raises(ValidationError, match="a number of examples expected, got True"):
        Numbered(n=100, validation=True)
    with pytest.raises(ValidationError, match="a share below 1, or a whole number"):
        Numbered(n=100, validation=1.0)
    for held in (100, 0.001):
        with pytest.raises(UsageError, match="leaves examples on both sides"):
            prepared(Numbered(n=100, validation=held))


def test_a_second_validation_set_is_refused():
    class Whole(Numbered):
        def load(self, draws):
            split = super().load(draws)
            return split._replace(valid_x=split.test_x, valid_y=split.test_y)

    assert len(prepared(Whole(n=20)).valid_x) == N_TEST
    with pytest.raises(UsageError, match=r"has a validation set of 7 .* leave the option"):
        prepared(Whole(n=20, validation=0.5))


# ---- none and all -----------------------------------------------------------------------------


def test_without_options_nothing_changes():
    """Names, examples and the draws that follow are what they were before there were options."""
    assert texts([Moons(n_samples=10)], defaults=False) == ['{"kind":"Moons","n_samples":10}']
    draws, alone = TorchDraws(3), TorchDraws(3)
    split = Drawn(n=30).prepare(draws)
    for one, two in zip(split, Drawn(n=30).load(alone), strict=True):
        assert (one is None and two is None) or np.array_equal(one, two)
    np.testing.assert_array_equal(draws.randperm(50), alone.randperm(50))


def test_options_leave_the_other_draws_of_a_run_as_they_were():
    alone = TorchDraws(3)
    Drawn(n=30).load(alone)
    for classes, left_out in ((5, {"target_noise", "standardise_targets"}), (0, {"label_noise"})):
        draws = TorchDraws(3)
        options = {name: value for name, value in OPTIONS.items() if name not in left_out}
        Drawn(n=30, classes=classes, **options).prepare(draws)
        np.testing.assert_array_equal(draws.randperm(50), alone.copy().randperm(50))


def test_each_option_is_part_of_the_name_of_a_run():
    documents = [Moons().document(defaults=False)]
    documents += [
        Moons(**{name: value}).document(defaults=False) for name, value in OPTIONS.items()
    ]
    assert len({str(document) for document in documents}) == 1 + len(OPTIONS)


def test_shipped_data_take_options(mnist):
    split = prepared(LeadingImages(fraction=0.01, validation=100, subset=64, n_test=10))
    assert (len(split.train_x), len(split.valid_x), len(split.test_x)) == (64, 100, 10)
