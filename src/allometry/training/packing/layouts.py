"""Memory layouts of a pack, and which of them serves.

A layout turns the start values of several networks into arrays of one program and back.
`Padded` serves every model: zero-padded stacks under ``vmap``. `SideBySide` serves perceptrons
on shared examples: their first layers, where nearly all the work is, are the rows of one matrix
product with nothing padded, and only the small later layers are padded, in buckets of like
width. `Alone` holds one network that needs no company to keep the machine busy.
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
    """The layout that serves these models, which may share a program, and their arrays in it.

    Args:
        own_batches: each member has examples of its own.
        stacked: each array of a member must lie together, for an update rule or a draw that
            sees one network.
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
    """One network, its arrays as they are.

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
