"""Memory layouts of a pack.

A layout turns the start values of several networks into arrays of one program
and back. `Padded` serves every model: zero-padded stacks under ``vmap``.
`SideBySide` serves perceptrons on shared inputs: their first layers, where
nearly all the work is, are the rows of one matrix product with nothing
padded, and only the small later layers are padded, in buckets of like width.
`Alone` holds one network that needs no company to keep the machine busy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from allometry.errors import UsageError
from allometry.models.model import ACTIVATIONS, Model, Params
from allometry.spec.torch_draws import TorchDraws

__all__ = ["Alone", "Layout", "Padded", "SideBySide", "bucket_width", "layout_for"]


def layout_for(
    models: Sequence[Model], starts: Sequence[Params], layer_rates: str = "equal"
) -> "Layout":
    """The layout that serves these models (of one family) with these start values.

    Raises:
        UsageError: rates by fan-in for models that train in a pack.
    """
    if models[0].chunk:
        return Alone(models[0], layer_rates)
    if layer_rates != "equal":
        raise UsageError(
            f"train.layer_rates={layer_rates!r} is for networks that train alone, such as "
            f"ConvNet; {type(models[0]).__name__} trains in packs: choose 'equal'"
        )
    dense = [layers for model in models if (layers := model.dense)]
    if len(dense) == len(models):
        return SideBySide(tuple(layers.widths for layers in dense), dense[0].activation)
    return Padded.of(models[0], starts)


def bucket_width(widths: Sequence[int]) -> int:
    """The width that perceptrons of like width are padded together under."""
    widest = max(widths[1:-1], default=1)
    return int(max(8, 1 << (widest - 1).bit_length()))


class Layout:
    """Frozen, hashable layout of a pack of K members; an argument known when compiling.

    Attributes:
        chunk: examples worked on at once, 0 for a whole batch (`Model.chunk`).
    """

    chunk: ClassVar[int] = 0

    def stack(self, members: Sequence[Params]) -> Any:
        """The members' parameters as the arrays of the program."""
        raise NotImplementedError

    def unstack(self, packed: Any) -> list[Params]:
        """The inverse of `stack`: NumPy arrays of the members' own shapes."""
        raise NotImplementedError

    def apply(self, packed: Any, x: jax.Array) -> jax.Array:
        """Outputs ``(K, B, n_out)`` of all members for shared features ``(B, n_in)``."""
        raise NotImplementedError

    def apply_training(self, packed: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        """The same while training, where a model with dropout draws from `key`."""
        return self.apply(packed, x)

    def per_member(self, values: jax.Array) -> Any:
        """One number a member ``(K,)``, spread to broadcast against the packed arrays."""
        raise NotImplementedError

    def finite(self, packed: Any) -> jax.Array:
        """Whether every parameter of each member is finite, ``(K,)``."""
        raise NotImplementedError

    @property
    def symbols(self) -> bool:
        """Whether features are names written as numbers (`Model.symbols`)."""
        return False


@dataclass(frozen=True)
class Alone(Layout):
    """One network, its arrays as they are.

    Attributes:
        layer_rates: as in `TrainSpec`: which rate each layer has.
    """

    model: Model
    layer_rates: str = "equal"

    @property
    def chunk(self) -> int:  # type: ignore[override]
        return self.model.chunk

    @property
    def symbols(self) -> bool:
        return self.model.symbols

    def stack(self, members: Sequence[Params]) -> Any:
        (params,) = members
        return dict(params)

    def unstack(self, packed: Any) -> list[Params]:
        return [{name: np.array(array) for name, array in packed.items()}]

    def apply(self, packed: Any, x: jax.Array) -> jax.Array:
        return self.model.apply(packed, x)[None]

    def apply_training(self, packed: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        return self.model.apply_training(packed, x, key)[None]

    def per_member(self, values: jax.Array) -> Any:
        names = self.model.init(TorchDraws(0))
        if self.layer_rates == "equal":
            return dict.fromkeys(names, values[0])
        return {name: values[0] / math.sqrt(self.model.fan_in(name)) for name in names}

    def finite(self, packed: Any) -> jax.Array:
        return jnp.stack([jnp.isfinite(array).all() for array in packed.values()]).all()[None]


@dataclass(frozen=True)
class Padded(Layout):
    """Each array padded with zeros to the largest member's and stacked on a leading axis.

    `model.apply` must go by the shapes of the parameters it is given and fix
    zero units (zero in, zero out), as networks of ReLU or tanh do.
    """

    model: Model
    shapes: tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]

    @classmethod
    def of(cls, model: Model, starts: Sequence[Params]) -> "Padded":
        return cls(model, tuple(tuple((n, a.shape) for n, a in p.items()) for p in starts))

    @property
    def symbols(self) -> bool:
        return self.model.symbols

    def stack(self, members: Sequence[Params]) -> Any:
        return {name: _pad_stack([m[name] for m in members]) for name in members[0]}

    def unstack(self, packed: Any) -> list[Params]:
        host = {name: np.asarray(array) for name, array in packed.items()}
        return [
            {name: host[name][k][tuple(slice(n) for n in shape)].copy() for name, shape in shapes}
            for k, shapes in enumerate(self.shapes)
        ]

    def apply(self, packed: Any, x: jax.Array) -> jax.Array:
        return jax.vmap(self.model.apply, in_axes=(0, None))(packed, x)

    def per_member(self, values: jax.Array) -> Any:
        return {name: values.reshape((-1,) + (1,) * len(shape)) for name, shape in self.shapes[0]}

    def finite(self, packed: Any) -> jax.Array:
        rows = [jnp.isfinite(a).reshape(a.shape[0], -1).all(axis=1) for a in packed.values()]
        return jnp.stack(rows).all(axis=0)


@dataclass(frozen=True)
class SideBySide(Layout):
    """Perceptrons of equal depth; `widths` of each member from input to output."""

    widths: tuple[tuple[int, ...], ...]
    activation: str

    @cached_property
    def buckets(self) -> tuple[tuple[int, ...], ...]:
        """Members by the `bucket_width` of their widths, narrow first."""
        caps = [bucket_width(widths) for widths in self.widths]
        return tuple(
            tuple(k for k, cap in enumerate(caps) if cap == size) for size in sorted(set(caps))
        )

    @cached_property
    def rows(self) -> tuple[slice, ...]:
        """Each member's rows of the first product; buckets lie together."""
        ends = np.cumsum([0] + [self.widths[k][1] for k in self._order])
        place = {k: slice(int(ends[i]), int(ends[i + 1])) for i, k in enumerate(self._order)}
        return tuple(place[k] for k in range(len(self.widths)))

    @cached_property
    def _order(self) -> tuple[int, ...]:
        return tuple(k for bucket in self.buckets for k in bucket)

    def stack(self, members: Sequence[Params]) -> Any:
        depth = len(self.widths[0]) - 1
        first = tuple(
            np.concatenate([members[k][name] for k in self._order]) for name in ("weight0", "bias0")
        )
        later = [
            [
                tuple(
                    _pad_stack([members[k][f"{n}{i}"] for k in bucket]) for n in ("weight", "bias")
                )
                for i in range(1, depth)
            ]
            for bucket in self.buckets
        ]
        return {"first": first, "later": later}

    def unstack(self, packed: Any) -> list[Params]:
        host = jax.tree.map(np.asarray, packed)
        weight0, bias0 = host["first"]
        members: list[Params] = [{}] * len(self.widths)
        for bucket, layers in zip(self.buckets, host["later"], strict=True):
            for j, k in enumerate(bucket):
                rows = self.rows[k]
                params = {"weight0": weight0[rows].copy(), "bias0": bias0[rows].copy()}
                for i, (weight, bias) in enumerate(layers, start=1):
                    fan_in, fan_out = self.widths[k][i], self.widths[k][i + 1]
                    params[f"weight{i}"] = weight[j, :fan_out, :fan_in].copy()
                    params[f"bias{i}"] = bias[j, :fan_out].copy()
                members[k] = params
        return members

    def apply(self, packed: Any, x: jax.Array) -> jax.Array:
        weight, bias = packed["first"]
        # Units by examples: a member's units are then rows, cut out and padded as blocks.
        product = jnp.einsum("hd,bd->hb", weight, x) + bias[:, None]
        # One split, whose gradient is one concatenation; slices would each give a padded copy.
        sizes = [sum(self.widths[k][1] for k in bucket) for bucket in self.buckets]
        outputs = [
            self._later(part, [self.widths[k][1] for k in bucket], layers)
            for part, bucket, layers in zip(
                jax.lax.split(product, sizes), self.buckets, packed["later"], strict=True
            )
        ]
        together = jnp.swapaxes(jnp.concatenate(outputs), 1, 2)
        if self._order == tuple(range(len(self.widths))):
            return together
        return together[np.argsort(self._order)]

    def _later(self, rows: jax.Array, sizes: Sequence[int], layers: Any) -> jax.Array:
        """The layers after the first of one bucket, ``(members, n_out, B)``."""
        act = ACTIVATIONS[self.activation]
        widest = max(sizes)
        if min(sizes) == widest:
            x = rows.reshape(len(sizes), widest, -1)
        else:
            parts = jax.lax.split(rows, sizes)
            x = jnp.stack([jnp.pad(part, ((0, widest - len(part)), (0, 0))) for part in parts])
        for weight, bias in layers:
            x = jnp.einsum("kji,kib->kjb", weight, act(x)) + bias[:, :, None]
        return x

    def per_member(self, values: jax.Array) -> Any:
        counts = np.array([self.widths[k][1] for k in self._order])
        ordered = values[np.array(self._order)]
        row = jnp.repeat(ordered, counts, total_repeat_length=int(counts.sum()))
        later = []
        for bucket in self.buckets:
            members = values[np.array(bucket)]
            later.append([(members[:, None, None], members[:, None])] * (len(self.widths[0]) - 2))
        return {"first": (row[:, None], row), "later": later}

    def finite(self, packed: Any) -> jax.Array:
        weight, bias = packed["first"]
        row = jnp.isfinite(weight).all(axis=1) & jnp.isfinite(bias)
        counts = np.array([self.widths[k][1] for k in self._order])
        member = np.repeat(np.arange(len(counts)), counts)
        bad = jnp.zeros(len(counts), jnp.int32).at[member].add(~row)
        later = [
            jnp.stack([jnp.isfinite(a).reshape(len(a), -1).all(axis=1) for p in layers for a in p])
            for layers in packed["later"]
            if layers
        ]
        fine = bad == 0
        if later:
            fine &= jnp.concatenate([flags.all(axis=0) for flags in later])
        return fine[np.argsort(self._order)]


def _pad_stack(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    shape = tuple(max(sizes) for sizes in zip(*(a.shape for a in arrays), strict=True))
    out = np.zeros((len(arrays), *shape), dtype=arrays[0].dtype)
    for k, array in enumerate(arrays):
        out[k][tuple(slice(n) for n in array.shape)] = array
    return out
