"""Windows of a text as examples: their targets, their parts, their identity."""

import copy
import shutil

import numpy as np
import pytest

from allometry.datasets import BytePair, Bytes, Characters, Text, read_text
from allometry.datasets.text import documents
from allometry.datasets.text import text as module
from allometry.datasets.text.controls import Chain
from allometry.datasets.text.corpora import GUTENBERG
from allometry.datasets.text.ngrams import ByteModel
from allometry.errors import DataError, UsageError
from allometry.spec.text import texts
from allometry.spec.torch_draws import TorchDraws

PARTS = ("train", "valid", "test")


def prepared(data, seed=0):
    return data.prepare(TorchDraws(seed))


def test_targets_are_the_next_tokens(data):
    split = prepared(data)
    for part in PARTS:
        x, y = split.parts()[part]
        assert x.dtype == np.float32 and y.dtype == np.int32 and x.shape == y.shape
        assert x.shape[1] == 16 and not x.flags.writeable
        assert np.array_equal(x[:, 1:], y[:, :-1])


def test_training_windows_are_the_training_text(data):
    split, text = prepared(data), b"".join(data.parts().train)
    n = data.n_data
    assert n == (len(text) - 1) // 16 == len(split.train_x)
    assert split.train_x.astype(np.uint8).tobytes() == text[: 16 * n]
    assert split.train_y.astype(np.uint8).tobytes() == text[1 : 16 * n + 1]


