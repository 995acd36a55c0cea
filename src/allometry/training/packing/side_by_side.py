"""The layout for perceptrons on shared examples: first layers are rows of one matrix product."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from allometry.models.model import ACTIVATIONS, Params
from allometry.training.packing.layout import Layout
from allometry.training.packing.padded import pad_stack

__all__ = ["SideBySide", "bucket_width"]


def bucket_width(widths: Sequence[int]) -> int:
    """The bucket of a perceptron's width: at least 8, and a power of two.

    Perceptrons of one bucket are padded together.
    """
    widest = max(widths[1:-1], default=1)
    return int(max(8, 1 << (widest - 1).bit_length()))


@dataclass(frozen=True)
class SideBySide(Layout):
    """The layout of perceptrons of equal depth.

    Attributes:
        widths: widths of each member from input to output.
        activation: name of the activation function.
    """

    widths: tuple[tuple[int, ...], ...]
    activation: str

    @property
    def names(self) -> tuple[str, ...]:
        layers = range(len(self.widths[0]) - 1)
        return tuple(f"{name}{i}" for i in layers for name in ("weight", "bias"))

    @cached_property
    def buckets(self) -> tuple[tuple[int, ...], ...]:
        """Members grouped by the `bucket_width` of their widths, narrow ones first."""
        caps = [bucket_width(widths) for widths in self.widths]
        return tuple(
            tuple(k for k, cap in enumerate(caps) if cap == size) for size in sorted(set(caps))
        )

    @cached_property
    def rows(self) -> tuple[slice, ...]:
        """Each member's rows of the first product; members of a bucket are adjacent."""
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
                    pad_stack([members[k][f"{n}{i}"] for k in bucket]) for n in ("weight", "bias")
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

    def apply(self, packed: Any, x: jax.Array, keys: jax.Array | None = None) -> jax.Array:
        weight, bias = packed["first"]
        # Units by examples, so that a member's units are rows that can be split off and padded.
        product = jnp.einsum("hd,bd->hb", weight, x) + bias[:, None]
        # One split, whose gradient is one concatenation; each slice would add a padded copy.
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

    def spread(self, values: Mapping[str, jax.Array]) -> Any:
        counts = np.array([self.widths[k][1] for k in self._order])
        order, total = np.array(self._order), int(counts.sum())
        weight, bias = (
            jnp.repeat(values[name][order], counts, total_repeat_length=total)
            for name in ("weight0", "bias0")
        )
        later = [
            [
                (
                    values[f"weight{i}"][np.array(bucket)][:, None, None],
                    values[f"bias{i}"][np.array(bucket)][:, None],
                )
                for i in range(1, len(self.widths[0]) - 1)
            ]
            for bucket in self.buckets
        ]
        return {"first": (weight[:, None], bias), "later": later}

    def finite(self, packed: Any) -> jax.Array:
        return self._sums(lambda array: ~jnp.isfinite(array), packed) == 0

    def squares(self, packed: Any) -> jax.Array:
        return self._sums(jnp.square, packed)

    def _sums(self, number: Callable[[jax.Array], jax.Array], packed: Any) -> jax.Array:
        """A function of each entry, summed over the entries of each member, ``(K,)``."""
        weight, bias = packed["first"]
        counts = np.array([self.widths[k][1] for k in self._order])
        rows = number(weight).sum(axis=1) + number(bias)
        member = np.repeat(np.arange(len(counts)), counts)
        sums = jnp.zeros(len(counts), rows.dtype).at[member].add(rows)
        later = [
            sum(number(a).reshape(len(a), -1).sum(axis=1) for pair in layers for a in pair)
            for layers in packed["later"]
            if layers
        ]
        if later:
            sums += jnp.concatenate(later)
        return sums[np.argsort(self._order)]
