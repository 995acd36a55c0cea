"""Which runs are trained together: groups that may be, cut where that is cheapest."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from allometry.errors import UsageError
from allometry.spec import RunSpec
from allometry.spec.code import is_shipped
from allometry.training.packing.calibration import Calibration, calibration
from allometry.training.packing.cost import Cost, Load, by_width, cheapest, cost, slots
from allometry.training.packing.sharing import (
    batches_key,
    data_of,
    has_own_batches,
    model_of,
    optimizer_of,
    program_key,
)
from allometry.training.procedure import Pack

__all__ = ["all_seconds", "load_of", "make_packs", "pack_cost"]

Group = list[RunSpec]

# A step of a pack with own batches took 1.2 to 1.7 times its prediction on seven shapes, two
# cores; one with shared batches takes what is predicted.
UNDERESTIMATED = 1.5
# Runs among which packs with own batches are looked for: a cut of twice as many takes four times
# as long, and packs of hundreds of members gain nothing by more.
BLOCK = 512
# Factor by which packs must be done sooner to be cut further; a smaller gain is within the error
# of the predictions.
GAIN = 1.05


def make_packs(
    specs: Sequence[RunSpec], costs: Calibration | None = None, threads: int | None = None
) -> list[Pack]:
    """Which runs share a program.

    Groups come in order of first sight, their packs from narrow to wide. Runs that see the same
    batches are packed first: the first layer is then one matrix product for all of them, and
    what differs between sizes is not the luck of the order. Runs that differ in data, seed or
    batch size may train together too, each with batches of its own, where the model of costs
    says that this is faster. If there are fewer packs than threads, the costliest are cut in two;
    the batches of a single network that works in chunks are divided.

    Args:
        costs: what the choice goes by; None for what was measured on this machine.
        threads: packs made at once; None for as many as get most done here.
    """
    keys = _Keys()
    packs: list[Pack] = []
    for alike in _grouped(specs, keys.program):
        if len(alike) == 1:
            packs.append(Pack(tuple(alike)))
            continue
        machine = costs or calibration()
        known: dict[Any, list[list[int]]] = {}
        for groups in _blocks(_grouped(alike, keys.batches)):
            block = [spec for group in groups for spec in group]
            # Blocks that differ in their seeds alone are parted alike.
            parts = tuple((id(s.model), id(s.data), id(s.train)) for s in block)
            key = parts, tuple(map(len, groups))
            if key not in known:
                known[key] = _chosen(groups, block, machine, threads)
            packs += [Pack(tuple(block[k] for k in places)) for places in known[key]]
    if any(len(pack.specs) > 1 for pack in packs):
        return _spread(packs, costs or calibration(), threads)
    if len(packs) == 1:
        return [replace(packs[0], divided=_can_be_divided(specs[0]))]
    return packs


def _can_be_divided(spec: RunSpec) -> bool:
    """Whether the batches of this run may be divided among processors.

    User-defined parts may call LAPACK: two devices that do so at once may wait for each other for
    ever.
    """
    model, train = model_of(spec), spec.train
    parts = model, train.optimizer, train.loss, *(train.metrics or ())
    return bool(model.chunk) and not model.stochastic and all(is_shipped(type(p)) for p in parts)


def _chosen(
    groups: Sequence[Group], block: Group, machine: Calibration, threads: int | None
) -> list[list[int]]:
    """The packs of the runs of a block, by their places in it."""
    packs = [pack for group in groups for pack in _cut(group, machine)]
    if len(packs) > 1:
        packs = _joined(block, packs, machine, threads)
    places = {id(spec): k for k, spec in enumerate(block)}
    return [[places[id(spec)] for spec in pack.specs] for pack in packs]


def _blocks(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Groups one behind the other, as many as have `BLOCK` runs together, or one alone."""
    block: list[Group] = []
    for group in groups:
        if block and sum(map(len, block)) + len(group) > BLOCK:
            yield block
            block = []
        block.append(group)
    yield block


def _cut(group: Group, machine: Calibration, *, own: bool = False) -> list[Pack]:
    """The cheapest packs of runs that may share a program."""
    if len(group) == 1:
        return [Pack(tuple(group))]
    models = [model_of(spec) for spec in group]
    updates = [spec.train.updates(data_of(spec).n_used) for spec in group]
    chosen = cheapest(models, load_of(group, own=own), machine, updates)
    return [Pack(tuple(group[k] for k in part)) for part in chosen]


def _joined(
    alike: Group, shared: list[Pack], machine: Calibration, threads: int | None
) -> list[Pack]:
    """The packs with shared batches, or others with own batches if these are done sooner."""
    inputs = {(spec.data, model_of(spec).n_inputs) for spec in alike}
    # Of networks with other inputs on one data set all but one are refused, each by itself.
    if _trains_alone(alike[0]) or len(inputs) > len({spec.data for spec in alike}):
        return shared
    own = _cut(alike, machine, own=True)
    faster = all_seconds(own, machine, threads) < all_seconds(shared, machine, threads)
    return own if faster else shared


