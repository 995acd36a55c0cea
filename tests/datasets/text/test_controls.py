"""Controls have the statistics they are said to have, and no others."""

import numpy as np
import pytest

from allometry.datasets.text.controls import Chain, entropy, shuffled

RANDOM = np.random.default_rng(3)
TEXT = np.tile(RANDOM.integers(0, 7, 300), 40).astype(np.uint8)  # repeats: far from random


def transitions(chain):
    """The matrix p(b | a), dense, from the counts of the chain."""
    matrix = np.zeros((chain.n, chain.n))
    matrix[chain.pairs // chain.n, chain.pairs % chain.n] = chain.counts
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def pair_entropy(windows, n):
    """Plug-in estimate of the conditional entropy of neighbours in windows."""
    pairs = np.bincount((windows[:, :-1].astype(np.int64) * n + windows[:, 1:]).ravel())
    return entropy(pairs) - entropy(np.bincount(windows[:, :-1].ravel()))


def test_entropy_of_known_shares():
    assert entropy(np.array([5, 5, 0])) == pytest.approx(np.log(2))
    assert entropy(np.array([7])) == 0


def test_shuffled_tokens_are_the_same_tokens_and_say_nothing_of_each_other():
    mixed = shuffled(TEXT, np.random.default_rng(0))
    assert np.array_equal(np.bincount(mixed), np.bincount(TEXT))
    alone = entropy(np.bincount(TEXT))
    assert pair_entropy(mixed[None], 7) == pytest.approx(alone, abs=0.005)
    assert pair_entropy(TEXT[None], 7) < alone - 0.05  # while the text does


def test_a_chain_is_stationary_with_the_shares_of_the_text():
    chain = Chain.of(TEXT, 9)  # two tokens are never used
    shares = np.bincount(TEXT, minlength=9) / len(TEXT)
    assert np.array_equal(chain.token_counts, np.bincount(TEXT, minlength=9))
    assert np.allclose(shares @ transitions(chain), shares, atol=1e-12)


def test_conditional_entropy_is_that_of_the_matrix():
    chain = Chain.of(TEXT, 7)
    matrix = transitions(chain)
    logs = np.log(matrix, where=matrix > 0, out=np.zeros_like(matrix))
    closed = -(np.bincount(TEXT) / len(TEXT)) @ (matrix * logs).sum(axis=1)
    assert chain.conditional_entropy == pytest.approx(closed, rel=1e-12)


def test_samples_have_the_transitions_of_the_chain_at_every_place():
    chain = Chain.of(TEXT, 7)
    windows = chain.sample(40_000, 6, np.random.default_rng(1))
    for place in (0, 5):  # stationary from the first token on
        counts = np.bincount(windows[:, place], minlength=7)
        expected = np.bincount(TEXT) / len(TEXT) * 40_000
        assert ((counts - expected) ** 2 / expected).sum() < 25  # chi-squared, 6 degrees: p < 0.001
    matrix, last = transitions(chain), windows[:, :-1].ravel()
    counts = np.zeros((7, 7))
    np.add.at(counts, (last, windows[:, 1:].ravel()), 1)
    n = np.bincount(last)[:, None]
    z = (counts - n * matrix) / np.sqrt(np.maximum(n * matrix * (1 - matrix), 1e-9))
    assert np.abs(z[matrix > 0]).max() < 4.5
    assert not counts[matrix == 0].any()
    assert pair_entropy(windows, 7) == pytest.approx(chain.conditional_entropy, abs=0.005)


def test_samples_have_no_order_beyond_pairs():
    """Two steps in the text say more of the next token than one; in the sample they do not."""
    sample = Chain.of(TEXT, 7).sample(60_000, 3, np.random.default_rng(2)).astype(np.int64)

    def triple_entropy(windows):
        pairs = windows[:, 0] * 7 + windows[:, 1]
        return entropy(np.bincount(pairs * 7 + windows[:, 2])) - entropy(np.bincount(pairs))

    text = np.lib.stride_tricks.sliding_window_view(TEXT.astype(np.int64), 3)
    one = Chain.of(TEXT, 7).conditional_entropy
    assert triple_entropy(sample) == pytest.approx(one, abs=0.01)
    assert triple_entropy(text) < one - 0.2
