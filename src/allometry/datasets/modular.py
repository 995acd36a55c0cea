"""Addition modulo p as examples: a table of sums, a share of which is trained on."""

import numpy as np
from pydantic import Field, model_validator

from allometry.datasets.data import Data
from allometry.datasets.split import Split, read_only
from allometry.spec.torch_draws import TorchDraws

__all__ = ["ModularAddition"]


class ModularAddition(Data):
    """Pairs (a, b) with the answer (a + b) mod p; each pair is a training or a test example.

    The table of Power et al. 2201.02177 (section 3): all p^2 ordered pairs, so that b + a
    may be tested where a + b is trained on. The training pairs are drawn at random.

    Attributes:
        p: the modulus. fraction: share of all pairs trained on.
    """

    p: int = Field(ge=2, le=4096)
    fraction: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _both_parts_have_examples(self) -> "ModularAddition":
        if not 0 < self.n_data < self.p**2:
            raise ValueError(
                f"a fraction that leaves pairs on both sides expected, got {self.fraction} of "
                f"{self.p**2}"
            )
        if self.standardise:
            raise ValueError("standardise: a and b are symbols, which have no scale; leave it out")
        return self

    @property
    def n_data(self) -> int:
        return round(self.fraction * self.p**2)

    def load(self, draws: TorchDraws) -> Split:
        order = draws.randperm(self.p**2)
        pairs = np.stack(np.divmod(order, self.p), axis=1)
        x = read_only(pairs.astype(np.float32))
        y = read_only((pairs.sum(axis=1) % self.p).astype(np.int32))
        n = self.n_data
        return Split(x[:n], y[:n], x[n:], y[n:])
