"""Convolutional networks of any depth and channels, for images of any size."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from allometry.errors import UsageError
from allometry.models.activations import ACTIVATIONS, NONZERO_AT_ZERO, Activation
from allometry.models.model import Counts, Model, Params
from allometry.models.norms import NORM_FLOP, Norm, keep_units, norm_start, normalise
from allometry.models.parametrisation import layer_of, mup_rates, mup_start
from allometry.spec.torch_draws import TorchDraws

__all__ = ["CNN"]

KERNEL = 3  # height and width


class Block(NamedTuple):
    """Sizes of one block: channels in and out, places at its convolution and after pooling."""

    fan_in: int
    channels: int
    places: int
    pooled: int


class CNN(Model):
    """Blocks of 3 x 3 convolution, norm, activation and 2 x 2 pooling, then one linear layer.

    Convolutions keep the size of the image by zero padding; initial values are PyTorch's.

    Attributes:
        channels: channels of each block, for example (16, 32).
        image: height, width and colours of the examples, in the order of their axes in memory.
        outputs: number of classes, or of values to predict.
        activation: of each block.
        norm: before the activation, over all places of an example: see `norms.normalise`.
        norm_groups: number of groups of channels of norm "group"; divides the channels of every
            block.
        pool: "max", "mean" or "none"; the last row or column of an odd size is dropped.
        head: input of the linear layer: the "mean" of each channel, or all places ("flatten").
        parametrisation: "mup" changes initial values and learning rates, not the forward pass. With
            `channels` equal to `base_channels` it equals "standard".
        base_channels: for "mup": channels of each block at which the learning rate is as in
            "standard".
    """

    channels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    image: tuple[
        Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]
    ] = (28, 28, 1)
    outputs: int = Field(default=10, ge=1)
    activation: Activation = "relu"
    norm: Norm = "none"
    norm_groups: int = Field(default=1, ge=1)
    pool: Literal["max", "mean", "none"] = "max"
    head: Literal["mean", "flatten"] = "mean"
    parametrisation: Literal["standard", "mup"] = "standard"
    base_channels: tuple[Annotated[int, Field(ge=1)], ...] | None = None

    member_fields: ClassVar[tuple[str, ...]] = ("channels",)

    @model_validator(mode="after")
    def _options_fit(self) -> "CNN":
        if 0 in self._sides[-1]:
            raise ValueError(
                f"an image of {self.image[0]} x {self.image[1]} is too small to be halved "
                f"{len(self.channels)} times: fewer blocks, or pool='none'"
            )
        if self.norm_groups > 1 and self.norm != "group":
            raise ValueError(f"norm_groups needs norm='group', got norm={self.norm!r}")
        if any(channels % self.norm_groups for channels in self.channels):
            raise ValueError(
                f"norm_groups that divides channels {self.channels} expected, got "
                f"{self.norm_groups}"
            )
        base = len(self.base_channels or ())
        if base != (len(self.channels) if self.parametrisation == "mup" else 0):
            raise ValueError(
                "base_channels, one for each block, and parametrisation='mup' belong together: the "
                "channels at which the learning rate is as in the standard parametrisation"
            )
        return self

    @property
    def _sides(self) -> list[tuple[int, int]]:
        """Height and width before each block, and after the last."""
        height, width, _ = self.image
        halvings = [i if self.pool != "none" else 0 for i in range(len(self.channels) + 1)]
        return [(height >> i, width >> i) for i in halvings]

    @property
    def _blocks(self) -> list[Block]:
        places = [height * width for height, width in self._sides]
        sizes = zip(
            (self.image[2], *self.channels), self.channels, places, places[1:], strict=False
        )
        return [Block(*size) for size in sizes]

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        return self.channels

    @property
    def _ratios(self) -> tuple[float, ...]:
        base = self.base_channels or self.channels
        return (1.0, *(n / b for n, b in zip(self.channels, base, strict=True)), 1.0)

    def counts(self) -> Counts:
        """Count products and sums of layers, norms and means, but not activations and maxima."""
        blocks, flop = self._blocks, NORM_FLOP[self.norm]
        kernels = [b.fan_in * b.channels * KERNEL**2 for b in blocks]
        seen = blocks[-1].channels * (blocks[-1].pooled if self.head == "flatten" else 1)
        weights = sum(kernels) + seen * self.outputs
        arrays = [norm_start(self.norm, 0, b.channels, bias=True) for b in blocks]
        vectors = sum(b.channels for b in blocks) + self.outputs
        vectors += sum(array.size for norm in arrays for array in norm.values())
        products = [k * b.places for k, b in zip(kernels, blocks, strict=True)]
        products.append(seen * self.outputs)
        units = sum(b.channels * b.places for b in blocks)
        # Biases and shifts: one sum for each unit, forward and backward.
        single = units * (2 if "shift0" in arrays[0] else 1) + self.outputs
        averaged, averages = self._averages()
        return Counts(
            n_params=weights + vectors,
            n_params_no_biases=weights,
            forward_flop=2 * sum(products) + single + flop.forward * units + averaged,
            backward_flop=2 * sum(products)
            + 2 * sum(products[1:])
            + single
            + flop.backward * units
            + averages,
        )

    def _averages(self) -> tuple[int, int]:
        """How many numbers pooling and head average, and how many averages they make."""
        averaged = averages = 0
        if self.pool == "mean":
            averages = sum(b.channels * b.pooled for b in self._blocks)
            averaged = 4 * averages
        if self.head == "mean":
            last = self._blocks[-1]
            averaged, averages = averaged + last.channels * last.pooled, averages + last.channels
        return averaged, averages

    def init(self, draws: TorchDraws) -> Params:
        params: dict[str, NDArray[np.float32]] = {}
        norms: dict[str, NDArray[np.float32]] = {}
        for i, block in enumerate(self._blocks):
            kernel = draws.conv2d(block.fan_in, block.channels, KERNEL)
            params[f"weight{i}"], params[f"bias{i}"] = kernel
            norms |= norm_start(self.norm, i, block.channels, bias=True)
        last, channels = len(self.channels), self.channels[-1]
        # One axis for channels, as PyTorch flattens them, so that they can be padded.
        shape = (-1, channels) if self.head == "mean" else (-1, channels, *self._sides[-1])
        places = math.prod(shape[2:])
        weight, params[f"bias{last}"] = draws.linear(channels * places, self.outputs)
        params[f"weight{last}"] = weight.reshape(shape)
        return (
            mup_start(params, self._ratios) if self.parametrisation == "mup" else params
        ) | norms

    def rate_factors(self, kind: Literal["sgd", "adam"]) -> Mapping[str, float]:
        if self.parametrisation != "mup":
            return {}
        layers = range(len(self.channels) + 1)
        names = [f"{array}{i}" for i in layers for array in ("weight", "bias")]
        names += [name for i in layers[:-1] for name in norm_start(self.norm, i, 1, bias=True)]
        return mup_rates(names, self._ratios, kind)

    def fan_in(self, name: str) -> int:
        kind, layer = layer_of(name)
        if kind not in ("weight", "bias"):
            return 1
        if layer < len(self.channels):
            return self._blocks[layer].fan_in * KERNEL**2
        return self.channels[-1] * (self._blocks[-1].pooled if self.head == "flatten" else 1)

    def check(self, n_in: int, n_classes: int) -> None:
        height, width, colours = self.image
        if math.prod(self.image) != n_in or self.outputs < n_classes:
            raise UsageError(
                f"images of {height} x {width} x {colours} in at most {self.outputs} classes "
                f"expected, got {n_in} inputs and {n_classes} classes; set model.image and "
                "model.outputs"
            )

    def apply(self, params: Any, x: jax.Array) -> jax.Array:
        return self.layer_outputs(params, x)[-1]

    def layer_outputs(self, params: Any, x: jax.Array) -> tuple[jax.Array, ...]:
        """Outputs ``(B, H, W, C)`` of each block, then the outputs of the network.

        With head "mean", those of the last block are the means ``(B, C)`` of its channels.
        """
        x, blocks = x.reshape(-1, *self.image), []
        for i, channels in enumerate(self.channels):
            x = _convolved(x, params[f"weight{i}"]) + params[f"bias{i}"]
            x = normalise(params, self.norm, i, x, channels, self.norm_groups)
            x = ACTIVATIONS[self.activation](x)
            if self.activation in NONZERO_AT_ZERO:
                x = keep_units(x, channels)
            x = _pooled(x, self.pool)
            blocks.append(x)
        last = len(self.channels)
        weight, bias = params[f"weight{last}"], params[f"bias{last}"]
        if self.head == "mean":
            x = x.mean(axis=(1, 2))
            return *blocks[:-1], x, x @ weight.T + bias
        return *blocks, jnp.einsum("bhwc,ochw->bo", x, weight) + bias

    def weights(self, params: Params) -> list[NDArray[np.float32]]:
        arrays = [params[f"weight{i}"] for i in range(len(self.channels) + 1)]
        return [array.reshape(len(array), -1) for array in arrays]


def _convolved(x: jax.Array, weight: jax.Array) -> jax.Array:
    """Outputs ``(B, H, W, out)`` of x ``(B, H, W, in)``, weight ``(out, in, 3, 3)``."""
    return jax.lax.conv_general_dilated(
        x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC")
    )


def _pooled(x: jax.Array, pool: str) -> jax.Array:
    """Maxima or means ``(B, H // 2, W // 2, C)`` of blocks of 2 x 2."""
    if pool == "none":
        return x
    height, width = x.shape[1] // 2, x.shape[2] // 2
    even = x[:, : 2 * height, : 2 * width]
    blocks = even.reshape(len(x), height, 2, width, 2, x.shape[3])
    return blocks.max(axis=(2, 4)) if pool == "max" else blocks.mean(axis=(2, 4))
