"""Explanation of packs: the predicted cost of each, and the reason for its size."""

from collections.abc import Sequence
from dataclasses import dataclass

from allometry.spec import RunSpec
from allometry.training.dividing import mesh_for
from allometry.training.packing.calibration import Calibration, calibration
from allometry.training.packing.choose import all_seconds, load_of, pack_cost
from allometry.training.packing.cost import SHARE, Cost, cost
from allometry.training.packing.sharing import (
    has_own_batches,
    model_of,
    needs_equal_shapes,
    program_key,
)
from allometry.training.procedure import Pack

__all__ = ["Plan", "plans"]


@dataclass(frozen=True)
class Plan:
    """The predicted cost of one pack.

    Attributes:
        runs: number of members.
        updates: optimiser updates of the longest member.
        layout: memory layout of the members: ``side by side``, ``stacked`` or ``alone``.
        widths: widest layer of the narrowest and of the widest member; empty if the model
            has no widths.
        seconds: predicted time, with compiling, without loading and measures.
        compiling: the part of it spent on compiling.
        waste: share of the FLOP spent on padding.
        memory: bytes.
        why: the reason for the pack's size, in one line.
    """

    runs: int
    updates: int
    layout: str
    widths: tuple[int, ...]
    seconds: float
    compiling: float
    waste: float
    memory: float
    why: str


def plans(packs: Sequence[Pack], machine: Calibration | None = None) -> list[Plan]:
    """The predicted cost of each pack by the cost model.

    Args:
        packs: packs as chosen by `packing.choose.make_packs`.
        machine: measured rates of a machine; None for those of this machine.
    """
    rates = machine or calibration()
    return [
        _plan(pack, after.specs if after else (), rates)
        for pack, after in zip(packs, [*packs[1:], None], strict=True)
    ]


def _plan(pack: Pack, after: Sequence[RunSpec], machine: Calibration) -> Plan:
    specs: Sequence[RunSpec] = pack.specs
    models, own = [model_of(spec) for spec in specs], has_own_batches(specs)
    load = load_of(specs, own=own)
    whole = cost(models, load, machine)
    widest = sorted(max(m.dense.widths[1:-1], default=1) for m in models if m.dense)
    side_by_side = widest and not own and not needs_equal_shapes(specs[0])
    alone = bool(models[0].chunk) or len(specs) == 1
    mesh = mesh_for(models[0].chunk, load.batch) if pack.divided else None
    divided = f"its batches are divided among {mesh.size} processors" if mesh else ""
    return Plan(
        runs=len(specs),
        updates=load.updates,
        layout="alone" if alone else "side by side" if side_by_side else "stacked",
        widths=(widest[0], widest[-1]) if widest else (),
        seconds=whole.seconds,
        compiling=whole.compiling,
        waste=whole.waste,
        memory=whole.memory,
        why="; ".join(filter(None, (_why(specs, after, whole, machine), divided, pack.note))),
    )


def _why(
    specs: Sequence[RunSpec], after: Sequence[RunSpec], whole: Cost, machine: Calibration
) -> str:
    model = model_of(specs[0])
    if model.chunk:
        return f"{type(model).__name__} works in chunks that fit the cache and fills the machine"
    if specs[0].train.batch_order == "torch":
        return "batches in PyTorch's order follow each model's own draws"
    reasons = []
    if len(specs) > 1:
        alone = sum(pack_cost([spec], machine).seconds for spec in specs)
        reasons.append(f"one by one would take {alone / whole.seconds:.1f} times as long")
        if has_own_batches(specs):
            reasons.append("each member has its own batches")
    if needs_equal_shapes(specs[0]):
        reasons.append(f"only equal shapes together: {needs_equal_shapes(specs[0])}")
    if not after or program_key(specs[0]) != program_key(after[0]):
        last = "nothing else" if len(specs) == 1 else "nothing further"
        reasons.append(f"{last} shares its program")
        return "; ".join(reasons)
    both = [*specs, *after]
    load = load_of(both, own=has_own_batches(both))
    joined = cost([model_of(spec) for spec in both], load, machine)
    together = all_seconds([Pack(tuple(both))], machine)
    apart = all_seconds([Pack(tuple(specs)), Pack(tuple(after))], machine)
    if joined.memory > SHARE * machine.memory:
        reasons.append(f"joined with the next pack it would need {joined.memory / 2**30:.1f} GiB")
    else:
        slower = f"{together / apart:.2f} times the time of both"
        reasons.append(f"joined with the next pack it would take {slower}")
    return "; ".join(reasons)
