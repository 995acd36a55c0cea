"""Controls for text: shuffled tokens, and tokens of a Markov chain with the text's pairs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chain", "entropy", "shuffled"]


def shuffled(
    tokens: NDArray[np.unsignedinteger], draws: np.random.Generator
) -> NDArray[np.unsignedinteger]:
    """The same tokens in random order: no token says anything about another."""
    return draws.permutation(tokens)


def entropy(counts: NDArray[np.integer]) -> float:
    """Plug-in entropy in nats of the shares of these counts."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


class Chain(NamedTuple):
    """A Markov chain with the transitions of a text, whose stationary shares are the text's.

    Attributes:
        pairs: the pairs of tokens the text has, as first * n + second, in rising order.
        counts: of each pair in the text.
        n: tokens of the vocabulary.
    """

    pairs: NDArray[np.int64]
    counts: NDArray[np.int64]
    n: int

    @classmethod
    def of(cls, tokens: NDArray[np.unsignedinteger], n: int) -> "Chain":
        """The chain of a text that is closed to a ring: its first token follows its last.

        So each token is the first of as many pairs as it is the second of, and the shares of the
        tokens are exactly stationary.
        """
        first = tokens.astype(np.int64)
        pairs, counts = np.unique(first * n + np.roll(first, -1), return_counts=True)
        return cls(pairs, counts, n)

    @property
    def token_counts(self) -> NDArray[np.int64]:
        """How often the text has each token, ``(n,)``."""
        out = np.zeros(self.n, np.int64)
        np.add.at(out, self.pairs // self.n, self.counts)
        return out

    @property
    def conditional_entropy(self) -> float:
        """Nats per token given the one before: the smallest loss that a model can have."""
        return entropy(self.counts) - entropy(self.token_counts)

    def sample(self, windows: int, length: int, draws: np.random.Generator) -> NDArray[np.int32]:
        """Windows ``(windows, length)`` of the stationary chain, independent of each other."""
        ends = np.cumsum(self.counts)
        of_token = np.cumsum(self.token_counts)
        starts = of_token - self.token_counts
        out = np.empty((windows, length), np.int32)
        # A uniform place among all pairs of the text draws a pair by its count. A uniform place
        # among the pairs that begin with a token draws the next token by its transitions.
        out[:, 0] = np.searchsorted(of_token, draws.integers(of_token[-1], size=windows), "right")
        for i in range(1, length):
            last = out[:, i - 1]
            place = draws.integers(starts[last], of_token[last])
            out[:, i] = self.pairs[np.searchsorted(ends, place, "right")] % self.n
        return out
