"""Memory layouts of a pack, and the choice between them.

A layout converts the parameters of several networks to arrays of one program and back. `Padded`
works for every model: zero-padded stacks under ``vmap``. `SideBySide` is for perceptrons on shared
examples: their first layers, which do nearly all the work, are rows of one matrix product without
padding. Only the small later layers are padded, in buckets of similar width. `Alone` has a single
network that keeps the machine busy by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from allometry.models.model import Model, Params
from allometry.training.packing.layout import Layout
from allometry.training.packing.padded import Padded
from allometry.training.packing.side_by_side import SideBySide

__all__ = ["Alone", "Layout", "Padded", "SideBySide", "laid_out"]


def laid_out(
    models: Sequence[Model],
    starts: Sequence[Params],
    *,
    own_batches: bool = False,
    stacked: bool = False,
) -> tuple[Layout, Any]:
    """The layout for models that share a program, and their parameters in it.

    Args:
        own_batches: whether each member has its own examples.
        stacked: whether each array of a member must be contiguous, because an update rule or a
            random draw sees one network at a time.
    """
    dense = [layers for model in models if (layers := model.dense)]
    layout: Layout
    if models[0].chunk:
        layout = Alone(models[0], tuple(starts[0]))
    elif len(dense) == len(models) and not own_batches and not stacked:
        layout = SideBySide(tuple(layers.widths for layers in dense), dense[0].activation)
    else:
        layout = Padded.of(models, starts, own_batches)
    return layout, layout.stack(starts)


@dataclass(frozen=True)
class Alone(Layout):
    """The layout of a single network, whose arrays are unchanged.

    Attributes:
        parameters: names of its arrays.
    """

    model: Model
    parameters: tuple[str, ...]

    @property
    def chunk(self) -> int:  # type: ignore[override]
        return self.model.chunk

    @property
    def names(self) -> tuple[str, ...]:
        return self.parameters

    @property
    def symbols(self) -> bool:
        return self.model.symbols

    def stack(self, members: Sequence[Params]) -> Any:
        (params,) = members
        return dict(params)

    def unstack(self, packed: Any) -> list[Params]:
        return [{name: np.array(array) for name, array in packed.items()}]

    def apply(self, packed: Any, x: jax.Array, keys: jax.Array | None = None) -> jax.Array:
        if keys is None:
            return self.model.apply(packed, x)[None]
        return self.model.apply_training(packed, x, keys[0])[None]

    def each(self, function: Callable[..., Any], *trees: Any) -> Any:
        return function(*trees)

    def spread(self, values: Mapping[str, jax.Array]) -> Any:
        return {name: values[name][0] for name in self.parameters}

    def finite(self, packed: Any) -> jax.Array:
        return jnp.stack([jnp.isfinite(array).all() for array in packed.values()]).all()[None]

    def squares(self, packed: Any) -> jax.Array:
        return jnp.stack([jnp.square(array).sum() for array in packed.values()]).sum()[None]