def _spread(packs: list[Pack], machine: Calibration, threads: int | None) -> list[Pack]:
    """The packs. While they are fewer than the threads, cut the costliest if that saves time."""
    while len(packs) < (threads or machine.threads):
        seconds = [pack_cost(pack.specs, machine).seconds for pack in packs]
        costliest = int(np.argmax(seconds))
        halves = _halves(packs[costliest], machine)
        parted = [*packs[:costliest], *halves, *packs[costliest + 1 :]]
        before, after = (all_seconds(some, machine, threads) for some in (packs, parted))
        if GAIN * after > before:
            break
        packs = parted
    return packs


def _halves(pack: Pack, machine: Calibration) -> list[Pack]:
    """Cut a pack, in order of length and width, into two that take about equally long."""
    if len(pack.specs) == 1:
        return [pack]
    order = sorted(
        pack.specs, key=lambda s: (s.train.updates(data_of(s).n_used), by_width(model_of(s)))
    )

    def seconds(cut: int) -> tuple[float, float]:
        first, second = (pack_cost(part, machine).seconds for part in (order[:cut], order[cut:]))
        return first, second

    # With every further member the first takes longer and the second less long.
    cuts = range(1, len(order))
    crossed = bisect_left(cuts, True, key=lambda cut: np.subtract(*seconds(cut)) >= 0)
    cut = min(cuts[max(0, crossed - 1) : crossed + 1], key=lambda cut: max(seconds(cut)))
    first = {id(spec) for spec in order[:cut]}
    # In the order of the pack, as in every pack.
    parts = [[s for s in pack.specs if (id(s) in first) == narrow] for narrow in (True, False)]
    return [Pack(tuple(part), pack.note) for part in parts]


def all_seconds(packs: Sequence[Pack], machine: Calibration, threads: int | None = None) -> float:
    """Predicted time of packs that are made side by side, each in a thread.

    Packs of the same networks, other seeds say, are compiled once. Of packs with batches of their
    own the time is what such packs were measured to take.

    Args:
        threads: packs made at once; None for as many as get most done here.
    """
    costs = [pack_cost(pack.specs, machine) for pack in packs]
    steps = [
        (whole.seconds - whole.compiling) * (UNDERESTIMATED if has_own_batches(pack.specs) else 1)
        for pack, whole in zip(packs, costs, strict=True)
    ]
    programs = {
        tuple(model_of(spec) for spec in pack.specs): whole.compiling
        for pack, whole in zip(packs, costs, strict=True)
    }
    at_once = min(len(packs), threads or machine.threads)
    return max(max(steps), (sum(steps) + sum(programs.values())) / at_once)


def pack_cost(specs: Sequence[RunSpec], machine: Calibration) -> Cost:
    """What one pack costs."""
    load = load_of(specs, own=has_own_batches(specs))
    return cost([model_of(spec) for spec in specs], load, machine)


def load_of(specs: Sequence[RunSpec], *, own: bool = False) -> Load:
    """What a pack of some of these runs has to do at every step.

    Args:
        own: each member has batches of its own.
    """
    models = [model_of(spec) for spec in specs]
    return Load(
        updates=max(spec.train.updates(data_of(spec).n_used) for spec in specs),
        batch=max(spec.train.batch_size for spec in specs),
        features=max(model.dense.widths[0] if model.dense else 0 for model in models),
        n_data=max(data_of(spec).n_used for spec in specs),
        slots=slots(optimizer_of(specs[0])),
        float_bytes=8 if specs[0].train.precision == "float64" else 4,
        own=own,
    )


class _Keys:
    """Keys of runs; a million runs hold few different models and settings, looked at once."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, ...], int] = {}
        self._numbers: dict[Any, int] = {}

    def program(self, spec: RunSpec) -> Any:
        if _trains_alone(spec):
            return id(spec)
        parts = id(spec.model), id(spec.data), id(spec.train), id(spec.measures)
        return self._number(parts, lambda: program_key(spec))

    def batches(self, spec: RunSpec) -> Any:
        parts = id(spec.data), id(spec.train), id(spec.model)
        return spec.seed, self._number(parts, lambda: batches_key(spec)[1:])

    def _number(self, parts: tuple[int, ...], key: Callable[[], Any]) -> int:
        number = self._seen.get(parts)
        if number is None:
            value = key()
            try:
                number = self._numbers.setdefault(value, len(self._numbers))
            except TypeError as error:
                raise UsageError(
                    f"{error}: a field of a model, data set or other part of a run is no fixed "
                    "value; write tuple[int, ...] where it says list[int], say"
                ) from error
            self._seen[parts] = number
        return number


def _grouped(specs: Sequence[RunSpec], key: Callable[[RunSpec], Any]) -> list[Group]:
    """Runs of equal keys, in order of first sight."""
    groups: dict[Any, Group] = defaultdict(list)
    for spec in specs:
        groups[key(spec)].append(spec)
    return list(groups.values())


def _trains_alone(spec: RunSpec) -> bool:
    """Whether a run shares with none.

    PyTorch's shuffles follow the draws of the model, which differ with its size; a model that
    works in chunks keeps the machine busy by itself.
    """
    return spec.train.batch_order == "torch" or bool(model_of(spec).chunk)
