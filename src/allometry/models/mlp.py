"""Multilayer perceptrons of any depth and widths."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from allometry.errors import UsageError
from allometry.models.activations import ACTIVATIONS, NONZERO_AT_ZERO, Activation
from allometry.models.dropout import dropped
from allometry.models.model import Counts, Dense, Model, Params
from allometry.models.norms import NORM_FLOP, Norm, keep_units, norm_start, normalise
from allometry.models.parametrisation import (
    Parametrisation,
    layer_of,
    mup_rates,
    mup_start,
    ntk_rates,
)
from allometry.spec.torch_draws import TorchDraws

__all__ = ["MLP"]

Drop = Callable[[jax.Array, int], jax.Array]  # units of a hidden layer, and its number


class MLP(Model):
    """Linear layers with an activation between them; initial values as PyTorch's.

    A hidden layer is x -> f(x) = dropout(activation(norm(W x + b))), with `residual`
    x -> x + f(x) from the second one on; the last layer is linear.

    Attributes:
        widths: units of every layer from input to output, for example (784, 43, 22, 10).
        activation: between layers, none after the last.
        init_scale: factor on the initial value of every weight and bias (Liu et al., Omnigrok,
            2210.01117), but not of scales and shifts of norms.
        residual: whether hidden layers add their input to their output; all have one width then.
        dropout: share of a hidden layer's units set to zero while training; the others are divided
            by 1 - dropout.
        norm: norm of each hidden layer before its activation: see `norms.normalise`.
        norm_groups: number of groups of units of norm "group"; divides every hidden width.
        bias: whether layers have biases and norms have shifts.
        parametrisation: "ntk" divides the weighted sums of a layer by the square root of its number
            of inputs, and its initial weights are larger by the same factor. So before training it
            computes the same outputs as "standard". "mup" changes initial values and learning
            rates, not the forward pass. At `base_width` it equals "standard".
        base_width: for "mup": width of the hidden layers at which the learning rate is as in
            "standard".
    """

    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)]
    activation: Activation = "relu"
    init_scale: float = Field(default=1.0, gt=0)
    residual: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)
    norm: Norm = "none"
    norm_groups: int = Field(default=1, ge=1)
    bias: bool = True
    parametrisation: Parametrisation = "standard"
    base_width: int | None = Field(default=None, ge=1)

    member_fields: ClassVar[tuple[str, ...]] = ("widths", "init_scale")

    @model_validator(mode="after")
    def _options_fit(self) -> "MLP":
        hidden = self.widths[1:-1]
        if self.residual and len(set(hidden)) > 1:
            raise ValueError(f"residual: hidden layers of one width expected, got {hidden}")
        if self.norm_groups > 1 and self.norm != "group":
            raise ValueError(f"norm_groups needs norm='group', got norm={self.norm!r}")
        if any(width % self.norm_groups for width in hidden):
            raise ValueError(
                f"norm_groups that divides the hidden widths {hidden} expected, got "
                f"{self.norm_groups}"
            )
        if (self.parametrisation == "mup") != (self.base_width is not None):
            raise ValueError(
                "base_width and parametrisation='mup' belong together: the width at which the "
                "learning rate is as in the standard parametrisation"
            )
        return self

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        return self.widths[1:-1]

    @property
    def stochastic(self) -> bool:
        return self.dropout > 0 or type(self).apply_training is not MLP.apply_training

    @property
    def n_inputs(self) -> int:
        return self.widths[0]

    @property
    def n_outputs(self) -> int:
        return self.widths[-1]

    @property
    def dense(self) -> Dense | None:
        # A network with more than weights, biases and activations is packed like any other model,
        # and so is a subclass that overrides `apply`.
        plain = (
            type(self).apply is MLP.apply
            and not self.stochastic
            and not self.residual
            and self.bias
            and self.norm == "none"
            and self.parametrisation != "ntk"
            and self.activation not in NONZERO_AT_ZERO
        )
        return Dense(self.widths, self.activation) if plain else None

    @property
    def _ratios(self) -> tuple[float, ...]:
        return (1.0, *(width / (self.base_width or width) for width in self.widths[1:-1]), 1.0)

    def counts(self) -> Counts:
        """Count products and sums of layers, norms and residuals, but not activations."""
        pairs, hidden = list(pairwise(self.widths)), self.widths[1:-1]
        weights = sum(a * b for a, b in pairs)
        inner = weights - pairs[0][0] * pairs[0][1]
        biases = sum(self.widths[1:]) if self.bias else 0
        norms = sum(
            array.size for n in hidden for array in norm_start(self.norm, 0, n, self.bias).values()
        )
        scales = sum(hidden) if self.norm != "none" else 0
        flop = NORM_FLOP[self.norm]
        # One operation per unit, forward and backward: biases, shifts, multipliers, residuals.
        single = biases + norms - scales
        single += sum(self.widths[1:]) if self.parametrisation == "ntk" else 0
        single += sum(hidden[1:]) if self.residual else 0
        return Counts(
            n_params=weights + biases + norms,
            n_params_no_biases=weights,
            forward_flop=2 * weights + single + flop.forward * scales,
            backward_flop=2 * weights + 2 * inner + single + flop.backward * scales,
        )

    def init(self, draws: TorchDraws) -> Params:
        params: dict[str, NDArray[np.float32]] = {}
        norms: dict[str, NDArray[np.float32]] = {}
        for i, (fan_in, fan_out) in enumerate(pairwise(self.widths)):
            if self.bias:
                params[f"weight{i}"], params[f"bias{i}"] = draws.linear(fan_in, fan_out)
            else:
                bound = 1 / math.sqrt(fan_in)
                params[f"weight{i}"] = draws.uniform((fan_out, fan_in), -bound, bound)
            if self.parametrisation == "ntk":
                params[f"weight{i}"] = params[f"weight{i}"] * np.float32(math.sqrt(fan_in))
            if i < len(self.widths) - 2:
                norms |= norm_start(self.norm, i, fan_out, self.bias)
        if self.parametrisation == "mup":
            params = mup_start(params, self._ratios)
        return {n: array * np.float32(self.init_scale) for n, array in params.items()} | norms

    def rate_factors(self, kind: Literal["sgd", "adam"]) -> Mapping[str, float]:
        if self.parametrisation == "mup":
            return mup_rates(self._names(), self._ratios, kind)
        if self.parametrisation == "ntk":
            return ntk_rates({f"weight{i}": n for i, n in enumerate(self.widths[:-1])}, kind)
        return {}

    def _names(self) -> list[str]:
        layers = range(len(self.widths) - 1)
        names = [f"{kind}{i}" for i in layers for kind in ("weight", "bias")[: 1 + self.bias]]
        return names + [n for i in layers[:-1] for n in norm_start(self.norm, i, 1, self.bias)]

    def fan_in(self, name: str) -> int:
        kind, layer = layer_of(name)
        return self.widths[layer] if kind in ("weight", "bias") else 1

    def check(self, n_in: int, n_classes: int) -> None:
        if self.widths[0] != n_in or self.widths[-1] < n_classes:
            raise UsageError(
                f"widths {self.widths[0]}, ..., {self.widths[-1]} do not fit the data: {n_in} "
                f"inputs and {n_classes} classes or more expected"
            )

    def apply(self, params: Any, x: jax.Array) -> jax.Array:
        return self._outputs(params, x, _kept)

    def layer_outputs(self, params: Any, x: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(self._layers(params, x, _kept))

    def apply_training(self, params: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        if not self.dropout:
            return self.apply(params, x)
        if type(self).apply is not MLP.apply:
            raise UsageError(
                f"{type(self).__name__} has its own `apply`, which the dropout of MLP does not "
                "use: write its `apply_training`"
            )

        def drop(units: jax.Array, layer: int) -> jax.Array:
            return dropped(units, self.dropout, jax.random.fold_in(key, layer))

        return self._outputs(params, x, drop)

    def _outputs(self, params: Any, x: jax.Array, drop: Drop) -> jax.Array:
        *_, outputs = self._layers(params, x, drop)
        return outputs

    def _layers(self, params: Any, x: jax.Array, drop: Drop) -> Iterator[jax.Array]:
        last = len(self.widths) - 2
        for i in range(last):
            units = normalise(
                params, self.norm, i, self._linear(params, x, i), self.widths[i + 1],
                self.norm_groups,
            )  # fmt: skip
            units = ACTIVATIONS[self.activation](units)
            if self.activation in NONZERO_AT_ZERO:
                units = keep_units(units, self.widths[i + 1])
            units = drop(units, i)
            x = x + units if self.residual and i else units
            yield x
        yield self._linear(params, x, last)

    def _linear(self, params: Any, x: jax.Array, layer: int) -> jax.Array:
        sums: jax.Array = x @ params[f"weight{layer}"].T
        if self.parametrisation == "ntk":
            wide = jnp.promote_types(sums.dtype, jnp.float32)
            sums = sums * jax.lax.rsqrt(jnp.asarray(self.widths[layer], wide)).astype(sums.dtype)
        return sums + params[f"bias{layer}"] if self.bias else sums

    def weights(self, params: Params) -> list[NDArray[np.float32]]:
        return [params[f"weight{i}"] for i in range(len(self.widths) - 1)]


def _kept(units: jax.Array, layer: int) -> jax.Array:
    """The units as they are: the function used in place of dropout outside training."""
    return units
