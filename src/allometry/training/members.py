"""The hyperparameters in which members of a pack may differ, as arrays of a program."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from allometry.errors import UsageError, did_you_mean
from allometry.models.model import Model, Params
from allometry.spec import RunSpec
from allometry.spec.optimizers import Elementwise, Optimizer, is_elementwise
from allometry.training.packing.sharing import Parts

__all__ = ["Hyperparameters", "hyperparameters"]


class Hyperparameters(NamedTuple):
    """The update rule that a program is compiled for, and the values of each of its K members.

    Attributes:
        optimizer: represents the optimisers of all members (`_representative`).
        learning_rates: learning rates, ``(K,)``.
        rate_factors: factors on these by parameter, ``(K,)`` each; None if all are 1.
        scalars: scalars of the update rule in which members differ, by name, ``(K,)`` each.
        clip_norms: largest norms of gradients, ``(K,)``; None for no limit.
    """

    optimizer: Optimizer
    learning_rates: jax.Array
    rate_factors: Mapping[str, jax.Array] | None
    scalars: Mapping[str, jax.Array]
    clip_norms: jax.Array | None


def hyperparameters(
    specs: Sequence[RunSpec],
    parts: Parts,
    starts: Sequence[Params],
    dtype: type[np.floating[Any]],
) -> Hyperparameters:
    """The hyperparameters of the members of a pack.

    Args:
        starts: initial parameters of each member.
        dtype: type of the arrays.

    Raises:
        UsageError: a learning rate factor is for a parameter that does not exist.
    """
    optimizers = parts.optimizers
    return Hyperparameters(
        _representative(optimizers),
        jnp.array([o.learning_rate for o in optimizers], dtype),
        _rate_factors(specs, parts.models, starts, dtype),
        {name: jnp.array(values, dtype) for name, values in _differing(optimizers).items()},
        _clip_norms(specs, dtype),
    )


def _differing(optimizers: Sequence[Optimizer]) -> dict[str, list[float]]:
    """Scalars of the update rules in which members differ, by name, one for each member."""
    first = optimizers[0]
    if not is_elementwise(first):
        return {}
    assert isinstance(first, Elementwise)
    values = {name: [getattr(o, name) for o in optimizers] for name in first.scalars}
    return {name: of_members for name, of_members in values.items() if len(set(of_members)) > 1}


def _representative(optimizers: Sequence[Optimizer]) -> Optimizer:
    """The update rule that represents those of all members when a program is compiled.

    Its learning rate is 1, because the members' rates are arguments of the program, so that packs
    that differ only in them share it. A user-defined rule may use its rate and keeps it.
    """
    first = optimizers[0]
    if not is_elementwise(first):
        return first
    # The largest values, because a rule keeps no array for a scalar of 0.
    largest = {name: max(values) for name, values in _differing(optimizers).items()}
    return first.model_copy(update={"learning_rate": 1.0, **largest})


def _clip_norms(specs: Sequence[RunSpec], dtype: type[np.floating[Any]]) -> jax.Array | None:
    """Largest norm of the gradient of each member, ``(K,)``; None for no limit."""
    norms = [spec.train.clip_norm for spec in specs]
    return None if norms[0] is None else jnp.array(norms, dtype)


def _rate_factors(
    specs: Sequence[RunSpec],
    models: Sequence[Model],
    starts: Sequence[Params],
    dtype: type[np.floating[Any]],
) -> Mapping[str, jax.Array] | None:
    """Factors on the learning rate of each member by parameter, ``(K,)`` each; None if all are 1.

    Raises:
        UsageError: a factor is for a parameter that does not exist.
    """
    of_members = [
        _factors_of(spec, model, tuple(start))
        for spec, model, start in zip(specs, models, starts, strict=True)
    ]
    if all(factor == 1 for factors in of_members for factor in factors.values()):
        return None
    return {name: jnp.array([factors[name] for factors in of_members], dtype) for name in starts[0]}


def _factors_of(spec: RunSpec, model: Model, names: Sequence[str]) -> dict[str, float]:
    asked = spec.train.layer_rates
    if asked == "fan_in":
        return {name: 1 / math.sqrt(model.fan_in(name)) for name in names}
    optimizer = spec.train.optimizer
    kind = optimizer.kind if isinstance(optimizer, Elementwise) else "adam"
    factors = dict.fromkeys(names, 1.0) | dict(model.rate_factors(kind))
    for name, factor in () if asked == "equal" else asked:
        if name not in factors:
            raise UsageError(
                f"train.layer_rates names {name!r}; the parameters of {type(model).__name__} are "
                f"{', '.join(names)}{did_you_mean(name, names)}"
            )
        factors[name] *= factor
    return factors
