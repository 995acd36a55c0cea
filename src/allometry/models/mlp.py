"""Multilayer perceptrons of any depth and widths."""

from typing import Annotated, Any, ClassVar, Literal

import jax
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from allometry.errors import UsageError
from allometry.models.model import ACTIVATIONS, Counts, Dense, Model, Params
from allometry.spec.torch_draws import TorchDraws

__all__ = ["MLP"]


class MLP(Model):
    """Linear layers with an activation between them, PyTorch's default start.

    Attributes:
        widths: units of every layer from input to output, (784, 43, 22, 10) say.
        activation: between layers, none after the last. Both fix zero, so units
            that pad a pack stay exactly zero.
        init_scale: what every weight and bias is multiplied by at the start (Liu et al.,
            Omnigrok, 2210.01117).
    """

    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)]
    activation: Literal["relu", "tanh"] = "relu"
    init_scale: float = Field(default=1.0, gt=0)

    member_fields: ClassVar[tuple[str, ...]] = ("widths", "init_scale")

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        return self.widths[1:-1]

    @property
    def n_outputs(self) -> int:
        return self.widths[-1]

    def fan_in(self, name: str) -> int:
        return self.widths[int(name.removeprefix("weight").removeprefix("bias"))]

    @property
    def dense(self) -> Dense | None:
        # A subclass that computes something else is packed as any model is.
        plain = type(self).apply is MLP.apply
        return Dense(self.widths, self.activation) if plain else None

    def counts(self) -> Counts:
        pairs = list(zip(self.widths[:-1], self.widths[1:], strict=True))
        weights = sum(a * b for a, b in pairs)
        biases = sum(self.widths[1:])
        inner = weights - pairs[0][0] * pairs[0][1]
        return Counts(
            weights + biases, weights, 2 * weights + biases, 2 * weights + 2 * inner + biases
        )

    def init(self, draws: TorchDraws) -> Params:
        params: dict[str, NDArray[np.float32]] = {}
        for i, (fan_in, fan_out) in enumerate(zip(self.widths[:-1], self.widths[1:], strict=True)):
            params[f"weight{i}"], params[f"bias{i}"] = draws.linear(fan_in, fan_out)
        return {name: array * np.float32(self.init_scale) for name, array in params.items()}

    def check(self, n_in: int, n_classes: int) -> None:
        if self.widths[0] != n_in or self.widths[-1] < n_classes:
            raise UsageError(
                f"widths {self.widths[0]}, ..., {self.widths[-1]} do not fit the data: {n_in} "
                f"inputs and {n_classes} classes or more expected"
            )

    def apply(self, params: Any, x: jax.Array) -> jax.Array:
        last = len(self.widths) - 2
        for i in range(last + 1):
            x = x @ params[f"weight{i}"].T + params[f"bias{i}"]
            x = x if i == last else ACTIVATIONS[self.activation](x)
        return x

    def weights(self, params: Params) -> list[NDArray[np.float32]]:
        return [params[f"weight{i}"] for i in range(len(self.widths) - 1)]
