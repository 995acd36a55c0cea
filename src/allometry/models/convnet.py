"""A small convolutional network for images of 28 x 28."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.errors import UsageError
from allometry.models.convolution import conv_relu_pool, image_relu_pool
from allometry.models.dropout import dropped
from allometry.models.model import Counts, Model, Params
from allometry.spec.torch_draws import TorchDraws

__all__ = ["ConvNet"]

SIDE, HIDDEN, CLASSES = 28, 64, 10


class ConvNet(Model):
    """Two 3 x 3 convolutions, each with ReLU and 2 x 2 max pooling, then 64 and 10 dense units.

    ``CNN(c)`` of seed 001, initial values as PyTorch's; 9 c^2 + 3147 c + 714 parameters.

    Attributes:
        channels: c, the channels of both convolutions.
        dropout: share of the inputs of both linear layers set to zero while training; the
            others are divided by 1 - dropout.
    """

    channels: int = Field(ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    # A chunk's arrays between layers, 16 x 49 c floats an image, stay in the cache. With c = 67,
    # chunks of 32 take 44 us forward and 137 with gradients, chunks of 128 take 66 and 196 (two
    # cores).
    chunk: ClassVar[int] = 32

    @property
    def stochastic(self) -> bool:
        return self.dropout > 0

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        return self.channels, self.channels, HIDDEN

    def counts(self) -> Counts:
        c = self.channels
        first, inner = 9 * c, (9 * c * c, 49 * c * HIDDEN, HIDDEN * CLASSES)
        products = first * SIDE**2, inner[0] * (SIDE // 2) ** 2, inner[1], inner[2]
        biases = SIDE**2 * c + (SIDE // 2) ** 2 * c + HIDDEN + CLASSES
        weights = first + sum(inner)
        return Counts(
            weights + 2 * c + HIDDEN + CLASSES,
            weights,
            2 * sum(products) + biases,
            2 * sum(products) + 2 * sum(products[1:]) + biases,
        )

    def init(self, draws: TorchDraws) -> Params:
        params: dict[str, NDArray[np.float32]] = {}
        c = self.channels
        params["weight1"], params["bias1"] = draws.conv2d(1, c, 3)
        params["weight2"], params["bias2"] = draws.conv2d(c, c, 3)
        params["weight3"], params["bias3"] = draws.linear(49 * c, HIDDEN)
        params["weight4"], params["bias4"] = draws.linear(HIDDEN, CLASSES)
        return params

    def fan_in(self, name: str) -> int:
        c = self.channels
        return {"1": 9, "2": 9 * c, "3": 49 * c, "4": HIDDEN}[name[-1]]

    def check(self, n_in: int, n_classes: int) -> None:
        if n_in != SIDE**2 or n_classes > CLASSES:
            raise UsageError(
                f"images of {SIDE} x {SIDE} in at most {CLASSES} classes expected, got {n_in} "
                f"inputs and {n_classes} classes; choose an image data set"
            )

    def apply(self, params: Any, x: jax.Array) -> jax.Array:
        return self.layer_outputs(params, x)[-1]

    def layer_outputs(self, params: Any, x: jax.Array) -> tuple[jax.Array, ...]:
        """Outputs of the convolutions ``(B, 49 c)``, of the 64 units, then of the network."""
        features = _features(params, x)
        hidden = _hidden(params, features)
        outputs = params["weight4"] @ hidden + params["bias4"][:, None]
        return features.T, hidden.T, outputs.T

    def apply_training(self, params: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        if not self.dropout:
            return self.apply(params, x)
        one, two = jax.random.split(key)
        features = dropped(_features(params, x), self.dropout, one)
        hidden = dropped(_hidden(params, features), self.dropout, two)
        outputs: jax.Array = params["weight4"] @ hidden + params["bias4"][:, None]
        return outputs.T

    def weights(self, params: Params) -> list[NDArray[np.float32]]:
        return [params[f"weight{i}"].reshape(len(params[f"weight{i}"]), -1) for i in (1, 2, 3, 4)]


def _features(params: Any, x: jax.Array) -> jax.Array:
    """Outputs ``(49 c, B)`` of the convolutions, channel by channel as PyTorch flattens them."""
    if params["weight1"].dtype == jnp.bfloat16:
        # Not by Winograd's transforms: in their sums digits cancel, and bfloat16 has only 8 bits.
        once = _conv_relu_pool(x.reshape(-1, SIDE, SIDE, 1), params["weight1"], params["bias1"])
        twice = _conv_relu_pool(once, params["weight2"], params["bias2"])
        return twice.transpose(3, 1, 2, 0).reshape(-1, len(x))
    # Transposed first: all later operations work on rows of whole batches.
    images = jax.lax.optimization_barrier(x.T).reshape(SIDE, SIDE, len(x))
    once = image_relu_pool(images, params["weight1"], params["bias1"])
    return conv_relu_pool(once, params["weight2"], params["bias2"]).reshape(-1, len(x))


def _conv_relu_pool(x: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    """Pooled outputs ``(B, H/2, W/2, out)`` of x ``(B, H, W, in)``, weight as in PyTorch."""
    outputs = jax.lax.conv_general_dilated(
        x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC")
    )
    # The first of several equal maxima gets the gradient, as in PyTorch.
    largest = jax.lax.reduce_window(
        outputs, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
    )
    return jax.nn.relu(largest + bias)


def _hidden(params: Any, features: jax.Array) -> jax.Array:
    return jax.nn.relu(params["weight3"] @ features + params["bias3"][:, None])
