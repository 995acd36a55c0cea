"""Arrays of one's own are known by their content alone."""

import copy
import gc
import hashlib
import json
import struct

import numpy as np
import pytest
from pydantic import ValidationError

from allometry.datasets import Arrays
from allometry.engines import orders
from allometry.errors import DataError, UsageError
from allometry.models import MLP
from allometry.spec import RunSpec, TrainSpec, replace, run_ids
from allometry.spec.optimizers import SGD
from allometry.spec.torch_draws import TorchDraws

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 3))
Y = RANDOM.integers(0, 3, 40)
TEST = (X[30:], Y[30:])


@pytest.fixture
def data():
    return Arrays.of(X[:30], Y[:30], test=TEST)


def run_of(data):
    train = TrainSpec(optimizer=SGD(learning_rate=0.1), epochs=1)
    return RunSpec(model=MLP(widths=(3, 4, 3)), data=data, train=train, seed=0)


def test_the_arrays_come_back(data):
    split = data.prepare(TorchDraws(0))
    np.testing.assert_array_equal(split.train_x, X[:30].astype(np.float32))
    np.testing.assert_array_equal(split.test_y, Y[30:])
    assert (data.n_data, data.n_used) == (30, 30)
    assert split.valid_x is None


def test_the_hash_is_of_types_shapes_and_values_and_never_changes():
    x, y = np.arange(4).reshape(2, 2), np.array([0, 1])
    features = b"<f4 (2, 2)\n" + struct.pack("<4f", 0, 1, 2, 3)
    classes = b"<i4 (2,)\n" + struct.pack("<2i", 0, 1)
    content = [b"allometry/arrays/1\n"]
    for part in (b"train", b"test"):
        content += [part, b"_x ", features, part, b"_y ", classes]
    digest = hashlib.sha256(b"".join([*content, b'["no", "yes"]'])).hexdigest()
    assert digest == "f2d5eddd84851fe3740b085f909ab9288a08dce8c4ec35474c0553102988612b"
    data = Arrays.of(x, y, test=(x, y), classes=("no", "yes"))
    assert data.document(defaults=False) == {"kind": "Arrays", "sha256": digest, "n_train": 2}


def test_layout_and_type_in_memory_do_not_matter(data):
    same = [
        Arrays.of(np.asfortranarray(X[:30]), Y[:30].astype(np.uint8), test=TEST),
        Arrays.of(X[:30].astype(">f8"), Y[:30].astype(">i2"), test=TEST),
        Arrays.of(X[:30].astype(np.float32), Y[:30], test=[X[30:], Y[30:]]),
        Arrays.of(np.repeat(X, 2, axis=0)[:60:2], Y[:30], test=TEST),
    ]
    for other in same:
        assert other == data and hash(other) == hash(data)
        assert run_of(other).run_id == run_of(data).run_id


def test_any_other_content_is_other_data(data):
    one_more = X[:30].copy()
    one_more[7, 1] = np.nextafter(np.float32(one_more[7, 1]), np.float32(9))
    others = [
        Arrays.of(one_more, Y[:30], test=TEST),
        Arrays.of(X[:30], Y[:30].astype(np.float32), test=(X[30:], Y[30:].astype(np.float32))),
        Arrays.of(X[:30].reshape(30, 3, 1), Y[:30], test=(X[30:].reshape(10, 3, 1), Y[30:])),
        Arrays.of(X[:30], Y[:30], test=(X[31:], Y[31:])),
        Arrays.of(X[:30], Y[:30], test=TEST, valid=TEST),
        Arrays.of(X[:30], Y[:30], test=TEST, classes="abc"),
    ]
    assert len({data.sha256, *(other.sha256 for other in others)}) == 7


def test_later_changes_of_the_authors_arrays_change_nothing():
    x = X[:30].copy()
    data = Arrays.of(x, Y[:30], test=TEST)
    x[:] = 0
    np.testing.assert_array_equal(data.load(TorchDraws(0)).train_x, X[:30].astype(np.float32))


# ---- from the document ------------------------------------------------------------------------


