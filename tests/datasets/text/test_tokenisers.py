"""Tokenisers lose nothing, see the training part alone, and are the same each time."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allometry.datasets import BytePair, Bytes, Characters, Text
from allometry.datasets.text.parts import Parts, parted
from allometry.errors import DataError, UsageError
from tests.datasets.text.conftest import story

PARTS = parted([story(20_000).encode()], 0.05)
KINDS = [Bytes(), Characters(), BytePair(vocabulary=300)]
anything = st.text(min_size=1).map(lambda text: text.encode("utf-8", "replace"))


def of(tokeniser, parts, sha256="0"):
    if isinstance(tokeniser, BytePair):
        pytest.importorskip("tokenizers")
    return tokeniser.tokens(parts, sha256)


@pytest.mark.parametrize("tokeniser", KINDS, ids=str)
def test_tokens_are_the_text_again(tokeniser):
    tokens = of(tokeniser, PARTS)
    for name, part in PARTS._asdict().items():
        assert tokens.decode(getattr(tokens, name)) == b"".join(part)
    sizes = np.array([len(token) for token in tokens.vocabulary])
    assert sizes[tokens.test].sum() == sum(map(len, PARTS.test))


@pytest.mark.parametrize("tokeniser", [Bytes(), Characters()], ids=str)
@given(train=anything, test=anything)
def test_tokens_of_any_text_are_it_again(tokeniser, train, test):
    tokens = of(tokeniser, Parts((train,), (b"x",), (test,)))
    assert tokens.decode(tokens.test) == test


@pytest.mark.parametrize("tokeniser", KINDS, ids=str)
def test_another_text_is_encoded_by_the_same_vocabulary(tokeniser):
    tokens = of(tokeniser, PARTS)
    text = "a whale,\nthe café" if isinstance(tokeniser, BytePair | Bytes) else "a whale\nthe café"
    assert tokens.decode(np.array(tokens.encode(text))).decode() == text
    start = PARTS.train[0][:400].decode(errors="ignore")
    assert tokens.encode(start)[:50] == tokens.train[:50].tolist()


def test_byte_pairs_of_any_text_are_it_again():
    """Also of characters that the training text lacks: nothing is unknown."""
    library = pytest.importorskip("tokenizers")
    from allometry.datasets.text import byte_pairs

    made = byte_pairs._trained(library, PARTS.train, 300)
    vocabulary = byte_pairs._vocabulary(made.encode())
    tokeniser = library.Tokenizer.from_str(made)
    assert set(vocabulary) >= {bytes([b]) for b in range(256)} and len(vocabulary) == 300

    @settings(max_examples=300)
    @given(anything)
    def same(text):
        ids = tokeniser.encode(text.decode()).ids
        assert b"".join(vocabulary[i] for i in ids) == text

    same()


def test_vocabularies():
    assert of(Bytes(), PARTS).vocabulary == tuple(bytes([b]) for b in range(256))
    text = b"".join(b"".join(part) for part in PARTS).decode()
    alphabet = of(Characters(), PARTS).vocabulary
    assert [token.decode() for token in alphabet] == sorted(set(text))


def test_byte_pairs_join_the_most_frequent_pair_of_the_training_part_alone():
    train, other = (b"aaab ab ab ab\n",), (b"zzzzzzzzzz" * 99 + b"\n",)
    tokens = of(BytePair(vocabulary=258), Parts(train, other, other))
    assert tokens.vocabulary[256:] == (b"ab", b" ab")  # 4 of the pair a, b; then 3 of space, ab
    assert not any(b"zz" in token for token in tokens.vocabulary)


def test_byte_pairs_are_kept_on_disk_and_used_while_they_are_whole(own_cache, caplog):
    first = of(BytePair(vocabulary=300), PARTS, "text")
    files = sorted((own_cache / "tokens").iterdir())
    assert {file.suffix for file in files} == {".json", ".npz"} and len(files) == 2
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.stem.partition("-")[2]
    times = [file.stat().st_mtime_ns for file in files]
    again = of(BytePair(vocabulary=300), PARTS, "text")
    assert [file.stat().st_mtime_ns for file in files] == times
    for file in files:
        file.write_bytes(file.read_bytes()[:-5])
    mended = of(BytePair(vocabulary=300), PARTS, "text")
    assert caplog.text.count("is damaged") == 2
    assert sorted((own_cache / "tokens").iterdir()) == files
    for tokens in (again, mended):
        assert tokens.vocabulary == first.vocabulary and tokens.sha256 == first.sha256
        assert all(np.array_equal(tokens[i], first[i]) for i in range(3))


def test_training_is_the_same_in_every_process(own_cache, tmp_path):
    """Also with another seed of hashes and another number of threads."""
    pytest.importorskip("tokenizers")
    (tmp_path / "book.txt").write_text(story(20_000), encoding="utf-8")
    code = (
        "import allometry as al\n"
        f"text = al.datasets.read_text({str(tmp_path / 'book.txt')!r},\n"
        "    tokeniser=al.datasets.BytePair(vocabulary=300))\n"
        "print(text.tokeniser_sha256)"
    )
    found = set()
    for i in range(2):
        environment = {"PYTHONHASHSEED": str(i), "RAYON_NUM_THREADS": str(i + 1)}
        environment["ALLOMETRY_CACHE"] = str(tmp_path / f"cache{i}")
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | environment, text=True,
            capture_output=True, check=True,
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1


def test_another_tokeniser_than_expected_is_refused(data):
    pytest.importorskip("tokenizers")
    plain = data.with_options(tokeniser=BytePair(vocabulary=300))
    pinned = BytePair(vocabulary=300, sha256=plain.tokeniser_sha256)
    assert data.with_options(tokeniser=pinned).n_data == plain.n_data
    wrong = BytePair(vocabulary=300, sha256="0" * 64)
    with pytest.raises(DataError, match=f"SHA-256 {'0' * 64} expected, got {pinned.sha256}"):
        data.with_options(tokeniser=wrong).n_data  # noqa: B018
    assert json.dumps(pinned.document())  # part of a run's identity


def test_more_byte_pairs_than_the_text_has_are_refused(data):
    pytest.importorskip("tokenizers")
    with pytest.raises(
        UsageError, match="4096 tokens expected, but the training text has pairs for"
    ):
        data.with_options(tokeniser=BytePair(vocabulary=4096)).n_data  # noqa: B018


def test_vocabularies_of_bytes_and_byte_pairs_are_known_without_the_text():
    """So that a study can say its models before a corpus is fetched."""
    text = Text(name="gcide", train_tokens=1280)
    assert text.n_vocabulary == 256 and text.n_data == 10
    assert text.with_options(tokeniser=BytePair(vocabulary=700)).n_vocabulary == 700


def test_tokenisers_have_names():
    assert Text(name="gutenberg", tokeniser="characters").tokeniser == Characters()
    assert Text(name="gutenberg", tokeniser="byte_pair").tokeniser == BytePair(vocabulary=1024)
    with pytest.raises(ValueError, match="one of the names bytes, characters, byte_pair, expected"):
        Text(name="gutenberg", tokeniser="words")
