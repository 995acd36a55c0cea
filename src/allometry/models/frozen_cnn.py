"""A perceptron on the features of a frozen random convolutional network."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from allometry.models.frozen import FrozenEncoder
from allometry.models.model import Params
from allometry.spec.torch_draws import TorchDraws

__all__ = ["FrozenCNN"]


class FrozenCNN(FrozenEncoder):
    """Head on 1568 random convolutional features of a 28 x 28 image.

    `CNN_N_logic` of seed 000: twice a 3 x 3 convolution (16, then 32 channels,
    padding 1), ReLU and 2 x 2 max pooling, flattened channel by channel. Its comments
    call the extractor pre-trained; it is random and never trained.
    """

    n_features: ClassVar[int] = 1568

    def draw_encoder(self, draws: TorchDraws) -> Params:
        weight1, bias1 = draws.conv2d(1, 16, 3)
        weight2, bias2 = draws.conv2d(16, 32, 3)
        return {"weight1": weight1, "bias1": bias1, "weight2": weight2, "bias2": bias2}

    @staticmethod
    def encode(encoder: Any, images: jax.Array) -> jax.Array:
        x = images[..., None]
        for layer in ("1", "2"):
            x = _convolve(x, encoder[f"weight{layer}"]) + encoder[f"bias{layer}"]
            n, height, width, channels = x.shape
            blocks = jax.nn.relu(x).reshape(n, height // 2, 2, width // 2, 2, channels)
            x = blocks.max(axis=(2, 4))
        return jnp.moveaxis(x, -1, 1).reshape(len(x), -1)


def _convolve(x: jax.Array, weight: jax.Array) -> jax.Array:
    """Outputs ``(B, height, width, out)`` of x ``(B, height, width, in)``, padded with zeros."""
    return jax.lax.conv_general_dilated(
        x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC")
    )
