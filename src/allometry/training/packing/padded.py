"""The layout for any model: arrays padded with zeros to one shape and stacked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from allometry.models.model import Model, Params
from allometry.training.packing.layout import Layout

__all__ = ["Padded", "pad_stack"]

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Padded(Layout):
    """Each array is padded with zeros to the largest member's and stacked on a leading axis.

    Members may differ only in `Model.member_fields`; `apply` uses the values of each member.

    Attributes:
        model: one of the members; the others equal it except in these fields.
        fields: values of `Model.member_fields` by member; empty if all are equal.
        shapes: names and shapes of the arrays by member.
    """

    model: Model
    fields: tuple[tuple[Any, ...], ...]
    shapes: tuple[Shapes, ...]
    own_batches: bool = False

    @classmethod
    def of(
        cls, models: Sequence[Model], starts: Sequence[Params], own_batches: bool = False
    ) -> "Padded":
        """The layout of models with these initial parameters."""
        shapes = tuple(tuple((n, a.shape) for n, a in p.items()) for p in starts)
        names = models[0].member_fields
        fields = tuple(tuple(getattr(m, name) for name in names) for m in models)
        if len(set(fields)) == 1:
            fields = ()
        return cls(models[0], fields, shapes, own_batches)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.shapes[0])

    @property
    def symbols(self) -> bool:
        return self.model.symbols

    def stack(self, members: Sequence[Params]) -> Any:
        return {name: pad_stack([m[name] for m in members]) for name in members[0]}

    def unstack(self, packed: Any) -> list[Params]:
        host = {name: np.asarray(array) for name, array in packed.items()}
        return [
            {name: host[name][k][tuple(slice(n) for n in shape)].copy() for name, shape in shapes}
            for k, shapes in enumerate(self.shapes)
        ]

    def apply(self, packed: Any, x: jax.Array, keys: jax.Array | None = None) -> jax.Array:
        names = self.model.member_fields

        def one(params: Any, fields: Any, x: jax.Array, key: jax.Array | None) -> jax.Array:
            model = self.model
            if self.fields:
                model = model.model_copy(update=dict(zip(names, fields, strict=True)))
            return model.apply(params, x) if key is None else model.apply_training(params, x, key)

        fields = (
            jax.tree.map(lambda *values: jnp.array(values), *self.fields) if self.fields else ()
        )
        x_axis = 0 if self.own_batches else None
        outputs: jax.Array = jax.vmap(one, in_axes=(0, 0, x_axis, 0))(packed, fields, x, keys)
        return outputs

    def each(self, function: Callable[..., Any], *trees: Any) -> Any:
        return jax.vmap(function)(*trees)

    def spread(self, values: Mapping[str, jax.Array]) -> Any:
        return {
            name: values[name].reshape((-1,) + (1,) * len(shape)) for name, shape in self.shapes[0]
        }

    def finite(self, packed: Any) -> jax.Array:
        rows = [jnp.isfinite(a).reshape(a.shape[0], -1).all(axis=1) for a in packed.values()]
        return jnp.stack(rows).all(axis=0)

    def squares(self, packed: Any) -> jax.Array:
        rows = [jnp.square(a).reshape(a.shape[0], -1).sum(axis=1) for a in packed.values()]
        return jnp.stack(rows).sum(axis=0)


def pad_stack(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Stack arrays on a new leading axis, padded with zeros to the largest size in each axis."""
    shape = tuple(max(sizes) for sizes in zip(*(a.shape for a in arrays), strict=True))
    out = np.zeros((len(arrays), *shape), dtype=arrays[0].dtype)
    for k, array in enumerate(arrays):
        out[k][tuple(slice(n) for n in array.shape)] = array
    return out