def test_a_spec_built_from_its_document_finds_the_arrays(data):
    """As a worker builds it, and as `--set` does."""
    document = json.loads(json.dumps(data.with_options(subset=5).document()))
    built = orders._build(document, {"Arrays": "allometry.datasets.arrays"})
    assert built == data.with_options(subset=5)
    assert len(built.prepare(TorchDraws(0)).train_x) == 5
    changed = replace(run_of(data), "data.subset", 6)
    assert len(changed.data.prepare(TorchDraws(0)).train_x) == 6
    assert changed.run_id != run_of(data).run_id


def test_copies_share_the_arrays(data):
    arrays = data.load(TorchDraws(0))
    for twin in (copy.copy(data), copy.deepcopy(data), data.model_copy(), run_of(data).data):
        assert twin == data
        assert twin.load(TorchDraws(0)).train_x is arrays.train_x


def test_arrays_that_were_never_made_here_are_asked_for_by_name():
    missing = Arrays(name="mine", sha256="0" * 64, n_train=5)
    assert missing.n_used == 5
    with pytest.raises(DataError, match=r"'mine'.*000000000000; construct.* top level of the stu"):
        missing.prepare(TorchDraws(0))


def test_arrays_go_when_nobody_uses_them():
    data = Arrays.of(X[:7], Y[:7], test=TEST)
    document = data.document()
    document.pop("kind")
    assert Arrays(**document).load(TorchDraws(0))
    del data
    gc.collect()
    with pytest.raises(DataError, match="has no arrays"):
        Arrays(**document).load(TorchDraws(0))


def test_a_document_holds_no_arrays(data):
    assert len(json.dumps(data.document())) < 300
    assert run_ids([run_of(data), run_of(data.with_options(standardise=True))])


# ---- test sets, names and refusals ------------------------------------------------------------


@pytest.mark.parametrize(("test", "held"), [(0.25, 10), (10, 10), (np.int64(10), 10), (0.29, 11)])
def test_a_share_is_held_out_to_test_on(test, held):
    one, two = (Arrays.of(X, Y, test=test) for _ in range(2))
    assert one == two
    split = one.prepare(TorchDraws(0))
    assert (len(split.train_x), len(split.test_x)) == (40 - held, held) == (one.n_data, held)
    rows = np.concatenate([split.train_x, split.test_x])
    assert {tuple(row) for row in rows} == {tuple(row) for row in X.astype(np.float32)}
    of_row = {tuple(row): label for row, label in zip(X.astype(np.float32), Y, strict=True)}
    assert [of_row[tuple(row)] for row in split.test_x] == split.test_y.tolist()


def test_a_validation_set_may_be_given():
    split = Arrays.of(X[:20], Y[:20], test=TEST, valid=(X[20:30], Y[20:30])).prepare(TorchDraws(0))
    np.testing.assert_array_equal(split.valid_y, Y[20:30])


def test_names_of_classes_are_kept():
    data = Arrays.of(X, Y, test=0.5, classes=("cat", "dog", "cow"))
    assert data.with_options(subset=3).classes == ("cat", "dog", "cow")
    assert Arrays.of(X, Y, test=0.5).classes == ()


REFUSED = {
    "no classes enough": (dict(test=0.5, classes=("a", "b")), "classes 0 to 2 .* got 2"),
    "everything": (dict(test=40), "test=40 of 40 examples; .* leaves examples on both sides"),
    "nothing": (dict(test=0.001), "test=0.001 of 40"),
    "more than all": (dict(test=1.0), "test=1.0 of 40"),
    "no pair": (dict(test=X), r"test: a pair of features and targets expected, test=\(x, y\)"),
    "true": (dict(test=True), "test: a pair .*, or a share or number of the examples"),
    "half a pair": (dict(test=0.5, valid=(X,)), "valid: a pair"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_in_words(arguments, words):
    with pytest.raises(UsageError, match=words):
        Arrays.of(X, Y, **arguments)


def test_names_of_classes_for_real_targets_are_refused():
    with pytest.raises(UsageError, match="the targets are real numbers"):
        Arrays.of(X, X[:, 0], test=0.5, classes="ab")


def test_the_constructor_names_the_way_to_make_one():
    with pytest.raises(UsageError, match=r"Arrays\.of\(x, y, test=\(test_x, test_y\)\)"):
        Arrays(train=(X, Y), test=TEST)


def test_a_wrong_option_is_refused():
    with pytest.raises(ValidationError, match="subst"):
        Arrays.of(X, Y, test=0.5, subst=3)
