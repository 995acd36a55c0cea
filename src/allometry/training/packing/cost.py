"""The cost model of packs (time and memory), and the choice of the cheapest packs.

By the rates that `calibration` measures on this machine, a step of a pack takes

    operations x price + first-layer FLOP / rate + later, padded FLOP / rate
    + (parameters + activations + batch) x time of a pass with that much in use

The pack takes as many steps as its longest run has updates, plus its compilation. Wide products
are faster and operations are shared, which favours large packs. Arrays that exceed the cache are
slower, which limits them, to about the size at which one network fills the machine by itself.
Packs are stretches of the runs in order of width. The cheapest cut of that order is found exactly,
by dynamic programming from the wide end. Therefore the remaining runs are cut in the same way after
the first packs are done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np

from allometry.datasets.batches import CALL_BYTES
from allometry.errors import UsageError
from allometry.models.model import Model
from allometry.spec.optimizers import Optimizer
from allometry.training.packing.calibration import Calibration
from allometry.training.packing.pieces import Numbers, Sizes, at, pieces_of, sizes_of
from allometry.training.packing.side_by_side import bucket_width

__all__ = ["Cost", "Load", "by_width", "cheapest", "cost", "slots"]

SHARE = 0.25  # largest share of memory for one pack; other packs and programs need some too
FLOAT = 4  # bytes
# Allowed numbers of members, unless a pack takes all remaining runs: four in each doubling, so that
# equal runs form packs of equal shape, which are compiled once.
LENGTHS = (*range(1, 8), *((4 + i) << octave for octave in range(1, 9) for i in range(4)))


@dataclass(frozen=True)
class Load:
    """Properties that the runs of a group share.

    Attributes:
        updates: optimiser updates of the longest run.
        batch: examples in an update.
        features: features of an example; 0 if only the data would tell.
        n_data: number of training examples.
        slots: arrays that the optimiser keeps for each parameter (`slots`).
        float_bytes: bytes of a number; rates were measured with 4, and 8 take twice as long.
        own: whether each member has its own batches; otherwise all see the same.
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
    """The predicted cost of a pack.

    Attributes:
        seconds: time of steps and compilation; loading and measures, which take the same time in
            any pack, are excluded.
        compiling: the part of it spent on compiling.
        useful_flop, flop: FLOP of a step, without and with padding.
        memory: bytes.
        rows: total units of all first layers, rows of one product; 0 if members are stacked.
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
    """Number of arrays an optimiser keeps for each parameter: 2 for Adam, 0 for plain descent."""
    import jax

    rule = optimizer.direction()
    if not hasattr(rule, "init"):
        raise UsageError(
            f"{type(optimizer).__name__}.direction: an Optax transformation expected, such as "
            f"optax.scale_by_adam(), got {type(rule).__name__}"
        )
    state = jax.eval_shape(rule.init, jax.ShapeDtypeStruct((3,), np.float32))
    return sum(leaf.shape == (3,) for leaf in jax.tree.leaves(state))


def cost(models: Sequence[Model], load: Load, machine: Calibration) -> Cost:
    """The cost of one pack of these models."""
    order = sorted(range(len(models)), key=lambda k: by_width(models[k]))
    ordered = [models[k] for k in order]
    sizes = sizes_of(ordered)
    seconds, compiling, memory = _prices(sizes, load, machine, [load.updates] * len(models))
    pieces = pieces_of(sizes, load.batch, machine, own=load.own)
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
    """The cheapest division of models into packs.

    A pack of one model may need any amount of memory. If costs are equal, the longer first pack
    is chosen.

    Args:
        updates: number of updates of each model's run; None if all are equal. A pack takes as
            long as its longest run.

    Returns:
        positions of the models of each pack, in the given order; narrow packs come first.
    """
    updates = updates or [load.updates] * len(models)
    order = sorted(range(len(models)), key=lambda k: (updates[k], by_width(models[k])))
    ordered = tuple(models[k] for k in order), tuple(updates[k] for k in order)
    ends = _cuts(*ordered, load, machine)
    starts = (0, *ends[:-1])
    return [tuple(sorted(order[a:b])) for a, b in zip(starts, ends, strict=True)]


@lru_cache(maxsize=256)  # seeds of one study are cut alike
def _cuts(
    models: tuple[Model, ...], updates: tuple[int, ...], load: Load, machine: Calibration
) -> tuple[int, ...]:
    """Ends of the cheapest stretches of models in order of length and width."""
    n, sizes = len(models), sizes_of(models)
    best, end = np.zeros(n + 1), np.zeros(n, dtype=np.int64)
    for first in range(n - 1, -1, -1):
        lengths = np.array([k for k in LENGTHS if k < n - first] + [n - first])
        lengths = lengths[lengths <= LENGTHS[-1]]
        stretch = slice(first, first + lengths[-1])
        seconds, _, memory = _prices(sizes.part(stretch), load, machine, updates[stretch])
        # A pack of one model is always allowed, and its finite cost keeps every total finite.
        seconds[1:][memory[1:] > SHARE * machine.memory] = inf
        total = seconds[lengths - 1] + best[first + lengths]
        chosen = len(total) - 1 - int(np.argmin(total[::-1]))  # the longest of equals
        best[first], end[first] = total[chosen], first + lengths[chosen]
    ends, at = [], 0
    while at < n:
        at = int(end[at])
        ends.append(at)
    return tuple(ends)


def by_width(model: Model) -> tuple[Any, ...]:
    """A key that sorts models by width, narrow ones first."""
    if model.dense:
        widths = model.dense.widths
        return bucket_width(widths), max(widths[1:-1], default=1), widths
    counts = model.counts()
    return counts.forward_flop, counts.n_params, ()


def _prices(
    sizes: Sizes, load: Load, machine: Calibration, updates: Sequence[int]
) -> tuple[Numbers, Numbers, Numbers]:
    """Seconds, compiling seconds and bytes of each stretch that begins with the first model."""
    p = pieces_of(sizes, load.batch, machine, own=load.own)
    longest = np.maximum.accumulate(np.array(updates, dtype=np.float64))
    members = np.arange(1.0, len(updates) + 1) if load.own else np.ones(len(updates))
    shown = float(load.batch) * load.features * members  # as floats; integers might overflow
    kept_params = p.params * (2 + load.slots)  # the gradient counts as one
    touched = p.params + p.units * load.batch + shown
    slower = load.float_bytes / FLOAT
    step = machine.operation * p.operations + slower * p.later_seconds
    used = load.float_bytes * (kept_params + p.units * load.batch + shown)
    step += slower * touched * at(machine.passes, used)
    product = np.maximum(1, 2 * p.rows * shown)
    step += slower * load.batch * p.first / at(machine.products, product)
    compiling = machine.compile_operation * p.compiled
    chunk = np.minimum(CALL_BYTES, load.float_bytes * shown * longest)
    data = float(load.float_bytes) * load.n_data * load.features * members
    # The factor 3: an activation, its gradient, and a transposed copy.
    memory = load.float_bytes * (kept_params + 3 * p.units * load.batch) + chunk + data
    return longest * step + compiling, compiling, memory
