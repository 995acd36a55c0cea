"""A data set of token windows held in memory, for the tests of language models."""

import numpy as np
from pydantic import Field

from allometry.datasets import Data, Split
from allometry.datasets.split import read_only
from allometry.spec.torch_draws import TorchDraws


class Windows(Data):
    """Windows of a chain in which a token nearly gives the next one.

    Attributes:
        n, n_test: windows trained on and tested on. vocabulary: tokens. context: of a window.
        valid: whether the test windows are a validation set too.
    """

    n: int = Field(default=12, ge=1)
    n_test: int = Field(default=4, ge=1)
    vocabulary: int = 13
    context: int = 10
    valid: bool = False

    @property
    def n_data(self) -> int:
        return self.n

    def load(self, draws: TorchDraws) -> Split:
        random = np.random.default_rng(0)
        n = self.n + self.n_test
        tokens = [np.zeros(n, dtype=np.int64)]
        for _ in range(self.context):
            tokens.append((2 * tokens[-1] + random.integers(0, 3, n)) % self.vocabulary)
        windows = np.stack(tokens, axis=1)
        x = read_only(windows[:, :-1].astype(np.float32))
        y = read_only(windows[:, 1:].astype(np.int32))
        test = x[self.n :], y[self.n :]
        return Split(x[: self.n], y[: self.n], *test, *(test if self.valid else ()))

    def prepare(self, draws: TorchDraws) -> Split:
        return self.load(draws)
