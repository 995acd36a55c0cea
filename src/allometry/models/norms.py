"""Normalisation of the units of a layer; in padded arrays it uses the true width of a network."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NORM_FLOP", "Norm", "NormFlop", "keep_units", "norm_start", "normalise", "rms_normalised",
]  # fmt: skip

Norm = Literal["none", "layer", "rms", "group"]

EPSILON = 1e-5  # added to the variance, as by nn.LayerNorm and nn.GroupNorm


class NormFlop(NamedTuple):
    """Work of a norm for one unit of one example.

    Attributes:
        forward: sums, differences and products that give the normalised and scaled unit.
        backward: those of the gradients of scale and input.
    """

    forward: int
    backward: int


# Forward: mean 1, difference 1, square and its sum 2, division 1, scale 1; rms has no mean.
# Backward: of the scale 2, through the scale 1, of the input 7; rms 5, without the mean's 2.
NORM_FLOP = {
    "none": NormFlop(0, 0),
    "layer": NormFlop(6, 10),
    "group": NormFlop(6, 10),
    "rms": NormFlop(4, 8),
}


def norm_start(norm: Norm, layer: int, width: int, bias: bool) -> dict[str, NDArray[np.float32]]:
    """Learnt scale (ones) and shift (zeros) of a layer's norm; rms has no shift."""
    params = {}
    if norm != "none":
        params[f"scale{layer}"] = np.ones(width, dtype=np.float32)
    if norm in ("layer", "group") and bias:
        params[f"shift{layer}"] = np.zeros(width, dtype=np.float32)
    return params


def normalise(
    params: Any, norm: Norm, layer: int, x: jax.Array, n_units: Any, n_groups: int
) -> jax.Array:
    """Units with mean 0 and variance 1 in each group of an example, scaled and shifted.

    Args:
        norm: "layer" is one group (Ba et al., 1607.06450), "group" is `n_groups` of them (Wu & He,
            1803.08494), "rms" divides by the root of the mean square and subtracts no mean (Zhang
            & Sennrich, 1910.07467).
        x: ``(B, ..., W)``; statistics are over a group's units and all axes but the first.
        n_units: the true width, traced in a pack; units from there on are padding and stay zero.
    """
    if norm == "none":
        return x
    # bfloat16 has 8 bits, too few for sums.
    units = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    group = (jnp.arange(x.shape[-1]) * n_groups // n_units).astype(jnp.int32)
    in_group = jax.nn.one_hot(group, n_groups, dtype=units.dtype)  # (W, G), zeros for padding
    places = np.prod(x.shape[1:-1], dtype=np.int64)
    size = jnp.asarray(n_units, units.dtype) * places / n_groups

    def mean(values: jax.Array) -> jax.Array:
        """Mean of each group, at each of its units ``(B, 1, ..., W)``."""
        sums = values.sum(axis=tuple(range(1, x.ndim - 1)), keepdims=True)
        by_group = jnp.matmul(sums, in_group, precision="highest") / size
        return jnp.matmul(by_group, in_group.T, precision="highest")

    if norm != "rms":
        units = units - mean(units)
    units = keep_units(units, n_units)
    units = units * jax.lax.rsqrt(mean(jnp.square(units)) + EPSILON)
    scaled: jax.Array = units.astype(x.dtype) * params[f"scale{layer}"]
    shift = f"shift{layer}"
    return scaled + params[shift] if shift in params else scaled


def rms_normalised(x: jax.Array, n_units: Any) -> jax.Array:
    """x ``(..., W)`` divided by the root mean square of its units, at each position separately.

    Args:
        n_units: the true width, traced in a pack; units from there on are zero and stay so.
    """
    units = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = jnp.square(units).sum(axis=-1, keepdims=True) / n_units
    return (units * jax.lax.rsqrt(mean + EPSILON)).astype(x.dtype)


def keep_units(x: jax.Array, n_units: Any) -> jax.Array:
    """x ``(..., W)`` with zeros from unit `n_units` on."""
    return jnp.where(jnp.arange(x.shape[-1]) < n_units, x, 0)
