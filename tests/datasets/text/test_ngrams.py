"""The model of short sequences beside a slow one, and compressors beside the programs."""

import gzip
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allometry.datasets.text.ngrams import ByteModel
from allometry.datasets.text.yardsticks import yardsticks
from allometry.errors import UsageError
from tests.datasets.text.conftest import story


def slow_probability(train, order, before, byte):
    """Witten and Bell's formula by counting, with line feeds before the training text."""
    text = b"\n" * (order - 1) + train
    p = 1 / 256
    for length in range(1, order + 1):
        context = before[len(before) - (length - 1) :]
        ends = range(order - 1, len(text))  # the same events at every length
        follow = Counter(text[e] for e in ends if text[e - length + 1 : e] == context)
        total, kinds = sum(follow.values()), len(follow)
        if total:
            p = (follow[byte] + kinds * p) / (total + kinds)
    return p


@settings(max_examples=40)
@given(
    st.binary(min_size=1, max_size=60) | st.text("ab\n", min_size=1).map(str.encode),
    st.text("abc\n", min_size=1, max_size=12).map(str.encode),
    st.integers(1, 7),
)
def test_probabilities_are_those_of_the_slow_model(train, test, order):
    fast = ByteModel.of(train, order).probabilities(test)
    padded = b"\n" * (order - 1) + test
    slow = [slow_probability(train, order, padded[i : i + order - 1], padded[i + order - 1])
            for i in range(len(test))]  # fmt: skip
    assert np.allclose(fast, slow, rtol=1e-12)


@pytest.mark.parametrize("context", [b"the ", b"\xff\xfe\xfd\xfc", b" zea"])
def test_probabilities_of_a_context_sum_to_one(context):
    """Also of contexts that the training text has in part or not at all."""
    model = ByteModel.of(story(5000).encode())
    p = [model.probabilities(context + bytes([byte]))[-1] for byte in range(256)]
    assert sum(p) == pytest.approx(1, abs=1e-12) and min(p) > 0


def test_a_known_source_is_recovered():
    """Bytes that are drawn alone cost their entropy, and no order gains on it."""
    random = np.random.default_rng(0)
    shares = np.array([0.5, 0.25, 0.125, 0.125])
    train, test = (random.choice(4, 100_000, p=shares).astype(np.uint8).tobytes() for _ in "ab")
    assert ByteModel.of(train, 1).bits_per_byte(test) == pytest.approx(1.75, abs=0.01)
    assert 1.74 < ByteModel.of(train, 3).bits_per_byte(test) < 1.77


@pytest.mark.parametrize(("text", "order"), [(b"", 5), (b"text", 0), (b"text", 8)])
def test_no_text_and_no_such_order_are_refused(text, order):
    with pytest.raises(UsageError, match="expected, got"):
        ByteModel.of(text, order)


def test_yardsticks_are_in_the_order_of_what_they_see(data):
    bits = yardsticks(data)
    assert set(bits) == {"gzip", "gzip_given_training", "xz", "xz_given_training", "bytes_of_5"}
    assert bits["gzip_given_training"] < bits["gzip"] and bits["xz_given_training"] < bits["xz"]
    words = np.array([1 / rank for rank in range(1, 20)])
    per_word = -(words / words.sum() * np.log2(words / words.sum())).sum()
    assert per_word / 8 < bits["bytes_of_5"] < bits["gzip"] < 8  # no word is of eight bytes


def test_gzip_is_the_program_without_its_header(data):
    test = b"".join(data.parts().test)
    whole = 8 * (len(gzip.compress(test, 9)) - 18) / len(test)  # 10 bytes before, 8 after
    assert yardsticks(data, order=2)["gzip"] == pytest.approx(whole, abs=1e-9)
    assert math.isfinite(yardsticks(data, order=2)["bytes_of_2"])