def test_tested_windows_are_evenly_spaced_in_the_test_text(data):
    split, text = prepared(data), b"".join(data.parts().test)
    assert len(split.test_x) == 64 and len(split.valid_x) == 32
    windows = [text[i : i + 16] for i in range(0, len(text) - 16, 16)]
    rows = [windows.index(x.astype(np.uint8).tobytes()) for x in split.test_x]
    steps = np.diff([-rows[0] - 1, *rows, 2 * len(windows) - rows[-1]])
    assert set(steps[1:-1]) <= {len(windows) // 64, len(windows) // 64 + 1}
    everything = prepared(data.with_options(test_tokens=10**6))
    assert len(everything.test_x) == len(windows)


@pytest.mark.parametrize("tokeniser", [Bytes(), Characters(), BytePair(vocabulary=300)], ids=str)
def test_the_parts_are_of_the_text_whatever_the_tokeniser(data, tokeniser):
    if isinstance(tokeniser, BytePair):
        pytest.importorskip("tokenizers")
    other = data.with_options(tokeniser=tokeniser)
    assert other.parts() == data.parts()
    split = prepared(other)
    assert int(max(split.train_x.max(), split.test_y.max())) < other.n_vocabulary
    tokens = other._tokens()
    rows = split.test_y
    n_bytes = sum(len(tokens.decode(row)) for row in rows)
    assert other.bytes_of(rows) == n_bytes
    assert (n_bytes == rows.size) == isinstance(tokeniser, Bytes)


def test_no_validation_part_is_given_unless_asked_for(data):
    without = data.with_options(valid_tokens=0)
    split = prepared(without)
    assert split.valid_x is None
    assert split.train_x is prepared(data).train_x or np.array_equal(
        split.train_x, prepared(data).train_x
    )
    assert without.kinds != data.kinds


def test_a_slice_is_spread_over_the_text_and_the_same_for_all_seeds(data):
    data = data.with_options(context=64)  # so long that no two windows are equal
    some = data.with_options(train_tokens=64 * 50 + 7)
    assert some.n_data == some.n_used == 50
    one, two = prepared(some, 1), prepared(some, 2)
    assert one.train_x is two.train_x
    whole = prepared(data).train_x
    rows = [int(np.flatnonzero((whole == x).all(axis=1))[0]) for x in one.train_x]
    assert rows == sorted(rows) and rows[0] < len(whole) / 40 and rows[-1] > len(whole) * 0.97
    with pytest.raises(
        UsageError, match=r"train_tokens=90000000, but the training part of \w+ has"
    ):
        prepared(data.with_options(train_tokens=90_000_000))


def test_subsets_are_drawn_by_the_seed(data):
    small, large = (prepared(data.with_options(subset=n)) for n in (20, 60))
    assert np.array_equal(small.train_x, large.train_x[:20])
    assert not np.array_equal(small.train_x, prepared(data.with_options(subset=20), 1).train_x)
    assert data.with_options(subset=20).n_used == 20


def test_shuffled_text_has_the_same_tokens_in_each_part(data):
    mixed = data.with_options(source="shuffled", test_tokens=10**6)
    split, text = prepared(mixed), prepared(data.with_options(test_tokens=10**6))
    for part in PARTS[::2]:
        x, y = split.parts()[part]
        assert np.array_equal(x[:, 1:], y[:, :-1]) and np.array_equal(x[1:, 0], y[:-1, -1])
        counts = [np.bincount(s.parts()[part][0].astype(int).ravel(), minlength=256)
                  for s in (split, text)]  # fmt: skip
        assert np.abs(np.subtract(*counts)).sum() <= 32  # all but what follows the last window
    assert np.array_equal(split.train_x, prepared(mixed, 5).train_x)


def test_bigram_text_is_drawn_from_the_training_text(data):
    drawn = data.with_options(source="bigram", test_tokens=10**6)
    split = prepared(drawn)
    chain = Chain.of(data._tokens().train, 256)
    assert drawn.source_entropy == chain.conditional_entropy
    for part in PARTS:
        x, y = split.parts()[part]
        assert np.isin(x.astype(np.int64) * 256 + y, chain.pairs).all()
        assert x.shape == prepared(data.with_options(test_tokens=10**6)).parts()[part][0].shape
    assert not np.array_equal(split.train_x[: len(split.test_x)], split.test_x)


def test_entropies_of_controls_are_in_their_order(data):
    entropies = [data.with_options(source=s).source_entropy for s in ("shuffled", "bigram", "text")]
    assert entropies[0] > entropies[1] + 0.5 and entropies[2] is None


def test_own_text_is_known_by_its_content(data, books, tmp_path):
    copied = shutil.copytree(books, tmp_path / books.name)
    same = read_text(copied, context=16, valid_tokens=512, test_tokens=1024)
    assert same == data and texts([same]) == texts([data])
    assert "sha256" in data.document(defaults=False)
    (copied / "book2.txt").write_text("another\n")
    assert read_text(copied).sha256 != data.sha256
    assert copy.deepcopy(data)._held is data._held


def test_a_spec_finds_the_text_that_the_process_has_read_and_no_other(data):
    again = Text.model_validate(data.model_dump() | {"tokeniser": data.tokeniser})
    assert np.array_equal(prepared(again).test_x, prepared(data).test_x)
    lost = Text(name="book", sha256="0" * 64)
    with pytest.raises(
        DataError, match=r"data 'book': .* no text of SHA-256 000000000000; call read"
    ):
        prepared(lost)


@pytest.fixture
def nothing_read():
    """No corpus in the memory of this process, before and after."""
    for cache in (documents.corpus, module._parts):
        cache.cache_clear()
    yield
    for cache in (documents.corpus, module._parts):
        cache.cache_clear()


@pytest.mark.usefixtures("nothing_read")
def test_a_corpus_of_the_catalogue_is_read_by_its_name(monkeypatch):
    contents = {"a.txt": b"one\r\ntwo\r\n" * 3000, "chesterton-ball.txt": b"caf\xe9\n" * 5000}
    monkeypatch.setattr(documents, "read", lambda *_: contents)
    parts = Text(name="gutenberg", context=16).parts()
    read = b"".join(b"".join(part) for part in parts)
    assert sorted(set(read.decode().split())) == ["café", "one", "two"] and b"\r" not in read


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"standardise": True}, "standardise: tokens are symbols"),
        ({"label_noise": 0.1}, "label_noise: tokens are symbols"),
        ({"validation": 0.1}, "validation: a text has a validation part.*valid_tokens=65536"),
        ({"test_tokens": 100}, "test_tokens: one window of 128 tokens or more expected, got 100"),
        ({"source": "words"}, "source"),
        ({"context": 1}, "context"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Text(name="gutenberg", **fields)


def test_a_context_longer_than_a_part_is_refused(data):
    with pytest.raises(UsageError, match="a window of 100001 tokens expected in each part, got"):
        prepared(data.with_options(context=100_000, test_tokens=200_000, valid_tokens=0))


def gutenberg():
    from allometry.datasets import find

    if find("gutenberg") is None:
        pytest.skip("`allometry data get gutenberg` first")


@pytest.mark.slow
def test_gutenberg(monkeypatch):
    """The numbers that a study relies on, from the real text."""
    monkeypatch.undo()  # the cache of this machine
    gutenberg()
    text = Text(name="gutenberg")
    assert [sum(map(len, part)) for part in text.parts()] == [10_560_578, 581_567, 602_750]
    assert sum(file.size for file in GUTENBERG.files) == 11_793_318
    train, _, test = map(b"".join, text.parts())
    assert ByteModel.of(train).bits_per_byte(test) == pytest.approx(2.0693, abs=1e-4)
    assert text.n_data == 82_504 and text.n_vocabulary == 256
    assert text.with_options(tokeniser=Characters()).n_vocabulary == 96
    pytest.importorskip("tokenizers")
    pairs = text.with_options(tokeniser=BytePair(vocabulary=1024))
    assert pairs.tokeniser_sha256 is not None and pairs.tokeniser_sha256.startswith("663343e5c5ec")
