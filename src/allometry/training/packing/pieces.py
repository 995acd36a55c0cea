"""Operations, FLOP and sizes of a step, for every pack of the first j of a sequence of models."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.models.model import Model
from allometry.training.packing.calibration import Calibration, Points
from allometry.training.packing.side_by_side import bucket_width

__all__ = ["Numbers", "Pieces", "Sizes", "at", "pieces_of", "sizes_of"]

Numbers = NDArray[np.float64]
# Numbers of operations in a compiled step: for batches, loss and bookkeeping (STEP); for the first
# layer and each later layer of a bucket, with forward, backward and update (LAYER); for splitting
# a member off the first product (MEMBER).
STEP, LAYER, MEMBER = 22, 7, 2
COMPILED, CUT = 1.5, 4  # operations to compile, per operation that runs; per member split off


class Sizes(NamedTuple):
    """Sizes of n models, ``(n,)`` each; computed once, because many stretches are priced.

    Attributes:
        flop: forward and backward FLOP of an example. forward: the forward FLOP of these.
        params: numbers of trained parameters.
        widths: widths of layers, ``(n, layers + 1)``; None unless all models are perceptrons.
        buckets: `bucket_width` of each perceptron; empty unless all models are perceptrons.
    """

    flop: Numbers
    forward: Numbers
    params: Numbers
    widths: Numbers | None
    buckets: Numbers

    def part(self, stretch: slice) -> "Sizes":
        """The sizes of consecutive models."""
        widths = None if self.widths is None else self.widths[stretch]
        flop, forward, params = (a[stretch] for a in (self.flop, self.forward, self.params))
        return Sizes(flop, forward, params, widths, self.buckets[stretch])


def sizes_of(models: Sequence[Model]) -> Sizes:
    """The sizes of these models."""
    counts = [model.counts() for model in models]
    layers = [model.dense for model in models]
    widths = [dense.widths for dense in layers if dense]
    are_dense = len(widths) == len(models)
    return Sizes(
        np.array([c.forward_flop + c.backward_flop for c in counts], dtype=np.float64),
        np.array([c.forward_flop for c in counts], dtype=np.float64),
        np.array([c.n_params for c in counts], dtype=np.float64),
        np.array(widths, dtype=np.float64) if are_dense else None,
        np.array([bucket_width(w) for w in widths] if are_dense else [], dtype=np.float64),
    )


class Pieces(NamedTuple):
    """Quantities of a step, ``(n,)`` each; entry j is for a pack of the first j + 1 members.

    FLOP are forward and backward FLOP of one example.

    Attributes:
        useful: FLOP of the members without padding.
        first: FLOP of the product of all first layers.
        later: FLOP of the rest, with padding.
        later_seconds: seconds of the rest in a step.
        params: parameters, with padding.
        units: outputs of all layers.
        rows: rows of the first product.
        operations: operations of a step.
        compiled: operations to compile.
    """

    useful: Numbers
    first: Numbers
    later: Numbers
    later_seconds: Numbers
    params: Numbers
    units: Numbers
    rows: Numbers
    operations: Numbers
    compiled: Numbers


def pieces_of(sizes: Sizes, batch: int, machine: Calibration, *, own: bool) -> Pieces:
    """The pieces of every stretch of models that begins with the first model.

    Args:
        batch: examples in an update.
        own: whether each member has its own batches.
    """
    if sizes.widths is None:
        return _stacked(sizes, batch, machine)
    return (_padded if own else _side_by_side)(sizes, sizes.widths, batch, machine)


def _side_by_side(sizes: Sizes, widths: Numbers, batch: int, machine: Calibration) -> Pieces:
    """Perceptrons on shared batches: one first product, the rest padded in buckets.

    Args:
        widths: widths of the layers, ``(n, layers + 1)``.
    """
    rows = np.cumsum(widths[:, 1])
    fan_in = widths[0, 0]
    first = rows * (4 * fan_in + 2)
    later, seconds, params, units = (np.zeros(len(rows)) for _ in range(4))
    operations, cut = np.full(len(rows), float(STEP + LAYER)), np.zeros(len(rows))
    edges = [0, *(np.flatnonzero(np.diff(sizes.buckets)) + 1).tolist(), len(rows)]
    for a, b in pairwise(edges):
        widest = np.maximum.accumulate(widths[a:b])
        members = np.arange(1.0, b - a + 1)
        cut[a:] += _held(members * (np.ptp(widths[a:b, 1]) > 0), len(cut) - a)
        for fan, out in zip(widest[:, 1:-1].T, widest[:, 2:].T, strict=True):
            flop = members * (6 * fan * out + 2 * out)
            rate = at(machine.batched, 2 * fan * out * batch)
            later[a:] += _held(flop, len(later) - a)
            seconds[a:] += _held(flop * batch / rate, len(later) - a)
            params[a:] += _held(members * (fan * out + out), len(later) - a)
            units[a:] += _held(members * out, len(later) - a)
            operations[a:] += LAYER
    return Pieces(
        useful=np.cumsum(sizes.flop),
        first=first,
        later=later,
        later_seconds=seconds,
        params=params + rows * (fan_in + 1),
        units=units + rows,
        rows=rows,
        operations=operations + MEMBER * cut,
        compiled=COMPILED * operations + CUT * cut,
    )


def _padded(sizes: Sizes, widths: Numbers, batch: int, machine: Calibration) -> Pieces:
    """Perceptrons with their own batches, each padded to the widest, one product a member."""
    widest = np.maximum.accumulate(widths)
    members = np.arange(1.0, len(widths) + 1)
    later, seconds, params, units = (np.zeros(len(widths)) for _ in range(4))
    for i, (fan, out) in enumerate(zip(widest[:, :-1].T, widest[:, 1:].T, strict=True)):
        flop = members * ((6 if i else 4) * fan * out + 2 * out)
        one = 2 * fan * out * batch
        # A product smaller than the smallest measured one is assumed to take as long as that.
        rate = at(machine.batched, one) * np.minimum(1, one / machine.batched[0][0])
        later += flop
        seconds += flop * batch / rate
        params += members * (fan * out + out)
        units += members * out
    operations = np.full(len(widths), float(STEP + LAYER * (widths.shape[1] - 1)))
    return Pieces(
        useful=np.cumsum(sizes.flop),
        first=np.zeros(len(widths)),
        later=later,
        later_seconds=seconds,
        params=params,
        units=units,
        rows=np.zeros(len(widths)),
        operations=operations,
        compiled=COMPILED * operations,
    )


def _held(values: Numbers, n: int) -> Numbers:
    """The values, extended to length n by repeating the last one."""
    return np.concatenate([values, np.full(n - len(values), values[-1])])


def _stacked(sizes: Sizes, batch: int, machine: Calibration) -> Pieces:
    """Any models, each padded to the largest."""
    members = np.arange(1.0, len(sizes.flop) + 1)
    flop, forward, params = (
        np.maximum.accumulate(values) for values in (sizes.flop, sizes.forward, sizes.params)
    )
    # The number of layers is unknown, so two square layers are assumed.
    units = 2 * np.sqrt(params / 2) * forward / (2 * params)
    rate = at(machine.batched, batch * forward / 2)
    operations = np.full(len(members), float(STEP + 3 * LAYER))
    return Pieces(
        useful=np.cumsum(sizes.flop),
        first=np.zeros(len(members)),
        later=members * flop,
        later_seconds=members * flop * batch / rate,
        params=members * params,
        units=members * units,
        rows=np.zeros(len(members)),
        operations=operations,
        compiled=COMPILED * operations,
    )


def at(points: Points, where: Numbers) -> Numbers:
    """Interpolate measured points linearly in log-log scale; constant outside their range."""
    x, y = np.log(np.array(points)).T
    return np.asarray(np.exp(np.interp(np.log(np.maximum(where, 1)), x, y)))
