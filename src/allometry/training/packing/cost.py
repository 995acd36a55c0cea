"""What a pack costs, and which packs cost least: a model of time and memory.

A step of a pack takes, by the rates that `calibration` measured here,

    operations x price + first-layer FLOP / rate + later, padded FLOP / rate
    + (parameters + activations + batch) x time of a pass with that much in use

and the pack as many steps as a run has updates, and its compilation. Wide products
are faster and operations shared, so packs grow; what no longer fits the cache is
slower, so they stop growing, about where one network fills the machine by itself.
Packs are stretches of the runs in order of width: the cheapest cut of that order is
found exactly, by dynamic programming from the wide end. What is left when the first
packs are done is therefore cut as before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allometry.datasets.batches import CALL_BYTES
from allometry.errors import UsageError
from allometry.models.model import Model
from allometry.spec.optimizers import Optimizer
from allometry.training.packing.calibration import Calibration, Points
from allometry.training.packing.side_by_side import bucket_width

__all__ = ["Cost", "Load", "cheapest", "cost", "slots"]

SHARE = 0.25  # of the memory for one pack: other packs and other people want some too
FLOAT = 4  # bytes
# Members of a pack, unless it takes all there are: four lengths to each doubling, so that equal
# runs fall in packs of equal shape, which are compiled once.
LENGTHS = (*range(1, 8), *((4 + i) << octave for octave in range(1, 9) for i in range(4)))


@dataclass(frozen=True)
class Load:
    """What the runs of a group have in common.

    Attributes:
        updates: optimiser updates of the longest run.
        batch: examples an update.
        features: of an example; 0 where only the data would tell.
        n_data: examples trained on.
        slots: arrays of the optimiser beside each parameter (`slots`).
        float_bytes: of a number; rates were measured with 4, and 8 take twice as long.
        own: each member has batches of its own; otherwise all see the same.
    """

    updates: int
    batch: int
    features: int
    n_data: int
    slots: int
    float_bytes: int = FLOAT
    own: bool = False


@dataclass(frozen=True)
class Cost:
    """A pack by the model.

    Attributes:
        seconds: steps and compilation; loading and measures, the same in any pack, are out.
        compiling: seconds of these.
        useful_flop, flop: of a step, without and with the padding.
        memory: bytes.
        rows: units of all members' first layers, one product; 0 where members are stacked.
        widths: padded width of each bucket.
    """

    seconds: float
    compiling: float
    useful_flop: float
    flop: float
    memory: float
    rows: int
    widths: tuple[int, ...]

    @property
    def waste(self) -> float:
        """Share of the FLOP spent on padding."""
        return 1 - self.useful_flop / self.flop


@lru_cache
def slots(optimizer: Optimizer) -> int:
    """Arrays an optimiser keeps beside each parameter: 2 for Adam, 0 for plain descent."""
    import jax

    rule = optimizer.direction()
    if not hasattr(rule, "init"):
        raise UsageError(
            f"{type(optimizer).__name__}.direction: an Optax transformation expected, "
            f"optax.scale_by_adam() say, got {type(rule).__name__}"
        )
    state = jax.eval_shape(rule.init, jax.ShapeDtypeStruct((3,), np.float32))
    return sum(leaf.shape == (3,) for leaf in jax.tree.leaves(state))


def cost(models: Sequence[Model], load: Load, machine: Calibration) -> Cost:
    """What these models, one pack, cost."""
    order = sorted(range(len(models)), key=lambda k: _width(models[k]))
    ordered = [models[k] for k in order]
    seconds, compiling, memory = _prices(ordered, load, machine, [load.updates] * len(models))
    pieces = _pieces(ordered, load, machine)
    used = sorted({bucket_width(m.dense.widths) for m in models if m.dense})
    return Cost(
        seconds=float(seconds[-1]),
        compiling=float(compiling[-1]),
        useful_flop=float(load.batch * pieces.useful[-1]),
        flop=float(load.batch * (pieces.first[-1] + pieces.later[-1])),
        memory=float(memory[-1]),
        rows=int(pieces.rows[-1]),
        widths=tuple(used),
    )


def cheapest(
    models: Sequence[Model],
    load: Load,
    machine: Calibration,
    updates: Sequence[int] | None = None,
) -> list[tuple[int, ...]]:
    """Which of the models share a pack: positions, narrow packs first, each in given order.

    A pack of one is allowed whatever it needs. Of equal costs the longer first pack
    is chosen.

    Args:
        updates: of each model's run, for a pack takes as long as its longest; None where all
            are equally long.
    """
    updates = updates or [load.updates] * len(models)
    order = sorted(range(len(models)), key=lambda k: (updates[k], _width(models[k])))
    ordered = tuple(models[k] for k in order), tuple(updates[k] for k in order)
    ends = _cuts(*ordered, load, machine)
    starts = (0, *ends[:-1])
    return [tuple(sorted(order[a:b])) for a, b in zip(starts, ends, strict=True)]


@lru_cache(maxsize=256)  # seeds of one study are cut alike
def _cuts(
    models: tuple[Model, ...], updates: tuple[int, ...], load: Load, machine: Calibration
) -> tuple[int, ...]:
    """Ends of the cheapest stretches of models in order of length and width."""
    n = len(models)
    best, end = np.zeros(n + 1), np.zeros(n, dtype=np.int64)
    for first in range(n - 1, -1, -1):
        lengths = np.array([k for k in LENGTHS if k < n - first] + [n - first])
        lengths = lengths[lengths <= LENGTHS[-1]]
        stretch = slice(first, first + lengths[-1])
        seconds, _, memory = _prices(models[stretch], load, machine, updates[stretch])
        # One alone is allowed whatever it needs; that its number is finite keeps the rest apart.
        seconds[1:][memory[1:] > SHARE * machine.memory] = inf
        total = seconds[lengths - 1] + best[first + lengths]
        chosen = len(total) - 1 - int(np.argmin(total[::-1]))  # the longest of equals
        best[first], end[first] = total[chosen], first + lengths[chosen]
    ends, at = [], 0
    while at < n:
        at = int(end[at])
        ends.append(at)
    return tuple(ends)


# ---- the pieces of a pack: of every stretch that begins at one place, by its length ------

_Numbers = NDArray[np.float64]
# Operations of a compiled step: batches, loss and bookkeeping; the first layer, and each later
# layer of a bucket, forward, backward and updated; a member cut out of the first product.
STEP, LAYER, MEMBER = 22, 7, 2
COMPILED, CUT = 1.5, 4  # operations compiled for one that runs; for a member cut out


class _Pieces(NamedTuple):
    """Entry j is of the first j + 1 members, ``(n,)``; FLOP forward and backward, of an example.

    `useful`: of the members as they are; `first`: of the product of all first layers;
    `later`: of the rest, with its padding; `later_seconds`: of a step; `params`: with padding;
    `units`: outputs of all layers; `rows`: of the first product; `operations`: of a step;
    `compiled`: to compile.
    """

    useful: _Numbers
    first: _Numbers
    later: _Numbers
    later_seconds: _Numbers
    params: _Numbers
    units: _Numbers
    rows: _Numbers
    operations: _Numbers
    compiled: _Numbers


def _width(model: Model) -> tuple[Any, ...]:
    if model.dense:
        widths = model.dense.widths
        return bucket_width(widths), max(widths[1:-1], default=1), widths
    counts = model.counts()
    return counts.forward_flop, counts.n_params, ()


def _prices(
    models: Sequence[Model], load: Load, machine: Calibration, updates: Sequence[int]
) -> tuple[_Numbers, _Numbers, _Numbers]:
    """Seconds, seconds of these to compile, bytes: of each stretch from the first model on."""
    p = _pieces(models, load, machine)
    longest = np.maximum.accumulate(np.array(updates, dtype=np.float64))
    members = np.arange(1, len(models) + 1) if load.own else np.ones(len(models))
    shown = load.batch * load.features * members
    kept_params = p.params * (2 + load.slots)  # the gradient counts as one
    touched = p.params + p.units * load.batch + shown
    slower = load.float_bytes / FLOAT
    step = machine.operation * p.operations + slower * p.later_seconds
    used = load.float_bytes * (kept_params + p.units * load.batch + shown)
    step += slower * touched * _at(machine.passes, used)
    product = np.maximum(1, 2 * p.rows * shown)
    step += slower * load.batch * p.first / _at(machine.products, product)
    compiling = machine.compile_operation * p.compiled
    chunk = np.minimum(CALL_BYTES, load.float_bytes * shown * longest)
    data = load.float_bytes * load.n_data * load.features * members
    # An activation, its gradient, and a copy in another order.
    memory = load.float_bytes * (kept_params + 3 * p.units * load.batch) + chunk + data
    return longest * step + compiling, compiling, memory


def _pieces(models: Sequence[Model], load: Load, machine: Calibration) -> _Pieces:
    counts = [model.counts() for model in models]
    useful = np.cumsum([float(c.forward_flop + c.backward_flop) for c in counts])
    if all(model.dense for model in models) and not load.own:
        widths = np.array([m.dense.widths for m in models if m.dense], dtype=np.float64)
        return _side_by_side(useful, widths, load.batch, machine)
    if all(model.dense for model in models):
        widths = np.array([m.dense.widths for m in models if m.dense], dtype=np.float64)
        return _padded(useful, widths, load.batch, machine)
    return _stacked(useful, models, load.batch, machine)


def _side_by_side(useful: _Numbers, widths: _Numbers, batch: int, machine: Calibration) -> _Pieces:
    """Perceptrons, ``(n, layers + 1)`` widths: one first product, the rest padded in buckets."""
    rows = np.cumsum(widths[:, 1])
    fan_in = widths[0, 0]
    first = rows * (4 * fan_in + 2)
    later, seconds, params, units = (np.zeros(len(rows)) for _ in range(4))
    operations, cut = np.full(len(rows), float(STEP + LAYER)), np.zeros(len(rows))
    caps = np.array([bucket_width(w) for w in widths.astype(int).tolist()])
    edges = [0, *(np.flatnonzero(np.diff(caps)) + 1).tolist(), len(caps)]
    for a, b in pairwise(edges):
        widest = np.maximum.accumulate(widths[a:b])
        members = np.arange(1.0, b - a + 1)
        cut[a:] += _held(members * (np.ptp(widths[a:b, 1]) > 0), len(cut) - a)
        for fan, out in zip(widest[:, 1:-1].T, widest[:, 2:].T, strict=True):
            flop = members * (6 * fan * out + 2 * out)
            rate = _at(machine.batched, 2 * fan * out * batch)
            later[a:] += _held(flop, len(later) - a)
            seconds[a:] += _held(flop * batch / rate, len(later) - a)
            params[a:] += _held(members * (fan * out + out), len(later) - a)
            units[a:] += _held(members * out, len(later) - a)
            operations[a:] += LAYER
    return _Pieces(
        useful=useful,
        first=first,
        later=later,
        later_seconds=seconds,
        params=params + rows * (fan_in + 1),
        units=units + rows,
        rows=rows,
        operations=operations + MEMBER * cut,
        compiled=COMPILED * operations + CUT * cut,
    )


def _padded(useful: _Numbers, widths: _Numbers, batch: int, machine: Calibration) -> _Pieces:
    """Perceptrons with batches of their own, each padded to the widest, one product a member."""
    widest = np.maximum.accumulate(widths)
    members = np.arange(1.0, len(widths) + 1)
    later, seconds, params, units = (np.zeros(len(widths)) for _ in range(4))
    for i, (fan, out) in enumerate(zip(widest[:, :-1].T, widest[:, 1:].T, strict=True)):
        flop = members * ((6 if i else 4) * fan * out + 2 * out)
        one = 2 * fan * out * batch
        # A product smaller than any measured takes as long as the smallest.
        rate = _at(machine.batched, one) * np.minimum(1, one / machine.batched[0][0])
        later += flop
        seconds += flop * batch / rate
        params += members * (fan * out + out)
        units += members * out
    operations = np.full(len(widths), float(STEP + LAYER * (widths.shape[1] - 1)))
    return _Pieces(
        useful=useful,
        first=np.zeros(len(widths)),
        later=later,
        later_seconds=seconds,
        params=params,
        units=units,
        rows=np.zeros(len(widths)),
        operations=operations,
        compiled=COMPILED * operations,
    )


def _held(values: _Numbers, n: int) -> _Numbers:
    """The values, and their last for what comes behind, n in all."""
    return np.concatenate([values, np.full(n - len(values), values[-1])])


def _stacked(
    useful: _Numbers, models: Sequence[Model], batch: int, machine: Calibration
) -> _Pieces:
    """Any models, each padded to the largest."""
    counts = [model.counts() for model in models]
    members = np.arange(1.0, len(models) + 1)

    def widest(values: Sequence[int]) -> _Numbers:
        return np.maximum.accumulate(np.array(values, dtype=np.float64))

    flop = widest([c.forward_flop + c.backward_flop for c in counts])
    forward = widest([c.forward_flop for c in counts])
    params = widest([c.n_params for c in counts])
    # Layers are taken as two square ones; how many there are only the model knows.
    units = 2 * np.sqrt(params / 2) * forward / (2 * params)
    rate = _at(machine.batched, batch * forward / 2)
    operations = np.full(len(models), float(STEP + 3 * LAYER))
    return _Pieces(
        useful=useful,
        first=np.zeros(len(models)),
        later=members * flop,
        later_seconds=members * flop * batch / rate,
        params=members * params,
        units=members * units,
        rows=np.zeros(len(models)),
        operations=operations,
        compiled=COMPILED * operations,
    )


def _at(points: Points, where: _Numbers) -> _Numbers:
    """Between measured points along straight lines of logarithms, level outside them."""
    x, y = np.log(np.array(points)).T
    return np.asarray(np.exp(np.interp(np.log(np.maximum(where, 1)), x, y)))
