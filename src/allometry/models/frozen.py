"""A perceptron that is trained on the outputs of a frozen random encoder."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from allometry.errors import UsageError
from allometry.models.mlp import MLP
from allometry.models.model import Params
from allometry.spec.torch_draws import TorchDraws

__all__ = ["FrozenEncoder"]

CHUNK = 500  # images encoded by one call: activations of some tens of MB
SIDE = 28


class FrozenEncoder(MLP):
    """Base of frozen encoders; a subclass draws an encoder and defines what it computes.

    The encoder is drawn before the head and never trained, so its outputs are
    computed once. The head is a perceptron that trains on them. Counts, weights
    and path measures are those of the head alone, as in the source.
    """

    n_features: ClassVar[int]

    @model_validator(mode="after")
    def _head_fits(self) -> "FrozenEncoder":
        if self.widths[0] != self.n_features:
            raise ValueError(
                f"widths[0] = {self.n_features} expected, the encoder's outputs, "
                f"got {self.widths[0]}"
            )
        return self

    def draw_encoder(self, draws: TorchDraws) -> Params:
        """The encoder's parameters, drawn in the order PyTorch would."""
        raise NotImplementedError

    @staticmethod
    def encode(encoder: Any, images: jax.Array) -> jax.Array:
        """Features ``(B, n_features)`` of images ``(B, 28, 28)``."""
        raise NotImplementedError

    def features(self, draws: TorchDraws, inputs: list[NDArray[np.float32]]) -> list[NDArray[Any]]:
        """Draw the encoder and run it once over each array of images ``(n, 28, 28)``.

        Raises:
            UsageError: the inputs are not images of 28 x 28.
        """
        for x in inputs:
            if x.shape[1:] != (SIDE, SIDE):
                raise UsageError(
                    f"{type(self).__name__} encodes images of {SIDE} x {SIDE}, got examples of "
                    f"shape {x.shape[1:]}; choose an image data set"
                )
        encoder = jax.tree.map(jax.numpy.asarray, dict(self.draw_encoder(draws)))
        encode = jax.jit(self.encode)
        return [_in_chunks(lambda part: encode(encoder, part), x, self.n_features) for x in inputs]


def _in_chunks(
    encode: Callable[[NDArray[np.float32]], jax.Array], x: NDArray[np.float32], n_features: int
) -> NDArray[np.float32]:
    out = np.empty((len(x), n_features), dtype=np.float32)
    size = min(CHUNK, len(x))
    for first in range(0, len(x), size):
        # The last chunk repeats some rows, so that all chunks have one shape and one compilation.
        rows = slice(min(first, len(x) - size), min(first, len(x) - size) + size)
        out[rows] = encode(x[rows])
    return out
